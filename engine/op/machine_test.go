package op_test

import (
	"math"
	"testing"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"palladio/engine"
	"palladio/engine/op"
)

// TestOnTheMachine runs every row of the table, with its gradients, on the machine and the CPU, and compares with the reference.
func TestOnTheMachine(t *testing.T) {
	for _, c := range []struct {
		of        tensor.Dtype
		tolerance float64
	}{{tensor.Float64, 1e-9}, {tensor.Float32, 5e-5}} {
		cases, err := op.MachineCases(c.of)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range cases {
			opts := []engine.Option{engine.Seed(m.Seed), engine.Outputs(m.Results...), engine.Threads(2)}
			if !m.Training {
				opts = append(opts, engine.Inference())
			}
			vm := engine.New(m.Graph, opts...)
			vm.SetStep(m.Step)
			if err := vm.RunAll(); err != nil {
				t.Errorf("%v %s: %v", c.of, m.Name, err)
				continue
			}
			for i, n := range m.Results {
				compare(t, c.of, m.Name, i, floats(t, n), m.Want[i], c.tolerance)
			}
			if err := vm.Close(); err != nil {
				t.Errorf("%v %s: %v", c.of, m.Name, err)
			}
		}
	}
}

// floats reads a node's value.
func floats(t *testing.T, n *gorgonia.Node) []float64 {
	switch v := n.Value().Data().(type) {
	case float32:
		return []float64{float64(v)}
	case float64:
		return []float64{v}
	case []float32:
		return convert(v)
	case []float64:
		return v
	case []int64:
		return convert(v)
	}
	t.Fatalf("%s has a value of type %T", n.Name(), n.Value().Data())
	return nil
}

func convert[T float32 | int64](v []T) []float64 {
	w := make([]float64, len(v))
	for i := range v {
		w[i] = float64(v[i])
	}
	return w
}

func compare(t *testing.T, of tensor.Dtype, name string, result int, got, want []float64, tolerance float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%v %s: result %d has %d elements, want %d", of, name, result, len(got), len(want))
		return
	}
	scale := 1.0
	for _, w := range want {
		scale = max(scale, math.Abs(w))
	}
	for i := range got {
		if !(math.Abs(got[i]-want[i]) <= tolerance*scale) {
			t.Errorf("%v %s: result %d, element %d is %v, want %v", of, name, result, i, got[i], want[i])
			return
		}
	}
}
