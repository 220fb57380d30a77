package nn

import (
	"fmt"
	"math"

	"palladio/engine/op"
)

// Attention is multi-head self-attention of x [N, T, width] (Vaswani et al., 2017, section 3.2).
type Attention struct {
	Heads   int
	Causal  bool    // position i sees positions 0 … i only
	Dropout float64 // of the attention weights
}

// Forward attends.
func (a Attention) Forward(b *Builder, x Node) Node {
	return b.Do(func() (Node, error) {
		s := x.Shape()
		if len(s) != 3 || a.Heads < 1 || s[2]%a.Heads != 0 {
			return nil, fmt.Errorf("attention: %d heads on input %v: want [N, T, width] with a width that the heads divide", a.Heads, s)
		}
		n, t, width := s[0], s[1], s[2]
		d := width / a.Heads
		qkv := b.Apply("qkv", Linear{Out: 3 * width}, x)
		heads := b.Do(func() (Node, error) { // [3, N, heads, T, d]
			y, err := op.Reshape(qkv, n, t, 3, a.Heads, d)
			if err != nil {
				return nil, err
			}
			return op.Transpose(y, 2, 0, 3, 1, 4)
		}, qkv)
		part := func(i int) Node {
			return b.Do(func() (Node, error) {
				y, err := op.SliceAxis(heads, 0, i, i+1)
				if err != nil {
					return nil, err
				}
				return op.Reshape(y, n, a.Heads, t, d)
			}, heads)
		}
		q, k, v := part(0), part(1), part(2)
		w := b.Do(func() (Node, error) {
			y, err := op.MatMul(q, k, false, true)
			if err != nil {
				return nil, err
			}
			return op.Scale(y, 1/math.Sqrt(float64(d)))
		}, q, k)
		if a.Causal {
			w = a.mask(b, w, t)
		}
		w = b.Do(func() (Node, error) { return op.Softmax(w, -1) }, w)
		w = Dropout{P: a.Dropout}.Forward(b, w)
		y := b.Do(func() (Node, error) {
			y, err := op.MatMul(w, v, false, false)
			if err != nil {
				return nil, err
			}
			if y, err = op.Transpose(y, 0, 2, 1, 3); err != nil {
				return nil, err
			}
			return op.Reshape(y, n, t, width)
		}, w, v)
		y = b.Apply("out", Linear{Out: width}, y)
		return y, b.err
	}, x)
}

// mask adds -Inf where a position must not look.
func (a Attention) mask(b *Builder, w Node, t int) Node {
	values := make([]float64, t*t)
	for i := range t {
		for j := i + 1; j < t; j++ {
			values[i*t+j] = math.Inf(-1)
		}
	}
	return b.Do(func() (Node, error) {
		m, err := op.Constant(b.graph, b.params.dtype, values, t, t)
		if err != nil {
			return nil, err
		}
		return op.Add(w, m)
	}, w)
}

// TransformerEncoder is a stack of pre-norm encoder layers on x [N, T, width] (Vaswani et al., 2017; Xiong et al., 2020), with learned positions and a
// normalisation at the end.
type TransformerEncoder struct {
	Layers, Heads, Hidden int
	Act                   Activation // absent: gelu
	Dropout               float64
	Causal                bool
	NoPositions           bool
}

// Forward encodes.
func (e TransformerEncoder) Forward(b *Builder, x Node) Node {
	return b.Do(func() (Node, error) {
		s := x.Shape()
		if len(s) != 3 || e.Layers < 1 || e.Hidden < 1 {
			return nil, fmt.Errorf("transformer: %d layers of %d hidden units on input %v: want [N, T, width]", e.Layers, e.Hidden, s)
		}
		if !e.NoPositions {
			p := b.Weight("positions", Normal(0.02), s[1], s[2])
			y := x
			x = b.Do(func() (Node, error) { return op.Add(y, p) }, p)
		}
		for i := range e.Layers {
			x = b.Apply(fmt.Sprintf("layer%d", i), encoderLayer{e}, x)
		}
		return b.Apply("norm", LayerNorm{}, x), b.err
	}, x)
}

// encoderLayer is attention and a two-layer network, each on a normalised input and added to it.
type encoderLayer struct{ TransformerEncoder }

func (e encoderLayer) Forward(b *Builder, x Node) Node {
	drop := Dropout{P: e.Dropout}
	return Sequential{
		Named{"attention", Residual{Body: Sequential{
			Named{"norm", LayerNorm{}}, Named{"heads", Attention{Heads: e.Heads, Causal: e.Causal, Dropout: e.Dropout}}, drop,
		}}},
		Named{"mlp", Residual{Body: Sequential{
			Named{"norm", LayerNorm{}}, Named{"in", Linear{Out: e.Hidden}}, orActivation(e.Act, "gelu"), Named{"out", Linear{Out: x.Shape()[2]}}, drop,
		}}},
	}.Forward(b, x)
}
