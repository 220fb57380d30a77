package cuda

import (
	"errors"
	"fmt"
	"time"

	"palladio/cuda/sim"
	"palladio/kernels"
)

// Rates are what a GPU was measured to reach. What it has no kernel for is 0.
type Rates struct {
	Copy     float64     `json:"copy_bytes_per_s"`             // of device memory, read and written
	Peaks    ByPrecision `json:"peaks_flop_per_s"`             // multiply-adds on registers: FMA of f32, mma.sync of the others
	Products ByPrecision `json:"products_flop_per_s,omitzero"` // matrix products of 4096 × 4096
}

// ByPrecision is a figure for each precision of the factors; the sums are f32 in all of them.
type ByPrecision struct {
	F32  float64 `json:"f32"`
	TF32 float64 `json:"tf32"`
	BF16 float64 `json:"bf16"`
	F16  float64 `json:"f16"`
}

// precision is one of ByPrecision: the type of the factors in memory, and whether they are rounded to TF32.
type precision struct {
	name string
	typ  kernels.DType
	tf32 bool
}

var precisions = []precision{{"f32", kernels.F32, false}, {"tf32", kernels.F32, true}, {"bf16", kernels.BF16, false}, {"f16", kernels.F16, false}}

// Of is the figure of a precision by its name, nil if there is none.
func (b *ByPrecision) Of(name string) *float64 {
	return map[string]*float64{"f32": &b.F32, "tf32": &b.TF32, "bf16": &b.BF16, "f16": &b.F16}[name]
}

// Measure measures all rates of a GPU. It takes a second and 600 MB of the GPU's memory; on a simulated GPU it takes hours, and the figures of its data sheet
// are better asked for.
func (d *Device) Measure() (Rates, error) { return d.measure(copied, peakSteps, 4096) }

// MeasurePeaks measures the rates of a GPU but for the matrix products; on a simulated GPU that, too, takes long.
func (d *Device) MeasurePeaks() (Rates, error) { return d.measure(copied, peakSteps, 0) }

const (
	copied    = 64 << 20 // floats: more than fit any second-level cache
	peakSteps = 1 << 13  // about a millisecond
)

// measure copies n floats, does some steps of the peaks, and multiplies square matrices of a side, if it is not 0.
func (d *Device) measure(n, steps, side int) (r Rates, err error) {
	stream := kernels.Stream{Op: kernels.StreamCopy, Type: kernels.F32, N: n}
	took, err := d.fastest(stream)
	if err != nil {
		return r, err
	}
	r.Copy = float64(stream.Cost().Bytes()) / took.Seconds()
	for _, p := range precisions {
		if *r.Peaks.Of(p.name), err = d.rate(peak{p.name, d.info.SMs * peakBlocks, steps}); err != nil {
			return r, err
		}
		if side == 0 {
			continue
		}
		k := kernels.NewGEMM(p.typ, 1, side, side, side, false, true)
		k.TF32 = p.tf32
		if *r.Products.Of(p.name), err = d.rate(k); err != nil {
			return r, err
		}
	}
	return r, nil
}

// rate is the operations a second of the fastest of some runs of a kernel; 0 where the device has no such kernel.
func (d *Device) rate(k kernels.Kernel) (float64, error) {
	took, err := d.fastest(k)
	if errors.Is(err, kernels.ErrUnsupported) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return float64(k.Cost().FLOPs) / took.Seconds(), nil
}

// fastest is the time of the fastest of some runs of a kernel on random numbers, after one that loads what it needs.
func (d *Device) fastest(k kernels.Kernel) (best time.Duration, err error) {
	e, err := d.Prepare(k)
	if err != nil {
		return 0, err
	}
	var blocks []kernels.Memory
	defer func() {
		for _, m := range blocks {
			err = errors.Join(err, m.Free())
		}
	}()
	alloc := func(bytes int, label string) (kernels.Memory, error) {
		m, err := d.AllocLabelled(bytes, label)
		if err == nil {
			blocks = append(blocks, m)
		}
		return m, err
	}
	var args []kernels.Arg
	for _, o := range k.Operands() {
		m, err := alloc(o.Bytes(), "operand of a measurement")
		if err != nil {
			return 0, err
		}
		if err := m.Upload(0, numbers(o.Bytes(), o.Type)); err != nil {
			return 0, err
		}
		args = append(args, m.Arg(0, o.Bytes()))
	}
	var workspace kernels.Arg
	if n := e.Workspace(); n > 0 {
		m, err := alloc(n, "workspace of a measurement")
		if err != nil {
			return 0, err
		}
		workspace = m.Arg(0, n)
	}
	run := func() error { return e.Run(args, workspace) }
	runs := 6
	if d.info.Simulated { // the model says the same each time
		runs = 2
	}
	for i := range runs {
		took, err := d.Time(run)
		if err != nil {
			return 0, err
		}
		if i > 0 && (best == 0 || took < best) {
			best = took
		}
	}
	if best <= 0 {
		return 0, fmt.Errorf("%s: %s: the device's clock says that it took no time", d.name, k)
	}
	return best, nil
}

// numbers is n bytes of numbers of about 1 and of either sign: products of zeros would draw less power, and run faster.
func numbers(n int, t kernels.DType) []byte {
	b := make([]byte, n)
	state := uint32(1)
	for i := 0; i+t.Size() <= n; i += t.Size() {
		state = state*1664525 + 1013904223 // Numerical Recipes, section 7.1
		top := b[i+t.Size()-2 : i+t.Size()]
		top[0], top[1] = byte(state>>16)&0x7f, byte(state>>31)<<7|0x3f // the sign and the leading bits of a float of any size: 0.5 to 2
		if t == kernels.F16 {
			top[1] = byte(state>>31)<<7 | 0x3a
		}
	}
	return b
}

func describeChip(name string, c *sim.Chip) Info {
	return Info{Name: name, Model: c.Title, Driver: "simulator", Simulated: true, Capability: c.Capability, SMs: c.SMs, Memory: c.MemoryBytes, Shared: c.SharedBlock}
}
