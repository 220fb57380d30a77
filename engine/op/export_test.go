package op

import (
	"fmt"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"palladio/kernels"
)

// MachineCase is a row of the table as a graph with bound values, for a test outside the package that runs it on the machine.
type MachineCase struct {
	Name     string
	Graph    *gorgonia.ExprGraph
	Results  gorgonia.Nodes // the value and the gradients
	Want     [][]float64    // by the evaluator, in float64
	Training bool
	Seed     uint64 // of the random counter, and its step
	Step     uint64
}

// MachineCases makes the table's graphs with inputs of a floating-point type.
func MachineCases(of tensor.Dtype) ([]MachineCase, error) {
	var out []MachineCase
	for i, c := range cases() {
		m, err := c.machineCase(of)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", c.ops, err)
		}
		m.Name = fmt.Sprintf("%d %s", i, c.ops)
		out = append(out, m)
	}
	return out, nil
}

func (c opCase) machineCase(of tensor.Dtype) (MachineCase, error) {
	m := MachineCase{Training: !c.inference, Seed: 42, Step: 7}
	exact, err := c.instantiate(tensor.Float64)
	if err != nil {
		return m, err
	}
	n, err := c.instantiate(of)
	if err != nil {
		return m, err
	}
	m.Graph, m.Results = n.g, gorgonia.Nodes{n.y}
	want := gorgonia.Nodes{exact.y}
	if !c.flat && m.Training { // inference plans have no gradients
		for k, i := range []*instance{exact, n} {
			_, free := c.free(i)
			ds, err := Grad(i.cost, free...)
			if err != nil {
				return m, err
			}
			if k == 0 {
				want = append(want, ds...)
			} else {
				m.Results = append(m.Results, ds...)
			}
		}
	}
	values := map[*gorgonia.Node][]byte{}
	for k, b := range exact.values {
		values[k] = append([]byte(nil), b...)
	}
	e := newEvaluator(m.Training, values)
	for _, w := range want {
		t, err := e.eval(w)
		if err != nil {
			return m, err
		}
		m.Want = append(m.Want, readFloats(t.Type, e.tensors[t.ID]))
	}
	for x, b := range n.values {
		if err := gorgonia.Let(x, bound(x, b)); err != nil {
			return m, err
		}
	}
	return m, nil
}

// readFloats reads a tensor as float64.
func readFloats(t kernels.DType, a kernels.Arg) []float64 {
	var v []float64
	if t == kernels.I64 {
		for _, x := range kernels.Slice[int64](a) {
			v = append(v, float64(x))
		}
		return v
	}
	return append(v, kernels.Slice[float64](a)...)
}

// bound is an input's value as gorgonia wants it.
func bound(x *gorgonia.Node, b []byte) gorgonia.Value {
	a := kernels.Arg{Host: b}
	var data any
	switch x.Dtype() {
	case tensor.Float32:
		data = kernels.Slice[float32](a)
	case tensor.Int64:
		data = kernels.Slice[int64](a)
	default:
		data = kernels.Slice[float64](a)
	}
	if x.Dims() > 0 {
		return tensor.New(tensor.WithShape(x.Shape()...), tensor.WithBacking(data))
	}
	if v, ok := data.([]float32); ok {
		return gorgonia.NewF32(v[0])
	}
	return gorgonia.NewF64(data.([]float64)[0])
}
