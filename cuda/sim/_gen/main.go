// Command gen writes the assembly of package sim: operations over the 32 lanes of a warp, with AVX2, FMA and F16C.
//
//	go run . -pkg sim -out ../lanes_amd64.s -stubs ../lanes_stubs_amd64.go
package main

import (
	"flag"
	"go/token"
	"go/types"

	"github.com/mmcloughlin/avo/build"
)

func main() {
	flag.Parse() // avo's flags: -out, -stubs, -pkg
	// avo resolves names in the universe unless it loads a package; reg is package sim's.
	for _, name := range []string{"reg", "extent"} {
		t := types.NewTypeName(token.NoPos, nil, name, nil)
		types.NewNamed(t, types.NewStruct(nil, nil), nil)
		types.Universe.Insert(t)
	}

	build.ConstraintExpr("amd64")
	arithmetic()
	wide()
	conversions()
	comparisons()
	matrices()
	accesses()
	build.Generate()
}
