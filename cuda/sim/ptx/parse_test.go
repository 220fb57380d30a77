package ptx

import (
	"cmp"
	"errors"
	"os"
	"path/filepath"
	"slices"
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

// in is a kernel with the given body.
func in(body string) string {
	return ".version 7.0\n.target sm_80\n.address_size 64\n.global .u32 g;\n.visible .entry k(.param .u64 p)\n{\n.reg .b32 %r<4>;\n.reg .pred %p<2>;\n" + body + "\n}\n"
}

func TestErrors(t *testing.T) {
	const header = ".version 7.0\n.target sm_80\n"
	for _, c := range []struct{ text, want string }{
		{"", "PTX line 1:1: want '.version' first, found the end of the text"},
		{".version 7", `PTX line 1:10: want a version such as 7.0, found "7"`},
		{header + "add", `PTX line 3:1: want a directive such as .entry, .func or .global, found "add"`},
		{header + ".entry k(.param .u32 a, .param .u32 a) {}", "PTX line 3:1: the parameter a is declared already"},
		{header + ".entry k() { ret;", "PTX line 3:18: want '}' at the end of the body of k, found the end of the text"},
		{header + ".global .b8 a[99999999999];", "PTX line 3:15: the extent of the array is 99999999999: at most 1073741824 is allowed"},
		{header + ".global .b8 a[1000000][1000000];", "PTX line 3:23: variable a has more than 1073741824 bytes"},
		{header + ".global .b8 a[2] = {1,2,3};", `PTX line 3:25: want no more values: the variable is full, found "3"`},
		{header + ".global .align 3 .b8 a;", "PTX line 3:16: the alignment is 3: want a power of two"},
		{header + ".global .u64 a = b;", "PTX line 3:18: b is not declared: want a variable or a function that is"},
		{header + "/* x", "PTX line 3:1: this comment has no end: want */"},
		{in("add.s32 %r1, %r2 %r3;"), `PTX line 9:18: want ',', found "%r3"`},
		{in("add.s32 %r1, %r9, 1;"), `PTX line 9:14: register "%r9" is not declared`},
		{in("add.s32 %r1, %r01, 1;"), `PTX line 9:14: register "%r01" is not declared`},
		{in("bra nowhere;"), "PTX line 9:5: nowhere is not defined in k: want a label, a register or a variable that is"},
		{in("@%r1 ret;"), `PTX line 9:2: the guard is "%r1": want a predicate register`},
		{in("L: L: ret;"), "PTX line 9:4: label L is defined already"},
		{in("ld.global.u32 %r1, [%r1;"), `PTX line 9:24: want ']', found ";"`},
		{in("ld.global.u32 %r1, {%r1, {%r2}};"), `PTX line 9:26: want no vector within a vector, found "{"`},
		{in("mov.b32 %r1, 0x1FFFFFFFFFFFFFFFF;"), `PTX line 9:14: "0x1FFFFFFFFFFFFFFFF" is no number: want a decimal, 0x, 0b or octal integer of at most 64 bits, 0f with 8 or 0d with 16 hexadecimal digits, or a decimal fraction`},
		{in("call missing, (%r1);"), `PTX line 9:6: "missing" is called: want a function that is declared, or a register`},
		{in("mov.b32 %r1, #;"), "PTX line 9:14: '#' has no meaning here"},
		{in(".reg .b32 %x<99999999>;"), "PTX line 9:14: the number of registers is 99999999: at most 16777216 is allowed"},
		{in("mov.u32 %r1, %tid;"), `PTX line 9:14: register "%tid" is not declared`},
		{in("{{ bra in; } in2: } in3:"), "PTX line 9:8: in is not defined in k: want a label, a register or a variable that is"},
	} {
		_, err := Parse(c.text)
		if err == nil || err.Error() != c.want {
			t.Errorf("%q:\ngot  %v\nwant %s", c.text, err, c.want)
		}
	}
}

// TestScopes checks that what an inner scope declares hides what is outside, and that labels are found in outer scopes.
func TestScopes(t *testing.T) {
	m, err := Parse(in("mov.b32 %r1, 1;\n{ .reg .b32 %r1; mov.b32 %r1, 2; bra done; }\nmov.b32 %r1, 3;\ndone: ret;"))
	if err != nil {
		t.Fatal(err)
	}
	f := m.Func("k")
	dst := func(i int) int32 { return f.Body[i].Operands[0].Reg }
	if dst(0) != dst(3) || dst(0) == dst(1) || f.Regs[dst(1)].Name != "%r1__2" {
		t.Errorf("registers %v: instructions write %d, %d, %d", f.Regs, dst(0), dst(1), dst(3))
	}
	if o := f.Body[2].Operands[0]; o.Kind != LabelName || f.Labels[o.Label].At != 4 {
		t.Errorf("bra goes to %v", o)
	}
}

func TestName(t *testing.T) {
	m, err := Parse(in("mma.sync.aligned.m16n8k256.row.col.s32.b1.b1.s32.and.popc {%r0}, {%r0}, {%r0}, {%r0};\nld.volatile.shared::cta.v4.f32 {%r0, %r1, %r2, %r3}, [%r1+-8];"))
	if err != nil {
		t.Fatal(err)
	}
	in := m.Func("k").Body[0]
	if in.Op != "mma" || !slices.Equal(in.Types, []Type{S32, B1, B1, S32}) || !slices.Equal(in.Mods, []string{"sync", "aligned", "m16n8k256", "row", "col", "and", "popc"}) {
		t.Errorf("%+v", in)
	}
	in = m.Func("k").Body[1]
	if in.Space() != Shared || in.Width() != 4 || in.Operands[1].Offset != -8 || len(in.Operands[0].Elems) != 4 {
		t.Errorf("%+v", in)
	}
}

// TestSizes checks sizes and initial values.
func TestSizes(t *testing.T) {
	m := parsed(t, nvcc)
	for _, c := range []struct {
		name string
		size int
		init string
	}{
		{"$str", 10, "hello %d\n"},
		{"table", 16, "\x00\x00\x80\x3f\x00\x00\x20\x40\x00\x00\x80\xbf\x00\x00\x80\x40"},
		{"pointers", 24, string(make([]byte, 24))},
		{"quads", 32, "\x01\x00\x00\x00\x02\x00\x00\x00\x03\x00\x00\x00\x04\x00\x00\x00\x05\x00\x00\x00"},
		{"minus", 4, "\xfd\xff\xff\xff"},
		{"dynamic", 0, ""},
	} {
		for _, v := range m.Vars {
			if v.Name == c.name && (v.Size != c.size || string(v.Init) != c.init) {
				t.Errorf("%s: %d bytes, %q; want %d, %q", c.name, v.Size, v.Init, c.size, c.init)
			}
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, text := range shipped(f) {
		m, err := Parse(text)
		if err != nil {
			f.Fatal(err)
		}
		small := slices.MinFunc(m.Funcs, func(a, b *Func) int { return cmp.Compare(len(a.Body), len(b.Body)) })
		m.Funcs = []*Func{small} // small seeds mutate fast
		if seed := m.String(); len(seed) < 4000 {
			f.Add(seed)
		}
	}
	for _, c := range hostileTexts() {
		if len(c.text) < 4000 {
			f.Add(c.text)
		}
	}
	f.Add(nvcc)
	f.Add(in("ret;"))
	f.Fuzz(func(t *testing.T, text string) {
		m, err := Parse(text)
		if err != nil {
			var e *Error
			if !errors.As(err, &e) || e.Line < 1 || e.Column < 1 {
				t.Fatalf("%v is no error of a place", err)
			}
			return
		}
		roundTrip(t, m)
	})
}

func BenchmarkParse(b *testing.B) {
	texts, size := shipped(b), 0
	for _, text := range texts {
		size += len(text)
	}
	b.SetBytes(int64(size))
	for b.Loop() {
		for _, text := range texts {
			if _, err := Parse(text); err != nil {
				b.Fatal(err)
			}
		}
	}
}
