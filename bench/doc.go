// Package bench measures Palladio against its rivals and against the machine's own peak.
//
// A suite is a list of workloads; a contender runs a workload and says how long one call took. Contenders take turns over several
// rounds in one process' lifetime, so that a drift of the machine's speed hits all of them; the median over the rounds is reported
// with its spread, and every contender's checksum must agree before its time counts. Rivals are programs in bench/peers that answer one request a line.
//
// The result is JSON (bench/results), with the machine's fingerprint and the bars that the run was held against. A bar is
// a ratio within the run, never an absolute time.
package bench
