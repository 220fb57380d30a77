package cuda

import (
	"errors"
	"fmt"
	"math"
	"os"
	osexec "os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"palladio/cuda/sim/ptx"
	"palladio/fallback/ref"
	"palladio/kernels"
	"palladio/kernels/devicetest"
)

var testLimits = Limits{Capability: 90, SMs: 132, SharedBlock: 227 << 10}

// elementwiseCases are the element-wise cases of the conformance table, and kernels that no test can run: of more elements than 32 bits count, with strides
// that 32 bits do not hold.
func elementwiseCases() []kernels.Case {
	cases := slices.DeleteFunc(kernels.Cases(), func(c kernels.Case) bool {
		_, ok := c.Kernel.(kernels.Elementwise)
		return !ok
	})
	for _, t := range []kernels.DType{kernels.F32, kernels.F64} {
		for _, typ := range []kernels.DType{kernels.F32, kernels.F64, kernels.F16, kernels.BF16, kernels.I32, kernels.I64, kernels.U8, kernels.Bool} {
			for _, shape := range [][]int{{1<<33 + 1}, {3, 1 << 17, 1<<17 + 1}, {1 << 20, 1 << 14}} {
				strides := make([]int, len(shape))
				strides[len(shape)-1] = 2
				if len(shape) > 1 {
					strides[0] = 1 << 34
				}
				dense := kernels.EltInput{Type: t, Strides: kernels.DenseStrides(shape)}
				cases = append(cases, kernels.Case{Name: fmt.Sprintf("huge %v of %s in %s", shape, typ, t), Kernel: kernels.Elementwise{Type: t, Shape: shape,
					Inputs: []kernels.EltInput{dense, {Type: typ, Strides: strides}, {Type: typ, Strides: make([]int, len(shape))}},
					Code:   []kernels.Instr{{Op: kernels.FMA, A: 0, B: 1, C: 2}}, Outputs: []kernels.EltOutput{{Type: typ, Value: 3}}}})
			}
		}
	}
	return cases
}

// elementwiseTexts gives the modules of those kernels, for aligned operands and for others, once each, and the entry points' arguments.
func elementwiseTexts(t *testing.T) (names []string, launches map[string]Launch) {
	t.Helper()
	launches = map[string]Launch{}
	for _, c := range elementwiseCases() {
		for _, align := range []int{64, 1} {
			p, err := Lower(c.Kernel, testLimits, align)
			if err != nil {
				t.Fatalf("%s: %v", c.Name, err)
			}
			again, err := Lower(c.Kernel, testLimits, align)
			check(t, err)
			for i, l := range p.Launches {
				if again.Launches[i].Module != l.Module {
					t.Errorf("%s: two texts of one kernel", c.Name)
				}
				if _, ok := launches[l.Module.Name]; !ok {
					names, launches[l.Module.Name] = append(names, l.Module.Name), l
				}
			}
		}
	}
	return names, launches
}

// TestElementwiseText parses the text of every element-wise case and requires the same text of the same kernel.
func TestElementwiseText(t *testing.T) {
	names, launches := elementwiseTexts(t)
	for _, name := range names {
		l := launches[name]
		m, err := ptx.Parse(l.Module.Text)
		if err != nil {
			t.Fatalf("%v\n%s", err, l.Module.Text)
		}
		if f := m.Func(l.Entry); f == nil || len(f.Params) != len(l.Args) {
			t.Errorf("%d arguments for the parameters of\n%s", len(l.Args), l.Module.Text)
		}
	}
	t.Logf("%d texts", len(names))
}

// assembler finds NVIDIA's ptxas: where kernels/build.sh leaves it, or on the path.
func assembler(t *testing.T) string {
	t.Helper()
	if found, _ := filepath.Glob("../build/cuda-*/nvidia/cuda_nvcc/bin/ptxas"); len(found) > 0 { // the pattern is well-formed
		return found[len(found)-1]
	}
	path, err := osexec.LookPath("ptxas")
	if err != nil {
		t.Skip("no ptxas: `make kernels` fetches it")
	}
	return path
}

// joined is one module with the entry points of many texts, each under a name of its own.
func joined(names []string, launches map[string]Launch) string {
	var variables, entries []string
	header := ""
	for i, name := range names {
		text := launches[name].Module.Text
		at := strings.Index(text, ".address_size 64\n") + len(".address_size 64\n")
		before, entry, _ := strings.Cut(text[at:], ".visible .entry elementwise(")
		for v := range strings.SplitSeq(strings.TrimSpace(before), "\n\n") {
			if !slices.Contains(variables, v) {
				variables = append(variables, v)
			}
		}
		comments, version, _ := strings.Cut(text[:at], ".version")
		header = ".version" + version
		entries = append(entries, fmt.Sprintf("%s.visible .entry elementwise_%d(%s", comments, i, entry))
	}
	return header + "\n" + strings.Join(append(variables, entries...), "\n\n")
}

var (
	assembledEntry = regexp.MustCompile(`Compiling entry function '(\w+)'`)
	onTheStack     = regexp.MustCompile(`\d+ bytes stack frame, \d+ bytes spill stores, \d+ bytes spill loads`)
	usedRegisters  = regexp.MustCompile(`Used (\d+) registers`)
)

// TestElementwiseAssembles hands the texts to NVIDIA's assembler for the GPUs that we ship for: all of them for one, which takes some ten seconds, and
// a part for the other. None may keep anything on the stack, and none needs so many registers that fewer than four blocks fit a multiprocessor.
func TestElementwiseAssembles(t *testing.T) {
	ptxas := assembler(t)
	all, launches := elementwiseTexts(t)
	for arch, step := range map[string]int{"sm_80": 8, "sm_90": 1} {
		if testing.Short() {
			step = 8
		}
		i := -1
		names := slices.DeleteFunc(slices.Clone(all), func(string) bool { i++; return i%step != 0 })
		file := filepath.Join(t.TempDir(), "elementwise.ptx")
		check(t, os.WriteFile(file, []byte(joined(names, launches)), 0o644))
		out, err := osexec.Command(ptxas, "-arch", arch, "-v", "-o", os.DevNull, file).CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", arch, err, out)
		}
		entries := assembledEntry.FindAllStringSubmatch(string(out), -1)
		stacks, registers := onTheStack.FindAllString(string(out), -1), usedRegisters.FindAllStringSubmatch(string(out), -1)
		if len(entries) != len(names) || len(stacks) != len(names) || len(registers) != len(names) {
			t.Fatalf("%s: %d entry points, %d stacks, %d counts of registers for %d texts:\n%s", arch, len(entries), len(stacks), len(registers), len(names), out)
		}
		most := 0
		for i, e := range entries {
			number, err1 := strconv.Atoi(strings.TrimPrefix(e[1], "elementwise_"))
			used, err2 := strconv.Atoi(registers[i][1])
			check(t, errors.Join(err1, err2))
			most = max(most, used)
			if stacks[i] != "0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads" || used > 64 {
				t.Errorf("%s: %s, %d registers: want at most 64, and nothing on the stack\n%s", arch, stacks[i], used, launches[names[number]].Module.Text)
			}
		}
		t.Logf("%s: %d texts, at most %d registers", arch, len(names), most)
	}
}

// TestElementwiseCounts: numbers of 64 bits are used where 32 bits might not do: the loop over the last elements counts single ones, and so do coordinates of
// lanes that are not all in one row.
func TestElementwiseCounts(t *testing.T) {
	for _, c := range []struct {
		shape []int
		wide  bool
	}{{[]int{1 << 32}, false}, {[]int{1<<32 + 1}, true}, {[]int{1<<31 + 1}, true}, {[]int{1<<31 - 1}, false}, {[]int{1 << 33}, true}, {[]int{1 << 20, 1<<13 - 4}, false}, {[]int{1 << 20, 4099}, true}} {
		k := kernels.Map(kernels.F32, kernels.Add, c.shape)
		if len(c.shape) > 1 {
			k.Inputs[1].Strides[0] = 0
		}
		l := lowering{Limits: testLimits, align: 64}
		if got := l.eltLayout(k).wide; got != c.wide {
			t.Errorf("%v: wide %t, want %t", c.shape, got, c.wide)
		}
	}
	stride := kernels.Map(kernels.U8, kernels.Copy, []int{3, 5})
	stride.Type, stride.Inputs[0].Strides[0] = kernels.F32, math.MaxUint32+1
	if l := (lowering{Limits: testLimits, align: 1}); !l.eltLayout(stride).wide || stride.Validate() != nil {
		t.Errorf("a stride of 2^32 bytes takes 64 bits (%v)", stride.Validate())
	}
}

// wideElementwise is a device whose element-wise kernels count in 64 bits, as those of huge tensors do.
type wideElementwise struct{ *Device }

func (d wideElementwise) Prepare(k kernels.Kernel) (kernels.Exec, error) {
	var programs []*Program
	for _, align := range []int{wide, 1} {
		l := lowering{Limits: testLimits, align: align}
		e := k.(kernels.Elementwise)
		p := &Program{}
		if kernels.Elems(e.Shape) > 0 {
			layout := l.eltLayout(e)
			layout.wide = true
			var err error
			if p, err = l.emitted(e, layout); err != nil {
				return nil, err
			}
		}
		programs = append(programs, p)
	}
	return d.preparePrograms(k, programs[0], programs[1])
}

// TestWideElementwise runs kernels in their form for huge tensors on small ones.
func TestWideElementwise(t *testing.T) {
	d := wideElementwise{open(t, "sim:h100")}
	oracle := ref.New()
	ran := 0
	for i, c := range kernels.Cases() {
		k, ok := c.Kernel.(kernels.Elementwise)
		if !ok || len(k.Shape) < 2 && i%16 != 0 {
			continue
		}
		if r := devicetest.Run(d, oracle, c); !r.Passed() {
			t.Error(r)
		}
		ran++
	}
	t.Logf("%d cases", ran)
}
