//go:build gpu && cgo

package cuda

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"palladio/kernels"
)

// TestModuleCache keeps compilations, and makes them anew where a file is damaged, of another driver or cannot be written.
func TestModuleCache(t *testing.T) {
	dir := t.TempDir()
	run := func() {
		t.Helper()
		t.Setenv(EnvCache, dir)
		d, err := Open("cuda:sim")
		check(t, err)
		e, err := d.Prepare(victim)
		check(t, err)
		args, _ := operands(t, d, victim)
		check(t, e.Run(args, kernels.Arg{}))
		check(t, d.Sync())
		check(t, d.Close())
	}
	files := func() []string {
		list, err := filepath.Glob(filepath.Join(dir, "cubin", "stream-stream-*.cubin"))
		check(t, err)
		return list
	}
	run()
	if len(files()) != 1 {
		t.Fatalf("files of the cache: %v", files())
	}
	whole, err := os.ReadFile(files()[0])
	check(t, err)
	run()
	for _, damaged := range [][]byte{whole[:len(whole)/2], nil, []byte("nonsense"), append(bytes.Clone(whole[:len(whole)-3]), 1, 2, 3)} {
		check(t, os.WriteFile(files()[0], damaged, 0o644))
		run()
		if again, err := os.ReadFile(files()[0]); err != nil || !bytes.Equal(again, whole) {
			t.Errorf("a damaged file of %d bytes was not replaced (%v)", len(damaged), err)
		}
	}
	about := Info{Model: "H100", Capability: 90}
	if newCubinFiles(about, 12040).path("m", "text") == newCubinFiles(about, 12080).path("m", "text") {
		t.Error("two drivers share a file")
	}
	check(t, os.WriteFile(filepath.Join(dir, "file"), nil, 0o644))
	dir = filepath.Join(dir, "file") // where no folder can be made
	run()
}
