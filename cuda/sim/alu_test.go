package sim

import (
	"os"
	"path/filepath"
	"testing"

	"palladio/cuda/sim/ptx"
)

// TestShippedArithmetic checks that every arithmetic instruction of the kernels has its operation.
func TestShippedArithmetic(t *testing.T) {
	paths, err := filepath.Glob("../../kernels/*/*.ptx")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no kernels: %v", err)
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		m, err := ptx.Parse(string(text))
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		missing := map[string]bool{}
		for _, f := range m.Funcs {
			for i := range f.Body {
				in := &f.Body[i]
				known := in.Op == "bra" || translators[in.Op] != nil
				if !known {
					_, known = aluOf(f, in)
				}
				if (!known || !knownModifiers(in)) && !missing[in.Name] {
					missing[in.Name] = true
					t.Errorf("%s: line %d: %s is unknown", path, in.Line, in.Name)
				}
			}
		}
	}
}
