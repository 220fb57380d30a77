package vision

import (
	"strings"
	"testing"

	"palladio/engine/hw"
)

func small() ConvNet {
	return ConvNet{Resolution: 16, Stem: 8, Activation: "relu", Channels: 1, Classes: 10, Stages: []ConvNetStage{
		{Block: Plain, Depth: 2, Width: 16, Kernel: 3},
		{Block: Mobile, Depth: 2, Width: 24, Kernel: 5, Expansion: 3},
	}}
}

// TestConvNetCounts compares with parameters and multiply-adds counted by hand.
func TestConvNetCounts(t *testing.T) {
	a, err := Examine(small(), 1, 16, 16, 1)
	if err != nil {
		t.Fatal(err)
	}
	norm := func(c int) int { return 2 * c }
	params := 9*8 + norm(8) + // stem
		9*8*16 + norm(16) + 9*16*16 + norm(16) + // plain
		16*48 + norm(48) + 25*48 + norm(48) + 48*24 + norm(24) + // mobile, stride 2
		24*72 + norm(72) + 25*72 + norm(72) + 72*24 + norm(24) + // mobile, residual
		24*10 + 10
	macs := 256*(9*8+9*8*16+9*16*16+16*48) + 64*(25*48+48*24+24*72+25*72+72*24) + 240
	if a.Summary.Params != params || a.Summary.MACs != int64(macs) {
		t.Errorf("%d parameters and %d multiply-adds, want %d and %d", a.Summary.Params, a.Summary.MACs, params, macs)
	}
	m := hw.Machine{Name: "toy", F32: 1e9, F64: 1e9, Bandwidth: 1e15}
	p, err := a.price(m)
	if err != nil {
		t.Fatal(err)
	}
	least := 2 * float64(macs) / 1e9
	if got := float64(p.Latency); got < least || got > 1.2*least {
		t.Errorf("priced at %v s, want a little over %v s: the plan has\n%v", got, least, a.Calls)
	}
}

func TestConvNetsThatCannotBe(t *testing.T) {
	for want, change := range map[string]func(c *ConvNet){
		"cannot be halved":                   func(c *ConvNet) { c.Resolution = 1 },
		"want positive numbers and an odd":   func(c *ConvNet) { c.Stages[0].Kernel = 4 },
		"want plain or mobile":               func(c *ConvNet) { c.Stages[1].Block = "dense" },
		"stem of 0":                          func(c *ConvNet) { c.Stem = 0 },
		"unknown activation \"rleu\"":        func(c *ConvNet) { c.Activation = "rleu" },
		"expansion 0: want positive numbers": func(c *ConvNet) { c.Stages[1].Expansion = 0 },
	} {
		c := small()
		change(&c)
		if _, err := Examine(c, 1, c.Resolution, c.Resolution, 1); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error with %q", err, want)
		}
	}
}
