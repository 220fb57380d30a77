package cuda

import (
	"fmt"
	"strings"
	"testing"

	"palladio/kernels"
)

// h100 is the GPU of the tables below.
var h100 = Limits{Capability: 90, SMs: 132, SharedBlock: 227 << 10}

// lowered says how a convolution runs: its launches as entry point[grid].
func lowered(t *testing.T, k kernels.Kernel) string {
	t.Helper()
	p, err := Lower(k, h100, 64)
	if err != nil {
		t.Fatal(err)
	}
	s := ""
	for i, l := range p.Launches {
		if i > 0 {
			s += ", "
		}
		s += fmt.Sprintf("%s[%d", l.Entry, l.Grid.X)
		if l.Grid.Y > 1 || l.Grid.Z > 1 {
			s += fmt.Sprintf(" %d %d", l.Grid.Y, l.Grid.Z)
		}
		s += "]"
	}
	return s
}

// TestConvLowering shows which kernels, tiles and splits typical layers get on an H100.
func TestConvLowering(t *testing.T) {
	for _, c := range []struct {
		name          string
		image, filter []int
		o             kernels.ConvOptions
		want          [4]string // forward f32, forward bf16, backward by data bf16, backward by filters bf16
	}{} {
		g, err := kernels.NewConvGeometry(c.image, c.filter, c.o)
		if err != nil {
			t.Fatal(err)
		}
		for i, k := range []kernels.Kernel{
			kernels.Conv{Type: kernels.F32, ConvGeometry: g}, kernels.Conv{Type: kernels.BF16, ConvGeometry: g},
			kernels.ConvBackwardData{Type: kernels.BF16, ConvGeometry: g}, kernels.ConvBackwardFilter{Type: kernels.BF16, ConvGeometry: g},
		} {
			if got := lowered(t, k); got != c.want[i] {
				t.Errorf("%s: %s:\n got %s\nwant %s", c.name, k, got, c.want[i])
			}
		}
	}
}

// TestConvEntries checks that every launch of the conformance table names an entry point that is shipped.
func TestConvEntries(t *testing.T) {
	shipped := make(map[string]string)
	for _, c := range kernels.Cases() {
		switch c.Kernel.(type) {
		case kernels.Conv, kernels.ConvBackwardData, kernels.ConvBackwardFilter:
		default:
			continue
		}
		for _, align := range []int{64, 1} {
			p, err := Lower(c.Kernel, h100, align)
			if err != nil {
				t.Fatal(err)
			}
			for _, l := range p.Launches {
				text, ok := shipped[l.Module.Name]
				if !ok {
					if text, err = l.Module.PTX(); err != nil {
						t.Fatal(err)
					}
					shipped[l.Module.Name] = text
				}
				checkEntry(t, c.Name, l, text)
			}
		}
	}
}

// checkEntry checks a launch's entry point, number of arguments and threads against the module's text.
func checkEntry(t *testing.T, name string, l Launch, text string) {
	t.Helper()
	_, head, ok := strings.Cut(text, ".entry "+l.Entry+"(")
	if !ok {
		t.Fatalf("%s: module %s has no entry point %s", name, l.Module.Name, l.Entry)
	}
	head, _, _ = strings.Cut(head, ")")
	if n := strings.Count(head, ".param"); n != len(l.Args) {
		t.Fatalf("%s: %s takes %d parameters, given %d", name, l.Entry, n, len(l.Args))
	}
	if l.Grid.X < 1 || l.Grid.Y < 1 || l.Grid.Z < 1 || l.Grid.Y > 65535 || l.Grid.Z > 65535 || l.Block.Threads() > 256 {
		t.Fatalf("%s: %s: grid %v, block %v", name, l.Entry, l.Grid, l.Block)
	}
}
