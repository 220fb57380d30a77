package vision

import (
	"testing"

	"gorgonia.org/gorgonia"

	"palladio/engine/nn"
	"palladio/engine/op"
)

// BenchmarkBuild measures how long a training graph takes to build, initial values included or not.
func BenchmarkBuild(b *testing.B) {
	net := ResNet20(10)
	build := func(params *nn.Params) int {
		k := params.Build(gorgonia.NewGraph())
		cost := k.CrossEntropy(net.Forward(k, k.Input("x", 8, 32, 32, 3)), k.Labels("y", 8), op.CrossEntropyOptions{})
		if _, err := nn.NewOptimizer(k, cost, nn.AdamW(0)); err != nil {
			b.Fatal(err)
		}
		return len(k.Graph().AllNodes())
	}
	b.Run("fresh", func(b *testing.B) {
		for b.Loop() {
			build(nn.NewParams(1))
		}
	})
	b.Run("again", func(b *testing.B) {
		params := nn.NewParams(1)
		nodes := build(params)
		for b.Loop() {
			build(params)
		}
		b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/float64(nodes), "µs/node")
	})
}
