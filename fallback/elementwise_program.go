package fallback

import (
	"palladio/fallback/ref"
	"palladio/kernels"
)

// eltClass is how often a value of a program changes.
type eltClass uint8

const (
	eltConst eltClass = iota // known when the kernel is prepared
	eltRun                   // one number a run: made of inputs of one element
	eltBlock                 // one number a block: made of inputs that do not change along a row
	eltVec                   // a number an element
)

// eltValue is a value of a program while it is compiled.
type eltValue struct {
	class eltClass
	instr kernels.Instr // of steps; operands are resolved
	input int           // of inputs; -1 for steps
	num   float64       // of constants
	uses  int           // by steps and outputs that are needed
	last  int           // the last step that reads it
	place int           // where its elements or its number lie, in the worker's table; -1 if nowhere
}

// eltScalarStep computes one number.
type eltScalarStep struct {
	op           kernels.EltOp
	dst, a, b, c int // numbers of the worker's scalars
}

// eltStep computes one block of a value. Operands are places.
type eltStep[T real] struct {
	unary        unaryFn[T]
	binary       binaryFn[T]
	ternary      ternaryFn[T]
	dst, a, b, c int
}

// eltCompiler turns a kernel's program into steps.
type eltCompiler[T real] struct {
	k      kernels.Elementwise
	e      *eltExec[T]
	values []eltValue
	order  []int // vector values computed by steps, in order
	free   []int // slots that are not in use
	slotOf map[int]int
}

// resolve folds constants and copies, and counts uses from the outputs on back.
func (c *eltCompiler[T]) resolve() {
	alias := make([]int, len(c.k.Inputs)+len(c.k.Code))
	for i := range c.k.Inputs {
		alias[i] = i
		v := eltValue{class: eltVec, input: i, place: -1}
		switch l := &c.e.layout; {
		case l.fixed(i):
			v.class = eltRun
		case !l.short() && l.along(i) == 0:
			v.class = eltBlock
		}
		c.values = append(c.values, v)
	}
	for i, in := range c.k.Code {
		id := len(c.k.Inputs) + i
		alias[id] = id
		in.A, in.B, in.C = c.operand(alias, in, 0, in.A), c.operand(alias, in, 1, in.B), c.operand(alias, in, 2, in.C)
		v := eltValue{instr: in, input: -1, place: -1, class: eltConst}
		for _, o := range operands(in) {
			v.class = max(v.class, c.values[o].class)
		}
		if in.Op == kernels.Copy {
			alias[id] = in.A
		}
		if v.class == eltConst {
			v.num = c.fold(in)
		} else {
			c.simplify(&v)
		}
		c.values = append(c.values, v)
	}
	for i := range c.k.Outputs {
		c.k.Outputs[i].Value = alias[c.k.Outputs[i].Value]
		c.use(c.k.Outputs[i].Value)
	}
}

func (c *eltCompiler[T]) operand(alias []int, in kernels.Instr, i, v int) int {
	if i < in.Op.Arity() {
		return alias[v]
	}
	return 0
}

// operands lists the values that an instruction reads.
func operands(in kernels.Instr) []int { return []int{in.A, in.B, in.C}[:in.Op.Arity()] }

// fold computes a step whose operands are constants.
func (c *eltCompiler[T]) fold(in kernels.Instr) float64 {
	args := [3]float64{in.Imm}
	for j, o := range operands(in) {
		args[j] = c.values[o].num
	}
	return float64(T(ref.Apply(in.Op, args[0], args[1], args[2])))
}

// simplify replaces powers with small constant exponents by products.
func (c *eltCompiler[T]) simplify(v *eltValue) {
	if v.instr.Op != kernels.Pow || c.values[v.instr.B].class != eltConst {
		return
	}
	switch c.values[v.instr.B].num {
	case 2:
		v.instr = kernels.Instr{Op: kernels.Square, A: v.instr.A}
	case 3:
		v.instr = kernels.Instr{Op: kernels.Cube, A: v.instr.A}
	}
}

// use counts one use of a value, and at the first one those of its operands.
func (c *eltCompiler[T]) use(id int) {
	v := &c.values[id]
	if v.uses++; v.uses > 1 || v.input >= 0 || v.class == eltConst {
		return
	}
	for _, o := range operands(v.instr) {
		c.use(o)
	}
}

// fuse joins steps that have a routine together: a product and the sum it goes into, a comparison with zero and the choice by it. Only
// values that nothing else reads disappear.
func (c *eltCompiler[T]) fuse() {
	for id := range c.values {
		v := &c.values[id]
		if v.uses == 0 || v.input >= 0 || v.class != eltVec {
			continue
		}
		in := v.instr
		switch in.Op {
		case kernels.Add:
			if !c.contract(v, in.A, in.B) {
				c.contract(v, in.B, in.A)
			}
		case kernels.Select:
			cond := &c.values[in.A]
			if c.inner(in.A, kernels.Gt) && c.zero(cond.instr.B) && c.zero(in.C) &&
				c.values[cond.instr.A].class == eltVec && c.values[in.B].class == eltVec {
				c.replace(v, in.A, kernels.Instr{Op: kernels.Select, A: cond.instr.A, B: in.B, C: in.C}, true)
			}
		}
	}
}

// reluGradient marks a Select that stands for A > 0 ? B : 0, in a field that Select does not use.
const reluGradient = 1

// inner says whether a value is a vector step of the given operation that one step alone reads.
func (c *eltCompiler[T]) inner(id int, op kernels.EltOp) bool {
	v := &c.values[id]
	return v.input < 0 && v.class == eltVec && v.instr.Op == op && v.uses == 1
}

func (c *eltCompiler[T]) zero(id int) bool {
	return c.values[id].class == eltConst && c.values[id].num == 0
}

func (c *eltCompiler[T]) contract(v *eltValue, product, other int) bool {
	if product == other || !c.inner(product, kernels.Mul) {
		return false
	}
	p := c.values[product].instr
	c.replace(v, product, kernels.Instr{Op: kernels.FMA, A: p.A, B: p.B, C: other}, false)
	return true
}

// replace gives a step another instruction, which takes over the operands of the step that goes.
func (c *eltCompiler[T]) replace(v *eltValue, gone int, in kernels.Instr, gradient bool) {
	if gradient {
		in.Imm = reluGradient
	}
	v.instr = in
	c.values[gone].uses = 0
}

// schedule lists the vector steps in order and notes the last reader of each value; outputs that are stored after the steps count as one
// more reader. Scalar values get a number of the worker's scalars.
func (c *eltCompiler[T]) schedule() {
	e := c.e
	for id := range c.values {
		v := &c.values[id]
		if v.uses == 0 {
			continue
		}
		if v.class != eltVec {
			v.place = e.newScalar(T(v.num))
			switch {
			case v.input >= 0 && v.class == eltRun:
				e.runInputs = append(e.runInputs, eltScalarInput{v.input, v.place})
			case v.input >= 0:
				e.blockInputs = append(e.blockInputs, eltScalarInput{v.input, v.place})
			case v.class == eltRun:
				e.runSteps = append(e.runSteps, c.scalarStep(v))
			case v.class == eltBlock:
				e.blockSteps = append(e.blockSteps, c.scalarStep(v))
			}
			continue
		}
		if v.input < 0 {
			for _, o := range operands(v.instr) {
				c.values[o].last = len(c.order)
			}
			c.order = append(c.order, id)
		}
	}
}

func (c *eltCompiler[T]) scalarStep(v *eltValue) eltScalarStep {
	s := eltScalarStep{op: v.instr.Op}
	for j, o := range operands(v.instr) {
		*[]*int{&s.a, &s.b, &s.c}[j] = c.values[o].place
	}
	s.dst = v.place
	return s
}

// takeSlot and giveSlot manage the scratch of a worker.
func (c *eltCompiler[T]) takeSlot() int {
	if n := len(c.free); n > 0 {
		s := c.free[n-1]
		c.free = c.free[:n-1]
		return s
	}
	c.e.slots++
	return c.e.slots - 1
}

func (c *eltCompiler[T]) slotPlace(slot int) int {
	for len(c.e.slotPlaces) <= slot {
		c.e.slotPlaces = append(c.e.slotPlaces, -1)
	}
	if c.e.slotPlaces[slot] < 0 {
		c.e.slotPlaces[slot] = c.e.newPlace()
	}
	return c.e.slotPlaces[slot]
}

// compile fills in e's lists.
func (c *eltCompiler[T]) compile() {
	c.slotOf = map[int]int{}
	c.resolve()
	c.fuse()
	c.schedule()
	direct := c.placeOutputs()
	c.placeInputs()
	for i, id := range c.order {
		c.emit(i, id, direct)
	}
	c.storeOutputs(direct)
}

// placeOutputs decides which values are computed straight into an output: those after which nothing reads an input that the output may
// lie over. The others stay in scratch until all steps are done.
func (c *eltCompiler[T]) placeOutputs() map[int]int {
	lastInput := -1 // the last step that reads an input in place
	for id := range c.k.Inputs {
		if v := &c.values[id]; v.class == eltVec && v.uses > 0 && c.e.layout.dense(id) {
			lastInput = max(lastInput, v.last)
		}
	}
	position := map[int]int{}
	for i, id := range c.order {
		position[id] = i
	}
	direct := map[int]int{}
	for o, out := range c.k.Outputs {
		v := &c.values[out.Value]
		if v.class != eltVec {
			continue
		}
		_, taken := direct[out.Value]
		if v.input < 0 && out.Type == c.k.Type && !taken && position[out.Value] >= lastInput && !c.e.stream {
			direct[out.Value] = o
			v.place = c.e.movingOutput(o)
		}
		v.last = len(c.order) // stored, or still needed for another output
	}
	return direct
}

// placeInputs says where the steps find each input: in place, or gathered into scratch.
func (c *eltCompiler[T]) placeInputs() {
	l := &c.e.layout
	copied := map[int]bool{} // by an output: with several outputs, the input may be overwritten before
	if len(c.k.Outputs) > 1 {
		for _, o := range c.k.Outputs {
			copied[o.Value] = true
		}
	}
	for id := range c.k.Inputs {
		v := &c.values[id]
		if v.class != eltVec || v.uses == 0 {
			continue
		}
		same := c.k.Inputs[id].Type == c.k.Type
		switch {
		case same && l.dense(id) && !copied[id]:
			v.place = c.e.movingInput(id)
		case same && !l.short() && l.along(id) == 1 && !l.dense(id):
			v.place = c.e.newPlace()
			c.e.rowInputs = append(c.e.rowInputs, eltScalarInput{id, v.place})
		case l.tile(id):
			v.place = c.e.newPlace()
			c.e.tiles = append(c.e.tiles, eltTile[T]{input: id, place: v.place, load: tileLoader[T](c.k.Inputs[id].Type)})
			l.tiled = true
		default:
			slot := c.takeSlot()
			v.place = c.slotPlace(slot)
			g := eltGather[T]{input: id, place: v.place, load: loader[T](c.k.Inputs[id].Type)}
			if l.short() && l.sameRow(id) {
				c.e.patterns = append(c.e.patterns, g) // its slot is never given back
			} else {
				c.e.gathers = append(c.e.gathers, g)
				c.slotOf[id] = slot
			}
		}
	}
}

// emit makes the step of a value.
func (c *eltCompiler[T]) emit(i, id int, direct map[int]int) {
	v := &c.values[id]
	var places [3]int
	var s scalars
	ops := operands(v.instr)
	for j, o := range ops {
		places[j] = c.values[o].place
		if c.values[o].class != eltVec {
			s |= 1 << j
		}
	}
	step := eltStep[T]{}
	var filled []int // slots for scalars that have no routine of their own
	switch len(ops) {
	case 1:
		step.unary = c.e.v.unary[v.instr.Op]
	case 2:
		step.binary = c.e.v.binary[v.instr.Op][s]
	case 3:
		if v.instr.Op == kernels.Select && v.instr.Imm == reluGradient {
			step.binary = c.e.v.reluGrad
			break
		}
		for j := 0; c.e.v.ternary[v.instr.Op][s] == nil; j++ {
			if s>>j&1 == 0 {
				continue
			}
			slot := c.takeSlot()
			filled = append(filled, slot)
			c.e.steps = append(c.e.steps, eltStep[T]{unary: c.e.v.fill, dst: c.slotPlace(slot), a: c.scalarPlace(places[j])})
			places[j] = c.slotPlace(slot)
			s &^= 1 << j
		}
		step.ternary = c.e.v.ternary[v.instr.Op][s]
	}
	for j := range ops {
		if s>>j&1 != 0 {
			places[j] = c.scalarPlace(places[j])
		}
	}
	for j, o := range ops { // scratch whose last reader this is may take the result
		if slot, ok := c.slotOf[o]; ok && c.values[o].last == i && (j == 0 || o != ops[0]) && (j < 2 || o != ops[1]) {
			c.free = append(c.free, slot)
			delete(c.slotOf, o)
		}
	}
	if _, ok := direct[id]; !ok {
		slot := c.takeSlot()
		c.slotOf[id] = slot
		v.place = c.slotPlace(slot)
	}
	c.free = append(c.free, filled...)
	step.dst, step.a, step.b, step.c = v.place, places[0], places[1], places[2]
	c.e.steps = append(c.e.steps, step)
	c.e.weight += opWeight(v.instr.Op)
}

// scalarPlace is the place that points to a scalar.
func (c *eltCompiler[T]) scalarPlace(scalar int) int {
	for len(c.e.scalarPlaces) <= scalar {
		c.e.scalarPlaces = append(c.e.scalarPlaces, -1)
	}
	if c.e.scalarPlaces[scalar] < 0 {
		c.e.scalarPlaces[scalar] = c.e.newPlace()
	}
	return c.e.scalarPlaces[scalar]
}

// storeOutputs lists what is left to write when the steps are done.
func (c *eltCompiler[T]) storeOutputs(direct map[int]int) {
	for o, out := range c.k.Outputs {
		v := &c.values[out.Value]
		if d, ok := direct[out.Value]; ok && d == o {
			continue
		}
		f := eltStore[T]{output: o}
		same := out.Type == c.k.Type
		if v.class == eltVec {
			f.place = v.place
		} else {
			f.place = c.scalarPlace(v.place)
			if same {
				f.fill = true
			} else { // repeated in scratch first
				slot := c.takeSlot()
				c.e.steps = append(c.e.steps, eltStep[T]{unary: c.e.v.fill, dst: c.slotPlace(slot), a: f.place})
				f.place = c.slotPlace(slot)
			}
		}
		if !same {
			f.store = storer[T](out.Type)
		}
		c.e.stores = append(c.e.stores, f)
	}
}

// opWeight is roughly how many nanoseconds 16 elements of an operation take from the first-level cache.
func opWeight(op kernels.EltOp) float64 {
	switch op {
	case kernels.Pow:
		return 40
	case kernels.Mod:
		return 200
	case kernels.Exp, kernels.Exp2, kernels.Expm1, kernels.Log, kernels.Log2, kernels.Log1p, kernels.Sin, kernels.Cos, kernels.Tan, kernels.Tanh,
		kernels.Erf, kernels.Sigmoid, kernels.Softplus, kernels.GELU, kernels.GELUTanh, kernels.SiLU:
		return 10
	}
	return 1
}
