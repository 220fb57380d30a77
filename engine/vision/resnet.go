package vision

import (
	"fmt"

	"palladio/engine/nn"
)

// ResNet is the residual network for small images (He et al., 2016, section 4.2): a 3x3 convolution of 16, three stages of Blocks basic blocks with widths 16, 32, 64 and
// strides 1, 2, 2, a global mean and a linear layer, 6·Blocks+2 layers deep. Where the shape changes the shortcut is a 1x1 convolution (option B).
type ResNet struct {
	Blocks, Classes int
}

// ResNet20 is the network of 20 layers.
func ResNet20(classes int) ResNet { return ResNet{Blocks: 3, Classes: classes} }

// Forward adds the network to a graph: images [N, H, W, C] become logits [N, Classes].
func (r ResNet) Forward(b *nn.Builder, x nn.Node) nn.Node {
	if r.Blocks < 1 || r.Classes < 1 {
		b.Failed(fmt.Errorf("resnet: %d blocks a stage and %d classes: want at least 1 of each", r.Blocks, r.Classes))
		return nil
	}
	x = b.Apply("stem", nn.ConvNormAct{Conv: nn.Conv{Filters: 16, Kernel: []int{3}}, Act: "relu"}, x)
	in := 16
	for stage := range 3 {
		width := 16 << stage
		for block := range r.Blocks {
			stride := 1
			if stage > 0 && block == 0 {
				stride = 2
			}
			x = b.Apply(fmt.Sprintf("stage%d.block%d", stage+1, block+1), basicBlock(in, width, stride), x)
			in = width
		}
	}
	x = nn.GlobalAvgPool{}.Forward(b, x)
	return b.Apply("classifier", nn.Linear{Out: r.Classes}, x)
}

// basicBlock is two 3x3 convolutions and a shortcut.
func basicBlock(in, width, stride int) nn.Module {
	pad := []int{1}
	r := nn.Residual{
		Body: nn.Sequential{
			nn.ConvNormAct{Conv: nn.Conv{Filters: width, Kernel: []int{3}, Stride: []int{stride}, Pad: pad}, Act: "relu"},
			nn.ConvNormAct{Conv: nn.Conv{Filters: width, Kernel: []int{3}, Pad: pad}},
		},
		After: nn.Activation("relu"),
	}
	if in != width || stride != 1 {
		r.Shortcut = nn.ConvNormAct{Conv: nn.Conv{Filters: width, Kernel: []int{1}, Stride: []int{stride}, Valid: true}}
	}
	return r
}

// interface checks: networks are modules.
var (
	_ nn.Module = (*SimpleNet)(nil)
	_ nn.Module = ResNet{}
)
