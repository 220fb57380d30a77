package ptx

import (
	"os"
	"path/filepath"
	"testing"
)

// shipped are the PTX files of the kernels.
func shipped(t testing.TB) map[string]string {
	t.Helper()
	paths, err := filepath.Glob("../../../kernels/*/*.ptx")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no kernels: %v", err)
	}
	texts := map[string]string{}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		texts[filepath.Base(path)] = string(text)
	}
	return texts
}

func TestShipped(t *testing.T) {
	for name, text := range shipped(t) {
		m, err := Parse(text)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for _, f := range m.Entries() {
			if !f.Defined || len(f.Body) == 0 || f.Perf.MaxThreads[0] == 0 {
				t.Errorf("%s: %s has %d instructions, at most %v threads", name, f.Name, len(f.Body), f.Perf.MaxThreads)
			}
		}
	}
}
