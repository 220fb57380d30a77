package sim

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestBuiltinChips(t *testing.T) {
	want := []string{"a100", "h100", "h200", "l4", "rtx4090"}
	if got := Chips(); strings.Join(got, " ") != strings.Join(want, " ") {
		t.Fatalf("chips %v, want %v", got, want)
	}
	for _, name := range Chips() {
		c, err := ChipNamed(name)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if c.Name != name {
			t.Errorf("file %s describes %q", name, c.Name)
		}
	}
}

// TestPublishedPeaks holds the figures of each chip to the peaks of its data sheet, in T/s (GB/s for memory), which follow from them.
func TestPublishedPeaks(t *testing.T) {
	for _, want := range []struct {
		chip                             string
		f32, f64, bf16, tf32, s8, f64mma float64
	}{
		{"a100", 19.5, 9.7, 312, 156, 624, 19.5},
		{"h100", 66.9, 33.5, 989.4, 494.7, 1979, 66.9},
		{"h200", 66.9, 33.5, 989.4, 494.7, 1979, 66.9},
		{"rtx4090", 82.6, 1.29, 165.2, 82.6, 660.6, 0},
		{"l4", 30.3, 0.47, 121.2, 60.6, 242, 0},
	} {
		c, err := ChipNamed(want.chip)
		if err != nil {
			t.Fatal(err)
		}
		for name, peak := range map[string]float64{
			"f32": want.f32, "f64": want.f64, "tensor bf16": want.bf16, "tensor tf32": want.tf32, "tensor s8": want.s8, "tensor f64": want.f64mma,
		} {
			got := c.Peak(name) / 1e12
			if peak != 0 && (got < 0.99*peak || got > 1.01*peak) {
				t.Errorf("%s: %s peak %.4g T/s, want %g", c.Name, name, got, peak)
			}
		}
	}
}

func TestChipNames(t *testing.T) {
	_, err := ChipNamed("b200")
	if err == nil || !strings.Contains(err.Error(), `"b200"`) || !strings.Contains(err.Error(), "a100, h100, h200, l4, rtx4090") {
		t.Errorf("unknown chip: %v", err)
	}
	if _, err := ChipNamed("/nowhere/chip.json"); err == nil || !strings.Contains(err.Error(), "/nowhere/chip.json") {
		t.Errorf("missing file: %v", err)
	}
	text, err := chipFiles.ReadFile("chips/h100.json")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "mine.json")
	if err := os.WriteFile(file, []byte(strings.Replace(string(text), `"name": "h100"`, `"name": "mine"`, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := ChipNamed(file)
	if err != nil || c.Name != "mine" || c.SMs != 132 {
		t.Errorf("a user's file: %+v, %v", c, err)
	}
}

func TestBadChipFiles(t *testing.T) {
	text, err := chipFiles.ReadFile("chips/h100.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, old, new, want string }{
		{"unknown key", `"sms": 132`, `"sms": 132, "smz": 1`, `"smz"`},
		{"missing figure", `  "sms": 132,`, ``, "sms is missing"},
		{"negative", `"sms": 132`, `"sms": -1`, "sms is -1"},
		{"fraction", `"sms": 132`, `"sms": 1.5`, "line 5"},
		{"twice", `"sms": 132`, "\"sms\": 132,\n\"sms\": 1", `line 6: key "sms" occurs twice`},
		{"twice in a table", `"alu": 4`, `"alu": 4, "alu": 5`, `key "alu" occurs twice`},
		{"no source", `"sms": {"from": "published", "note": "data sheet"},`, ``, "sms has no provenance"},
		{"bad source", `"sms": {"from": "published"`, `"sms": {"from": "hearsay"`, `"hearsay": want published, measured or assumed`},
		{"source of nothing", `"sms": {"from"`, `"smz": {"from": "assumed"}, "sms": {"from"`, `"smz"`},
		{"missing entry", `"alu": 4, `, ``, "latency.alu is missing"},
		{"unknown entry", `"alu": 4`, `"alu": 4, "xyz": 4`, "latency.xyz: no such entry"},
		{"ceiling", `"dram": 0.895`, `"dram": 1.2`, "at most 1"},
		{"shared memory", `"shared_block": 232448`, `"shared_block": 233472`, "pass shared_sm"},
		{"syntax", `"sms": 132,`, `"sms": 132`, "line 6"},
		{"cut off", `"power": 700`, `"power": 7` + "\x00", "line"},
		{"huge", `"sms": 132`, `"sms": 1e999`, "line 5"},
		{"missing figure that may be 0", `"launch_host": 2e-06,`, ``, "launch_host is missing"},
		{"key in capitals", `"sms": 132`, `"SMS": 132`, `unknown field "SMS"`},
		{"key again in capitals", `"sms": 132`, `"sms": 132, "SMS": 1`, `unknown field "SMS"`},
		{"no value", `"sms": 132`, `"sms": null`, "sms is 0: want a positive number"},
		{"more text", "    \"tensor.b1\": {\"from\": \"assumed\", \"note\": \"the xor form is absent; taken as none\"}\n  }\n}", "    \"tensor.b1\": {\"from\": \"assumed\"}\n  }\n}\n{}", "more text"},
		{"more threads than the simulator's blocks have", `"threads_block": 1024`, `"threads_block": 4096`, "threads_block is 4096: want at most 1024"},
		{"cache beyond the host's memory", `"l2_bytes": 52428800`, `"l2_bytes": 5242880000000000`, "l2_bytes is 5.24288e+15: want at most"},
		{"multiprocessors beyond int", `"sms": 132`, `"sms": 4611686018427387904`, "sms is 4.6"},
		{"rate too small", `"memory_rate": 3352000000000.0`, `"memory_rate": 1e-300`, "memory_rate is 1e-300: want 1e-18 to 1e+18"},
	} {
		bad := strings.Replace(string(text), c.old, c.new, 1)
		if bad == string(text) {
			t.Fatalf("%s: %q is not in the file", c.name, c.old)
		}
		_, err := ParseChip("my.json", []byte(bad))
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "my.json") {
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
	}
}

func FuzzParseChip(f *testing.F) {
	for _, name := range Chips() {
		text, err := chipFiles.ReadFile("chips/" + name + ".json")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add([]byte(`{"a":[{"a":1},{"a":[]}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := ParseChip("fuzz", text)
		if err == nil {
			if err := c.Validate(); err != nil {
				t.Errorf("accepted, but %v", err)
			}
		}
	})
}

// TestOccupancy holds the calculator to entries of CUDA's occupancy tables: warps by registers, by shared memory and by threads.
func TestOccupancy(t *testing.T) {
	for _, c := range []struct {
		chip                       string
		registers, shared, threads int
		blocks                     int
		limiter                    string
	}{
		{"a100", 32, 0, 256, 8, "warps"},
		{"a100", 33, 0, 256, 6, "registers"}, // 33 registers round to 40: 48 warps
		{"a100", 40, 0, 256, 6, "registers"},
		{"a100", 48, 0, 256, 5, "registers"},
		{"a100", 64, 0, 256, 4, "registers"},
		{"a100", 128, 0, 256, 2, "registers"},
		{"a100", 255, 0, 256, 1, "registers"},
		{"a100", 255, 0, 32, 8, "registers"},
		{"a100", 16, 0, 32, 32, "blocks"},
		{"a100", 32, 48 << 10, 256, 3, "shared memory"},
		{"a100", 32, 163 << 10, 128, 1, "shared memory"},
		{"h100", 32, 227 << 10, 128, 1, "shared memory"},
		{"h100", 168, 200 << 10, 384, 1, "registers"},
		{"h100", 32, 31 << 10, 128, 7, "shared memory"},
		{"h100", 32, 1, 1024, 2, "warps"},
		{"rtx4090", 32, 0, 256, 6, "warps"},
		{"rtx4090", 40, 0, 512, 3, "warps"},
		{"rtx4090", 32, 0, 1024, 1, "warps"},
		{"rtx4090", 24, 0, 32, 24, "blocks"},
		{"rtx4090", 32, 99 << 10, 64, 1, "shared memory"},
	} {
		chip, err := ChipNamed(c.chip)
		if err != nil {
			t.Fatal(err)
		}
		o, err := chip.Occupancy(c.registers, c.shared, c.threads)
		if err != nil || o.Blocks != c.blocks || o.Limiter != c.limiter {
			t.Errorf("%s with %d registers, %d bytes, %d threads: %d blocks by %s (%v), want %d by %s",
				c.chip, c.registers, c.shared, c.threads, o.Blocks, o.Limiter, err, c.blocks, c.limiter)
		}
		if o.Warps != o.Blocks*((c.threads+31)/32) || o.Share != float64(o.Warps)/float64(chip.Warps) {
			t.Errorf("%s: %d warps, share %v of %d blocks", c.chip, o.Warps, o.Share, o.Blocks)
		}
	}
}

func TestOccupancyErrors(t *testing.T) {
	chip, err := ChipNamed("h100")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		registers, shared, threads int
		want                       string
	}{
		{255, 0, 1024, "no block fits a multiprocessor: registers"},
		{128, 0, 1024, "registers"},
		{32, 0, 1025, "1025 threads a block: want 1 to 1024"},
		{32, 0, 0, "0 threads"},
		{256, 0, 32, "256 registers a thread: want at most 255"},
		{32, 228 << 10, 32, "bytes of shared memory a block: want at most 232448"},
	} {
		if _, err := chip.Occupancy(c.registers, c.shared, c.threads); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: got %v", c, err)
		}
	}
}
