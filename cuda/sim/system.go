package sim

import (
	"fmt"
	"io"
	"math"
	"math/bits"
	"strings"
	"unsafe"

	"palladio/cuda/sim/ptx"
)

// system decodes the call of a function that CUDA's runtime provides.
func (d *decoder) system(in *ptx.Instr, name string, site *callSite) (*inst, error) {
	var run func(w *warp, in *inst, mask uint32) bool
	want := 0
	switch name {
	case "vprintf":
		run, want = printText, 2
	case "__assertfail":
		run, want = assertFail, 5
	default:
		return nil, fmt.Errorf("function %s is external, and not one that the simulator provides (vprintf, __assertfail)", name)
	}
	if len(site.args) != want {
		return nil, fmt.Errorf("%s takes %d arguments", name, want)
	}
	out := &inst{kind: selfKind, run: run}
	for i := range site.args {
		o := &site.args[i]
		off, ok := d.locals[o.Var]
		if need := [...]int{8, 8, 4, 8, 8}[i]; o.Kind != ptx.Symbol || !ok || o.Var.Size < need { // the third is the line of an assertion
			return nil, fmt.Errorf("argument %d is no .param variable of %d bytes", i, need)
		}
		out.x = append(out.x, uint32(off))
	}
	for i := range site.results {
		o := &site.results[i]
		off, ok := d.locals[o.Var]
		if i > 0 || name != "vprintf" || o.Kind != ptx.Symbol || !ok || o.Var.Size < 4 {
			return nil, fmt.Errorf("result %d of %s: want one .param variable of 4 bytes for vprintf, none for others", i, name)
		}
		out.d = uint32(off)
	}
	return out, nil
}

// argument reads a lane's argument of a system call.
func (w *warp) argument(in *inst, i, lane int) uint64 {
	return *(*uint64)(unsafe.Add(w.local, uint64(lane)*w.blk.prog.localEnd+uint64(in.x[i])))
}

// peek reads a byte at a generic address, and says whether there is one.
func (w *warp) peek(lane int, a uint64) (byte, bool) {
	p := w.blk.prog
	switch {
	case a-sharedWindow < sharedSpan:
		a -= sharedWindow
		if a < sharedBase || a >= w.blk.sharedEnd {
			return 0, false
		}
		return *(*byte)(unsafe.Add(w.blk.shared, a)), true
	case a-localWindow < localSpan:
		a -= localWindow
		if a < localBase || a >= p.localEnd {
			return 0, false
		}
		return *(*byte)(unsafe.Add(w.local, uint64(lane)*p.localEnd+a)), true
	}
	al := w.blk.launch.gpu.find(a, 1)
	if al == nil {
		return 0, false
	}
	return al.data[a-al.addr], true
}

// maxPrint is the most bytes of a string that is printed.
const maxPrint = 1 << 12

// text reads a string that ends with 0.
func (w *warp) text(lane int, a uint64) string {
	var b strings.Builder
	for b.Len() < maxPrint {
		c, ok := w.peek(lane, a+uint64(b.Len()))
		if !ok || c == 0 {
			break
		}
		b.WriteByte(c)
	}
	return b.String()
}

// printText is vprintf(format, arguments): the arguments lie packed, each at a multiple of its size. It gives the number of arguments, as CUDA's printf does,
// and not C's number of characters.
func printText(w *warp, in *inst, mask uint32) bool {
	for rest := mask; rest != 0; rest &= rest - 1 {
		lane := bits.TrailingZeros32(rest)
		s, parsed := w.format(lane, w.text(lane, w.argument(in, 0, lane)), w.argument(in, 1, lane))
		if out := w.blk.launch.gpu.options.Print; out != nil {
			w.blk.launch.mu.Lock()
			io.WriteString(out, s)
			w.blk.launch.mu.Unlock()
		}
		if in.d != 0 {
			*(*uint32)(unsafe.Add(w.local, uint64(lane)*w.blk.prog.localEnd+uint64(in.d))) = uint32(parsed)
		}
	}
	return true
}

// format does what C's printf does, and counts the arguments that it takes.
func (w *warp) format(lane int, format string, args uint64) (text string, taken int) {
	var out strings.Builder
	next := func(size uint64) uint64 {
		taken++
		args = alignUp(args, size)
		v := uint64(0)
		for i := range size {
			b, _ := w.peek(lane, args+i)
			v |= uint64(b) << (8 * i)
		}
		args += size
		return v
	}
	for i := 0; i < len(format); i++ {
		if format[i] != '%' {
			out.WriteByte(format[i])
			continue
		}
		spec, width := "%", 32
		for i++; i < len(format) && strings.IndexByte("-+ #0123456789.*lhzjt", format[i]) >= 0; i++ {
			switch c := format[i]; c {
			case 'l', 'z', 'j', 't':
				width = 64
			case 'h': // of the int that a short or a char becomes
				width = max(8, width/2)
			case '*':
				spec += fmt.Sprint(int32(next(4)))
			default:
				spec += string(c)
			}
		}
		if i >= len(format) || len(spec) > 32 {
			break
		}
		out.WriteString(w.convert(lane, spec, format[i], width, next))
		if out.Len() > 4*maxPrint {
			break
		}
	}
	return out.String(), taken
}

// convert formats one argument, an integer of width bits. Numbers of more than three digits in the format are left out.
func (w *warp) convert(lane int, spec string, verb byte, width int, next func(uint64) uint64) string {
	for _, part := range strings.FieldsFunc(spec, func(r rune) bool { return r < '0' || r > '9' }) {
		if len(strings.TrimLeft(part, "0")) > 3 {
			spec = "%"
		}
	}
	integer := func(signed bool) uint64 { return extend(next(uint64(max(4, width/8))), 64-width, signed) }
	switch verb {
	case '%':
		return "%"
	case 'd', 'i':
		return fmt.Sprintf(spec+"d", int64(integer(true)))
	case 'u':
		return fmt.Sprintf(spec+"d", integer(false))
	case 'x', 'X', 'o':
		return fmt.Sprintf(spec+string(verb), integer(false))
	case 'c':
		return fmt.Sprintf(spec+"s", []byte{byte(next(4))})
	case 'p':
		return fmt.Sprintf("%#x", next(8))
	case 's':
		return fmt.Sprintf(spec+"s", w.text(lane, next(8)))
	case 'f', 'F', 'e', 'E', 'g', 'G':
		return fmt.Sprintf(spec+string(verb), math.Float64frombits(next(8)))
	case 'a', 'A':
		return fmt.Sprintf(spec+"x", math.Float64frombits(next(8)))
	}
	return spec + string(verb)
}

// assertFail is __assertfail(message, file, line, function, character size).
func assertFail(w *warp, in *inst, mask uint32) bool {
	lane := bits.TrailingZeros32(mask)
	line := *(*uint32)(unsafe.Add(w.local, uint64(lane)*w.blk.prog.localEnd+uint64(in.x[2])))
	return w.fail(in, lane, 0, fmt.Sprintf("assertion failed: %s (%s:%d, %s)", w.text(lane, w.argument(in, 0, lane)),
		w.text(lane, w.argument(in, 1, lane)), line, w.text(lane, w.argument(in, 3, lane))))
}
