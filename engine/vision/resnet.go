package vision

import (
	"fmt"

	"palladio/engine/nn"
	"palladio/engine/op"
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
	return residual(in, width, stride, nn.Sequential{
		nn.ConvNormAct{Conv: nn.Conv{Filters: width, Kernel: []int{3}, Stride: []int{stride}, Pad: pad}, Act: "relu"},
		nn.ConvNormAct{Conv: nn.Conv{Filters: width, Kernel: []int{3}, Pad: pad}},
	})
}

// residual adds a shortcut to the body of a block and ends with a ReLU.
func residual(in, out, stride int, body nn.Module) nn.Module {
	r := nn.Residual{Body: body, After: nn.Activation("relu")}
	if in != out || stride != 1 {
		r.Shortcut = nn.ConvNormAct{Conv: nn.Conv{Filters: out, Kernel: []int{1}, Stride: []int{stride}, Valid: true}}
	}
	return r
}

// BottleneckResNet is the residual network for large images (He et al., 2016, table 1): a 7x7 convolution of 64 and a maximum pool, both of
// stride 2, four stages of bottleneck blocks with widths 64, 128, 256, 512 and four times as many channels between the blocks, a global mean and a linear
// layer. A stage's stride lies on its first 3x3 convolution, as in most implementations since (ResNet v1.5).
type BottleneckResNet struct {
	Blocks  [4]int // of each stage
	Classes int
}

// ResNet50 is the network of 50 layers.
func ResNet50(classes int) BottleneckResNet { return BottleneckResNet{[4]int{3, 4, 6, 3}, classes} }

// Forward adds the network to a graph: images [N, H, W, C] become logits [N, Classes].
func (r BottleneckResNet) Forward(b *nn.Builder, x nn.Node) nn.Node {
	if min(r.Blocks[0], r.Blocks[1], r.Blocks[2], r.Blocks[3], r.Classes) < 1 {
		b.Failed(fmt.Errorf("resnet: %v blocks and %d classes: want at least 1 of each", r.Blocks, r.Classes))
		return nil
	}
	x = b.Apply("stem", nn.ConvNormAct{Conv: nn.Conv{Filters: 64, Kernel: []int{7}, Stride: []int{2}, Pad: []int{3}}, Act: "relu"}, x)
	x = nn.MaxPool{Window: []int{3}, PoolOptions: op.PoolOptions{Stride: []int{2}, PadLo: []int{1}, PadHi: []int{1}}}.Forward(b, x)
	in := 64
	for stage, blocks := range r.Blocks {
		width := 64 << stage
		for block := range blocks {
			stride := 1
			if stage > 0 && block == 0 {
				stride = 2
			}
			x = b.Apply(fmt.Sprintf("stage%d.block%d", stage+1, block+1), bottleneck(in, width, stride), x)
			in = 4 * width
		}
	}
	x = nn.GlobalAvgPool{}.Forward(b, x)
	return b.Apply("classifier", nn.Linear{Out: r.Classes}, x)
}

// bottleneck narrows to width channels by a 1x1 convolution, convolves 3x3, widens to four times as many, and adds the shortcut.
func bottleneck(in, width, stride int) nn.Module {
	one := []int{1}
	return residual(in, 4*width, stride, nn.Sequential{
		nn.ConvNormAct{Conv: nn.Conv{Filters: width, Kernel: one}, Act: "relu"},
		nn.ConvNormAct{Conv: nn.Conv{Filters: width, Kernel: []int{3}, Stride: []int{stride}, Pad: one}, Act: "relu"},
		nn.ConvNormAct{Conv: nn.Conv{Filters: 4 * width, Kernel: one}},
	})
}

// interface checks: networks are modules.
var (
	_ nn.Module = (*SimpleNet)(nil)
	_ nn.Module = ResNet{}
	_ nn.Module = BottleneckResNet{}
)
