package cuda

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"palladio/cuda/sim"
	"palladio/kernels"
	"palladio/kernels/devicetest"
)

// runChecked runs the program of a kernel under all checks, each module after a change to its text.
func runChecked(t *testing.T, k kernels.Kernel, change func(entry, text string) string) ([]sim.Finding, error) {
	t.Helper()
	chip, err := sim.ChipNamed("h100")
	if err != nil {
		t.Fatal(err)
	}
	p, err := Lower(k, Limits{Capability: chip.Capability, SMs: chip.SMs, SharedBlock: chip.SharedBlock}, 64)
	if err != nil {
		t.Fatal(err)
	}
	g := sim.New(chip, sim.Options{Sanitize: true, Steps: 1 << 20})
	defer g.Close()
	alloc := func(data []byte, n int) uint64 {
		a, err := g.Alloc(max(n, 1))
		if err == nil {
			err = g.Write(a, data)
		}
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	var args []kernels.Arg
	for _, o := range k.Operands() {
		var data []byte
		if o.Dir != kernels.Out {
			if data, err = devicetest.Input("mutation", o, kernels.Fill{}); err != nil {
				t.Fatal(err)
			}
		}
		args = append(args, kernels.Arg{Addr: alloc(data, o.Bytes())})
	}
	work := kernels.Arg{Addr: alloc(nil, p.Workspace)}
	b := binding{constants: alloc(p.Constants, len(p.Constants)), fault: alloc(make([]byte, faultBytes), faultBytes), call: 1}
	for _, l := range p.Launches {
		text, err := l.Module.PTX()
		if err != nil {
			t.Fatal(err)
		}
		m, err := g.Load(l.Module.Name, change(l.Entry, text))
		if err != nil {
			t.Fatal(err)
		}
		e, err := m.Entry(l.Entry)
		if err != nil {
			t.Fatal(err)
		}
		var cells []uint64
		for _, s := range l.Args {
			cells = append(cells, s.resolve(args, work, b))
		}
		c := sim.Config{Grid: [3]int{l.Grid.X, l.Grid.Y, l.Grid.Z}, Block: [3]int{l.Block.X, l.Block.Y, l.Block.Z}, Shared: l.Shared}
		if _, err := g.Launch(t.Context(), e, c, cells); err != nil {
			return nil, err
		}
	}
	list, _ := g.Findings()
	return list, nil
}

// bodyOf is the place of an entry point's body in its module's text.
func bodyOf(text, entry string) (from, to int) {
	from = strings.Index(text, ".entry "+entry+"(")
	if from < 0 {
		return 0, 0
	}
	if n := strings.Index(text[from:], "\n}"); n >= 0 {
		return from, from + n
	}
	return from, len(text)
}

var barrierLine = regexp.MustCompile(`(?m)^\s*bar\.sync\s+0;$`)

// TestDroppedBarriersAreFound drops each barrier of shipped kernels in turn. A kernel that is right with all of them has to be found out without one: its
// shared memory is read before it is written, or written before it is read.
func TestDroppedBarriersAreFound(t *testing.T) {
	for _, k := range []kernels.Kernel{
		kernels.Softmax{Type: kernels.F32, Outer: 3, Len: 5000, Inner: 1},
		kernels.Reduce{Op: kernels.ReduceSum, Type: kernels.F32, Shape: []int{3, 5000}, Axes: []int{1}},
		kernels.NewNorm(kernels.LayerNorm, 3, 1, 6000, 1),
		kernels.NewGEMM(kernels.F32, 1, 70, 70, 70, false, false),
		kernels.NewGEMM(kernels.BF16, 1, 130, 130, 130, false, true),
	} {
		t.Run(k.String(), func(t *testing.T) {
			if list, err := runChecked(t, k, func(_, text string) string { return text }); err != nil || len(list) > 0 {
				t.Fatalf("unchanged: %v, %v", list, err)
			}
			dropped, found := 0, 0
			for i := range 64 {
				line := ""
				list, err := runChecked(t, k, func(entry, text string) string {
					from, to := bodyOf(text, entry)
					at := barrierLine.FindAllStringIndex(text[from:to], -1)
					if i >= len(at) {
						return text
					}
					line = fmt.Sprintf("%s line %d", entry, 1+strings.Count(text[:from+at[i][0]], "\n"))
					return text[:from+at[i][0]] + text[from+at[i][1]:]
				})
				if line == "" {
					break
				}
				dropped++
				if err != nil || len(list) > 0 {
					found++
				} else {
					t.Logf("without the barrier of %s nothing is found", line)
				}
			}
			t.Logf("%d of %d dropped barriers are found", found, dropped)
			if dropped == 0 || found < dropped-1 { // one may only guard a use of the shared memory that does not come
				t.Errorf("%d of %d dropped barriers are found", found, dropped)
			}
		})
	}
}
