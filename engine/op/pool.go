package op

import (
	"gorgonia.org/gorgonia"

	"palladio/kernels"
)

// PoolOptions says how windows move; see kernels.PoolOptions.
type PoolOptions = kernels.PoolOptions

// MaxPool takes the maximum of each window of x [N, spatial…, C], over one to three spatial axes.
func MaxPool(x *gorgonia.Node, window []int, o PoolOptions) (*gorgonia.Node, error) {
	return windows(kernels.MaxPool, x, window, o)
}

// AvgPool takes the mean of each window of x [N, spatial…, C].
func AvgPool(x *gorgonia.Node, window []int, o PoolOptions) (*gorgonia.Node, error) {
	return windows(kernels.AvgPool, x, window, o)
}

// AdaptiveMaxPool takes maxima over as equal parts of x [N, spatial…, C] as there are outputs asked for.
func AdaptiveMaxPool(x *gorgonia.Node, to []int) (*gorgonia.Node, error) {
	return adaptive(kernels.MaxPool, x, to)
}

// AdaptiveAvgPool takes means over as equal parts of x [N, spatial…, C] as there are outputs asked for.
func AdaptiveAvgPool(x *gorgonia.Node, to []int) (*gorgonia.Node, error) {
	return adaptive(kernels.AvgPool, x, to)
}

// GlobalMaxPool takes the maximum over all positions of x [N, spatial…, C]: the result is [N, C].
func GlobalMaxPool(x *gorgonia.Node) (*gorgonia.Node, error) { return global(kernels.MaxPool, x) }

// GlobalAvgPool takes the mean over all positions of x [N, spatial…, C]: the result is [N, C].
func GlobalAvgPool(x *gorgonia.Node) (*gorgonia.Node, error) { return global(kernels.AvgPool, x) }

func windows(kind kernels.PoolKind, x *gorgonia.Node, window []int, o PoolOptions) (*gorgonia.Node, error) {
	ks, err := floats("pool", x)
	if err != nil {
		return nil, err
	}
	k, err := kernels.NewPool(kind, ks[0].shape, window, o)
	if err != nil {
		return nil, err
	}
	k.Type = ks[0].typ
	return pool(k, x)
}

func adaptive(kind kernels.PoolKind, x *gorgonia.Node, to []int) (*gorgonia.Node, error) {
	ks, err := floats("pool", x)
	if err != nil {
		return nil, err
	}
	k, err := kernels.NewAdaptivePool(kind, ks[0].shape, to)
	if err != nil {
		return nil, err
	}
	k.Type = ks[0].typ
	return pool(k, x)
}

func global(kind kernels.PoolKind, x *gorgonia.Node) (*gorgonia.Node, error) {
	ks, err := floats("pool", x)
	if err != nil {
		return nil, err
	}
	k, err := kernels.NewGlobalPool(kind, ks[0].shape)
	if err != nil {
		return nil, err
	}
	k.Type = ks[0].typ
	y, err := pool(k, x)
	if err != nil {
		return nil, err
	}
	return Reshape(y, k.N, k.C)
}

func pool(k kernels.Pool, x *gorgonia.Node) (*gorgonia.Node, error) {
	if k.Kind == kernels.AvgPool {
		return avgPool(k, x)
	}
	k.Argmax = true
	o := operator{text: k.String(), lower: func(l Lowering) error {
		if !l.Used(1) {
			plain := k
			plain.Argmax = false
			emit(l, plain, l.In(0), l.Out(0))
			return nil
		}
		emit(l, k, l.In(0), l.Out(0), l.Out(1))
		return nil
	}}
	var f *family
	diff := func(_ gorgonia.Nodes, _, dy *gorgonia.Node, _ []bool) (gorgonia.Nodes, error) {
		d, err := call(kernels.PoolBackward{Of: k}, k.ImageShape(), []bool{true, false}, func(x gorgonia.Nodes, _, ddx *gorgonia.Node, _ []bool) (gorgonia.Nodes, error) {
			d, err := pick(k, ddx, x[1])
			return gorgonia.Nodes{d, nil}, err
		}, dy, f.node(1))
		return gorgonia.Nodes{d}, err
	}
	f, err := applyFamily(o, []output{
		{kind{k.Type, k.ResultShape()}, all(1), diff},
		{kind: kind{kernels.I32, k.ResultShape()}},
	}, x)
	if err != nil {
		return nil, err
	}
	return f.node(0), nil
}

// pick takes from each window of x the element at the position that was the maximum of another tensor.
func pick(k kernels.Pool, x, at *gorgonia.Node) (*gorgonia.Node, error) {
	x, err := Reshape(x, k.N, kernels.Elems(k.In), k.C)
	if err != nil {
		return nil, err
	}
	if at, err = Reshape(at, k.N, kernels.Elems(k.Out()), k.C); err != nil {
		return nil, err
	}
	y, err := TakeAlong(x, at, 1)
	if err != nil {
		return nil, err
	}
	return Reshape(y, k.ResultShape()...)
}

func avgPool(k kernels.Pool, x *gorgonia.Node) (*gorgonia.Node, error) {
	return call(k, k.ResultShape(), all(1), func(_ gorgonia.Nodes, _, dy *gorgonia.Node, _ []bool) (gorgonia.Nodes, error) {
		d, err := call(kernels.PoolBackward{Of: k}, k.ImageShape(), all(1), func(_ gorgonia.Nodes, _, ddx *gorgonia.Node, _ []bool) (gorgonia.Nodes, error) {
			d, err := avgPool(k, ddx) // both passes are linear, each the other's adjoint
			return gorgonia.Nodes{d}, err
		}, dy)
		return gorgonia.Nodes{d}, err
	}, x)
}

// ResizeMode and ResizeGrid say how a resize interpolates; see package kernels.
type (
	ResizeMode = kernels.ResizeMode
	ResizeGrid = kernels.ResizeGrid
)

// Resize interpolates a feature map x [N, spatial…, C] to other spatial extents.
func Resize(x *gorgonia.Node, mode ResizeMode, grid ResizeGrid, to []int) (*gorgonia.Node, error) {
	ks, err := floats("resize", x)
	if err != nil {
		return nil, err
	}
	k, err := kernels.NewResize(mode, grid, ks[0].shape, to)
	if err != nil {
		return nil, err
	}
	k.Type = ks[0].typ
	return resize(k, x)
}

func resize(k kernels.Resize, x *gorgonia.Node) (*gorgonia.Node, error) {
	return call(k, k.ResultShape(), all(1), func(_ gorgonia.Nodes, _, dy *gorgonia.Node, _ []bool) (gorgonia.Nodes, error) {
		d, err := call(kernels.ResizeBackward{Of: k}, k.ImageShape(), all(1), func(_ gorgonia.Nodes, _, ddx *gorgonia.Node, _ []bool) (gorgonia.Nodes, error) {
			d, err := resize(k, ddx)
			return gorgonia.Nodes{d}, err
		}, dy)
		return gorgonia.Nodes{d}, err
	}, x)
}
