// Package op gives every kernel as an operator of gorgonia graphs, with its symbolic gradient.
//
// An operator here says how to infer its output's shape, how to differentiate itself (gorgonia.SDOp) and which kernel calls
// it becomes (Operator.Lower); the machine in package engine collects those calls, plans them and runs them. The
// operators have no Do of their own: gorgonia's tape machine cannot run them, engine.New can.
//
// Feature maps are channels-last ([N, H, W, C]); ToNHWC and ToNCHW convert at the borders.
package op
