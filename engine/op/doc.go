// Package op gives every kernel as an operator of gorgonia graphs, with its symbolic gradient.
//
// An operator here says how to infer its output's shape, how to differentiate itself (gorgonia.SDOp) and which kernel calls
// it becomes (Operator.Lower); the machine in package engine collects those calls, plans them and runs them. The
// operators have no Do of their own: gorgonia's tape machine cannot run them, engine.New can.
//
// Types and shapes are checked when the graph is built, and errors say what was given and what is allowed. Gradients are operators again, so they
// can be differentiated once more; Grad does that, where gorgonia.Grad cannot. Element-wise functions, derivatives of any order among them, are chains of
// operations (Chain) that differentiate themselves.
//
// Feature maps are channels-last ([N, H, W, C]); ToNHWC and ToNCHW convert at the borders.
//
// The package must never compute: tests evaluate its graphs with the reference or the machine.
package op
