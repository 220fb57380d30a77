package cuda

import (
	"encoding/binary"
	"math"
	"testing"

	"palladio/cuda/sim"
	"palladio/kernels"
)

// TestMeasure measures a simulated GPU on small operands: products stay below the peaks, peaks below those of its data sheet (copies of operands that L2
// keeps: below what L2 moves), and not by orders of magnitude.
func TestMeasure(t *testing.T) {
	d := open(t, "sim:l4")
	r, err := d.measure(1<<20, 32, 256)
	check(t, err)
	chip, err := sim.ChipNamed("l4")
	check(t, err)
	for name, published := range map[string]float64{"f32": chip.Peak("f32"), "tf32": chip.Peak("tensor tf32"), "bf16": chip.Peak("tensor bf16"), "f16": chip.Peak("tensor f16")} {
		product, peak := *r.Products.Of(name), *r.Peaks.Of(name)
		if product < 1e11 || product > peak {
			t.Errorf("products of %s reach %.3g FLOP/s, the peak is %.3g", name, product, peak)
		}
		if peak < published/2 || peak > published {
			t.Errorf("multiply-adds of %s reach %.3g FLOP/s, the data sheet has %.3g", name, peak, published)
		}
	}
	if r.Copy < 1e11 || r.Copy > 1e13 {
		t.Errorf("copies reach %.3g bytes/s", r.Copy)
	}
	if s, err := d.Statistics(); err != nil || s.Held != 0 {
		t.Errorf("a measurement leaves %d bytes (%v)", s.Held, err)
	}
}

// TestPeakComputes holds the peaks' sums against their formula: what is counted as work is done.
func TestPeakComputes(t *testing.T) {
	d := open(t, "sim:h100")
	for _, p := range []peak{{"f32", 1, 3}, {"tf32", 1, 3}, {"bf16", 1, 3}, {"f16", 1, 3}} {
		e, err := d.Prepare(p)
		check(t, err)
		n := p.Operands()[0].Bytes()
		m, err := d.Alloc(n)
		check(t, err)
		check(t, e.Run([]kernels.Arg{m.Arg(0, n)}, kernels.Arg{}))
		out := make([]byte, n)
		check(t, m.Download(0, out))
		want := p.sums()
		for i := range n / 4 {
			got := float64(math.Float32frombits(binary.LittleEndian.Uint32(out[4*i:])))
			if math.Abs(got-want[i%32]) > 1e-4*want[i%32] {
				t.Fatalf("%v: thread %d has the sum %v, want %v", p, i, got, want[i%32])
			}
		}
		check(t, m.Free())
	}
}

// sums is what each lane of a warp has in the end.
func (p peak) sums() (want [32]float64) {
	for l := range want {
		if p.precision != "f32" {
			want[l] = 8 * float64(p.steps) * p.product(l)
			continue
		}
		part := 1 + float64(l)/64
		for i := range 32 {
			x := part + float64(i)
			for range p.steps {
				x = x*0.999 + part
			}
			want[l] += x
		}
	}
	return want
}

// product is the sum of a lane's four results of one product. All factors are 1 or, where the lane that holds them has a bit set, 1.5; kernels/include/mma.cuh
// has the layout.
func (p peak) product(lane int) (sum float64) {
	perRegister, factor := 2, func(lane, bit int) float64 { return 1 + 0.5*float64(lane>>bit&1) }
	if p.precision == "tf32" {
		perRegister = 1
	}
	for i := range 4 {
		row, column := lane/4+8*(i>>1), 2*(lane%4)+i&1
		for k := range 8 * perRegister {
			t, upper := k/perRegister%4, k/(4*perRegister)
			a := factor(row%8*4+t, row/8+2*upper)
			b := factor(column*4+t, 3+upper)
			sum += a * b
		}
	}
	return sum
}
