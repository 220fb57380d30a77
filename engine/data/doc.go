// Package data reads real data sets and serves them as batches.
//
// Readers (IDX, CIFAR binary, image folders, NumPy arrays, CSV) turn files into Images or arrays; Open finds a named set in the cache,
// in an installed package or on the network, checked by SHA-256; a Loader shuffles, augments and prefetches batches,
// the same for a given seed and epoch whatever the number of goroutines. One real set, fashion10k, is embedded in the binary.
//
// Every reader takes files from strangers: sizes are checked against limits before memory is reserved, and an error names the file,
// what was found and what was expected. This package knows nothing of graphs or devices and must never import them.
package data
