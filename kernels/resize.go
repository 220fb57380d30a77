package kernels

import (
	"fmt"
	"math"
	"slices"
)

// ResizeMode is how a resize interpolates.
type ResizeMode uint8

// The modes.
const (
	Nearest ResizeMode = iota
	Linear             // bilinear for two axes, trilinear for three
)

func (m ResizeMode) String() string {
	if m == Linear {
		return "linear"
	}
	return "nearest"
}

// ResizeGrid is how positions of the output map to positions of the input.
type ResizeGrid uint8

// The grids: output p of an axis looks at input position
const (
	HalfPixel    ResizeGrid = iota // (p + 1/2)·in/out - 1/2
	AlignCorners                   // p·(in-1)/(out-1); 0 if out is 1
	Asymmetric                     // p·in/out
)

var resizeGrids = [...]string{"half_pixel", "align_corners", "asymmetric"}

func (g ResizeGrid) String() string {
	if int(g) >= len(resizeGrids) {
		return fmt.Sprintf("resize_grid(%d)", uint8(g))
	}
	return resizeGrids[g]
}

// Resize interpolates a feature map x[N, In…, C] to y[N, Out…, C], axis by axis. With u the position that the grid gives, held to
// [0, in-1]: Linear takes (1-t)·x[i] + t·x[i+1] with i = ⌊u⌋, t = u - i; Nearest takes x[⌊u + 1/2⌋], or, on the Asymmetric grid, x[⌊u⌋].
//
// F16 and BF16 are interpolated in f32 and rounded once.
//
// Operands: x, y.
type Resize struct {
	Type    DType // F32, F64, F16 or BF16
	Mode    ResizeMode
	Grid    ResizeGrid
	N, C    int
	In, Out []int // spatial extents, one to three axes
}

// NewResize makes an f32 resize of a feature map of shape [N, spatial…, C].
func NewResize(mode ResizeMode, grid ResizeGrid, image, to []int) (Resize, error) {
	rank := len(image) - 2
	if rank < 1 || rank > 3 || len(to) != rank {
		return Resize{}, fmt.Errorf("resize: image %v to %v: want [N, spatial…, C] with one to three spatial axes, and an output extent for each", image, to)
	}
	k := Resize{F32, mode, grid, image[0], image[rank+1], slices.Clone(image[1 : rank+1]), slices.Clone(to)}
	return k, k.Validate()
}

// Family is "resize".
func (k Resize) Family() string { return "resize" }

// Source is what output p of an axis takes: (1-t) parts of input i and t of input j.
func (k Resize) Source(axis, p int) (i, j int, t float64) {
	in, out := k.In[axis], k.Out[axis]
	if k.Mode == Nearest { // in integers: exact at ties on every device
		switch k.Grid {
		case HalfPixel: // ⌊(2p+1)·in/(2·out)⌋
			i = (2*p + 1) * in / (2 * out)
		case AlignCorners:
			if out > 1 {
				i = (2*p*(in-1) + out - 1) / (2 * (out - 1))
			}
		case Asymmetric:
			i = p * in / out
		}
		i = min(i, in-1)
		return i, i, 0
	}
	u := 0.0
	switch k.Grid {
	case HalfPixel:
		u = (float64(p)+0.5)*float64(in)/float64(out) - 0.5
	case AlignCorners:
		if out > 1 {
			u = float64(p) * float64(in-1) / float64(out-1)
		}
	case Asymmetric:
		u = float64(p) * float64(in) / float64(out)
	}
	u = min(max(u, 0), float64(in-1))
	i = int(math.Floor(u))
	return i, min(i+1, in-1), u - float64(i)
}

// ImageShape is the shape of x.
func (k Resize) ImageShape() []int { return featureMap(k.N, k.In, k.C) }

// ResultShape is the shape of y.
func (k Resize) ResultShape() []int { return featureMap(k.N, k.Out, k.C) }

// Operands lists x, y.
func (k Resize) Operands() []Operand {
	return []Operand{{"x", In, k.Type, k.ImageShape()}, {"y", Out, k.Type, k.ResultShape()}}
}

// Validate checks type, mode, grid and extents.
func (k Resize) Validate() error {
	if err := checkFloat("resize", k.Type); err != nil {
		return err
	}
	if k.Mode > Linear || k.Grid > Asymmetric {
		return fmt.Errorf("resize: unknown mode %d or grid %d", k.Mode, k.Grid)
	}
	if len(k.In) < 1 || len(k.In) > 3 || len(k.Out) != len(k.In) {
		return fmt.Errorf("resize: image %v to %v: want one to three spatial axes, as many of both", k.In, k.Out)
	}
	if err := CheckShape("resize", []int{k.N, k.C}, 0); err != nil {
		return err
	}
	for _, spatial := range [][]int{k.In, k.Out} {
		if err := CheckShape("resize", spatial, 1); err != nil {
			return err
		}
		if err := CheckShape("resize", featureMap(k.N, spatial, k.C), 0); err != nil {
			return err
		}
	}
	return nil
}

// Cost counts a multiply-add for each input of each output; nearest counts none.
func (k Resize) Cost() Cost {
	if k.Mode == Nearest {
		return Traffic(k, 0)
	}
	return Traffic(k, int64(2<<len(k.In))*int64(Elems(k.ResultShape())))
}

// Tolerance allows for the rounding of the weights; nearest is exact.
func (k Resize) Tolerance() Tolerance {
	if k.Mode == Nearest {
		return Tolerance{}
	}
	e := accumulator(k.Type).Epsilon()
	return roundedTo(k.Type, Tolerance{Abs: tiny(k.Type), Rel: 8 * e, Norm: 8 * e})
}

func (k Resize) String() string { return "resize " + k.attributes() }

func (k Resize) attributes() string {
	return fmt.Sprintf("%s %s %s %s to %s", k.Mode, k.Grid, k.Type, dims(k.ImageShape()), dims(k.Out))
}

// ResizeBackward is the gradient of a Resize: each input position gathers the gradients of the outputs that took it, by their weights.
//
// Operands: dy, dx.
type ResizeBackward struct {
	Of Resize
}

// Family is "resize_backward".
func (k ResizeBackward) Family() string { return "resize_backward" }

// Operands lists dy, dx.
func (k ResizeBackward) Operands() []Operand {
	return []Operand{{"dy", In, k.Of.Type, k.Of.ResultShape()}, {"dx", Out, k.Of.Type, k.Of.ImageShape()}}
}

// Validate checks the resize.
func (k ResizeBackward) Validate() error {
	if err := k.Of.Validate(); err != nil {
		return fmt.Errorf("backward of %w", err)
	}
	return nil
}

// Cost counts a multiply-add for each input of each output.
func (k ResizeBackward) Cost() Cost {
	per := int64(2 << len(k.Of.In))
	if k.Of.Mode == Nearest {
		per = 1
	}
	return Traffic(k, per*int64(Elems(k.Of.ResultShape())))
}

// Tolerance follows the number of outputs that take one input.
func (k ResizeBackward) Tolerance() Tolerance {
	e, n := accumulator(k.Of.Type).Epsilon(), 1.0
	for d := range k.Of.In {
		n *= 2 + 2*float64(k.Of.Out[d])/float64(k.Of.In[d])
	}
	return roundedTo(k.Of.Type, Tolerance{Abs: e * 0x1p-20, Rel: 8 * e, Norm: e * (8 + 4*math.Sqrt(n))})
}

func (k ResizeBackward) String() string { return "resize_backward " + k.Of.attributes() }
