// Package search runs studies: a Strategy proposes candidates of a space.Space, an Evaluator measures them, a ledger keeps every step.
//
// A strategy never knows the evaluator, nor the reverse: between them stand a candidate, its metrics, and the Goals that turn metrics into
// costs. Study.Run is the loop: it asks, makes the trial durable, has it evaluated, and tells; killed at any moment and run again it
// goes on where the ledger ends.
//
// # The same study for any number of workers
//
// The schedule depends on trial numbers only. Trial n is proposed when the results of trials 0 … n-Lag, and no others, have
// been told, in that order; randomness comes from one substream a trial; early stopping compares trial n with the trials 0 … n-Lag. So
// up to Lag workers share a study and leave the same ledger as one worker does. A larger lag keeps more workers busy and
// lets each proposal know less.
//
// The package must never import a domain (vision, language, …): domains register their problems here.
package search
