package vision

import (
	"fmt"

	"gorgonia.org/gorgonia"

	"palladio/engine"
	"palladio/engine/hw"
	"palladio/engine/nn"
	"palladio/engine/op"
	"palladio/kernels"
)

// ConvNet is a plain or mobile convolutional network: a 3x3 stem, stages of equal blocks at falling resolution (the first keeps the input's), global
// average pooling and a linear classifier. Plain stages are SimpleNet's (Hasanpour et al. 2016): convolutions, with max pooling
// where the resolution falls. Mobile stages are inverted residuals (Sandler et al., MobileNetV2, 2018), whose first
// block has stride 2. Each convolution is followed by batch normalisation and, but for the narrowing ones of mobile blocks, the activation.
type ConvNet struct {
	Resolution int            `json:"resolution"` // side of the square input
	Stem       int            `json:"stem"`       // channels
	Activation nn.Activation  `json:"activation"`
	Stages     []ConvNetStage `json:"stages"`
	Channels   int            `json:"-"` // of the input
	Classes    int            `json:"-"`
}

// ConvNetStage is Depth blocks of one kind.
type ConvNetStage struct {
	Block     string `json:"block"` // plain or mobile
	Depth     int    `json:"depth"`
	Width     int    `json:"width"`               // channels
	Kernel    int    `json:"kernel"`              // side of the filters
	Expansion int    `json:"expansion,omitempty"` // of mobile blocks: channels inside as a multiple of those that come in
}

// The kinds of blocks.
const (
	Plain  = "plain"
	Mobile = "mobile"
)

// String is the network in one line: side of the input, activation, stem, and each stage's block, depth x width, kernel and expansion.
func (c ConvNet) String() string {
	text := fmt.Sprintf("%dpx %s: %d", c.Resolution, c.Activation, c.Stem)
	for _, s := range c.Stages {
		text += fmt.Sprintf(" | %s %dx%d k%d", s.Block, s.Depth, s.Width, s.Kernel)
		if s.Block == Mobile {
			text += fmt.Sprintf(" e%d", s.Expansion)
		}
	}
	return text
}

// Validate says which part cannot be built.
func (c ConvNet) Validate() error {
	side := c.Resolution
	if side < 1 || c.Stem < 1 || c.Channels < 1 || c.Classes < 1 {
		return fmt.Errorf("network: %dx%dx%d input, stem of %d, %d classes: want positive numbers", side, side, c.Channels, c.Stem, c.Classes)
	}
	for i, s := range c.Stages {
		if s.Block != Plain && s.Block != Mobile {
			return fmt.Errorf("stage %d: block %q: want %s or %s", i+1, s.Block, Plain, Mobile)
		}
		if s.Depth < 1 || s.Width < 1 || s.Kernel < 1 || s.Kernel%2 == 0 || s.Block == Mobile && s.Expansion < 1 {
			return fmt.Errorf("stage %d: depth %d, width %d, kernel %d, expansion %d: want positive numbers and an odd kernel", i+1, s.Depth, s.Width, s.Kernel, s.Expansion)
		}
		if i > 0 {
			if side < 2 {
				return fmt.Errorf("stage %d: the map is %dx%d already and cannot be halved: use fewer stages or a higher resolution than %d", i+1, side, side, c.Resolution)
			}
			side /= 2
		}
	}
	return nil
}

// Forward builds the network and returns the logits [N, Classes].
func (c ConvNet) Forward(b *nn.Builder, x nn.Node) nn.Node {
	if err := c.Validate(); err != nil {
		b.Failed(err)
		return nil
	}
	x = b.Apply("stem", nn.ConvNormAct{Conv: nn.Conv{Filters: c.Stem, Kernel: []int{3}}, Act: c.Activation}, x)
	for i, s := range c.Stages {
		x = b.In(fmt.Sprintf("stage%d", i+1), func() nn.Node { return c.stage(b, x, s, i > 0) })
	}
	x = b.Apply("pool", nn.GlobalAvgPool{}, x)
	return b.Apply("classifier", nn.Linear{Out: c.Classes}, x)
}

func (c ConvNet) stage(b *nn.Builder, x nn.Node, s ConvNetStage, halve bool) nn.Node {
	if halve && s.Block == Plain {
		x = b.Apply("halve", nn.MaxPool{Window: []int{2}, PoolOptions: op.PoolOptions{Stride: []int{2}}}, x)
	}
	for d := range s.Depth {
		var block nn.Module = nn.ConvNormAct{Conv: nn.Conv{Filters: s.Width, Kernel: []int{s.Kernel}}, Act: c.Activation}
		if s.Block == Mobile {
			stride := 1
			if halve && d == 0 {
				stride = 2
			}
			block = nn.MBConv{Out: s.Width, Kernel: s.Kernel, Stride: stride, Expand: float64(s.Expansion), Act: c.Activation}
		}
		x = b.Apply(fmt.Sprintf("block%d", d+1), block, x)
	}
	return x
}

// Anatomy is what can be known of a network without training it.
type Anatomy struct {
	Summary nn.Summary
	Calls   []kernels.Kernel // of an inference
}

// Examine builds the network for inference on a batch and compiles it; nothing is run.
func Examine(net nn.Module, input ...int) (Anatomy, error) {
	b := nn.NewParams(0).Build(gorgonia.NewGraph())
	y := net.Forward(b, b.Input("x", input...))
	if err := b.Err(); err != nil {
		return Anatomy{}, err
	}
	vm := engine.New(b.Graph(), engine.Inference(), engine.Outputs(y))
	defer vm.Close()
	plan, err := vm.Plan()
	if err != nil {
		return Anatomy{}, err
	}
	return Anatomy{b.Summary(), plan.Kernels()}, nil
}

// price is the modelled latency of an inference.
func (a Anatomy) price(m hw.Machine) (hw.Price, error) { return m.Price(a.Calls) }
