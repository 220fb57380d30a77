package vision

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"palladio/engine/nn"
	"palladio/engine/op"
)

// SimpleNet is a plain stack of convolutions and max pools with one linear layer (Hasanpour et al., Lets keep it simple, 2016), written as a
// compact string: a width for each convolution, with its kernel behind a k where that is not 3 and its stride behind an s where that is not 1, and p for
// each max pool by 2:
//
//	64 128 128 128 p 128 128 256 p 256 256 p 512 2048k1 256k1 p 256 p
//
// Each convolution has a bias and is followed by batch normalisation, the activation, the pool if there is one, and dropout. Pools round up, so 28 pixels survive
// five of them. What is left of the map is reduced by a global maximum. (The original's seventh layer pools before it normalises; here all normalise first.)
type SimpleNet struct {
	Layers  []SimpleLayer
	Classes int
	// Norms is the number of convolutions, from the first, that are followed by batch normalisation; -1: all.
	Norms   int
	Dropout float64
	Act     nn.Activation // absent: relu
}

// SimpleLayer is a convolution of a SimpleNet, or a pool if Width is 0.
type SimpleLayer struct{ Width, Kernel, Stride int }

// limits of a genome: beyond them it is a slip of the pen.
const (
	maxSimpleLayers = 256
	maxSimpleWidth  = 1 << 16
	maxSimpleKernel = 63
)

// simplePresets are the networks of the paper and its repositories. The parameter counts leave normalisation out.
var simplePresets = map[string]struct {
	genome  string
	norms   int
	dropout float64
}{
	"full":      {"64 128 128 128 p 128 128 256 p 256 256 p 512 2048k1 256k1 p 256 p", 10, 0.2}, // 5,489,290 and 3,968
	"slim310k":  {"64 32 32 32 p 32 32 64 p 64 64 p 128 256k1 64k1 p 64 p", -1, 0},              // 310,506
	"slim460k":  {"32 32 32 64 p 64 64 64 p 64 64 p 96 96 96 p 100k1 p", -1, 0},                 // 454,710
	"half-slim": {"32 16 16 16 p 16 16 32 p 32 32 p 64 128k1 32k1 p 32 p", -1, 0},               // 78,458
}

// SimpleNetPresets lists the names that SimpleNetPreset takes.
func SimpleNetPresets() []string {
	var names []string
	for n := range simplePresets {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

// SimpleNetPreset is one of the published networks: full, slim310k, slim460k or half-slim.
func SimpleNetPreset(name string, classes int) (*SimpleNet, error) {
	p, ok := simplePresets[name]
	if !ok {
		return nil, fmt.Errorf("simplenet: unknown preset %q: want one of %s", name, strings.Join(SimpleNetPresets(), ", "))
	}
	s, err := ParseSimpleNet(p.genome, classes)
	if err != nil {
		return nil, err
	}
	s.Norms, s.Dropout = p.norms, p.dropout
	return s, nil
}

// ParseSimpleNet reads a compact string.
func ParseSimpleNet(genome string, classes int) (*SimpleNet, error) {
	if classes < 1 {
		return nil, fmt.Errorf("simplenet: %d classes: want at least 1", classes)
	}
	s := &SimpleNet{Classes: classes, Norms: -1}
	convolutions := 0
	for rest, at := genome, 0; ; {
		trimmed := strings.TrimLeft(rest, " \t\n")
		at += len(rest) - len(trimmed)
		if trimmed == "" {
			break
		}
		end := strings.IndexAny(trimmed, " \t\n")
		if end < 0 {
			end = len(trimmed)
		}
		l, err := parseSimpleLayer(trimmed[:end])
		if err != nil {
			return nil, fmt.Errorf("simplenet: token %q at position %d: %w", trimmed[:end], at, err)
		}
		if l.Width > 0 {
			convolutions++
		} else if convolutions == 0 {
			return nil, fmt.Errorf("simplenet: token %q at position %d: a pool before the first convolution", trimmed[:end], at)
		}
		if s.Layers = append(s.Layers, l); len(s.Layers) > maxSimpleLayers {
			return nil, fmt.Errorf("simplenet: more than %d layers", maxSimpleLayers)
		}
		rest, at = trimmed[end:], at+end
	}
	if convolutions == 0 {
		return nil, fmt.Errorf("simplenet: %q has no convolution", genome)
	}
	return s, nil
}

// parseSimpleLayer reads p, or a width with optional kernel and stride.
func parseSimpleLayer(token string) (SimpleLayer, error) {
	if token == "p" {
		return SimpleLayer{}, nil
	}
	l := SimpleLayer{Kernel: 3, Stride: 1}
	width, kernel, stride := token, "", ""
	if i := strings.IndexByte(width, 's'); i >= 0 {
		width, stride = width[:i], width[i+1:]
		if l.Stride = number(stride); l.Stride < 1 || l.Stride > 4 {
			return l, fmt.Errorf("stride %q: want 1 to 4", stride)
		}
	}
	if i := strings.IndexByte(width, 'k'); i >= 0 {
		width, kernel = width[:i], width[i+1:]
		if l.Kernel = number(kernel); l.Kernel < 1 || l.Kernel > maxSimpleKernel || l.Kernel%2 == 0 {
			return l, fmt.Errorf("kernel %q: want an odd number from 1 to %d", kernel, maxSimpleKernel)
		}
	}
	if l.Width = number(width); l.Width < 1 || l.Width > maxSimpleWidth {
		return l, fmt.Errorf("want a width from 1 to %d such as 128, one with a kernel such as 256k1, or p", maxSimpleWidth)
	}
	return l, nil
}

// number reads a plain decimal number; -1 for anything else.
func number(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil || strconv.Itoa(n) != s {
		return -1
	}
	return n
}

// String is the compact string.
func (s *SimpleNet) String() string {
	tokens := make([]string, len(s.Layers))
	for i, l := range s.Layers {
		switch {
		case l.Width == 0:
			tokens[i] = "p"
			continue
		case l.Kernel == 3:
			tokens[i] = strconv.Itoa(l.Width)
		default:
			tokens[i] = fmt.Sprintf("%dk%d", l.Width, l.Kernel)
		}
		if l.Stride > 1 {
			tokens[i] += fmt.Sprintf("s%d", l.Stride)
		}
	}
	return strings.Join(tokens, " ")
}

// Forward adds the network to a graph: images [N, H, W, C] become logits [N, Classes].
func (s *SimpleNet) Forward(b *nn.Builder, x nn.Node) nn.Node {
	act := s.Act
	if act == "" {
		act = "relu"
	}
	convolutions, pools := 0, 0
	for i, l := range s.Layers {
		if l.Width == 0 {
			pools++
			x = s.pool(b, x, pools)
			if s.Dropout > 0 && i != len(s.Layers)-1 {
				x = nn.Dropout{P: s.Dropout}.Forward(b, x)
			}
			continue
		}
		convolutions++
		x = b.Apply(fmt.Sprintf("conv%d", convolutions), nn.Conv{Filters: l.Width, Kernel: []int{l.Kernel}, Stride: []int{l.Stride}}, x)
		if s.Norms < 0 || convolutions <= s.Norms {
			x = b.Apply(fmt.Sprintf("norm%d", convolutions), nn.BatchNorm{NormOptions: op.NormOptions{ReLU: act == "relu"}}, x)
			if act != "relu" {
				x = act.Forward(b, x)
			}
		} else {
			x = act.Forward(b, x)
		}
		if pooled := i+1 < len(s.Layers) && s.Layers[i+1].Width == 0; !pooled && s.Dropout > 0 {
			x = nn.Dropout{P: s.Dropout}.Forward(b, x)
		}
	}
	x = nn.GlobalMaxPool{}.Forward(b, x)
	return b.Apply("classifier", nn.Linear{Out: s.Classes}, x)
}

// pool halves the map, rounding up.
func (s *SimpleNet) pool(b *nn.Builder, x nn.Node, n int) nn.Node {
	return b.Do(func() (nn.Node, error) {
		shape := x.Shape()
		if len(shape) != 4 || shape[1] < 2 && shape[2] < 2 {
			return nil, fmt.Errorf("simplenet: pool %d of %s: nothing left to pool in a map of %v: use larger images or fewer pools", n, s, shape)
		}
		window := []int{min(2, shape[1]), min(2, shape[2])}
		return op.MaxPool(x, window, op.PoolOptions{Ceil: true})
	}, x)
}
