package kernels

import (
	"embed"
	"io/fs"
	"path"
	"strconv"
	"strings"
	"sync"
)

// ptxasTables are what the assembler said of the CUDA kernels: NAME/ptxas.txt, a line an entry point and GPU.
//
//go:embed */ptxas.txt
var ptxasTables embed.FS

// assembled is an entry point for a GPU.
type assembled struct {
	module, entry string
	capability    int
}

var registerTable = sync.OnceValue(func() map[assembled]int {
	table := make(map[assembled]int)
	files, _ := fs.Glob(ptxasTables, "*/ptxas.txt") // the pattern is well-formed
	for _, file := range files {
		text, err := ptxasTables.ReadFile(file)
		if err != nil {
			continue // an embedded file can be read
		}
		for line := range strings.Lines(string(text)) {
			f := strings.Fields(line) // module entry gpu registers ...
			if len(f) < 4 || f[0] == "#" || path.Dir(f[0]) != path.Dir(file) {
				continue
			}
			capability, err1 := strconv.Atoi(strings.TrimPrefix(f[2], "sm_"))
			registers, err2 := strconv.Atoi(f[3])
			if err1 == nil && err2 == nil {
				table[assembled{f[0], f[1], capability}] = registers
			}
		}
	}
	return table
})

// Registers is the number of registers of a thread of an embedded module's entry point, such as "stream_copy_f32" of "stream/stream", as
// assembled for the newest GPU of the table that is no newer than the compute capability; 0 where the table has none.
func Registers(module, entry string, capability int) int {
	table := registerTable()
	for c := capability; c >= 50; c-- {
		if n, ok := table[assembled{module, entry, c}]; ok {
			return n
		}
	}
	return 0
}
