package kernels

import (
	"strings"
	"testing"
)

// TestNNFaults asks that bad fields of normalisations, softmax, losses, pooling and resizes are refused with what is wrong.
func TestNNFaults(t *testing.T) {
	norm := func(f func(*Norm)) Norm {
		k := NewNorm(BatchTraining, 2, 3, 4, 0)
		f(&k)
		return k
	}
	pool := func(f func(*Pool)) Pool {
		k, err := NewPool(MaxPool, []int{1, 8, 8, 4}, []int{3, 3}, PoolOptions{PadLo: []int{1, 1}})
		if err != nil {
			t.Fatal(err)
		}
		f(&k)
		return k
	}
	loss := CrossEntropy{Type: F32, N: 2, C: 3, Labels: I32}
	for _, c := range []struct {
		k    Kernel
		want string
	}{
		{norm(func(k *Norm) { k.Type = I32 }), "type i32"},
		{norm(func(k *Norm) { k.N, k.Spatial = 1, 1 }), "one value for each of 4 channels"},
		{norm(func(k *Norm) { k.C = 0 }), "0 channels"},
		{norm(func(k *Norm) { k.N = -1 }), "at least 0"},
		{norm(func(k *Norm) { k.Eps = 0 }), "eps 0"},
		{norm(func(k *Norm) { k.Momentum = 1.5 }), "momentum 1.5"},
		{norm(func(k *Norm) { k.Act = GELU }), "gelu cannot be fused"},
		{norm(func(k *Norm) { k.Kind, k.Groups = GroupNorm, 3 }), "3 groups do not divide 4 channels"},
		{NormBackward{norm(func(k *Norm) { k.Kind = 99 })}, "backward of norm: unknown kind 99"},
		{Softmax{Type: I32, Outer: 1, Len: 1, Inner: 1}, "type i32"},
		{SoftmaxBackward{Softmax{Type: F32, Outer: 1, Len: -1, Inner: 1}}, "at least 0"},
		{CrossEntropy{Type: F32, N: 2, C: 3, Labels: U8}, "labels of type u8"},
		{CrossEntropy{Type: F32, N: 2, C: 0, Labels: I32}, "0 classes"},
		{CrossEntropy{Type: F32, N: 2, C: 3, Labels: I32, Smoothing: 1}, "smoothing 1"},
		{CrossEntropy{Type: F32, N: 2, C: 3, Labels: F32, Ignore: true}, "class numbers"},
		{pool(func(k *Pool) { k.PadLo[0] = 3 }), "less than the window"},
		{pool(func(k *Pool) { k.Window[1] = 11 }), "does not fit"},
		{pool(func(k *Pool) { k.Stride[0] = 0 }), "at least 1"},
		{pool(func(k *Pool) { k.Stride = nil }), "2 entries each"},
		{pool(func(k *Pool) { k.In = nil }), "0 spatial axes"},
		{pool(func(k *Pool) { k.CountPad = true }), "average"},
		{PoolBackward{pool(func(k *Pool) { k.Argmax = false })}, "set Argmax"},
		{Resize{Type: F32, N: 1, C: 1, In: []int{4}, Out: []int{0}}, "at least 1"},
		{Resize{Type: F32, N: 1, C: 1, In: []int{4, 4}, Out: []int{4}}, "as many of both"},
		{ResizeBackward{Resize{Type: F32, Grid: 9, N: 1, C: 1, In: []int{4}, Out: []int{4}}}, "unknown mode"},
		{CrossEntropyBackward{Of: CrossEntropy{Type: U8, N: 1, C: 1, Labels: I32}}, "type u8"},
		{loss, ""},
	} {
		err := c.k.Validate()
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s: %v", c.k, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: error %v, want one with %q", c.k, err, c.want)
		}
	}
}

// TestNNConstructorFaults asks the same of the constructors.
func TestNNConstructorFaults(t *testing.T) {
	for name, f := range map[string]func() error{
		"softmax axis":     func() error { _, err := SoftmaxAlong(F32, []int{2, 3}, 2, false); return err },
		"pool rank":        func() error { _, err := NewPool(AvgPool, []int{2, 3}, nil, PoolOptions{}); return err },
		"adaptive rank":    func() error { _, err := NewAdaptivePool(AvgPool, []int{1, 4, 4, 2}, []int{1}); return err },
		"global rank":      func() error { _, err := NewGlobalPool(AvgPool, []int{4}); return err },
		"resize rank":      func() error { _, err := NewResize(Linear, HalfPixel, []int{1, 4, 4, 2}, []int{8}); return err },
		"huber delta":      func() error { _, err := HuberLoss(F32, []int{2}, 0, LossMean); return err },
		"batch of scalars": func() error { _, err := MSELoss(F32, nil, LossBatchMean); return err },
		"loss type":        func() error { _, err := L1Loss(I32, []int{2}, LossMean); return err },
		"loss reduction":   func() error { _, err := KLLoss(F32, []int{2}, 9); return err },
	} {
		if f() == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// TestNNNames asks that kernels that differ have different names.
func TestNNNames(t *testing.T) {
	names := make(map[string]Case)
	for _, family := range []func() []Case{normCases, softmaxCases, crossEntropyCases, poolCases, resizeCases} {
		for _, c := range family() {
			s := c.Kernel.String()
			if other, ok := names[s]; ok {
				a, b := c.Kernel.Operands(), other.Kernel.Operands()
				for i := range a {
					if len(a) != len(b) || a[i].String() != b[i].String() || a[i].Dir != b[i].Dir {
						t.Errorf("%q names both %s and %s", s, c.Name, other.Name)
						break
					}
				}
			}
			names[s] = c
			if !strings.HasPrefix(s, c.Kernel.Family()+" ") {
				t.Errorf("%q does not begin with its family %q", s, c.Kernel.Family())
			}
		}
	}
}

func TestPoolOut(t *testing.T) {
	for _, c := range []struct {
		in, window, stride, pad int
		ceil                    bool
		want                    int
	}{
		{28, 2, 2, 0, false, 14}, {7, 2, 2, 0, false, 3}, {7, 2, 2, 0, true, 4}, {112, 3, 2, 1, false, 56}, {5, 3, 2, 1, true, 3},
		{2, 2, 2, 1, true, 2}, {1, 1, 1, 0, false, 1}, {10, 3, 1, 1, false, 10},
	} {
		k, err := NewPool(MaxPool, []int{1, c.in, 1}, []int{c.window}, PoolOptions{Stride: []int{c.stride}, PadLo: []int{c.pad}, Ceil: c.ceil})
		if err != nil {
			t.Errorf("%+v: %v", c, err)
			continue
		}
		if got := k.Out()[0]; got != c.want {
			t.Errorf("%+v: %d outputs, want %d", c, got, c.want)
		}
	}
}
