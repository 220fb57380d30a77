package cuda

import (
	"regexp"
	"strings"
	"testing"

	"palladio/cuda/sim"
	"palladio/kernels"
)

// entryPoint finds the entry points of a module.
var entryPoint = regexp.MustCompile(`\.entry\s+(\w+)`)

// TestEntriesAreLaunched holds the conformance table to the kernels: every case is supported on every chip, every entry point that ships is launched by
// some case, so that none is untested, and every launch names an entry point that is there. Products and convolutions have more tiles than cases choose: their
// own tests run each. Peaks are measured, and belong to no kernel.
func TestEntriesAreLaunched(t *testing.T) {
	launched := map[string]bool{}
	for _, name := range sim.Chips() {
		chip, err := sim.ChipNamed(name)
		check(t, err)
		on := Limits{Capability: chip.Capability, SMs: chip.SMs, SharedBlock: chip.SharedBlock}
		for _, c := range kernels.Cases() {
			for _, align := range []int{64, 1} {
				p, err := Lower(c.Kernel, on, align)
				if err != nil {
					t.Errorf("%s: %s, aligned to %d: %v", name, c.Name, align, err)
					continue
				}
				for _, l := range p.Launches {
					if l.Module.Text == "" {
						launched[l.Module.Name+" "+l.Entry] = true
					}
				}
			}
		}
	}
	for _, name := range kernels.PTXModules() {
		text, err := kernels.PTX(name)
		check(t, err)
		there := map[string]bool{}
		for _, m := range entryPoint.FindAllStringSubmatch(text, -1) {
			there[name+" "+m[1]] = true
			family, _, _ := strings.Cut(name, "/")
			if !launched[name+" "+m[1]] && family != "gemm" && family != "conv" && family != "peak" {
				t.Errorf("%s: no case of the conformance table launches %s", name, m[1])
			}
		}
		for l := range launched {
			if strings.HasPrefix(l, name+" ") && !there[l] {
				t.Errorf("%s: launched, but not in the module", l)
			}
		}
	}
}
