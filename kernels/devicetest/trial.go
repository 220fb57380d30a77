package devicetest

import (
	"bytes"
	"errors"
	"fmt"
	"math"

	"palladio/kernels"
)

// Result is what became of one case on one device.
type Result struct {
	Case, Family, Device string

	Unsupported bool    // the device has no version of the kernel; nothing ran
	Err         error   // why the case failed; nil if it passed or is unsupported
	MaxError    float64 // largest |got-want| over all outputs and runs
	Fraction    float64 // largest |got-want| as a fraction of the tolerance; +Inf where equal bits are asked for and are not met
	Worst       string  // the element of that fraction: operand, index, got, want; empty if all elements are exact
}

// Passed says whether the kernel ran and met its contract.
func (r Result) Passed() bool { return r.Err == nil && !r.Unsupported }

func (r Result) String() string {
	head := fmt.Sprintf("%s on %s", r.Case, r.Device)
	switch {
	case r.Unsupported:
		return head + ": unsupported"
	case r.Err != nil:
		return fmt.Sprintf("%s: FAILED: %v", head, r.Err)
	case r.Worst != "":
		return fmt.Sprintf("%s: ok, max error %.3g, %.2g of the tolerance at %s", head, r.MaxError, r.Fraction, r.Worst)
	}
	return head + ": ok, exact"
}

// Trial is a case with its inputs and the reference's outputs, to be run on any number of devices.
type Trial struct {
	c      kernels.Case
	ops    []kernels.Operand
	inputs [][]byte // initial contents; nil for Out operands
	want   [][]byte // contents after the reference ran; nil for In operands
}

// NewTrial makes the inputs of a case and runs the reference on them.
func NewTrial(ref kernels.Device, c kernels.Case) (t *Trial, err error) {
	defer recovered(&err)
	if err := c.Kernel.Validate(); err != nil {
		return nil, fmt.Errorf("case %s: %w", c.Name, err)
	}
	t = &Trial{c: c, ops: c.Kernel.Operands()}
	known := make(map[string]bool)
	for _, o := range t.ops {
		known[o.Name] = o.Dir != kernels.Out
		var in []byte
		if o.Dir != kernels.Out {
			if in, err = Input(c.Name, o, c.Inputs[o.Name]); err != nil {
				return nil, fmt.Errorf("case %s: %w", c.Name, err)
			}
		}
		t.inputs = append(t.inputs, in)
	}
	for name := range c.Inputs {
		if !known[name] {
			return nil, fmt.Errorf("case %s: fill for %q, which is no input of %s", c.Name, name, c.Kernel)
		}
	}
	r, err := newRunner(ref, t)
	if err != nil {
		return nil, fmt.Errorf("case %s: reference: %w", c.Name, err)
	}
	defer r.free()
	if t.want, err = r.run(layout{poison: 0xff}); err != nil {
		return nil, fmt.Errorf("case %s: reference: %w", c.Name, err)
	}
	return t, nil
}

// Run runs one case on a device and compares it with the reference.
func Run(dev, ref kernels.Device, c kernels.Case) Result {
	t, err := NewTrial(ref, c)
	if err != nil {
		return Result{Case: c.Name, Family: c.Kernel.Family(), Device: dev.Name(), Err: err}
	}
	return t.Run(dev)
}

// Run runs the case on a device.
func (t *Trial) Run(dev kernels.Device) Result {
	res := Result{Case: t.c.Name, Family: t.c.Kernel.Family(), Device: dev.Name()}
	err := t.runAll(dev, &res)
	if errors.Is(err, kernels.ErrUnsupported) {
		res.Unsupported = true
		return res
	}
	res.Err = err
	return res
}

// Outputs runs the case once and gives the bytes of its outputs, by operand (nil for inputs), to compare two devices bit by bit.
func (t *Trial) Outputs(dev kernels.Device) (out [][]byte, err error) {
	defer recovered(&err)
	r, err := newRunner(dev, t)
	if err != nil {
		return nil, err
	}
	defer r.free()
	return r.run(layout{poison: 0xff})
}

// SameBits runs the case on two devices and says where their outputs differ, if they do.
func (t *Trial) SameBits(a, b kernels.Device) error {
	x, err := t.Outputs(a)
	if err != nil {
		return fmt.Errorf("%s: %w", a.Name(), err)
	}
	y, err := t.Outputs(b)
	if err != nil {
		return fmt.Errorf("%s: %w", b.Name(), err)
	}
	return t.equal(x, y)
}

// equal says where two runs' outputs differ.
func (t *Trial) equal(x, y [][]byte) error {
	for i, o := range t.ops {
		if bytes.Equal(x[i], y[i]) {
			continue
		}
		s := o.Type.Size()
		for e := range o.Elems() {
			if !bytes.Equal(x[i][e*s:e*s+s], y[i][e*s:e*s+s]) {
				return fmt.Errorf("%s %v differs: %v and %v (bits %x and %x)", o.Name, index(o.Shape, e),
					o.Type.Value(x[i], e), o.Type.Value(y[i], e), x[i][e*s:e*s+s], y[i][e*s:e*s+s])
			}
		}
	}
	return nil
}

func (t *Trial) runAll(dev kernels.Device, res *Result) (err error) {
	defer recovered(&err)
	r, err := newRunner(dev, t)
	if err != nil {
		return err
	}
	defer r.free()
	first, err := r.run(layout{poison: 0xff})
	if err != nil {
		return err
	}
	if err := t.compare(first, res); err != nil {
		return err
	}
	// The second run differs in all that may not matter: what lay in outputs, workspace and around the operands.
	second, err := r.run(layout{poison: 0x3c, salt: 0x5a})
	if err != nil {
		return fmt.Errorf("second run: %w", err)
	}
	if err := t.equal(first, second); err != nil {
		return fmt.Errorf("two runs differ (not deterministic, or it reads memory that it was not given): %w", err)
	}
	shifted, err := r.run(layout{poison: 0xff, shift: 1, salt: 0xa5})
	if err != nil {
		return fmt.Errorf("misaligned operands: %w", err)
	}
	if err := t.compare(shifted, res); err != nil {
		return fmt.Errorf("misaligned operands: %w", err)
	}
	for _, p := range t.aliases() {
		got, err := r.run(layout{poison: 0xff, alias: true, out: p[0], in: p[1]})
		if err == nil {
			err = t.compare(got, res)
		}
		if err != nil {
			return fmt.Errorf("%s over %s: %w", t.ops[p[0]].Name, t.ops[p[1]].Name, err)
		}
	}
	return nil
}

// aliases lists the pairs (output, input) that the kernel allows to share memory.
func (t *Trial) aliases() [][2]int {
	k, ok := t.c.Kernel.(kernels.InPlace)
	if !ok {
		return nil
	}
	var pairs [][2]int
	for i, o := range t.ops {
		for j, in := range t.ops {
			if o.Dir == kernels.Out && in.Dir == kernels.In && o.Bytes() == in.Bytes() && k.MayAlias(i, j) {
				pairs = append(pairs, [2]int{i, j})
			}
		}
	}
	return pairs
}

// compare holds the outputs of a run against the reference's.
func (t *Trial) compare(got [][]byte, res *Result) error {
	tol := t.c.Kernel.Tolerance()
	var bad error
	for i, o := range t.ops {
		if o.Dir == kernels.In {
			continue
		}
		norm := maxFinite(t.want[i], o)
		for e := range o.Elems() {
			g, w := o.Type.Value(got[i], e), o.Type.Value(t.want[i], e)
			f := fraction(tol, o.Type, got[i], t.want[i], e, norm)
			if f == 0 {
				continue
			}
			if d := math.Abs(g - w); d > res.MaxError {
				res.MaxError = d
			}
			if f > res.Fraction || res.Worst == "" {
				res.Fraction = f
				res.Worst = fmt.Sprintf("%s%v (got %v, want %v)", o.Name, index(o.Shape, e), g, w)
			}
			if f > 1 && bad == nil {
				bad = fmt.Errorf("%s%v is %v, want %v (tolerance abs %.3g, rel %.3g, norm %.3g of %.3g)",
					o.Name, index(o.Shape, e), g, w, tol.Abs, tol.Rel, tol.Norm, norm)
			}
		}
	}
	return bad
}

// fraction is an element's error as a fraction of what the tolerance allows; 0 for equal elements.
func fraction(tol kernels.Tolerance, typ kernels.DType, got, want []byte, e int, norm float64) float64 {
	s := typ.Size()
	g, w := typ.Value(got, e), typ.Value(want, e)
	if bytes.Equal(got[e*s:e*s+s], want[e*s:e*s+s]) || math.IsNaN(g) && math.IsNaN(w) {
		return 0
	}
	allowed := tol.Abs + tol.Rel*math.Abs(w) + tol.Norm*norm
	switch {
	case tol == kernels.Tolerance{} || !tol.Within(g, w, norm):
		if d := math.Abs(g-w) / allowed; d > 1 {
			return d
		}
		return math.Inf(1) // NaN, infinity, unequal zeros
	case g == w: // zeros of unequal sign, equal infinities
		return 0
	}
	return math.Abs(g-w) / allowed
}

func maxFinite(b []byte, o kernels.Operand) float64 {
	m := 0.0
	for e := range o.Elems() {
		if v := math.Abs(o.Type.Value(b, e)); v > m && !math.IsInf(v, 0) {
			m = v
		}
	}
	return m
}

// index is the position of a flat element in a shape.
func index(shape []int, flat int) []int {
	idx := make([]int, len(shape))
	for d := len(shape) - 1; d >= 0; d-- {
		idx[d] = flat % shape[d]
		flat /= shape[d]
	}
	return idx
}

// recovered turns a panic of the device under test into an error.
func recovered(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("panic: %v", p)
	}
}
