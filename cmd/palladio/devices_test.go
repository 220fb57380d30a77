package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"palladio/cuda"
	"palladio/fallback"
)

// runDevices runs the verb and returns what it prints.
func runDevices(t *testing.T, args ...string) (string, error) {
	t.Helper()
	root := newRoot()
	var out bytes.Buffer
	root.SetOut(&out)
	root.SetArgs(append([]string{"devices"}, args...))
	err := root.Execute()
	return out.String(), err
}

func TestDevices(t *testing.T) {
	t.Setenv(fallback.EnvLevel, "generic")
	text, err := runDevices(t)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"level", "generic", fallback.EnvLevel + " asks for it", "GFLOP/s", "triad", "GPU"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in:\n%s", want, text)
		}
	}
}

func TestDevicesJSON(t *testing.T) {
	text, err := runDevices(t, "--json")
	if err != nil {
		t.Fatal(err)
	}
	var r devicesReport
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		t.Fatal(err)
	}
	if r.Level == "" || r.Why == "" || r.Threads < 1 || r.One.F32 <= 0 || r.All.Copy <= 0 || r.GPUs == nil {
		t.Errorf("incomplete: %s", text)
	}
}

func TestDevicesBadLevel(t *testing.T) {
	t.Setenv(fallback.EnvLevel, "avx9000")
	if _, err := runDevices(t); err == nil || !strings.Contains(err.Error(), "avx9000") {
		t.Errorf("error %v, want one that names the level", err)
	}
}

// TestDevicesPrintsGPUs looks at what a machine with two GPUs prints, of which one cannot be measured.
func TestDevicesPrintsGPUs(t *testing.T) {
	about := cuda.Info{Name: "cuda:0", Model: "NVIDIA H100", Driver: "CUDA 12.4", Capability: 90, SMs: 132, Memory: 80 << 30}
	rates := cuda.Rates{Copy: 2.9e12, Peaks: cuda.ByPrecision{F32: 61e12, TF32: 320e12, BF16: 640e12, F16: 641e12}, Products: cuda.ByPrecision{F32: 50e12, TF32: 290e12, BF16: 580e12, F16: 581e12}}
	other := about
	other.Name = "cuda:1"
	r := devicesReport{GPUs: []gpuReport{{Info: about, Rates: rates}, {Info: other, Note: "out of device memory"}}}
	var out bytes.Buffer
	if err := r.print(&out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"cuda:0  ", "NVIDIA H100, compute capability 9.0, 132 multiprocessors, 80.0 GiB, CUDA 12.4", "copy 2900 GB/s",
		"multiply-adds on registers f32 61.0, tf32 320.0, bf16 640.0, f16 641.0", "matrix products f32 50.0, tf32 290.0, bf16 580.0, f16 581.0 TFLOP/s",
		"cuda:1  ", "not measured: out of device memory",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in:\n%s", want, out.String())
		}
	}
}
