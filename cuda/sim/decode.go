package sim

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"palladio/cuda/sim/ptx"
)

// decoder turns an entry point into a program.
type decoder struct {
	module *Module
	prog   *program
	funcs  []*ptx.Func // the entry point and what it may call
	starts map[*ptx.Func]int32
	calls  []pendingCall

	next   uint32 // first free byte of the register file
	consts map[constant]uint32
	values map[paramValue]uint32
	regs   map[*ptx.Func][]uint32 // places of registers, virtual ones until settle
	isWide []bool                 // by virtual register: it has 64 bits
	places []uint32               // by virtual register
	unset  []uint32               // virtual registers that may be read before they are written
	flows  map[*ptx.Func]*flow
	spans  map[*ptx.Func][]codeSpan
	locals map[*ptx.Var]uint64 // offsets in local memory
	shared map[*ptx.Var]uint64 // offsets in shared memory
	params map[*ptx.Var]uint64 // offsets among the parameters of the entry point
	carry  map[*ptx.Func]uint32
	sinks  [3]uint32 // by shape: registers that nobody reads
	seen   map[ptx.Special]uint32
	full   bool                       // the registers pass maxFile
	meant  map[*ptx.Table][]*ptx.Func // functions whose prototype agrees with that of a table
	tried  int                        // functions looked at for calls

	fn      *ptx.Func // that is being decoded
	flow    *flow     // of it
	unknown []string  // instructions that nobody knows
	errs    []error
}

// pendingCall is a call whose targets have no pc yet.
type pendingCall struct {
	at    int // in the code
	fn    *ptx.Func
	instr *ptx.Instr
}

const (
	maxUnknown  = 20      // unknown instructions that an error lists
	maxFile     = 1 << 26 // bytes of a warp's registers
	maxLocal    = 1 << 19 // bytes of a thread's local memory, as on GPUs
	maxReported = 10      // errors of one entry point
	maxTargets  = 1 << 20 // functions that all calls together may reach, or that may be meant
)

// decode makes the program of an entry point.
func decode(m *Module, entry *ptx.Func) (*program, error) {
	d := &decoder{
		module: m,
		prog:   &program{name: entry.Name, entry: entry, maxThreads: product(entry.Perf.MaxThreads), reqThreads: entry.Perf.ReqThreads},
		starts: map[*ptx.Func]int32{}, consts: map[constant]uint32{}, values: map[paramValue]uint32{}, regs: map[*ptx.Func][]uint32{},
		locals: map[*ptx.Var]uint64{}, shared: map[*ptx.Var]uint64{}, params: map[*ptx.Var]uint64{},
		flows: map[*ptx.Func]*flow{}, spans: map[*ptx.Func][]codeSpan{}, carry: map[*ptx.Func]uint32{}, seen: map[ptx.Special]uint32{},
		meant: map[*ptx.Table][]*ptx.Func{},
	}
	if err := d.reach(entry); err != nil {
		return nil, err
	}
	if err := d.allot(); err != nil {
		return nil, err
	}
	for _, f := range d.funcs {
		d.function(f)
	}
	if len(d.errs) == 0 && len(d.unknown) == 0 && !d.full {
		d.settle()
	}
	d.link()
	for i := range d.prog.code {
		in := &d.prog.code[i]
		in.index = int32(i)
		if in.from != nil {
			in.from.index = in.index
		}
	}
	if len(d.unknown) > 0 {
		list := d.unknown
		more := ""
		if len(list) > maxUnknown {
			list, more = list[:maxUnknown], fmt.Sprintf(" and %d more", len(d.unknown)-maxUnknown)
		}
		d.errs = append(d.errs, fmt.Errorf("instructions that the simulator does not know: %s%s", strings.Join(list, ", "), more))
	}
	if len(d.errs) > maxReported {
		d.errs = append(d.errs[:maxReported], fmt.Errorf("and %d more errors", len(d.errs)-maxReported))
	}
	if d.full {
		d.errs = append(d.errs, fmt.Errorf("more than %d bytes of registers and constants a warp", maxFile))
	}
	if err := errors.Join(d.errs...); err != nil {
		return nil, err
	}
	d.prog.fileBytes = d.next + 2*lanes*4
	return d.prog, nil
}

// product is the threads of a block shape; 0 when it is not said. Extents beyond all GPUs are cut, so that it does not overflow.
func product(d [3]int) int {
	const most = 1 << 20
	return min(d[0], most) * min(max(1, d[1]), most) * min(max(1, d[2]), most)
}

// reach finds the functions that the entry point may call, and refuses recursion: parameters and registers have fixed places.
func (d *decoder) reach(entry *ptx.Func) error {
	const (
		open = 1
		done = 2
	)
	state := map[*ptx.Func]int{}
	var visit func(f *ptx.Func, depth int) error
	visit = func(f *ptx.Func, depth int) error {
		if state[f] == done || !f.Defined {
			return nil
		}
		if state[f] == open {
			return fmt.Errorf("function %s calls itself: recursion is not simulated", f.Name)
		}
		if depth > maxDepth {
			return fmt.Errorf("function %s: more than %d calls deep", f.Name, maxDepth)
		}
		state[f] = open
		d.funcs = append(d.funcs, f)
		for i := range f.Body {
			in := &f.Body[i]
			if in.Op != "call" || len(in.Operands) != 4 {
				continue
			}
			callees := d.callees(f, in)
			if d.tried += len(callees); d.tried > maxTargets {
				return fmt.Errorf("PTX line %d: more than %d targets of all calls", in.Line, maxTargets)
			}
			for _, g := range callees {
				if err := visit(g, depth+1); err != nil {
					return err
				}
			}
		}
		state[f] = done
		return nil
	}
	return visit(entry, 0)
}

// callees is the functions that a call may reach.
func (d *decoder) callees(f *ptx.Func, in *ptx.Instr) []*ptx.Func {
	callee, table := in.Operands[1], in.Operands[3]
	if callee.Kind == ptx.Function {
		return []*ptx.Func{callee.Func}
	}
	if table.Kind == ptx.TableName && f.Tables[table.Table].Kind == ptx.CallTargets {
		return f.Tables[table.Table].Funcs
	}
	if table.Kind != ptx.TableName {
		return nil
	}
	proto := &f.Tables[table.Table]
	all, known := d.meant[proto]
	if !known && d.tried <= maxTargets {
		d.tried += len(d.module.ptx.Funcs)
		for _, g := range d.module.ptx.Funcs {
			if !g.Entry && g.Defined && sameShape(g.Params, proto.Params) && sameShape(g.Returns, proto.Returns) {
				all = append(all, g)
			}
		}
		d.meant[proto] = all
	}
	return all
}

// sameShape says whether two lists of parameters have equal sizes.
func sameShape(a, b []*ptx.Var) bool {
	return slices.EqualFunc(a, b, func(x, y *ptx.Var) bool { return x.Size == y.Size && x.Align == y.Align })
}

// function decodes the blocks of a function in their order.
func (d *decoder) function(f *ptx.Func) {
	g := flowOf(f)
	d.fn, d.flow, d.flows[f] = f, g, g
	order := g.order()
	starts := make([]int32, len(g.blocks)+1)
	preds := make([]int, len(g.blocks))
	for _, b := range order {
		for _, s := range g.blocks[b].next {
			preds[s]++
		}
	}
	first := int32(len(d.prog.code))
	d.starts[f] = first
	for i, b := range order {
		blk := &g.blocks[b]
		if i > 0 && preds[b] > 1 {
			d.emit(inst{kind: joinKind})
		}
		starts[b] = int32(len(d.prog.code))
		span := codeSpan{block: b, from: starts[b]}
		for j := blk.first; j < blk.end; j++ {
			d.instr(&f.Body[j], j)
		}
		next := g.at(blk.end)
		if g.falls(blk) && f.Body[blk.end-1].Op != "bra" && (i+1 == len(order) || order[i+1] != next) {
			d.emit(inst{kind: jumpKind, target: next})
		}
		span.to = int32(len(d.prog.code))
		d.spans[f] = append(d.spans[f], span)
	}
	d.emit(inst{kind: joinKind})
	starts[len(g.blocks)] = int32(len(d.prog.code))
	d.emit(inst{kind: controlKind, control: retControl, target: first})
	for i := first; i < int32(len(d.prog.code)); i++ { // blocks become pcs
		in := &d.prog.code[i]
		switch {
		case in.kind == jumpKind:
			in.target = starts[in.target]
		case in.kind == branchKind && in.src != nil && in.src.Op == "bra":
			in.target, in.other = starts[in.target], starts[in.other]
		case in.table:
			for k := range in.x {
				in.x[k] = uint32(starts[in.x[k]])
			}
		}
	}
}

// emit appends an instruction.
func (d *decoder) emit(in inst) *inst {
	in.fn = d.fn
	d.prog.code = append(d.prog.code, in)
	return &d.prog.code[len(d.prog.code)-1]
}

// instr decodes an instruction; j is its index in the body.
func (d *decoder) instr(src *ptx.Instr, j int) {
	in, err := d.translate(src, j)
	if err != nil {
		d.errs = append(d.errs, fmt.Errorf("PTX line %d: %s: %w", src.Line, src.Name, err))
		return
	}
	if in == nil {
		return
	}
	in.src = src
	if src.Guard == ptx.NoReg || in.kind == branchKind {
		d.emit(*in)
		return
	}
	guard, invert := d.regs[d.fn][src.Guard], uint32(0)
	if src.GuardNot {
		invert = fullMask
	}
	if in.kind < guardedKind {
		in.under, in.kind = in.kind, guardedKind
		in.guard, in.invert = guard, invert
		d.emit(*in)
		return
	}
	// Control under a guard is a branch around it, so that what it does is the affair of all running lanes.
	at := int32(len(d.prog.code))
	d.emit(inst{kind: branchKind, guard: guard, invert: ^invert, target: at + 3, other: at + 1})
	d.emit(*in)
	if in.call != nil {
		d.calls[len(d.calls)-1].at = len(d.prog.code) - 1
	}
	d.emit(inst{kind: joinKind})
	d.prog.code[at].target = int32(len(d.prog.code))
}

// constant is the place of a value that every lane finds in the register file.
func (d *decoder) constant(s shape, value uint64) uint32 {
	key := constant{0, s, value}
	if off, ok := d.consts[key]; ok {
		return off
	}
	d.next = uint32(alignUp(uint64(d.next), 64))
	off := d.take([...]uint32{narrow: 4 * lanes, wide: 8 * lanes, predicate: 4}[s])
	d.consts[key] = off
	d.prog.constants = append(d.prog.constants, constant{off, s, value})
	return off
}

// special is the place of a special register.
func (d *decoder) special(s ptx.Special) uint32 {
	if off, ok := d.seen[s]; ok {
		return off
	}
	d.next = uint32(alignUp(uint64(d.next), 64))
	sp := special{s, d.take(8 * lanes)}
	d.seen[s] = sp.off
	if sp.perBlock() {
		d.prog.blockSpecials = append(d.prog.blockSpecials, sp)
	} else {
		d.prog.specials = append(d.prog.specials, sp)
	}
	return sp.off
}

// shapeOf is the shape of registers that hold a type.
func shapeOf(t ptx.Type) shape {
	switch {
	case t == ptx.Pred:
		return predicate
	case t.Bits() == 64:
		return wide
	}
	return narrow
}

// regShape is the shape of a register.
func (d *decoder) regShape(r int32) shape { return shapeOf(d.fn.Regs[r].Type) }

// register is the place of a register operand, which must have the shape of type t.
func (d *decoder) register(o *ptx.Operand, t ptx.Type) (uint32, error) {
	if s := d.regShape(o.Reg); s != shapeOf(t) {
		return 0, fmt.Errorf("register %s is %s: want one for %s", d.fn.Regs[o.Reg].Name, d.fn.Regs[o.Reg].Type, t)
	}
	return d.regs[d.fn][o.Reg], nil
}

// dst is the place of a destination of type t.
func (d *decoder) dst(o *ptx.Operand, t ptx.Type) (uint32, error) {
	switch o.Kind {
	case ptx.Sink:
		return d.sinks[shapeOf(t)], nil
	case ptx.Register:
		if o.Not {
			return 0, errors.New("the destination is negated")
		}
		return d.register(o, t)
	}
	return 0, errors.New("the destination is no register")
}

// source is the place of a source of type t: a register, or a constant that is put into the register file.
func (d *decoder) source(o *ptx.Operand, t ptx.Type) (uint32, error) {
	if t.Bits() > 64 {
		return 0, fmt.Errorf("operands of %d bits are not simulated", t.Bits())
	}
	s := shapeOf(t)
	switch o.Kind {
	case ptx.Register:
		if !o.Not {
			return d.register(o, t)
		}
		p, err := d.register(o, ptx.Pred)
		if err != nil || s != predicate {
			return 0, errors.Join(err, fmt.Errorf("a negated predicate where %s is wanted", t))
		}
		off := d.takePredicate()
		d.emit(inst{kind: laneKind, lane: notPredicate, d: off, a: p, shape: predicate})
		return off, nil
	case ptx.Immediate, ptx.Float32, ptx.Float64:
		v, err := immediate(o, t)
		return d.constant(s, v), err
	case ptx.SpecialName:
		if o.Special == ptx.IsExplicitCluster && s == predicate { // clusters of one block are implied
			return d.constant(s, 0), nil
		}
		if changes(o.Special) || specialWide(o.Special) != (s == wide) || s == predicate {
			return 0, fmt.Errorf("special register %s cannot be an operand of type %s", o.Special, t)
		}
		return d.special(o.Special), nil
	case ptx.Symbol, ptx.Function:
		a, err := d.address(o)
		if s == predicate {
			err = errors.New("an address where a predicate is wanted")
		}
		return d.constant(s, a), err
	}
	return 0, fmt.Errorf("an operand is no register, number or address (want %s)", t)
}

// takePredicate reserves a predicate that the decoder needs for itself.
func (d *decoder) takePredicate() uint32 {
	d.next = uint32(alignUp(uint64(d.next), 4))
	return d.take(4)
}

// notPredicate negates a predicate.
func notPredicate(d, a, _, _ *reg) { d[0] = ^a[0] }

// immediate is the bits of a literal as a value of type t.
func immediate(o *ptx.Operand, t ptx.Type) (uint64, error) {
	v := o.Bits
	switch {
	case o.Kind == ptx.Float64 && (t == ptx.F32 || t == ptx.TF32 || t.Bits() == 32):
		v = uint64(math.Float32bits(float32(math.Float64frombits(v))))
	case o.Kind == ptx.Float32 && t.Bits() == 64:
		v = math.Float64bits(float64(math.Float32frombits(uint32(v))))
	case o.Kind != ptx.Immediate && t.Bits() < 32:
		return 0, fmt.Errorf("a floating-point literal where %s is wanted", t)
	case t == ptx.Pred:
		if v != 0 {
			v = fullMask
		}
	}
	switch n := t.Bits(); {
	case t == ptx.Pred || n == 64:
	case n == 16:
		v &= 0xffff
	default:
		v &= 0xffffffff
	}
	return v, nil
}
