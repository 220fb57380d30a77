package kernels

import (
	"embed"
	"fmt"
	"io/fs"
	"strings"
)

// modules are the CUDA kernels as make kernels compiled them: NAME/FILE.ptx beside NAME/FILE.cu.
//
//go:embed */*.ptx
var modules embed.FS

// PTX is the text of the embedded CUDA module kernels/NAME.ptx, such as "stream/stream".
func PTX(name string) (string, error) {
	text, err := modules.ReadFile(name + ".ptx")
	if err != nil {
		return "", fmt.Errorf("no CUDA module %q: want one of %s", name, strings.Join(PTXModules(), ", "))
	}
	return string(text), nil
}

// PTXModules lists the embedded CUDA modules.
func PTXModules() []string {
	paths, _ := fs.Glob(modules, "*/*.ptx") // the pattern is well-formed
	for i, p := range paths {
		paths[i] = strings.TrimSuffix(p, ".ptx")
	}
	return paths
}
