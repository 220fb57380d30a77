package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

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
