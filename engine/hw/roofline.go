package hw

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"palladio/kernels"
)

// Units of the models. A bare float never crosses the package's face.
type (
	Seconds    float64
	FLOPRate   float64 // operations a second
	ByteRate   float64 // bytes a second
	Efficiency float64 // share of the peak that is reached, in (0, 1]
)

// Duration is s as a time.Duration.
func (s Seconds) Duration() time.Duration { return time.Duration(float64(s) * float64(time.Second)) }

// Machine describes a processor for the roofline model.
type Machine struct {
	Name      string   `json:"name"`
	F32       FLOPRate `json:"f32_flop_per_s"`
	F64       FLOPRate `json:"f64_flop_per_s"`
	Bandwidth ByteRate `json:"bytes_per_s"` // to and from memory
	Overhead  Seconds  `json:"overhead_s"`  // of a call
	// Reached is the share of the arithmetic peak that a kernel family reaches; families that are not named reach all of it.
	Reached map[string]Efficiency `json:"reached,omitempty"`
	Source  string                `json:"source"` // where the figures are from
}

// Validate says which figure cannot be.
func (m Machine) Validate() error {
	for _, f := range []struct {
		name  string
		value float64
		zero  bool
	}{{"f32 peak", float64(m.F32), false}, {"f64 peak", float64(m.F64), false}, {"bandwidth", float64(m.Bandwidth), false}, {"overhead of a call", float64(m.Overhead), true}} {
		if math.IsNaN(f.value) || math.IsInf(f.value, 0) || f.value < 0 || f.value == 0 && !f.zero {
			return fmt.Errorf("machine %q: %s is %v: want a positive number", m.Name, f.name, f.value)
		}
	}
	for family, e := range m.Reached {
		if !(e > 0 && e <= 1) {
			return fmt.Errorf("machine %q: %s reaches %v of the peak: want a share in (0, 1]", m.Name, family, e)
		}
	}
	return nil
}

// Bound is the resource that limits a call.
type Bound string

// The bounds of the roofline.
const (
	Compute  Bound = "compute"
	Memory   Bound = "memory"
	Overhead Bound = "overhead"
)

// CallPrice is the price of one call.
type CallPrice struct {
	Kernel  kernels.Kernel
	Cost    kernels.Cost
	Time    Seconds // with the overhead
	Compute Seconds // arithmetic alone
	Memory  Seconds // traffic alone
	Bound   Bound
}

// Price is the price of a list of calls, one after the other.
type Price struct {
	Machine string
	Latency Seconds
	Cost    kernels.Cost
	Busy    map[Bound]Seconds // how the latency divides by what bounds each call
	Calls   []CallPrice
}

// Price applies the roofline (Williams, Waterman, Patterson: Roofline, CACM 2009) to each call,
//
//	time = max(operations / (peak · reached), bytes / bandwidth) + overhead,
//
// and adds the times up. The traffic is the kernel's compulsory one: each operand crosses memory once.
func (m Machine) Price(calls []kernels.Kernel) (Price, error) {
	if err := m.Validate(); err != nil {
		return Price{}, err
	}
	p := Price{Machine: m.Name, Busy: map[Bound]Seconds{}, Calls: make([]CallPrice, 0, len(calls))}
	for _, k := range calls {
		c := m.call(k)
		p.Calls = append(p.Calls, c)
		p.Latency += c.Time
		p.Cost = p.Cost.Add(c.Cost)
		p.Busy[c.Bound] += c.Time
	}
	return p, nil
}

func (m Machine) call(k kernels.Kernel) CallPrice {
	c := CallPrice{Kernel: k, Cost: k.Cost()}
	peak := m.F32
	if slices.ContainsFunc(k.Operands(), func(o kernels.Operand) bool { return o.Type == kernels.F64 }) {
		peak = m.F64
	}
	if e, ok := m.Reached[k.Family()]; ok {
		peak *= FLOPRate(e)
	}
	c.Compute = Seconds(float64(c.Cost.FLOPs) / float64(peak))
	c.Memory = Seconds(float64(c.Cost.Bytes()) / float64(m.Bandwidth))
	work := max(c.Compute, c.Memory)
	c.Time = work + m.Overhead
	switch {
	case m.Overhead > work:
		c.Bound = Overhead
	case c.Memory > c.Compute:
		c.Bound = Memory
	default:
		c.Bound = Compute
	}
	return c
}

// Ridge is the arithmetic intensity (operations a byte) above which single-precision work is bound by arithmetic.
func (m Machine) Ridge() float64 { return float64(m.F32) / float64(m.Bandwidth) }

// String is one line, such as "120 µs on this CPU: compute 71 %, memory 22 %, overhead 7 %".
func (p Price) String() string {
	var parts []string
	for _, b := range []Bound{Compute, Memory, Overhead} {
		if share := 100 * float64(p.Busy[b]) / float64(p.Latency); share >= 0.5 {
			parts = append(parts, fmt.Sprintf("%s %.0f %%", b, share))
		}
	}
	return fmt.Sprintf("%v on %s: %s", p.Latency.Duration().Round(10*time.Nanosecond), p.Machine, strings.Join(parts, ", "))
}
