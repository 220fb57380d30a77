package vision

import (
	"fmt"
	"strconv"
	"strings"

	"palladio/engine/nn"
	"palladio/engine/search"
)

// draw turns a summary into boxes: normalisations join the convolution before them, and every stage is a group.
func draw(n ConvNet, s nn.Summary) search.Drawing {
	d := search.Drawing{Input: fmt.Sprintf("%d×%d×%d", n.Resolution, n.Resolution, n.Channels)}
	side := n.Resolution
	for _, l := range s.Layers {
		last := len(d.Layers) - 1
		if strings.HasSuffix(l.Kind, "_norm") && last >= 0 {
			d.Layers[last].Params += l.Params
			continue
		}
		box := search.DrawnLayer{Output: dimensions(l.Output), Params: l.Params, MACs: l.MACs, Group: stageOf(l.Name)}
		stride := ""
		if len(l.Output) == 4 && l.Output[1] < side {
			side, stride = l.Output[1], " /2"
		}
		channels := l.Output[len(l.Output)-1]
		switch {
		case strings.Contains(l.Name, "depthwise"):
			box.Kind, box.Label = "depthwise", fmt.Sprintf("depthwise %s%s", kernelText(l.Kernel), stride)
		case l.Kind == "conv":
			box.Kind, box.Label = "conv", fmt.Sprintf("conv %s, %d%s", kernelText(l.Kernel), channels, stride)
		case strings.HasSuffix(l.Kind, "_pool"):
			box.Kind, box.Label = "pool", strings.ReplaceAll(l.Kind, "_", " ")+stride
		case l.Kind == "linear":
			box.Kind, box.Label = "dense", fmt.Sprintf("linear, %d", channels)
		default:
			box.Kind, box.Label = l.Kind, l.Kind
		}
		d.Layers = append(d.Layers, box)
	}
	return d
}

func stageOf(name string) int {
	first, _, _ := strings.Cut(name, ".")
	n, err := strconv.Atoi(strings.TrimPrefix(first, "stage"))
	if err != nil {
		return 0
	}
	return n
}

func kernelText(k []int) string {
	return strings.Trim(strings.ReplaceAll(fmt.Sprint(k), " ", "×"), "[]")
}

// dimensions is a shape without its batch.
func dimensions(shape []int) string {
	return strings.Trim(strings.ReplaceAll(fmt.Sprint(shape[1:]), " ", "×"), "[]")
}
