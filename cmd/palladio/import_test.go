package main

import (
	"errors"
	"go/build"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
)

// rooms says which rooms each room may import; a room may always import itself and what lies below it in its own folder.
// It is the table of docs/design.md: imports point downward only.
var rooms = map[string][]string{
	"kernels":            {},
	"kernels/devicetest": {"kernels"},
	"fallback/ref":       {"kernels"},
	"fallback":           {"kernels", "fallback/ref"},
	"cuda/sim":           {},
	"cuda/driver":        {"cuda/sim"},
	"cuda":               {"kernels", "cuda/driver", "cuda/sim"},
	"cuda/profile":       {"cuda", "cuda/sim", "kernels", "kernels/devicetest"},
	"engine/op":          {"kernels"},
	"engine/nn":          {"engine/op", "kernels"},
	"engine/data":        {},
	"engine/hw":          {"kernels", "fallback", "cuda/profile", "cuda/sim"},
	"engine":             {"engine/op", "kernels", "fallback", "cuda"},
	"engine/search":      {"engine", "engine/nn", "engine/op", "engine/hw", "engine/data", "kernels"},
	"engine/vision":      {"engine", "engine/nn", "engine/op", "engine/hw", "engine/data", "engine/search", "kernels", "fallback"},
	"bench":              {"cuda", "cuda/profile", "cuda/sim", "engine", "engine/nn", "engine/op", "engine/hw", "engine/data", "engine/search", "engine/vision", "kernels", "fallback", "fallback/ref"},
	"cmd/palladio":       {"*"},
	"examples":           {"*"},
	"runs":               {"*"}, // programs that search exports leave; not part of the repository
}

// room is the longest entry of rooms that holds a package.
func room(pkg string) string {
	for p := pkg; p != "."; p = filepath.Dir(p) {
		if _, ok := rooms[p]; ok {
			return p
		}
	}
	return ""
}

// TestImportsPointDownward fails when a package imports a room that the table does not allow.
func TestImportsPointDownward(t *testing.T) {
	t.Chdir("../..") // the module's root
	seen := 0
	err := filepath.WalkDir(".", func(dir string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		if base := filepath.Base(dir); dir != "." && (base[0] == '.' || base[0] == '_' || base == "testdata") {
			return filepath.SkipDir
		}
		p, err := build.ImportDir(dir, 0)
		if errors.As(err, new(*build.NoGoError)) {
			return nil
		}
		if err != nil {
			return err
		}
		from := room(dir)
		if from == "" {
			t.Errorf("package %s lies in no room: add it to the table", dir)
			return nil
		}
		seen++
		for _, imp := range p.Imports {
			rel, ours := strings.CutPrefix(imp, "palladio/")
			if !ours {
				continue
			}
			if to := room(rel); to != from && !allowed(from, to) {
				t.Errorf("%s imports %s: %s may not import %s", dir, rel, from, to)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if seen == 0 {
		t.Fatal("found no package")
	}
}

func allowed(from, to string) bool {
	for _, a := range rooms[from] {
		if a == to || a == "*" {
			return true
		}
	}
	return false
}
