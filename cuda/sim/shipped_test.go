package sim

import (
	"os"
	"path/filepath"
	"testing"
)

// TestShippedDecodes decodes every entry point of every module that ships.
func TestShippedDecodes(t *testing.T) {
	files, err := filepath.Glob("../../kernels/*/*.ptx")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	g := testGPU(t, Options{})
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		m, err := g.Load(f, string(text))
		if err != nil {
			t.Error(err)
			continue
		}
		for _, name := range m.Entries() {
			if _, err := m.Entry(name); err != nil {
				t.Error(err)
			}
		}
	}
}
