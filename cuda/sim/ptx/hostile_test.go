package ptx

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"
)

// hostileText is text that was made to hurt, and what the error says of it; empty where it is taken.
type hostileText struct{ name, text, want string }

func hostileTexts() []hostileText {
	const header = ".version 8.0\n.target sm_80\n.address_size 64\n"
	many := func(format string, n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, format, i)
		}
		return b.String()
	}
	return []hostileText{
		{"range of registers", in(".reg .b32 %x<4294967295>;"), "line 9:14: the number of registers is 4294967295: at most"},
		{"beyond 64 bits", in(".reg .b32 %x<99999999999999999999>;"), "is no number"},
		{"large range, few used", in(".reg .b32 %x<16777216>; mov.b32 %x16777215, 1;"), ""},
		{"shared array", in(".shared .b8 s[4294967296];"), "line 9:15: the extent of the array is 4294967296: at most"},
		{"product of extents", header + ".global .b64 a[65536][65536][65536][65536];", "more than 1073741824 bytes"},
		{"extents behind one that is left out", header + ".global .b8 a[][1073741824][1073741824][1073741824] = {1};", "line 4:28: variable a has more than 1073741824 bytes"},
		{"extents behind 0", header + ".global .b8 a[0][1073741824][1073741824][1073741824] = {{1}};", "line 4:29: variable a has more than 1073741824 bytes"},
		{"vectors", header + ".global .v4 .b128 a[16777217];", "more than 1073741824 bytes"},
		{"wide vector", in("ld.v16.b32 {" + strings.Repeat("%r1,", 300) + "%r1}, [%r2];"), "at most 256 elements"},
		{"alignment", header + ".shared .align 4294967296 .b8 a[4];", "the alignment is 4294967296: at most"},
		{"parameter", header + ".entry k(.param .b8 p[1073741825]) {}", "at most 1073741824"},
		{"parameters", header + ".entry k(" + strings.TrimSuffix(many(".param .b8 p%d,", 5000), ",") + ") {}", "at most 4096 parameters"},
		{"initial value of itself", header + ".global .u64 a = a;", ""},
		{"too many initial values", header + ".global .b8 a[] = {" + strings.Repeat("{", 1000) + "1};", "more braces than extents"},
		{"braces", in(strings.Repeat("{", 1<<20)), "at most 64 levels of braces"},
		{"operands within operands", in("mov.b32 %r1, " + strings.Repeat("{[1,", 1<<20)), "line 9:15: want no address within a vector"},
		{"signs", in("mov.b32 %r1, " + strings.Repeat("-", 1<<20) + "1;"), ""},
		{"offsets", in("ld.b32 %r1, [%r1" + strings.Repeat("+-9223372036854775808", 1000) + "];"), ""},
		{"long literal", in("mov.b32 %r1, " + strings.Repeat("9", 1<<20) + ";"), "is no number"},
		{"long fraction", in("mov.f32 %r1, 1." + strings.Repeat("9", 1<<20) + "e5;"), ""},
		{"exponent", in("mov.f32 %r1, 1.0e999999999999;"), "is no number"},
		{"long name", in("bra " + strings.Repeat("x", 1<<20) + ";"), "is not defined in k"},
		{"long opcode", in(strings.Repeat("a.", 1<<20) + "a %r1;"), ""},
		{"one name again and again", in(strings.Repeat("{.reg .b32 %x; mov.b32 %x, 1;}\n", 1<<15)), ""},
		{"labels that nothing defines", in(strings.Repeat("{bra a;}\n", 1<<15)), "is not defined in k"},
		{"comments", header + strings.Repeat("/**/", 1<<20) + "/*", "this comment has no end"},
		{"masks", header + ".global .b8 a[] = {" + strings.Repeat("255,", 1<<18) + "255};", ""},
		{"instructions", in(strings.Repeat("ret;", 1<<20+1)), "more than 1048576 instructions"},
		{"text", header + strings.Repeat(" ", 1<<24), "at most 16777216 are allowed"},
		{"only a dot", ".", "want a name after the dot"},
		{"zero bytes", header + "\x00", "has no meaning here"},
		{"no UTF-8", header + "\xff\xfe", "has no meaning here"},
	}
}

// TestHostileText parses text that was made to hurt: each is refused at its line or taken, quickly and in little memory.
func TestHostileText(t *testing.T) {
	for _, c := range hostileTexts() {
		t.Run(c.name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			start := time.Now()
			m, err := Parse(c.text)
			elapsed := time.Since(start)
			runtime.ReadMemStats(&after)
			var e *Error
			switch {
			case c.want == "" && err != nil:
				t.Errorf("refused: %.200s", err)
			case c.want != "" && (!errors.As(err, &e) || e.Line < 1 || !strings.Contains(err.Error(), c.want)):
				t.Errorf("got %.200v, want an error with %q", err, c.want)
			}
			if used := after.TotalAlloc - before.TotalAlloc; used > 1<<30 {
				t.Errorf("%d MiB of memory", used>>20)
			}
			if elapsed > 2*time.Minute { // seconds, but for a busy machine and the race detector
				t.Errorf("took %v", elapsed)
			}
			runtime.KeepAlive(m)
		})
	}
}
