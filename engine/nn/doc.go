// Package nn builds networks: layers and blocks with named parameters, initialisers, losses, optimisers, schedules, checkpoints and summaries.
//
// A network is a Module, which adds its nodes to a gorgonia graph through a Builder. The parameters live in Params, apart from any graph: a
// training graph and inference graphs of other batch sizes, built from the same Params, share the same memory.
//
//	params := nn.NewParams(seed)
//	b := params.Build(gorgonia.NewGraph())
//	x, labels := b.Input("x", batch, 28, 28, 1), b.Labels("labels", batch)
//	cost := b.CrossEntropy(net.Forward(b, x), labels, op.CrossEntropyOptions{})
//	opt, err := nn.NewOptimizer(b, cost, nn.AdamW(0.01))
//	vm := engine.New(b.Graph(), engine.WithUpdate(opt))
//	for … { opt.Step(schedule(i)); vm.RunAll() }
//
// Feature maps are channels-last. Errors of building stick to the Builder: check b.Err once, or let NewOptimizer do it.
//
// The package must never import the machine: it only describes what is to be computed.
package nn
