// Command gen writes the assembly of package fallback. Each family is a function that builds its kernels with avo:
//
//	go run . -family peak -pkg fallback -out ../peak_amd64.s -stubs ../peak_amd64.go
package main

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"

	"github.com/mmcloughlin/avo/build"
)

// families maps a name to the builder of its kernels; generate.sh runs them all.
var families = map[string]func(){
	"conv":      conv,
	"depthwise": depthwise,
	"gemm":      gemm,
	"norm":      norm,
	"optim":     optim,
	"pause":     pause,
	"peak":      peak,
	"philox":    philox,
	"stream":    stream,
	"taps":      taps,
	"transpose": transpose,
	"vecarith":  vecarith,
	"vecmath":   vecmath,
	"vecrow":    vecrow,
	"winograd":  winograd,
}

func main() {
	family := flag.String("family", "", "which kernels to build")
	list := flag.Bool("list", false, "print the families")
	flag.Parse() // avo's own flags (-out, -stubs, -pkg) are in the same set
	if *list {
		for _, n := range slices.Sorted(maps.Keys(families)) {
			fmt.Println(n)
		}
		return
	}
	f, ok := families[*family]
	if !ok {
		fmt.Fprintf(os.Stderr, "gen: no family %q; -list prints them\n", *family)
		os.Exit(2)
	}
	build.ConstraintExpr("amd64")
	f()
	build.Generate()
}
