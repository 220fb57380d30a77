package main

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"palladio/cuda/profile"
	"palladio/engine/hw"
)

func TestProfilePrintsTables(t *testing.T) {
	out, err := runCommand(t, "profile", "gemm", "--m", "128", "--n", "128", "--k", "128", "--dtype", "bf16", "--device", "sim:a100", "--lines", "3")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"gemm bf16 128x128x128 NN on sim:a100", "occupancy", "limited by", "tensor", "global loads", "shared loads", "DRAM", "bound by", "% of the tensor bf16 peak", "PTX line"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in:\n%s", want, out)
		}
	}
}

func TestProfilePrintsJSON(t *testing.T) {
	for _, args := range [][]string{{"profile", "softmax", "--rows", "16", "--length", "100", "--json"}, {"profile", "ema", "--json"}} {
		out, err := runCommand(t, args...)
		if err != nil {
			t.Fatal(err)
		}
		var r profile.Report
		if err := json.Unmarshal([]byte(out), &r); err != nil {
			t.Fatal(err)
		}
		if r.Device != "sim:h100" || r.Seconds <= 0 || len(r.Launches) == 0 || len(r.Launches[0].Mix) == 0 || r.Launches[0].Timing.Bound == "" {
			t.Errorf("incomplete: %s", out)
		}
	}
}

func TestProfileRefuses(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"nosuch"}, `no command "nosuch": want adadelta`}, {[]string{"gem"}, "did you mean gemm or ema?"}, {[]string{"gemm", "--m", "x"}, "want a whole number"}, {[]string{"gemm", "--dtype", "f8"}, "want f32, tf32"},
		{[]string{"stream", "--n", "4", "--device", "sim:b200"}, "want one of a100"}, {[]string{"stream", "--n", "4", "--device", "cuda:0"}, "want sim:CHIP"},
		{[]string{"case", "nosuch"}, "no family or conformance case"}, {[]string{"stream", "--blocks", "-2"}, "--blocks -2"}, {[]string{"case"}, "accepts 1 arg"},
	} {
		_, err := runCommand(t, append([]string{"profile"}, c.args...)...)
		if !errors.As(err, new(usageError)) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: got %v, want a usage error with %q", c.args, err, c.want)
		}
	}
}

func TestCheckSanitize(t *testing.T) {
	out, err := runCommand(t, "check", "--sanitize", "--family", "ema,softmax")
	if err != nil || !strings.Contains(out, "sim:h100") || !strings.Contains(out, " ok") || !strings.Contains(out, "no findings in 142 cases") {
		t.Errorf("%v:\n%s", err, out)
	}
	if _, err := runCommand(t, "check", "--sanitize", "--device", "cpu", "--family", "ema"); !errors.As(err, new(usageError)) || !strings.Contains(err.Error(), "--sanitize") {
		t.Errorf("on a CPU: %v", err)
	}
}

func TestHWValidate(t *testing.T) {
	out, err := runCommand(t, "hw", "validate", "--json", "--results", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	var list []hw.Comparison
	if err := json.Unmarshal([]byte(out), &list); err != nil {
		t.Fatal(err)
	}
	if len(list) < 6 || hw.Missed(list) > 0 {
		t.Errorf("%s", out)
	}
}
