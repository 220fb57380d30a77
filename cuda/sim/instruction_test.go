package sim

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"strings"
	"testing"
)

// instruction is PTX under test: text with the operands a, b, c, e, ... as sources and d, x, y, z, ... as results, whose register types are given by
// in and out, in this order: "b32 b16".
type instruction struct {
	text    string
	out, in string
}

// The names of the operands.
const (
	sources = "abcefghijklmopqrstu"
	results = "dxyzvwUVWXYZ"
)

// kernel is the instruction as an entry point: thread i < n reads its sources from the i-th row of 8-byte cells of src and writes its results to that of dst.
func (c instruction) kernel(name string) string {
	var b strings.Builder
	fmt.Fprintf(&b, `.visible .entry %s(.param .u64 src, .param .u64 dst, .param .u32 n)
{
	.reg .pred %%p;
	.reg .b32 %%i, %%n, %%w;
	.reg .b64 %%s, %%d, %%v;
	ld.param.u64 %%s, [src];
	ld.param.u64 %%d, [dst];
	ld.param.u32 %%n, [n];
	mov.u32 %%i, %%ctaid.x;
	mov.u32 %%w, %%ntid.x;
	mul.lo.s32 %%i, %%i, %%w;
	mov.u32 %%w, %%tid.x;
	add.s32 %%i, %%i, %%w;
	setp.ge.u32 %%p, %%i, %%n;
	@%%p exit;
`, name)
	in, out := strings.Fields(c.in), strings.Fields(c.out)
	fmt.Fprintf(&b, "\tmul.wide.u32 %%v, %%i, %d;\n\tadd.s64 %%s, %%s, %%v;\n", 8*len(in))
	fmt.Fprintf(&b, "\tmul.wide.u32 %%v, %%i, %d;\n\tadd.s64 %%d, %%d, %%v;\n", 8*len(out))
	for i, t := range in {
		r := sources[i : i+1]
		fmt.Fprintf(&b, "\t.reg .%s %s;\n", t, r)
		if t == "pred" {
			fmt.Fprintf(&b, "\tld.global.u32 %%w, [%%s+%d];\n\tsetp.ne.s32 %s, %%w, 0;\n", 8*i, r)
		} else {
			fmt.Fprintf(&b, "\tld.global.%s %s, [%%s+%d];\n", t, r, 8*i)
		}
	}
	for i, t := range out {
		fmt.Fprintf(&b, "\t.reg .%s %s;\n", t, results[i:i+1])
	}
	fmt.Fprintf(&b, "\t%s\n", c.text)
	for i, t := range out {
		r := results[i : i+1]
		switch t {
		case "pred":
			fmt.Fprintf(&b, "\tselp.u64 %%v, 1, 0, %s;\n", r)
		case "b64", "f64", "u64", "s64":
			fmt.Fprintf(&b, "\tmov.b64 %%v, %s;\n", r)
		case "b16", "f16":
			fmt.Fprintf(&b, "\tmov.b32 %%w, {%s, 0};\n\tcvt.u64.u32 %%v, %%w;\n", r)
		default:
			fmt.Fprintf(&b, "\tmov.b32 %%w, %s;\n\tcvt.u64.u32 %%v, %%w;\n", r)
		}
		fmt.Fprintf(&b, "\tst.global.u64 [%%d+%d], %%v;\n", 8*i)
	}
	b.WriteString("\tret;\n}\n")
	return strings.ReplaceAll(b.String(), "\t.reg", ".reg")
}

// bench is a simulated GPU with a module of instructions under test.
type bench struct {
	t   testing.TB
	gpu *GPU
	mod *Module
}

// newBench loads instructions as entry points i0, i1, ...
func newBench(t testing.TB, list []instruction) *bench {
	t.Helper()
	chip, err := ChipNamed("h100")
	if err != nil {
		t.Fatal(err)
	}
	g := New(chip, Options{})
	t.Cleanup(func() { g.Close() })
	text := ".version 8.6\n.target sm_90\n.address_size 64\n"
	for i, c := range list {
		text += c.kernel(fmt.Sprintf("i%d", i))
	}
	mod, err := g.Load("instructions", text)
	if err != nil {
		t.Fatal(err)
	}
	return &bench{t, g, mod}
}

// run executes instruction i for rows of sources and gives rows of results.
func (b *bench) run(i int, c instruction, rows [][]uint64) [][]uint64 {
	b.t.Helper()
	nin, nout := len(strings.Fields(c.in)), len(strings.Fields(c.out))
	src := make([]byte, 0, 8*nin*len(rows))
	for _, row := range rows {
		for _, v := range row[:nin] {
			src = binary.LittleEndian.AppendUint64(src, v)
		}
	}
	dst := make([]byte, 8*nout*len(rows))
	from, err := b.gpu.Alloc(len(src))
	if err != nil {
		b.t.Fatal(err)
	}
	to, err := b.gpu.Alloc(len(dst))
	if err != nil {
		b.t.Fatal(err)
	}
	defer b.gpu.Free(from)
	defer b.gpu.Free(to)
	entry, err := b.mod.Entry(fmt.Sprintf("i%d", i))
	if err != nil {
		b.t.Fatal(err)
	}
	if err := b.gpu.Write(from, src); err != nil {
		b.t.Fatal(err)
	}
	shape := Config{Grid: [3]int{(len(rows) + 127) / 128, 1, 1}, Block: [3]int{128, 1, 1}}
	if _, err := b.gpu.Launch(context.Background(), entry, shape, []uint64{from, to, uint64(len(rows))}); err != nil {
		b.t.Fatalf("%s: %v", c.text, err)
	}
	if err := b.gpu.Read(to, dst); err != nil {
		b.t.Fatal(err)
	}
	results := make([][]uint64, len(rows))
	for j := range results {
		for k := range nout {
			results[j] = append(results[j], binary.LittleEndian.Uint64(dst[8*(j*nout+k):]))
		}
	}
	return results
}

// tabled is an instruction with rows of sources and the results that they must give.
type tabled struct {
	instruction
	rows [][]uint64
}

// checkTable runs all rows of the table, each often enough to fill a warp and once alone.
func checkTable(t *testing.T, table []tabled) {
	t.Helper()
	list := make([]instruction, len(table))
	for i, c := range table {
		list[i] = c.instruction
	}
	b := newBench(t, list)
	for i, c := range table {
		var rows [][]uint64
		for range lanes / min(lanes, len(c.rows)) {
			rows = append(rows, c.rows...)
		}
		nin := len(strings.Fields(c.in))
		for _, rows := range [][][]uint64{c.rows, rows} {
			for j, got := range b.run(i, c.instruction, rows) {
				want := rows[j][nin:]
				if fmt.Sprint(got) != fmt.Sprint(want) {
					t.Errorf("%s of %#x: got %#x, want %#x", c.text, rows[j][:nin], got, want)
					break
				}
			}
		}
	}
}

func f32(x float64) uint64 { return uint64(math.Float32bits(float32(x))) }
func f64(x float64) uint64 { return math.Float64bits(x) }

// minus is a negative 32-bit integer.
func minus(v int32) uint64 { return uint64(uint32(-v)) }

// minus16 is a negative 16-bit integer.
func minus16(v int16) uint64 { return uint64(uint16(-v)) }

const (
	ones  = 0xffffffff
	ones2 = 0xffffffffffffffff
	nanF  = 0x7fffffff // the float that is no number, as operations give it
	infF  = 0x7f800000
)
