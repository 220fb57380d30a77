package cuda

import (
	"errors"
	"fmt"
	"time"

	"palladio/cuda/sim"
	"palladio/kernels"
)

// Rates are what a GPU was measured to reach with this package's own kernels. What it has no kernel for is 0.
type Rates struct {
	Copy float64 `json:"copy_bytes_per_s"` // of device memory, read and written
	F32  float64 `json:"f32_flop_per_s"`   // matrix products of 4096 × 4096
	TF32 float64 `json:"tf32_flop_per_s"`
	BF16 float64 `json:"bf16_flop_per_s"`
	F16  float64 `json:"f16_flop_per_s"`
}

// Measure measures the rates of a GPU. It takes a second and 600 MB of the GPU's memory; on a simulated GPU it takes hours, and the figures of its data sheet
// are better asked for.
func (d *Device) Measure() (Rates, error) { return d.measure(64<<20, 4096) }

// measure copies n floats and multiplies square matrices of a side.
func (d *Device) measure(n, side int) (r Rates, err error) {
	stream := kernels.Stream{Op: kernels.StreamCopy, Type: kernels.F32, N: n}
	took, err := d.fastest(stream)
	if err != nil {
		return r, err
	}
	r.Copy = float64(stream.Cost().Bytes()) / took.Seconds()
	for _, p := range []struct {
		rate *float64
		typ  kernels.DType
		tf32 bool
	}{{&r.F32, kernels.F32, false}, {&r.TF32, kernels.F32, true}, {&r.BF16, kernels.BF16, false}, {&r.F16, kernels.F16, false}} {
		k := kernels.NewGEMM(p.typ, 1, side, side, side, false, true)
		k.TF32 = p.tf32
		took, err := d.fastest(k)
		if errors.Is(err, kernels.ErrUnsupported) {
			continue
		}
		if err != nil {
			return r, err
		}
		*p.rate = float64(k.Cost().FLOPs) / took.Seconds()
	}
	return r, nil
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
	for i := range 6 {
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
