package cuda

import (
	"fmt"
	"strings"

	"palladio/kernels"
)

// crossEntropy is the launches of a CrossEntropy or its gradient.
type crossEntropy struct {
	*lowering
	kernels.CrossEntropy
	p *Program
}

func (l *lowering) newCrossEntropy(k kernels.CrossEntropy) (*crossEntropy, error) {
	if k.C > maxItems {
		return nil, tooLarge(k, "classes")
	}
	e := &crossEntropy{l, k, &Program{}}
	if k.Labels != k.Type {
		e.p.Fault = func(position, value int64) error {
			return fmt.Errorf("%s: label %d of sample %d, want 0 to %d", k, value, position, k.C-1)
		}
	}
	return e, nil
}

func (e *crossEntropy) launch(entry string, blocks, threads int, args ...Slot) {
	module := "loss/crossentropy"
	if strings.HasSuffix(entry, "f16") { // bf16 too; what does not see the logits is with the others
		module = "loss/crossentropy_half"
	}
	e.p.Launches = append(e.p.Launches, Launch{Module: Shipped(module), Entry: "cross_entropy_" + entry,
		Grid: Dim{blocks, 1, 1}, Block: Dim{threads, 1, 1}, Args: args})
}

// targets names what the logits are held against, in entry points, and gives the parameters that say it.
func (e *crossEntropy) targets() (name string, args []Slot) {
	name = "classes"
	if e.Labels == e.Type {
		name = "distributions"
	}
	return name, []Slot{Operand(1), flag(e.Labels == kernels.I64), Int(e.C), Float64(e.Smoothing), flag(e.Ignore), Int(int(e.IgnoreIndex)),
		FaultRecord(), CallNumber()}
}

func (l *lowering) crossEntropy(k kernels.CrossEntropy) (*Program, error) {
	e, err := l.newCrossEntropy(k)
	if err != nil {
		return nil, err
	}
	name, targets := e.targets()
	suffix, size := k.Type.String(), k.Type.Size()
	losses := "f32" // their type
	if k.Type == kernels.F64 {
		losses = "f64"
	}
	blocks := 0 // of the launch that adds losses; the mean of none is 0
	if k.N > 0 {
		args := with(targets, Operand(0), Operand(2), Operand(4))
		if k.Labels != k.Type && l.short(k.N, k.C*max(size, 4), 128) {
			e.launch(name+"_short_"+suffix, ceilDiv(k.N, 256), 256, append([]Slot{Int(k.N)}, args...)...)
		} else if r, ok := l.registerRows(k.C, k.Type, 512, 4); ok {
			e.launch(r.kind(name+"_rows")+"_"+suffix, r.blocks(k.N), r.block, append([]Slot{Int(k.N), Int(r.threads), flag(r.packed)}, args...)...)
		} else {
			kind, _ := l.units(k.C, size)
			e.launch(name+"_long_"+kind+"_"+suffix, k.N, 512, args...)
		}
		blocks = min(ceilDiv(k.N, 1024), 128)
		e.p.Workspace = 2 * blocks * 8
		e.launch("add_"+losses, blocks, 256, with(append([]Slot{Int(k.N)}, targets...), Operand(2), Scratch(0))...)
	}
	e.launch("mean_"+losses, 1, 256, Int(blocks), Scratch(0), Operand(3))
	return e.p, nil
}

func (l *lowering) crossEntropyBackward(b kernels.CrossEntropyBackward) (*Program, error) {
	k := b.Of
	e, err := l.newCrossEntropy(k)
	if err != nil {
		return nil, err
	}
	if k.N == 0 {
		return e.p, nil
	}
	name, targets := e.targets()
	counts, counted := Int(0), 0
	if k.Ignore && !b.PerSample {
		counts, counted = Scratch(0), min(ceilDiv(k.N, 1024), 64)
		e.p.Workspace = 4 * counted
		e.launch("count", counted, 1024, with(append([]Slot{Int(k.N)}, targets...), counts)...)
	}
	kind, unit := l.units(k.C, k.Type.Size())
	threads := 256
	if n := ceilDiv(k.C, unit); n <= 1024 {
		threads = min(powerOfTwo(n), 32)
	}
	blocks := min(ceilDiv(k.N, 256/threads), 32*l.SMs)
	args := append([]Slot{Int(k.N), Int(threads), flag(!b.PerSample), counts, Int(counted)}, targets...)
	e.launch("backward_"+name+"_"+kind+"_"+k.Type.String(), blocks, 256, append(args, Operand(0), Operand(2), Operand(3), Operand(4))...)
	return e.p, nil
}
