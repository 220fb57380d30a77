package bench

import (
	"context"
	"fmt"
	"runtime"
	"time"

	G "gorgonia.org/gorgonia"

	"palladio/fallback"
)

// trainWork is one step of training: forward, backward, SGD with momentum.
type trainWork struct {
	model    string // its name in the rivals' protocol
	batch    int
	gorgonia func(batch int) (*G.ExprGraph, G.Nodes, error) // nil where gorgonia's operators cannot express it
}

func (w trainWork) label() string   { return fmt.Sprintf("%s, batch %d", w.model, w.batch) }
func (w trainWork) request() string { return fmt.Sprintf("train %s %d", w.model, w.batch) }
func (w trainWork) flops() int64    { return 0 }

// trainSteps are the training steps of the suite.
func trainSteps() []workload {
	return []workload{
		trainWork{"simplenet-slim", 128, tapeSimpleNet(slimGenome, 28, 1)},
		trainWork{"simplenet", 128, nil},
		trainWork{"resnet20", 128, nil},
		trainWork{"transformer", 16, nil},
	}
}

// trainSuite is training steps on all cores.
func trainSuite(ctx context.Context, o *Options) ([]Table, []Bar, error) {
	slow := *o
	slow.Budget = max(o.Budget, 2*time.Second)
	slow.Rounds = min(o.Rounds, 3)
	f := field{level: fallback.Detect(), threads: runtime.NumCPU(), rivals: []string{"jax", "pytorch"}}
	if o.Peers {
		f.others = []contender{tapeMachine{}}
	}
	t, err := slow.table(ctx, "Training step", "ms", f, trainSteps())
	if err != nil {
		return nil, nil, err
	}
	bars := []Bar{
		{What: "Training step: geometric mean of the ratio to JAX (jit)", Want: 0.6, Got: geomean(t.ratios("jax"))},
		{What: "Training step: worst ratio to gorgonia's tape machine where that can run it", Want: 20, Got: least(t.ratios("gorgonia"))},
	}
	return []Table{t}, bars, nil
}
