package sim

import (
	"errors"
	"fmt"
	"math"
	"slices"

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
		d.errs = append(d.errs, fmt.Errorf("instructions that the simulator does not know: %s%s", join(list), more))
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

func join(list []string) string {
	s := ""
	for i, e := range list {
		if i > 0 {
			s += ", "
		}
		s += e
	}
	return s
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

// allot gives every variable its place.
func (d *decoder) allot() error {
	off := uint64(0)
	for _, v := range d.prog.entry.Params {
		off = alignUp(off, uint64(max(v.Align, 1)))
		d.params[v] = off
		d.prog.params = append(d.prog.params, param{v.Name, uint32(off), uint32(v.Size)})
		if off += uint64(v.Size); off > 1<<15 {
			return fmt.Errorf("more than %d bytes of parameters", 1<<15)
		}
	}
	d.prog.paramBytes = int(off)
	local, shared := uint64(localBase), uint64(sharedBase)
	var dynamic []*ptx.Var
	dynamicAlign := uint64(16)
	for _, v := range d.variables() {
		switch v.Space {
		case ptx.Shared:
			if v.Size == 0 {
				dynamic = append(dynamic, v)
				dynamicAlign = max(dynamicAlign, uint64(v.Align))
				continue
			}
			shared = alignUp(shared, uint64(max(v.Align, 1)))
			d.shared[v] = shared
			d.prog.sharedVars = append(d.prog.sharedVars, placed{v.Name, shared, uint64(v.Size)})
			shared += uint64(v.Size)
			if d.module.gpu.options.Sanitize {
				shared += sharedGap
				d.prog.sharedGaps += sharedGap
			}
		case ptx.Local, ptx.Param:
			local = alignUp(local, uint64(max(v.Align, 1)))
			d.locals[v] = local
			local += uint64(max(v.Size, 1))
		}
		if shared > sharedSpan || local > maxLocal {
			return fmt.Errorf("variable %s: more than %d bytes of shared or %d of local memory", v.Name, sharedSpan, maxLocal)
		}
	}
	if len(dynamic) > 0 {
		shared = alignUp(shared, min(dynamicAlign, 1024))
		for _, v := range dynamic {
			d.shared[v] = shared
		}
	}
	d.prog.sharedStatic = int(shared - sharedBase)
	d.prog.localEnd = alignUp(local, 16)
	if d.prog.localEnd == localBase {
		d.prog.localEnd = localBase
	}
	return d.allotRegisters()
}

// variables lists what is in shared or local memory, in order.
func (d *decoder) variables() []*ptx.Var {
	var vars []*ptx.Var
	used := d.usedVars()
	for _, v := range d.module.ptx.Vars {
		if used[v] {
			vars = append(vars, v)
		}
	}
	for i, f := range d.funcs {
		vars = append(vars, f.Vars...)
		if i > 0 {
			vars = append(append(vars, f.Params...), f.Returns...)
		}
	}
	return slices.DeleteFunc(vars, func(v *ptx.Var) bool { return v.Register })
}

// usedVars is the variables that the functions name.
func (d *decoder) usedVars() map[*ptx.Var]bool {
	used := map[*ptx.Var]bool{}
	var visit func(o *ptx.Operand)
	visit = func(o *ptx.Operand) {
		if o.Var != nil {
			used[o.Var] = true
		}
		for i := range o.Elems {
			visit(&o.Elems[i])
		}
	}
	for _, f := range d.funcs {
		for i := range f.Body {
			for j := range f.Body[i].Operands {
				visit(&f.Body[i].Operands[j])
			}
		}
	}
	return used
}

func alignUp(n, unit uint64) uint64 { return (n + unit - 1) / unit * unit }

// allotRegisters gives registers their places: predicates first, a word each, then the others, each at a multiple of 64 bytes.
func (d *decoder) allotRegisters() error {
	d.next = 4 // offset 0 is no operand
	for _, f := range d.funcs {
		d.regs[f] = make([]uint32, len(f.Regs))
		for i, r := range f.Regs {
			if r.Type == ptx.Pred {
				d.regs[f][i] = d.take(4)
			}
		}
		d.carry[f] = d.take(4)
	}
	d.sinks[predicate] = d.take(4)
	d.prog.predicateBytes = d.next
	d.next = uint32(alignUp(uint64(d.next), 64))
	d.sinks[narrow] = d.take(4 * lanes)
	d.sinks[wide] = d.take(8 * lanes)
	for _, f := range d.funcs {
		for i, r := range f.Regs {
			if r.Type == ptx.Pred {
				continue
			}
			if r.Type.Bits() > 64 {
				return fmt.Errorf("PTX line %d: register %s of function %s: registers of %d bits are not simulated", f.Line, r.Name, f.Name, r.Type.Bits())
			}
			d.regs[f][i] = virtualBase + uint32(len(d.isWide))
			d.isWide = append(d.isWide, r.Type.Bits() == 64)
		}
	}
	if len(d.isWide)*8 > maxFile {
		return fmt.Errorf("%d registers: at most %d", len(d.isWide), maxFile/8)
	}
	d.places = make([]uint32, len(d.isWide))
	return nil
}

// take reserves bytes of the register file. Beyond the limit it gives a place that is taken already; decode refuses the program then.
func (d *decoder) take(n uint32) uint32 {
	if d.next+n > maxFile {
		d.full = true
		return 4
	}
	at := d.next
	d.next += n
	return at
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

// address is the value of a symbol: its address within its own space.
func (d *decoder) address(o *ptx.Operand) (uint64, error) {
	if o.Kind == ptx.Function || o.Var == nil && o.Func != nil {
		return d.module.handles[o.Func], nil
	}
	_, a, err := d.locate(o.Var)
	return a + uint64(o.Offset), err
}

// locate is the space of a variable and its address there.
func (d *decoder) locate(v *ptx.Var) (space, uint64, error) {
	if a := d.module.vars[v]; a != nil {
		if v.Space == ptx.Const {
			return constSpace, a.addr, nil
		}
		return globalSpace, a.addr, nil
	}
	if off, ok := d.shared[v]; ok {
		return sharedSpace, off, nil
	}
	if off, ok := d.locals[v]; ok {
		return localSpace, off, nil
	}
	if off, ok := d.params[v]; ok {
		return paramSpace, off, nil
	}
	return 0, 0, fmt.Errorf("variable %s has no place in memory", v.Name)
}
