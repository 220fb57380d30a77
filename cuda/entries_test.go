package cuda

import (
	"regexp"
	"strings"
	"testing"

	"palladio/kernels"
)

// entryPoint finds the entry points of a module.
var entryPoint = regexp.MustCompile(`\.entry\s+(\w+)`)

// TestEntriesAreLaunched holds the conformance table to the kernels: every entry point of these modules is launched by some case, so that none ships
// untested, and every launch names an entry point that is there.
func TestEntriesAreLaunched(t *testing.T) {
	launched := map[string]bool{}
	for _, c := range kernels.Cases() {
		for _, align := range []int{64, 1} {
			p, err := Lower(c.Kernel, Limits{Capability: 90, SMs: 132, SharedBlock: 232448}, align)
			if err != nil {
				continue // families without a lowering print as unsupported in the conformance
			}
			for _, l := range p.Launches {
				launched[l.Module.Name+" "+l.Entry] = true
			}
		}
	}
	for _, name := range kernels.PTXModules() {
		switch family, _, _ := strings.Cut(name, "/"); family {
		case "reduce", "softmax", "norm", "loss", "pool", "resize", "optim":
		default:
			continue
		}
		text, err := kernels.PTX(name)
		if err != nil {
			t.Fatal(err)
		}
		there := map[string]bool{}
		for _, m := range entryPoint.FindAllStringSubmatch(text, -1) {
			there[name+" "+m[1]] = true
			if !launched[name+" "+m[1]] {
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
