// Package engine is the machine: a gorgonia.VM that compiles an expression graph into a plan, an ordered list of kernel calls over
// planned buffers, and runs it on a kernels.Device.
//
//	vm := engine.New(g, engine.On("cpu:avx512"))   // where gorgonia.NewTapeMachine(g) stood
//	defer vm.Close()
//	err := vm.RunAll()                             // compile errors come from here, too
//
// # What comes in
//
// A graph whose variables have values (WithValue, Let), with gorgonia.Grad done if it is to be trained. Built-in operators of gorgonia
// v0.9.18 become kernel calls where a kernel fits and run through their own Do on the host where none does;
// operators of package engine/op say themselves what they become. Values that the user binds are read, and updated, in place
// where they are dense and contiguous; others are copied in before each run.
//
// # What comes out
//
// After RunAll these nodes have values: the graph's roots, the gradients of variables (Node.Grad), the costs that were
// differentiated, nodes with a name of their own (gorgonia.WithName), targets of gorgonia.Read, and the nodes given
// to Keep. Outputs replaces that list. All other results live in an arena where they overwrite each other as soon as they are
// no longer needed; KeepAll gives each node memory of its own. A kept value is overwritten by the next run.
//
// # Switch
//
// A graph may hold op.Switch operators, whose selectors are variables. Each run computes only what the chosen branches need, forward and
// backward; the gradients of the others are absent: they are never computed, sums leave them out, an optimiser in the plan (WithUpdate)
// leaves their parameters alone, and Node.Grad of such a parameter shows zeros. Plans are cached for each assignment of the selectors.
//
// # Stages
//
// Lowering (graph.go, lowering.go, builtin_*.go) turns nodes into calls. Passes (fold.go, cse.go, views.go, foldnorm.go, epilogue.go,
// fuse.go, recompute.go; optimise.go has their order) rewrite the list of calls. For each assignment of the graph's Switch selectors, path.go picks the calls that run, buffers.go
// places their results, and the list of prepared calls is cached.
//
// The package must never compute: but for gradients that accumulate over runs (dual.go), all arithmetic is the device's or, for operators
// without a kernel, gorgonia's.
package engine
