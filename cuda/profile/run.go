package profile

import (
	"context"
	"fmt"

	"palladio/cuda"
	"palladio/cuda/sim"
	"palladio/kernels"
	"palladio/kernels/devicetest"
)

// Report is the profile of one call of a kernel.
type Report struct {
	Kernel   string         `json:"kernel"`
	Device   string         `json:"device"`
	Cost     kernels.Cost   `json:"cost"`
	Seconds  float64        `json:"seconds"` // of all launches, by the model
	Launches []*sim.Profile `json:"launches"`
}

// Options say how a kernel is profiled.
type Options struct {
	Device string    // such as "sim:h100"
	Chip   *sim.Chip // simulated under the name Device; nil is the chip that Device names
	Blocks int       // most blocks of a launch that are executed; 0 is all of them. The results are then incomplete, and the counts scaled up
}

// sampledFLOPs is the work from which AutoBlocks takes a sample.
const sampledFLOPs = 20e9

// AutoBlocks is a bound on the blocks that keeps the time to profile a kernel to some tens of seconds: 0, no bound, for kernels of
// moderate size.
func AutoBlocks(k kernels.Kernel) int {
	c := k.Cost()
	if float64(c.FLOPs) < sampledFLOPs && c.Bytes() < 4<<30 {
		return 0
	}
	return 264
}

// Run runs one call of the case's kernel on the simulated GPU.
func Run(ctx context.Context, c kernels.Case, o Options) (*Report, error) {
	if err := c.Kernel.Validate(); err != nil {
		return nil, err
	}
	dev, err := o.open()
	if err != nil {
		return nil, err
	}
	defer dev.Close()
	r := &Report{Kernel: c.Kernel.String(), Device: dev.Name(), Cost: c.Kernel.Cost()}
	if err := call(ctx, dev, c); err != nil {
		return nil, fmt.Errorf("%s on %s: %w", c.Kernel, dev.Name(), err)
	}
	r.Launches = dev.Simulator().Profiles()
	for _, l := range r.Launches {
		r.Seconds += l.Timing.Seconds
	}
	return r, nil
}

func (o Options) open() (*cuda.Device, error) {
	s := sim.Options{Profile: true, Sample: o.Blocks}
	if o.Chip != nil {
		return cuda.Simulate(o.Device, o.Chip, s)
	}
	return cuda.OpenSimulated(o.Device, s)
}

// call runs the kernel once.
func call(ctx context.Context, dev kernels.Device, c kernels.Case) error {
	exec, err := dev.Prepare(c.Kernel)
	if err != nil {
		return err
	}
	var args []kernels.Arg
	var held []kernels.Memory
	defer func() {
		for _, m := range held {
			m.Free() // the device is closed next
		}
	}()
	alloc := func(bytes int) (kernels.Memory, error) {
		m, err := dev.Alloc(max(bytes, 1))
		if err == nil {
			held = append(held, m)
		}
		return m, err
	}
	for _, o := range c.Kernel.Operands() {
		m, err := alloc(o.Bytes())
		if err != nil {
			return err
		}
		if o.Dir != kernels.Out && o.Bytes() > 0 {
			if err := upload(m, c, o); err != nil {
				return err
			}
		}
		args = append(args, m.Arg(0, o.Bytes()))
	}
	work, err := alloc(exec.Workspace())
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := exec.Run(args, work.Arg(0, exec.Workspace())); err != nil {
		return err
	}
	return dev.Sync()
}

// Of makes a case of a kernel with inputs that suit arithmetic, and labels that name classes.
func Of(k kernels.Kernel) kernels.Case {
	c := kernels.Case{Name: k.String(), Kernel: k}
	loss, ok := k.(kernels.CrossEntropy)
	if b, backward := k.(kernels.CrossEntropyBackward); backward {
		loss, ok = b.Of, true
	}
	if ok {
		c.Inputs = map[string]kernels.Fill{"labels": {Kind: kernels.Ints, Hi: float64(loss.C)}}
	}
	return c
}

// distinctElements is how much of a large operand is drawn; it repeats after that, as no profile depends on it.
const distinctElements = 1 << 20

// upload fills an operand.
func upload(m kernels.Memory, c kernels.Case, o kernels.Operand) error {
	part := o
	if o.Elems() > distinctElements {
		part.Shape = []int{distinctElements}
	}
	data, err := devicetest.Input(c.Name, part, c.Inputs[o.Name])
	if err != nil {
		return err
	}
	for off := 0; off < o.Bytes(); off += len(data) {
		if err := m.Upload(off, data[:min(len(data), o.Bytes()-off)]); err != nil {
			return err
		}
	}
	return nil
}
