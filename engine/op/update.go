package op

import "gorgonia.org/gorgonia"

// Updater is work that a training plan does once the gradients are there, such as an optimiser's step. It has no part in
// inference plans.
type Updater interface {
	// Nodes lists what the update reads and changes: parameters, gradients, optimiser state, learning rate. Those that
	// the update changes are variables of the graph with bound values.
	Nodes() gorgonia.Nodes
	// Update emits the calls; In(i) is node i of Nodes, and there is no Out. Nodes passed as InOut operands are updated in
	// place, after every other reader of the same step.
	Update(l Lowering) error
}
