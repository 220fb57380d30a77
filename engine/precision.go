package engine

import (
	"fmt"
	"slices"

	"palladio/kernels"
)

// Numerics is how a machine multiplies F32 matrices and stores what lies between its layers.
type Numerics uint8

// The choices. Variables, their gradients, the optimiser's state, losses and whatever has a value after the run are F32 in all of them.
const (
	FullF32   Numerics = iota // everything in F32
	TF32                      // products of numbers rounded to 11 bits, where the device has units for that
	MixedBF16                 // products of BF16 numbers summed in F32; activations and their gradients stored as BF16
	MixedF16                  // the same with F16, whose range is small: scale the loss (nn.ScaleLoss)
)

var numericsNames = [...]string{FullF32: "f32", TF32: "tf32", MixedBF16: "bf16", MixedF16: "f16"}

func (n Numerics) String() string {
	if int(n) >= len(numericsNames) {
		return fmt.Sprintf("numerics(%d)", uint8(n))
	}
	return numericsNames[n]
}

// ParseNumerics reads f32, tf32, bf16 or f16.
func ParseNumerics(s string) (Numerics, error) {
	if i := slices.Index(numericsNames[:], s); i >= 0 {
		return Numerics(i), nil
	}
	return 0, fmt.Errorf("precision %q: want f32, tf32, bf16 or f16", s)
}

// Precision chooses the numerics of F32 graphs (Micikevicius et al., Mixed Precision Training, ICLR 2018); F64 graphs stay as they are. The
// default is FullF32.
func Precision(n Numerics) Option {
	return func(c *config) {
		if int(n) >= len(numericsNames) {
			c.fail("Precision(%v): want FullF32, TF32, MixedBF16 or MixedF16", n)
		}
		c.numerics = n
	}
}

// lowerPrecision rewrites the products of a program, and what lies between them, for the given numerics.
func (p *program) lowerPrecision(n Numerics) {
	switch n {
	case TF32:
		for i := range p.calls {
			if c := &p.calls[i]; c.role == runKernel {
				c.kernel, c.key = withTF32(c.kernel), ""
			}
		}
	case MixedBF16, MixedF16:
		t := kernels.BF16
		if n == MixedF16 {
			t = kernels.F16
		}
		m := &mixer{program: p, t: t, half: make([]bool, len(p.values)), narrow: make([]bool, len(p.calls)), updates: p.updates()}
		m.maybe, _ = p.maybeAbsent()
		m.findFactors()
		for i := range p.calls {
			m.decide(i)
		}
		m.keepFull()
		m.rewrite()
	}
}

func withTF32(k kernels.Kernel) kernels.Kernel {
	switch k := k.(type) {
	case kernels.GEMM:
		k.TF32 = k.Type == kernels.F32
		return k
	case kernels.Conv:
		k.TF32 = k.Type == kernels.F32
		return k
	case kernels.ConvBackwardData:
		k.TF32 = k.Type == kernels.F32
		return k
	case kernels.ConvBackwardFilter:
		k.TF32 = k.Type == kernels.F32
		return k
	}
	return k
}

// mixer decides which values of a program are stored in half precision, t, and makes the calls fit. Matrix products and
// convolutions run in half precision; calls that only carry their results on (element-wise, normalisation, softmax, dropout, pooling,
// movement) follow their operands, or the products that read their results; reductions and losses take halves and give F32; all others,
// which update variables or add into their gradients, keep F32.
type mixer struct {
	*program
	t       kernels.DType
	half    []bool // of each value: it is stored as t
	factor  []bool // of each value: a product in half precision reads it
	narrow  []bool // of each call: it runs in half precision
	maybe   []bool
	updates map[int32][]int32

	out   []call
	casts map[cast]castAt
}

// cast is a conversion of a value that is already there.
type cast struct {
	value int32
	to    kernels.DType
}

type castAt struct{ value, call int32 }

// findFactors marks what products read.
func (m *mixer) findFactors() {
	m.factor = make([]bool, len(m.values))
	for i := range m.calls {
		c := &m.calls[i]
		if c.role != runKernel || !isProduct(c.kernel) {
			continue
		}
		if k, ok := narrowed(c.kernel, m.t); ok {
			for j, o := range k.Operands() {
				m.factor[c.args[j]] = m.factor[c.args[j]] || c.dirs[j] == kernels.In && o.Type == m.t
			}
		}
	}
}

// decide says whether call i runs in half precision, once that is known of the calls before it.
func (m *mixer) decide(i int) {
	c := &m.calls[i]
	switch {
	case m.forwards(c):
		for j, d := range c.dirs {
			if d == kernels.In && !m.half[c.args[j]] {
				return
			}
		}
		m.narrow[i] = true
	case c.role == runKernel:
		k, ok := narrowed(c.kernel, m.t)
		if !ok || !isProduct(c.kernel) && !m.carries(c, k) && !m.prepares(c, k) || m.normalisesFull(c) {
			return
		}
		m.narrow[i] = true
	}
	if !m.narrow[i] {
		return
	}
	for j, d := range c.dirs {
		if d == kernels.Out && m.mayHalve(c, j) {
			m.half[c.args[j]] = true
		}
	}
}

// forwards says whether the result of a call may be one of its operands itself: they are then all of one type.
func (m *mixer) forwards(c *call) bool {
	if c.role == switchCall || c.role == gateCall {
		return true
	}
	if !c.accumulates && !c.addsUp {
		return false
	}
	for j, d := range c.dirs {
		if d == kernels.In && m.maybe[c.args[j]] {
			return true
		}
	}
	return false
}

// mayHalve says whether output j of a call that runs in half precision may be stored so: the user does not look at it, and the kernel
// does not insist on F32.
func (m *mixer) mayHalve(c *call, j int) bool {
	v := &m.values[c.args[j]]
	if v.keep || v.storage != inArena || v.typ != kernels.F32 {
		return false
	}
	if c.role != runKernel {
		return true
	}
	k, _ := narrowed(c.kernel, m.t)
	return k.Operands()[j].Type == m.t
}

// carries says whether a call goes on with half precision: an element-wise one if all its large operands have that, any other if one has.
// k is the call's kernel in half precision.
func (m *mixer) carries(c *call, k kernels.Kernel) bool {
	some, elems := false, 0
	for j, o := range k.Operands() {
		if c.dirs[j] != kernels.In {
			elems = max(elems, o.Elems())
		}
	}
	_, elementwise := k.(kernels.Elementwise)
	for j, o := range k.Operands() {
		if o.Type != m.t || c.dirs[j] != kernels.In {
			continue
		}
		half := m.half[c.args[j]]
		if elementwise && !half && o.Elems() == elems {
			return false
		}
		some = some || half
	}
	return some
}

// normalisesFull says whether a call is a normalisation, or its gradient, of F32 values that may be beyond the range of F16: it brings them into it.
func (m *mixer) normalisesFull(c *call) bool {
	switch c.kernel.(type) {
	case kernels.Norm, kernels.NormBackward:
		return m.t == kernels.F16 && !m.half[c.args[0]]
	}
	return false
}

// prepares says whether a call, k in half precision, makes a product's factor of operands no larger than it, so that to round these is no dearer than
// to round the factor. (An element-wise call rounds its results itself.)
func (m *mixer) prepares(c *call, k kernels.Kernel) bool {
	if _, elementwise := k.(kernels.Elementwise); elementwise {
		return false
	}
	factor, in, out := false, 0, 0
	for j, o := range k.Operands() {
		switch {
		case o.Type != m.t:
		case c.dirs[j] == kernels.In:
			in += o.Elems()
		default:
			out += o.Elems()
			factor = factor || m.factor[c.args[j]] && m.mayHalve(c, j)
		}
	}
	return factor && in <= out
}

// keepFull takes back the half precision of values that are only read in F32, where their maker can give them so. A reduction takes what there is, unless
// its own result is wanted in half precision.
func (m *mixer) keepFull() {
	wanted := make([]bool, len(m.values)) // in half precision, by some reader
	for i := len(m.calls) - 1; i >= 0; i-- {
		c := &m.calls[i]
		if m.narrow[i] && m.givesFull(c) {
			c.outs(func(v int32) { m.half[v] = m.half[v] && wanted[v] })
		}
		_, elementwise := c.kernel.(kernels.Elementwise)
		anyHalf := m.narrow[i] && !m.forwards(c) && !isReduction(c.kernel)
		c.outs(func(v int32) { anyHalf = anyHalf || m.half[v] })
		for j, d := range c.dirs {
			if d == kernels.In && (anyHalf || elementwise && c.role == runKernel) {
				wanted[c.args[j]] = true
			}
		}
	}
}

// givesFull says whether a call in half precision can have F32 results.
func (m *mixer) givesFull(c *call) bool {
	if c.role != runKernel {
		return false
	}
	switch c.kernel.(type) {
	case kernels.GEMM, kernels.ConvBackwardFilter, kernels.Elementwise, kernels.Reduce:
		return true
	}
	return false
}

// rewrite gives the values their types and the calls their kernels, with conversions where they do not meet.
func (m *mixer) rewrite() {
	m.casts = map[cast]castAt{}
	m.out = make([]call, 0, len(m.calls)+len(m.calls)/4)
	for v, half := range m.half {
		if half {
			m.values[v].typ = m.t
		}
	}
	for i := range m.calls {
		c := m.calls[i]
		c.args, c.key = slices.Clone(c.args), ""
		want := m.wants(&c, i)
		for j, d := range c.dirs {
			if d == kernels.In && want[j] != m.values[c.args[j]].typ {
				c.args[j] = m.converted(c.args[j], want[j], int32(i), c)
			}
		}
		var late []call
		for j, d := range c.dirs {
			if d == kernels.Out && want[j] != m.values[c.args[j]].typ {
				v := c.args[j]
				c.args[j] = m.add(value{typ: want[j], elems: m.values[v].elems})
				late = append(late, m.conversion(c.args[j], v, c))
			}
		}
		m.out = append(append(m.out, c), late...)
	}
	m.calls = m.out
}

// wants chooses a call's kernel and lists the types that its operands then have.
func (m *mixer) wants(c *call, i int) []kernels.DType {
	want := make([]kernels.DType, len(c.args))
	if c.role != runKernel {
		for j, o := range c.originalTypes() {
			want[j] = o
		}
		if m.forwards(c) {
			t := m.values[c.args[len(c.args)-1]].typ
			for j := range want {
				want[j] = t
			}
		}
		return want
	}
	if k, ok := c.kernel.(kernels.Elementwise); ok && k.Type == kernels.F32 {
		c.kernel = m.fitted(k, c)
	} else if m.narrow[i] && !(isReduction(c.kernel) && m.values[c.args[0]].typ == kernels.F32) {
		full := m.values[c.args[len(c.args)-1]].typ == kernels.F32
		k, _ := narrowed(c.kernel, m.t)
		switch k := k.(type) {
		case kernels.GEMM:
			if full {
				k.OutType = kernels.F32
			}
			c.kernel = k
		case kernels.ConvBackwardFilter:
			if m.values[c.args[2]].typ == kernels.F32 {
				k.OutType = kernels.F32
			}
			c.kernel = k
		case kernels.Reduce:
			if full {
				k.OutType = kernels.F32
			}
			c.kernel = k
		default:
			c.kernel = k
		}
	}
	for j, o := range c.kernel.Operands() {
		want[j] = o.Type
	}
	return want
}

// fitted is an element-wise kernel on the types that its operands have. One whose result may be an operand itself keeps them all equal.
func (m *mixer) fitted(k kernels.Elementwise, c *call) kernels.Elementwise {
	k.Inputs, k.Outputs = slices.Clone(k.Inputs), slices.Clone(k.Outputs)
	out := m.values[c.args[len(k.Inputs)]].typ
	for j := range k.Inputs {
		if k.Inputs[j].Type == kernels.F32 {
			k.Inputs[j].Type = m.values[c.args[j]].typ
			if m.forwards(c) {
				k.Inputs[j].Type = out
			}
		}
	}
	for j := range k.Outputs {
		if k.Outputs[j].Type == kernels.F32 {
			k.Outputs[j].Type = m.values[c.args[len(k.Inputs)+j]].typ
		}
	}
	return k
}

// originalTypes are the operand types of a call without a kernel.
func (c *call) originalTypes() []kernels.DType {
	types := make([]kernels.DType, len(c.args))
	if c.role == runHost {
		for j, o := range c.operands() {
			types[j] = o.Type
		}
	}
	return types
}

// converted is value v as type t at the place of call i, by a conversion that is shared with the calls before. A constant is converted once and for all.
func (m *mixer) converted(v int32, t kernels.DType, i int32, c call) int32 {
	key := cast{v, t}
	if done, ok := m.casts[key]; ok && !m.changed(v, done.call, i) {
		return done.value
	}
	from := m.values[v]
	w := value{typ: t, elems: from.elems}
	if from.storage == inConstant {
		w.storage, w.data = inConstant, make([]byte, w.bytes())
		for e := range w.elems {
			t.SetValue(w.data, e, from.typ.Value(from.data, e))
		}
	}
	id := m.add(w)
	if w.storage != inConstant {
		m.out = append(m.out, m.conversion(v, id, c))
	}
	m.casts[key] = castAt{id, i}
	return id
}

// changed says whether variable v is updated from call i up to call j.
func (m *mixer) changed(v, i, j int32) bool {
	return slices.ContainsFunc(m.updates[v], func(at int32) bool { return at >= i && at < j })
}

// conversion is the call that rounds v to the type of w.
func (m *mixer) conversion(v, w int32, of call) call {
	n := m.values[v].elems
	k := kernels.Elementwise{Type: kernels.F32, Shape: []int{n}, Inputs: []kernels.EltInput{{Type: m.values[v].typ, Strides: kernels.DenseStrides([]int{n})}},
		Outputs: []kernels.EltOutput{{Type: m.values[w].typ, Value: 0}}}
	return call{kernel: k, args: []int32{v, w}, dirs: []kernels.Dir{kernels.In, kernels.Out}, node: of.node}
}

// isProduct says whether a kernel does the arithmetic that half precision is for.
func isProduct(k kernels.Kernel) bool {
	switch k.(type) {
	case kernels.GEMM, kernels.Conv, kernels.ConvBackwardData, kernels.ConvBackwardFilter:
		return true
	}
	return false
}

// isReduction says whether a kernel makes few numbers of many.
func isReduction(k kernels.Kernel) bool {
	switch k.(type) {
	case kernels.Reduce, kernels.ArgReduce:
		return true
	}
	return false
}

// narrowed is an F32 kernel with its large operands of type t, if there is such a kernel.
func narrowed(k kernels.Kernel, t kernels.DType) (kernels.Kernel, bool) {
	switch k := k.(type) {
	case kernels.GEMM:
		return retyped(&k, &k.Type, t)
	case kernels.Conv:
		return retyped(&k, &k.Type, t)
	case kernels.ConvBackwardData:
		return retyped(&k, &k.Type, t)
	case kernels.ConvBackwardFilter:
		return retyped(&k, &k.Type, t)
	case kernels.Elementwise:
		full := k.Type == kernels.F32
		k.Inputs, k.Outputs = slices.Clone(k.Inputs), slices.Clone(k.Outputs)
		for j := range k.Inputs {
			if k.Inputs[j].Type == kernels.F32 {
				k.Inputs[j].Type = t
			}
		}
		for j := range k.Outputs {
			if k.Outputs[j].Type == kernels.F32 {
				k.Outputs[j].Type = t
			}
		}
		return k, full && k.Validate() == nil
	case kernels.Norm:
		return retyped(&k, &k.Type, t)
	case kernels.NormBackward:
		return retyped(&k, &k.Of.Type, t)
	case kernels.Pool:
		return retyped(&k, &k.Type, t)
	case kernels.PoolBackward:
		return retyped(&k, &k.Of.Type, t)
	case kernels.Resize:
		return retyped(&k, &k.Type, t)
	case kernels.ResizeBackward:
		return retyped(&k, &k.Of.Type, t)
	case kernels.Move:
		return retyped(&k, &k.Type, t)
	case kernels.Concat:
		return retyped(&k, &k.Type, t)
	case kernels.Pad:
		return retyped(&k, &k.Type, t)
	case kernels.Gather:
		return retyped(&k, &k.Type, t)
	case kernels.Dropout:
		return retyped(&k, &k.Type, t)
	case kernels.Softmax:
		return retyped(&k, &k.Type, t)
	case kernels.SoftmaxBackward:
		return retyped(&k, &k.Of.Type, t)
	case kernels.CrossEntropy:
		return retyped(&k, &k.Type, t)
	case kernels.CrossEntropyBackward:
		return retyped(&k, &k.Of.Type, t)
	case kernels.Reduce:
		if !staysInRange(k.Op) {
			k.OutType = kernels.F32
		}
		return retyped(&k, &k.Type, t)
	case kernels.ArgReduce:
		return retyped(&k, &k.Type, t)
	}
	return nil, false
}

// staysInRange says whether a reduction's result is no larger than the largest of its elements: that of a sum may be beyond the numbers of F16.
func staysInRange(op kernels.ReduceOp) bool {
	return op == kernels.ReduceMean || op == kernels.ReduceMax || op == kernels.ReduceMin
}

// retyped sets the type of an F32 kernel, if there is such a kernel: one that updates a variable of that type keeps F32.
func retyped[K kernels.Kernel](k *K, at *kernels.DType, t kernels.DType) (kernels.Kernel, bool) {
	full := *at == kernels.F32
	*at = t
	if !full || (*k).Validate() != nil {
		return nil, false
	}
	updates := func(o kernels.Operand) bool { return o.Dir == kernels.InOut && o.Type == t }
	return *k, !slices.ContainsFunc((*k).Operands(), updates)
}
