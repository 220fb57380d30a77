package engine

import (
	"fmt"
	"slices"
	"unsafe"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"palladio/kernels"
)

// variable is a node whose value the user binds.
type variable struct {
	node  *gorgonia.Node
	value int32
	typ   kernels.DType
	shape []int
	last  gorgonia.Value // what was bound at the last run
	ptr   uintptr
	arg   kernels.Arg
	// block and stage hold copies: of values that are not contiguous, and of all values on a device with memory of its own.
	block    kernels.Memory
	stage    []byte
	resident bool // the value on the device is the one that counts
	loaded   bool // of a resident one: it is there
}

// selector is a variable that a Switch reads.
type selector struct {
	value int32
	index int // in variables
	count int // number of branches
}

// bindVariables finds where the variables' values lie.
func (m *Machine) bindVariables() error {
	if !m.ready {
		if err := m.allocate(); err != nil {
			return err
		}
	}
	for i := range m.variables {
		if err := m.bindVariable(&m.variables[i]); err != nil {
			return err
		}
	}
	return nil
}

func (m *Machine) bindVariable(v *variable) error {
	now := v.node.Value()
	if now == nil {
		return fmt.Errorf("variable %s has no value: bind one with gorgonia.Let or WithValue", v.node.Name())
	}
	n := kernels.Elems(v.shape) * v.typ.Size()
	same := slices.Equal([]int(now.Shape()), v.shape)
	if same && now == v.last && (n == 0 || now.Uintptr() == v.ptr) && v.stage == nil && (v.block == nil || v.resident && v.loaded) {
		return nil
	}
	if t := dtypeOf(now.Dtype()); t != v.typ {
		return fmt.Errorf("variable %s is bound to elements of type %v, want %s", v.node.Name(), now.Dtype(), v.typ)
	}
	if s := now.Shape(); !same && !tensor.Shape(v.shape).Eq(s) && !(elemsOf(now) == 1 && n == v.typ.Size()) {
		return fmt.Errorf("variable %s is bound to a value of shape %v, but the plan was compiled for %v: make a machine for the new shape, or pad the value", v.node.Name(), s, v.shape)
	}
	if n > 0 {
		if err := m.locate(v, now, n); err != nil {
			return fmt.Errorf("variable %s: %w", v.node.Name(), err)
		}
	}
	v.last = now
	return nil
}

// locate makes v.arg point to n bytes of the value.
func (m *Machine) locate(v *variable, now gorgonia.Value, n int) error {
	raw, err := rawBytes(now)
	if err != nil {
		return err
	}
	updated := m.prog.values[v.value].updated
	src := raw
	if strided := !contiguous(now); strided || m.ownMemory(raw) {
		if updated && !strided {
			return fmt.Errorf("the plan updates it in place, so it cannot be bound to a result of the same plan: bind a copy")
		}
		if updated {
			return fmt.Errorf("the plan updates it in place, so it needs a contiguous row-major tensor, not a view of shape %v and strides %v", now.Shape(), now.(*tensor.Dense).Strides())
		}
		if v.stage == nil {
			v.stage = make([]byte, n)
			m.bound++
		}
		if !strided {
			copy(v.stage, raw)
		} else if err := gatherDense(v.stage, now.(*tensor.Dense), raw); err != nil {
			return err
		}
		src = v.stage
	} else if v.stage != nil {
		v.stage = nil
	}
	if len(src) < n {
		return fmt.Errorf("its value holds %d bytes, want %d", len(src), n)
	}
	src = src[:n:n]
	if m.shared {
		v.arg = kernels.Arg{Host: src}
		v.ptr = now.Uintptr()
		m.bound++
		return nil
	}
	if v.block == nil {
		if v.block, err = kernels.Alloc(m.device, n, "variable "+v.node.Name()); err != nil {
			return err
		}
		v.arg = v.block.Arg(0, n)
		m.bound++
	}
	if err := v.block.Upload(0, src); err != nil {
		return err
	}
	v.ptr, v.loaded = now.Uintptr(), true
	return nil
}

// ownMemory says whether a value lies among the plan's results, which the run overwrites.
func (m *Machine) ownMemory(raw []byte) bool {
	if !m.shared || len(raw) == 0 {
		return false
	}
	mem := m.resultMem.Arg(0, m.resultMem.Bytes()).Host
	at := uintptr(unsafe.Pointer(unsafe.SliceData(raw)))
	start := uintptr(unsafe.Pointer(unsafe.SliceData(mem)))
	return at+uintptr(len(raw)) > start && at < start+uintptr(len(mem))
}

// result is what an output's node is bound to.
type result struct {
	off, bytes int    // this run's value among the plan's results
	host       []byte // what the node's value views
	value      gorgonia.Value
	cleared    bool // holds zeros, because the value is absent on this path
}

// bindResults gives the outputs' nodes their values.
func (m *Machine) bindResults(pa *path) error {
	for i := range m.results {
		if err := m.bindResult(pa, i); err != nil {
			return fmt.Errorf("%s: %w", m.prog.outputs[i].node.Name(), err)
		}
	}
	if !m.shared {
		return m.fetchUpdated()
	}
	return nil
}

func (m *Machine) bindResult(pa *path, i int) error {
	o, r := &m.prog.outputs[i], &m.results[i]
	if r.bytes == 0 {
		return nil
	}
	if pa.absent[o.value] {
		if !r.cleared && !o.accumulate {
			clear(r.host)
			r.cleared = true
		}
	} else {
		r.cleared = false
		if err := m.fetch(pa, i); err != nil {
			return err
		}
	}
	switch {
	case o.accumulate:
		return nil
	case o.into != nil:
		return readInto(o.into, r.value)
	case o.node.Value() != r.value:
		return gorgonia.UnsafeLet(o.node, r.value)
	}
	return nil
}

// fetch brings output i to the memory that its node's value views.
func (m *Machine) fetch(pa *path, i int) error {
	o, r, at := &m.prog.outputs[i], &m.results[i], &pa.outs[i]
	src := r.host
	if m.shared {
		src = at.arg(m).Host
	} else if err := at.mem(m).Download(at.off, src); err != nil {
		return err
	}
	switch {
	case o.accumulate:
		return accumulate(o.node, src, m.prog.values[o.value].typ)
	case &src[0] != &r.host[0]:
		copy(r.host, src)
	}
	return nil
}

// accumulate adds a gradient to the derivative beside a node's value.
func accumulate(n *gorgonia.Node, src []byte, t kernels.DType) error {
	d, err := derivative(n)
	if err != nil {
		return err
	}
	dst, err := rawBytes(d)
	if err != nil {
		return err
	}
	if dtypeOf(d.Dtype()) != t || len(dst) != len(src) || !contiguous(d) {
		return fmt.Errorf("its derivative is %v%v, which a gradient of %d bytes of %s cannot be added to", d.Dtype(), d.Shape(), len(src), t)
	}
	return addInto(dst, src, t)
}

// addInto adds src to dst, element by element.
func addInto(dst, src []byte, t kernels.DType) error {
	switch t {
	case kernels.F32:
		d, s := view[float32](dst), view[float32](src)
		for i, x := range s {
			d[i] += x
		}
	case kernels.F64:
		d, s := view[float64](dst), view[float64](src)
		for i, x := range s {
			d[i] += x
		}
	default:
		return fmt.Errorf("a gradient of type %s cannot accumulate", t)
	}
	return nil
}

// readInto does what gorgonia's Read does: it copies into the value that is there, or clones.
func readInto(into *gorgonia.Value, v gorgonia.Value) error {
	if old := *into; old != nil && old != v && old.Dtype() == v.Dtype() && slices.Equal(old.Shape(), v.Shape()) && contiguous(old) {
		dst, err := rawBytes(old)
		if err != nil {
			return err
		}
		src, err := rawBytes(v)
		if err != nil {
			return err
		}
		copy(dst, src)
		return nil
	}
	if *into != nil {
		c, err := gorgonia.Copy(*into, v)
		if err != nil {
			return err
		}
		*into = c
		return nil
	}
	c, err := gorgonia.CloneValue(v)
	if err != nil {
		return err
	}
	*into = c
	return nil
}

// fetchUpdated copies the variables that the plan updated from the device back to the user's values.
func (m *Machine) fetchUpdated() error {
	for i := range m.variables {
		v := &m.variables[i]
		switch {
		case !m.prog.values[v.value].updated || v.block == nil:
			continue
		case v.resident:
			m.dirty = true
			continue
		}
		if err := v.fetch(); err != nil {
			return err
		}
	}
	return nil
}
