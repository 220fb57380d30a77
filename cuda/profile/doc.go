// Package profile runs a kernel of the vocabulary once on a simulated GPU and reports what its launches did and how long the model of the chip
// takes them to last: the table that palladio profile prints.
//
// A kernel comes in as a workload with options, or as a case of the conformance table; it is lowered and launched as on every device. The package
// must never judge results: that is devicetest's affair.
package profile
