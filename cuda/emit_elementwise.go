package cuda

import (
	"fmt"
	"slices"

	"palladio/kernels"
)

// eltThreads is the number of threads of a block of a generated kernel.
const eltThreads = 256

// eltLayout is how a program walks memory: axes along which all operands walk alike are one, axes of extent 1 are gone. Outputs
// are dense.
type eltLayout struct {
	shape   []int
	strides [][]int // of each input
	lanes   int     // consecutive elements that a thread computes together
	joint   bool    // all lanes of a thread lie in one row of the last axis: one set of coordinates serves them all
	wide    bool    // numbers of 64 bits, where 32 do not hold the count of elements
	packed  bool    // addresses allow accesses of 16 bytes
}

// collapse merges and drops axes.
func collapse(shape []int, strides [][]int) ([]int, [][]int) {
	var out []int
	steps := make([][]int, len(strides))
	for d, n := range shape {
		if n == 1 {
			continue
		}
		last := len(out) - 1
		merge := last >= 0
		for i := range strides {
			merge = merge && steps[i][last] == strides[i][d]*n
		}
		if merge {
			out[last] *= n
		} else {
			out = append(out, n)
			last++
		}
		for i, s := range strides {
			if merge {
				steps[i][last] = s[d]
			} else {
				steps[i] = append(steps[i], s[d])
			}
		}
	}
	return out, steps
}

// access is how one input is read.
type access uint8

const (
	uniformAccess access = iota // one element for all: read before the loop
	denseAccess                 // as the outputs
	runAccess                   // along the last axis one by one: lanes read a run
	rowAccess                   // does not change along the last axis: lanes share an element
	looseAccess                 // lanes read each its own
)

// access classifies input i.
func (l *eltLayout) access(i int) access {
	s := l.strides[i]
	last := len(s) - 1
	switch {
	case !slices.ContainsFunc(s, func(x int) bool { return x != 0 }):
		return uniformAccess
	case slices.Equal(s, kernels.DenseStrides(l.shape)):
		return denseAccess
	case !l.joint:
		return looseAccess
	case s[last] == 1:
		return runAccess
	case s[last] == 0:
		return rowAccess
	}
	return looseAccess
}

// packedRun says whether the runs of a runAccess begin at multiples of the lanes.
func (l *eltLayout) packedRun(i int) bool {
	for _, s := range l.strides[i][:len(l.strides[i])-1] {
		if s%l.lanes != 0 {
			return false
		}
	}
	return l.packed
}

// eltEmitter makes the text of one element-wise kernel. The text depends on types, operations and the pattern of the strides; extents and
// strides themselves are parameters, so that calls of many sizes share a module.
type eltEmitter struct {
	arithmetic
	k        kernels.Elementwise
	layout   *eltLayout
	steps    []eltStep
	value    []int    // what register holds a value: a step's copy is its source
	bases    []string // registers with the operands' addresses
	dividers []divider
	strideOf map[[2]int]string // by input and axis: a register with the stride in bytes
	args     []Slot            // what the parameters are
	shared   [][]string        // registers of the values that are the same for all elements
}

// num is the type of the registers that count elements.
func (e *eltEmitter) num() string {
	if e.layout.wide {
		return "u64"
	}
	return "u32"
}

// emitElementwise makes the module and the arguments of its entry point.
func emitElementwise(k kernels.Elementwise, layout *eltLayout) (string, []Slot, error) {
	e := &eltEmitter{arithmetic: arithmetic{newEmitter("elementwise"), k.Type}, k: k, layout: layout, strideOf: map[[2]int]string{}}
	e.steps, e.value = simplify(k)
	e.describe()
	e.parameters()
	if err := e.hoist(); err != nil {
		return "", nil, err
	}
	n := kernels.Elems(layout.shape)
	items := n / layout.lanes
	if err := e.loop("items", "0", items, layout.lanes); err != nil {
		return "", nil, err
	}
	if rest := items * layout.lanes; rest < n {
		e.comment("the last elements, one by one")
		single := *layout
		single.lanes = 1
		e.layout = &single
		if err := e.loop("elements", "rest", n, 1, Int(rest)); err != nil {
			return "", nil, err
		}
	}
	return e.text(eltThreads), e.args, nil
}

// describe puts the program at the head of the text.
func (e *eltEmitter) describe() {
	e.comments = append(e.comments, fmt.Sprintf("Element-wise program in %s over %d axes, %d elements a thread at a time.", e.k.Type, len(e.layout.shape), e.layout.lanes))
	for i, in := range e.k.Inputs {
		what := [...]string{uniformAccess: "one element", denseAccess: "dense", runAccess: "rows", rowAccess: "an element for each row", looseAccess: "strided"}
		e.comments = append(e.comments, fmt.Sprintf("  %%%d = in%d: %s, %s", i, i, in.Type, what[e.layout.access(i)]))
	}
	for _, s := range e.steps {
		e.comments = append(e.comments, "  "+s.String())
	}
	for i, o := range e.k.Outputs {
		e.comments = append(e.comments, fmt.Sprintf("  out%d: %s = %%%d", i, o.Type, e.value[o.Value]))
	}
}

// argument declares a parameter.
func (e *eltEmitter) argument(typ, name string, value Slot) string {
	e.args = append(e.args, value)
	return e.param(typ, name)
}

// loadArgument declares a parameter and loads it.
func (e *eltEmitter) loadArgument(typ, name string, value Slot) string {
	r := e.temp(typ)
	e.op("ld.param."+typ, r, "["+e.argument(typ, name, value)+"]")
	return r
}

// parameters declares what all elements need: addresses, extents, strides.
func (e *eltEmitter) parameters() {
	for i := range len(e.k.Inputs) + len(e.k.Outputs) {
		name := fmt.Sprintf("in%d", i)
		if o := i - len(e.k.Inputs); o >= 0 {
			name = fmt.Sprintf("out%d", o)
		}
		e.bases = append(e.bases, e.loadArgument("u64", name, Operand(i)))
	}
	outermost := len(e.layout.shape) // axis whose coordinate is wanted
	for i := range e.k.Inputs {
		if a := e.layout.access(i); a == uniformAccess || a == denseAccess {
			continue
		}
		for d, s := range e.layout.strides[i] {
			if s == 0 {
				continue
			}
			outermost = min(outermost, d)
			bytes := s * e.k.Inputs[i].Type.Size()
			if d == len(e.layout.shape)-1 && e.layout.joint {
				bytes *= e.layout.lanes
			}
			e.strideOf[[2]int{i, d}] = e.loadArgument(e.num(), fmt.Sprintf("in%d_stride%d", i, d), Int(bytes))
		}
	}
	e.dividers = make([]divider, len(e.layout.shape))
	for d := len(e.layout.shape) - 1; d >= max(1, outermost); d-- {
		if n := e.rows(d); n > 1 {
			e.dividers[d] = e.loadDivider(e.argument("u64", fmt.Sprintf("extent%d", d), e.divisor(n)), e.layout.wide)
		}
	}
}

func (e *eltEmitter) divisor(n int) Slot {
	if e.layout.wide {
		return Int(n)
	}
	return divisor(n)
}

// rows is the extent of an axis in the numbers that the loop counts: joint lanes count as one.
func (e *eltEmitter) rows(d int) int {
	n := e.layout.shape[d]
	if e.layout.joint && d == len(e.layout.shape)-1 {
		n /= e.layout.lanes
	}
	return n
}

// hoist computes what is the same for all elements.
func (e *eltEmitter) hoist() error {
	e.shared = make([][]string, len(e.k.Inputs)+len(e.k.Code))
	for i, in := range e.k.Inputs {
		if e.layout.access(i) == uniformAccess && e.used(i) {
			e.comment("%%%d = in%d", i, i)
			e.shared[i] = e.widened(i, e.loadRun(in.Type, e.bases[i], 1, false))
		}
	}
	for _, s := range e.steps {
		if s.op != kernels.Imm && slices.ContainsFunc(s.args, func(a int) bool { return e.shared[a] == nil }) {
			continue
		}
		r, err := e.step(s, e.shared, 1)
		if err != nil {
			return err
		}
		e.shared[s.value] = r
	}
	return nil
}

// used says whether any step or output reads a value.
func (e *eltEmitter) used(v int) bool {
	return slices.ContainsFunc(e.steps, func(s eltStep) bool { return slices.Contains(s.args, v) }) ||
		slices.ContainsFunc(e.k.Outputs, func(o kernels.EltOutput) bool { return e.value[o.Value] == v })
}

// widened gives the loaded elements of an input in registers of the arithmetic's type.
func (e *eltEmitter) widened(input int, loaded []string) []string {
	t := e.k.Inputs[input].Type
	if t == e.t {
		return loaded
	}
	out := make([]string, len(loaded))
	for i, x := range loaded {
		out[i] = e.reg(e.f(), laneName(input, i, len(loaded)))
		e.widen(t, out[i], x)
	}
	return out
}

func laneName(value, lane, lanes int) string {
	if lanes == 1 {
		return fmt.Sprintf("v%d", value)
	}
	return fmt.Sprintf("v%d_%d", value, lane)
}

// step emits one operation on all lanes, or on one where its operands have but one.
func (e *eltEmitter) step(s eltStep, values [][]string, lanes int) ([]string, error) {
	e.comment("%s", s)
	n := 1
	for _, a := range s.args {
		n = max(n, len(values[a]))
	}
	out := make([]string, n)
	for lane := range out {
		out[lane] = e.reg(e.f(), laneName(s.value, lane, n))
		if s.op == kernels.Imm {
			e.op("mov."+e.f(), out[lane], e.constant(s.imm))
			continue
		}
		var x []string
		for j, a := range s.args {
			r := values[a][min(lane, len(values[a])-1)]
			if s.negate[j] {
				m := e.temp(e.f())
				e.op("neg."+e.f(), m, r)
				r = m
			}
			x = append(x, r)
		}
		if err := e.apply(s.op, out[lane], x...); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// loop emits a loop of all threads over count items from a first one on (0, or a parameter), each of so many elements.
func (e *eltEmitter) loop(count, first string, items, lanes int, from ...Slot) error {
	if items == 0 {
		return nil
	}
	num := e.num()
	e.begin()
	limit := e.loadArgument(num, count, Int(items))
	i, step, done := e.reg(num, "i"), e.reg(num, "step"), e.reg("pred", "done")
	e.op("mov.u32", e.reg("u32", "block"), "%ctaid.x")
	e.op("mov.u32", e.reg("u32", "width"), "%ntid.x")
	e.op("mov.u32", e.reg("u32", "grid"), "%nctaid.x")
	e.op("mov.u32", e.reg("u32", "thread"), "%tid.x")
	if e.layout.wide {
		e.op("cvt.u64.u32", i, "%thread")
		e.op("mad.wide.u32", i, "%block", "%width", i)
		e.op("mul.wide.u32", step, "%grid", "%width")
	} else {
		e.op("mad.lo.u32", i, "%block", "%width", "%thread")
		e.op("mul.lo.u32", step, "%grid", "%width")
	}
	if len(from) > 0 {
		e.op("add."+num, i, i, e.loadArgument(num, first, from[0]))
	}
	again, end := e.newLabel("next"), e.newLabel("end")
	e.op("setp.ge."+num, done, i, limit)
	e.guarded(done, "bra", end)
	e.label(again)
	e.begin()
	if err := e.elements(i, lanes); err != nil {
		return err
	}
	e.end()
	e.op("add."+num, i, i, step)
	e.op("setp.lt."+num, done, i, limit)
	e.guarded(done, "bra", again)
	e.label(end)
	e.end()
	return nil
}

// elements emits the work of one item: loads, operations, stores.
func (e *eltEmitter) elements(i string, lanes int) error {
	values := slices.Clone(e.shared)
	coordinates := e.coordinates(i, lanes)
	for in := range e.k.Inputs {
		if values[in] == nil && e.used(in) {
			e.comment("%%%d = in%d", in, in)
			values[in] = e.widened(in, e.load(in, i, lanes, coordinates))
		}
	}
	for _, s := range e.steps {
		if values[s.value] != nil {
			continue
		}
		r, err := e.step(s, values, lanes)
		if err != nil {
			return err
		}
		values[s.value] = r
	}
	for o, out := range e.k.Outputs {
		e.comment("out%d", o)
		v := values[e.value[out.Value]]
		x := make([]string, lanes)
		for lane := range x {
			if lane > 0 && len(v) == 1 {
				x[lane] = x[0]
				continue
			}
			x[lane] = e.narrow(out.Type, v[lane])
		}
		base := e.bases[len(e.k.Inputs)+o]
		e.storeRun(out.Type, e.address(base, i, lanes*out.Type.Size()), x, e.layout.packed)
	}
	return nil
}

// address is base + i·bytes.
func (e *eltEmitter) address(base, i string, bytes int) string {
	a := e.temp("u64")
	if e.layout.wide {
		e.op("mad.lo.u64", a, i, fmt.Sprint(bytes), base)
	} else {
		e.op("mad.wide.u32", a, i, fmt.Sprint(bytes), base)
	}
	return a
}

// coordinates emits the coordinates of item i, or of each of its lanes: by lane and axis. Axes that no input asks for have none.
func (e *eltEmitter) coordinates(i string, lanes int) [][]string {
	if len(e.strideOf) == 0 {
		return nil
	}
	num := e.num()
	sets := lanes
	if e.layout.joint {
		sets = 1
	}
	out := make([][]string, sets)
	for lane := range out {
		n := i
		if sets > 1 {
			n = e.temp(num)
			e.op("mad.lo."+num, n, i, fmt.Sprint(lanes), fmt.Sprint(lane))
		}
		out[lane] = make([]string, len(e.layout.shape))
		for d := len(e.layout.shape) - 1; d > 0; d-- {
			switch {
			case e.dividers[d] != divider{}:
				n, out[lane][d] = e.divide(n, e.dividers[d], e.layout.wide)
			case e.rows(d) == 1:
				out[lane][d] = "0"
			}
		}
		out[lane][0] = n
	}
	return out
}

// load reads the elements of an input that item i needs.
func (e *eltEmitter) load(in int, i string, lanes int, coordinates [][]string) []string {
	t, base := e.k.Inputs[in].Type, e.bases[in]
	element := func(c []string) string {
		addr := base
		for d := range c {
			s, ok := e.strideOf[[2]int{in, d}]
			if !ok || c[d] == "0" {
				continue
			}
			a := e.temp("u64")
			if e.layout.wide {
				e.op("mad.lo.u64", a, c[d], s, addr)
			} else {
				e.op("mad.wide.u32", a, c[d], s, addr)
			}
			addr = a
		}
		return addr
	}
	switch e.layout.access(in) {
	case denseAccess:
		return e.loadRun(t, e.address(base, i, lanes*t.Size()), lanes, e.layout.packed)
	case runAccess:
		return e.loadRun(t, element(coordinates[0]), lanes, e.layout.packedRun(in))
	case rowAccess:
		return e.loadRun(t, element(coordinates[0]), 1, false)
	}
	if e.layout.joint { // lanes lie apart by the stride of the last axis
		addr := element(coordinates[0])
		var regs []string
		for lane := range lanes {
			regs = append(regs, e.loadRun(t, addr, 1, false)...)
			if lane < lanes-1 {
				next := e.temp("u64")
				e.op("add.u64", next, addr, e.laneStep(in, lanes))
				addr = next
			}
		}
		return regs
	}
	var regs []string
	for lane := range lanes {
		regs = append(regs, e.loadRun(t, element(coordinates[lane]), 1, false)...)
	}
	return regs
}

// laneStep is the distance in bytes of neighbours along the last axis: the parameter counts whole items.
func (e *eltEmitter) laneStep(in, lanes int) string {
	s := e.strideOf[[2]int{in, len(e.layout.shape) - 1}]
	r := e.temp("u64")
	if !e.layout.wide {
		e.op("cvt.u64.u32", r, s)
		s = r
	}
	if lanes > 1 {
		e.op("shr.u64", r, s, fmt.Sprint(log2(lanes)))
	}
	return r
}

// log2 of a power of two.
func log2(n int) int {
	b := 0
	for n > 1<<b {
		b++
	}
	return b
}
