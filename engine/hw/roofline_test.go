package hw

import (
	"math"
	"strings"
	"testing"

	"palladio/kernels"
)

var toy = Machine{Name: "toy", F32: 100, F64: 50, Bandwidth: 10, Overhead: 2}

func relu(t kernels.DType, n int) kernels.Elementwise {
	return kernels.Elementwise{Type: t, Shape: []int{n}, Inputs: []kernels.EltInput{{Type: t, Strides: []int{1}}},
		Code: []kernels.Instr{{Op: kernels.ReLU}}, Outputs: []kernels.EltOutput{{Type: t, Value: 1}}}
}

func TestPrice(t *testing.T) {
	big := relu(kernels.F32, 100) // 100 operations: 1 s; 800 bytes: 80 s
	m := toy
	m.Reached = map[string]Efficiency{"elementwise": 0.01} // 100 operations: 100 s
	for _, c := range []struct {
		name  string
		m     Machine
		k     kernels.Kernel
		want  Seconds
		bound Bound
	}{
		{"memory", toy, big, 82, Memory},
		{"compute", m, big, 102, Compute},
		{"overhead", toy, relu(kernels.F32, 1), 2.8, Overhead},
		{"f64 moves twice the bytes", toy, relu(kernels.F64, 100), 162, Memory},
	} {
		p, err := c.m.Price([]kernels.Kernel{c.k})
		if err != nil {
			t.Fatal(err)
		}
		if math.Abs(float64(p.Latency-c.want)) > 1e-9 || p.Calls[0].Bound != c.bound {
			t.Errorf("%s: %v bound by %s, want %v by %s", c.name, p.Latency, p.Calls[0].Bound, c.want, c.bound)
		}
	}
	p, err := toy.Price([]kernels.Kernel{big, big, relu(kernels.F32, 1)})
	if err != nil {
		t.Fatal(err)
	}
	if math.Abs(float64(p.Latency-(82+82+2.8))) > 1e-9 || p.Busy[Memory] != 164 || p.Cost.FLOPs != 201 {
		t.Errorf("three calls are priced as %+v", p)
	}
	if s := p.String(); !strings.Contains(s, "memory 98 %") || !strings.Contains(s, "on toy") {
		t.Errorf("printed as %q", s)
	}
}

func TestBadMachines(t *testing.T) {
	for _, change := range []func(m *Machine){
		func(m *Machine) { m.F32 = 0 },
		func(m *Machine) { m.Bandwidth = -1 },
		func(m *Machine) { m.F64 = FLOPRate(math.NaN()) },
		func(m *Machine) { m.Overhead = -1 },
		func(m *Machine) { m.Reached = map[string]Efficiency{"gemm": 1.5} },
	} {
		m := toy
		change(&m)
		if _, err := m.Price(nil); err == nil || !strings.Contains(err.Error(), `machine "toy"`) {
			t.Errorf("%+v: got %v", m, err)
		}
	}
}

func TestThisCPU(t *testing.T) {
	m, err := ThisCPU(1)
	if err != nil {
		t.Fatal(err)
	}
	if m.Overhead <= 0 || m.Ridge() <= 0 || m.Name == "" || m.Source == "" {
		t.Errorf("measured as %+v", m)
	}
	if f := TakeFingerprint(); f.CPU == "" || f.Cores < 1 || f.Go == "" || f.Level == "" {
		t.Errorf("fingerprint %+v", f)
	}
}
