// Package space says what a search may choose: typed parameters, nested and conditional, under hard constraints.
//
// A Space proposes feasible Candidates only: it samples, mutates, crosses, lists neighbours and enumerates. A Candidate is an immutable
// value with a canonical JSON text and a hash. All randomness comes from the caller's generator, so equal generators propose
// equal candidates. The package knows nothing of what a candidate means, how it is judged or who asks.
package space
