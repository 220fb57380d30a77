package nn

import (
	"fmt"
	"slices"

	"gorgonia.org/tensor"

	"palladio/kernels"
)

// Param is a named tensor of a network.
type Param struct {
	Name  string
	Value *tensor.Dense // contiguous; graphs and machines read and update it in place
	// Trained says that an optimiser changes it. Others are state, such as running statistics, which the network itself updates.
	Trained bool
	// Decays says that weight decay applies: to weights, but not to biases and normalisations' parameters.
	Decays bool
}

// Params are the parameters and the state of a network, apart from any graph. They are made when a graph is first built from them and found
// again, by name, in every later one.
type Params struct {
	seed   uint64
	dtype  tensor.Dtype
	list   []*Param
	byName map[string]*Param
}

// NewParams makes an empty collection of float32 parameters. The initial values follow from the seed and each parameter's name alone.
func NewParams(seed uint64) *Params {
	return &Params{seed: seed, dtype: tensor.Float32, byName: map[string]*Param{}}
}

// NewParams64 is NewParams in float64, for checks of gradients.
func NewParams64(seed uint64) *Params {
	p := NewParams(seed)
	p.dtype = tensor.Float64
	return p
}

// All lists the parameters in the order in which they were made.
func (p *Params) All() []*Param { return slices.Clone(p.list) }

// Trained lists the parameters that an optimiser changes.
func (p *Params) Trained() []*Param {
	return slices.DeleteFunc(p.All(), func(q *Param) bool { return !q.Trained })
}

// Get finds a parameter by name; nil if there is none.
func (p *Params) Get(name string) *Param { return p.byName[name] }

// Count is the number of trained values.
func (p *Params) Count() int {
	n := 0
	for _, q := range p.Trained() {
		n += q.Value.DataSize()
	}
	return n
}

// Clone copies the values: the clone's network starts where this one is and goes its own way.
func (p *Params) Clone() *Params {
	c := &Params{seed: p.seed, dtype: p.dtype, byName: map[string]*Param{}}
	for _, q := range p.list {
		r := *q
		r.Value = q.Value.Clone().(*tensor.Dense)
		c.add(&r)
	}
	return c
}

// CopyFrom sets the values to those of another collection of the same parameters.
func (p *Params) CopyFrom(o *Params) error {
	if len(p.list) != len(o.list) {
		return fmt.Errorf("copy parameters: %d from %d", len(p.list), len(o.list))
	}
	for _, q := range p.list {
		from := o.byName[q.Name]
		if from == nil {
			return fmt.Errorf("copy parameters: no %s to copy from", q.Name)
		}
		if !from.Value.Shape().Eq(q.Value.Shape()) || from.Value.Dtype() != q.Value.Dtype() {
			return fmt.Errorf("copy parameters: %s is %v%v, the other one %v%v", q.Name, q.Value.Dtype(), q.Value.Shape(), from.Value.Dtype(), from.Value.Shape())
		}
		copy(hostBytes(q.Value), hostBytes(from.Value))
	}
	return nil
}

func (p *Params) add(q *Param) {
	p.list = append(p.list, q)
	p.byName[q.Name] = q
}

// ensure finds a parameter, or makes it by an initialiser.
func (p *Params) ensure(name string, shape []int, init Init, trained, decays bool) (*Param, error) {
	if q := p.byName[name]; q != nil {
		if !slices.Equal([]int(q.Value.Shape()), shape) {
			return nil, fmt.Errorf("parameter %s has shape %v, but %v is asked for: give layers of different shape different names", name, q.Value.Shape(), shape)
		}
		return q, nil
	}
	if err := kernels.CheckShape("parameter "+name, shape, 1); err != nil {
		return nil, err
	}
	if len(shape) == 0 {
		return nil, fmt.Errorf("parameter %s is a scalar, whose value gorgonia would copy: give it the shape [1]", name)
	}
	q := &Param{Name: name, Value: newDense(p.dtype, shape), Trained: trained, Decays: decays}
	values, err := init.values(shape, newDraws(p.seed, name))
	if err != nil {
		return nil, fmt.Errorf("parameter %s: %w", name, err)
	}
	setFloats(q.Value, values)
	p.add(q)
	return q, nil
}

// newDense makes a tensor of zeros.
func newDense(t tensor.Dtype, shape []int) *tensor.Dense {
	if len(shape) == 0 {
		if t == tensor.Float64 {
			return tensor.New(tensor.FromScalar(float64(0)))
		}
		return tensor.New(tensor.FromScalar(float32(0)))
	}
	return tensor.New(tensor.Of(t), tensor.WithShape(shape...))
}

// setFloats sets a tensor's values, rounded to its type.
func setFloats(d *tensor.Dense, values []float64) {
	switch to := d.Data().(type) {
	case []float32:
		for i, v := range values {
			to[i] = float32(v)
		}
	case []float64:
		copy(to, values)
	}
}

// hostBytes sees a tensor's memory.
func hostBytes(d *tensor.Dense) []byte {
	switch v := d.Data().(type) {
	case []float32:
		return kernels.HostArg(v).Host
	case []float64:
		return kernels.HostArg(v).Host
	case []int64:
		return kernels.HostArg(v).Host
	case []int32:
		return kernels.HostArg(v).Host
	case []uint8:
		return v
	}
	return nil
}
