package kernels

import (
	"fmt"
	"math"
	"slices"
)

// PoolKind is what a pooling takes of each window.
type PoolKind uint8

// The kinds.
const (
	MaxPool PoolKind = iota // the largest element; NaN if there is one
	AvgPool                 // the mean of the elements inside the image
)

func (k PoolKind) String() string {
	if k == AvgPool {
		return "avg"
	}
	return "max"
}

// Pool reduces windows of a feature map x[N, In…, C], channel by channel. Along each spatial axis, output p sees the positions
//
//	p·Stride - PadLo … p·Stride - PadLo + Window - 1,  or, where Adaptive,  ⌊p·In/Out⌋ … ⌈(p+1)·In/Out⌉ - 1
//
// as far as they lie inside the image. Each window holds at least one such position.
//
// Operands: x[N, In…, C]; y[N, Out…, C]; where Argmax, argmax[N, Out…, C] of I32: the position of the maximum within the
// image's spatial axes, flat and row-major (the first of equal ones; the first NaN if there is one).
// F16 and BF16 are summed in f32 and rounded once.
type Pool struct {
	Type     DType // F32, F64, F16 or BF16
	Kind     PoolKind
	N, C     int
	In       []int // spatial extents, one to three axes
	Window   []int // empty where Adaptive
	Stride   []int // empty where Adaptive
	PadLo    []int // empty where Adaptive; less than Window
	PadHi    []int // empty where Adaptive; less than Window
	Ceil     bool  // keep a last window that hangs over the padded image's end, if it starts before PadHi
	CountPad bool  // AvgPool: divide by the positions in the padded image instead of those in the image
	Adaptive bool
	AdaptTo  []int // Adaptive: the output's spatial extents
	Argmax   bool  // MaxPool: give the positions, which PoolBackward needs
}

// PoolOptions says how windows move. Absent slices mean: stride as the window, no padding, PadHi as PadLo.
type PoolOptions struct {
	Stride, PadLo, PadHi []int
	Ceil, CountPad       bool
}

// NewPool makes an f32 pooling of a feature map of shape [N, spatial…, C] by windows; a maximum gives its positions too.
func NewPool(kind PoolKind, image, window []int, o PoolOptions) (Pool, error) {
	rank := len(image) - 2
	if rank < 1 || rank > 3 || len(window) != rank {
		return Pool{}, fmt.Errorf("pool: image %v and window %v: want [N, spatial…, C] with one to three spatial axes, and a window extent for each", image, window)
	}
	k := Pool{Type: F32, Kind: kind, N: image[0], In: slices.Clone(image[1 : rank+1]), C: image[rank+1], Window: slices.Clone(window),
		Stride: slices.Clone(o.Stride), PadLo: orRepeated(o.PadLo, rank, 0), PadHi: slices.Clone(o.PadHi),
		Ceil: o.Ceil, CountPad: o.CountPad, Argmax: kind == MaxPool}
	if o.Stride == nil {
		k.Stride = slices.Clone(window)
	}
	if o.PadHi == nil {
		k.PadHi = slices.Clone(k.PadLo)
	}
	return k, k.Validate()
}

// NewAdaptivePool makes an f32 pooling of a feature map of shape [N, spatial…, C] to given spatial extents; all ones is global pooling.
func NewAdaptivePool(kind PoolKind, image, to []int) (Pool, error) {
	rank := len(image) - 2
	if rank < 1 || rank > 3 || len(to) != rank {
		return Pool{}, fmt.Errorf("pool: image %v to %v: want [N, spatial…, C] with one to three spatial axes, and an output extent for each", image, to)
	}
	k := Pool{Type: F32, Kind: kind, N: image[0], In: slices.Clone(image[1 : rank+1]), C: image[rank+1],
		Adaptive: true, AdaptTo: slices.Clone(to), Argmax: kind == MaxPool}
	return k, k.Validate()
}

// NewGlobalPool makes an f32 pooling of all positions of a feature map of shape [N, spatial…, C] to one.
func NewGlobalPool(kind PoolKind, image []int) (Pool, error) {
	return NewAdaptivePool(kind, image, orRepeated(nil, max(len(image)-2, 0), 1))
}

// Family is "pool".
func (k Pool) Family() string { return "pool" }

// Out is the spatial extents of the result.
func (k Pool) Out() []int {
	if k.Adaptive {
		return k.AdaptTo
	}
	out := make([]int, len(k.In))
	for d := range out {
		padded := k.In[d] + k.PadLo[d] + k.PadHi[d]
		free := padded - k.Window[d]
		if k.Ceil {
			free += k.Stride[d] - 1
		}
		out[d] = free/k.Stride[d] + 1
		if k.Ceil && (out[d]-1)*k.Stride[d] >= k.In[d]+k.PadLo[d] {
			out[d]-- // it would see padding only
		}
	}
	return out
}

// Range is the positions [lo, hi) inside the image that output p sees along an axis, and how many it sees in the padded image.
func (k Pool) Range(axis, p int) (lo, hi, padded int) {
	in := k.In[axis]
	if k.Adaptive {
		out := k.AdaptTo[axis]
		lo, hi = p*in/out, ((p+1)*in+out-1)/out
		return lo, hi, hi - lo
	}
	lo = p*k.Stride[axis] - k.PadLo[axis]
	hi = min(lo+k.Window[axis], in+k.PadHi[axis])
	return max(lo, 0), min(hi, in), hi - lo
}

// ImageShape is the shape of x.
func (k Pool) ImageShape() []int { return featureMap(k.N, k.In, k.C) }

// ResultShape is the shape of y.
func (k Pool) ResultShape() []int { return featureMap(k.N, k.Out(), k.C) }

// featureMap is the shape [n, spatial…, c].
func featureMap(n int, spatial []int, c int) []int {
	s := make([]int, 0, len(spatial)+2)
	return append(append(append(s, n), spatial...), c)
}

// Operands lists x, y, argmax.
func (k Pool) Operands() []Operand {
	ops := []Operand{{"x", In, k.Type, k.ImageShape()}, {"y", Out, k.Type, k.ResultShape()}}
	if k.Argmax {
		ops = append(ops, Operand{"argmax", Out, I32, k.ResultShape()})
	}
	return ops
}

// Validate checks types, extents, windows and padding.
func (k Pool) Validate() error {
	if err := checkFloat("pool", k.Type); err != nil {
		return err
	}
	if k.Kind > AvgPool {
		return fmt.Errorf("pool: unknown kind %d", k.Kind)
	}
	if k.Argmax && k.Kind != MaxPool {
		return fmt.Errorf("pool: only a max pooling has an argmax")
	}
	if k.CountPad && k.Kind != AvgPool {
		return fmt.Errorf("pool: only an average pooling counts padding")
	}
	rank := len(k.In)
	if rank < 1 || rank > 3 {
		return fmt.Errorf("pool: %d spatial axes, want one to three", rank)
	}
	if err := CheckShape("pool", []int{k.N, k.C}, 0); err != nil {
		return err
	}
	if err := CheckShape("pool image", k.In, 1); err != nil {
		return err
	}
	if err := CheckShape("pool image", k.ImageShape(), 0); err != nil {
		return err
	}
	if Elems(k.In) > math.MaxInt32 {
		return fmt.Errorf("pool: an image of %v has more positions than i32 can number", k.In)
	}
	if k.Adaptive {
		if len(k.AdaptTo) != rank {
			return fmt.Errorf("pool: adaptive to %v for %d spatial axes", k.AdaptTo, rank)
		}
		return CheckShape("adaptive pool", k.AdaptTo, 1)
	}
	return k.validateWindow(rank)
}

func (k Pool) validateWindow(rank int) error {
	if len(k.Window) != rank || len(k.Stride) != rank || len(k.PadLo) != rank || len(k.PadHi) != rank {
		return fmt.Errorf("pool: window %v, stride %v, padding %v %v: want %d entries each", k.Window, k.Stride, k.PadLo, k.PadHi, rank)
	}
	for d := range rank {
		if k.Window[d] < 1 || k.Stride[d] < 1 {
			return fmt.Errorf("pool: window %v and stride %v: want at least 1 along each axis", k.Window, k.Stride)
		}
		if k.PadLo[d] < 0 || k.PadHi[d] < 0 || k.PadLo[d] >= k.Window[d] || k.PadHi[d] >= k.Window[d] {
			return fmt.Errorf("pool: padding %v before and %v after: want 0 or more and less than the window %v, so that each window sees the image", k.PadLo, k.PadHi, k.Window)
		}
		if padded := k.In[d] + k.PadLo[d] + k.PadHi[d]; k.Window[d] > padded {
			return fmt.Errorf("pool: window %v does not fit into the image %v padded by %v before and %v after (axis %d: %d > %d)",
				k.Window, k.In, k.PadLo, k.PadHi, d, k.Window[d], padded)
		}
	}
	for d, out := range k.Out() {
		for _, p := range []int{0, out - 1} {
			if lo, hi, _ := k.Range(d, p); lo >= hi {
				return fmt.Errorf("pool: output %d along axis %d would see padding only (image %v, window %v, stride %v, padding %v %v)",
					p, d, k.In, k.Window, k.Stride, k.PadLo, k.PadHi)
			}
		}
	}
	return nil
}

// taps is the number of image positions that all outputs of one channel of one sample see together.
func (k Pool) taps() int64 {
	n := int64(1)
	for d, out := range k.Out() {
		var sum int64
		for p := range out {
			lo, hi, _ := k.Range(d, p)
			sum += int64(hi - lo)
		}
		n *= sum
	}
	return n
}

// Cost counts one operation for each element of each window.
func (k Pool) Cost() Cost { return Traffic(k, k.taps()*int64(k.N)*int64(k.C)) }

// Tolerance asks for the exact maximum and position; a mean sums as many numbers as the window holds.
func (k Pool) Tolerance() Tolerance {
	if k.Kind == MaxPool {
		return Tolerance{}
	}
	return roundedTo(k.Type, Tolerance{Abs: tiny(k.Type), Rel: 8 * accumulator(k.Type).Epsilon(), Norm: k.sumTolerance()})
}

// sumTolerance allows for the rounding of a sum over a window, one part in the last place for each doubling squared.
func (k Pool) sumTolerance() float64 {
	n := 1.0
	for d := range k.In {
		lo, hi, _ := k.Range(d, k.Out()[d]/2)
		n *= float64(hi - lo)
	}
	return accumulator(k.Type).Epsilon() * (8 + 4*math.Sqrt(n))
}

func (k Pool) String() string { return "pool " + k.attributes() }

func (k Pool) attributes() string {
	s := fmt.Sprintf("%s %s %s", k.Kind, k.Type, dims(k.ImageShape()))
	if k.Adaptive {
		s += " adaptive to " + dims(k.AdaptTo)
	} else {
		s += fmt.Sprintf(" window=%s stride=%s pad=%v%v", dims(k.Window), dims(k.Stride), k.PadLo, k.PadHi)
	}
	if k.Ceil {
		s += " ceil"
	}
	if k.CountPad {
		s += " count_pad"
	}
	if k.Argmax {
		s += " argmax"
	}
	return s
}

// PoolBackward is the gradient of a Pool: each output's gradient goes to the position of its maximum, or is shared equally by
// the positions of its window. argmax must be what the Pool gave: what a position outside its output's window does is left open.
//
// Operands: dy[N, Out…, C]; argmax[N, Out…, C] of I32 where Of.Kind is MaxPool; dx[N, In…, C].
type PoolBackward struct {
	Of Pool
}

// Family is "pool_backward".
func (k PoolBackward) Family() string { return "pool_backward" }

// Operands lists dy, argmax, dx.
func (k PoolBackward) Operands() []Operand {
	ops := []Operand{{"dy", In, k.Of.Type, k.Of.ResultShape()}}
	if k.Of.Kind == MaxPool {
		ops = append(ops, Operand{"argmax", In, I32, k.Of.ResultShape()})
	}
	return append(ops, Operand{"dx", Out, k.Of.Type, k.Of.ImageShape()})
}

// Validate checks the pooling, which must give its positions if it takes maxima.
func (k PoolBackward) Validate() error {
	if err := k.Of.Validate(); err != nil {
		return fmt.Errorf("backward of %w", err)
	}
	if k.Of.Kind == MaxPool && !k.Of.Argmax {
		return fmt.Errorf("backward of pool: a max pooling without argmax has no gradient: set Argmax")
	}
	return nil
}

// Cost counts one operation for each element of each window of an average, one for each output of a maximum.
func (k PoolBackward) Cost() Cost {
	n := k.Of.taps()
	if k.Of.Kind == MaxPool {
		n = int64(Elems(k.Of.Out()))
	}
	return Traffic(k, n*int64(k.Of.N)*int64(k.Of.C))
}

// Tolerance follows the number of windows that hold a position.
func (k PoolBackward) Tolerance() Tolerance {
	e := accumulator(k.Of.Type).Epsilon()
	return roundedTo(k.Of.Type, Tolerance{Abs: e * 0x1p-20, Rel: 8 * e, Norm: k.Of.sumTolerance()})
}

func (k PoolBackward) String() string { return "pool_backward " + k.Of.attributes() }
