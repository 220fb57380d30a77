// Package vision holds image classifiers, the loop that trains them on a data set, and the evaluator through which a search trains its candidates.
//
// Data comes from engine/data as bytes, networks are engine/nn modules, and everything runs on the machine of package engine. The package
// must never know of a search strategy.
package vision
