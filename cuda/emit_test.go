package cuda

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"palladio/cuda/sim/ptx"
	"palladio/kernels"
)

var testLimits = Limits{Capability: 90, SMs: 132, SharedBlock: 227 << 10}

// TestElementwiseText parses the text of every element-wise case and requires the same text of the same kernel. With PALLADIO_PTX set to a
// folder, the texts are left there, for ptxas.
func TestElementwiseText(t *testing.T) {
	folder := os.Getenv("PALLADIO_PTX")
	seen := map[string]bool{}
	for _, c := range kernels.Cases() {
		k, ok := c.Kernel.(kernels.Elementwise)
		if !ok {
			continue
		}
		for _, align := range []int{64, 1} {
			p, err := Lower(k, testLimits, align)
			if err != nil {
				t.Fatalf("%s: %v", c.Name, err)
			}
			again, err := Lower(k, testLimits, align)
			if err != nil {
				t.Fatal(err)
			}
			for i, launch := range p.Launches {
				text := launch.Module.Text
				if again.Launches[i].Module != launch.Module {
					t.Errorf("%s: two texts of one kernel", c.Name)
				}
				if seen[launch.Module.Name] {
					continue
				}
				seen[launch.Module.Name] = true
				m, err := ptx.Parse(text)
				if err != nil {
					t.Fatalf("%s: %v\n%s", c.Name, err, text)
				}
				if f := m.Func("elementwise"); f == nil || len(f.Params) != len(launch.Args) {
					t.Errorf("%s: %d arguments for the parameters of\n%s", c.Name, len(launch.Args), text)
				}
				if folder != "" {
					if err := os.WriteFile(filepath.Join(folder, strings.ReplaceAll(launch.Module.Name, "/", "_")+".ptx"), []byte(text), 0o644); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
	}
	t.Logf("%d texts", len(seen))
}
