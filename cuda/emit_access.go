package cuda

import (
	"fmt"

	"palladio/kernels"
)

// loadRun emits loads of n consecutive elements of type t at an address in a register, and returns their registers: as few accesses as
// possible where packed is set, so that the address is a multiple of the run's bytes or of 16; else one by one.
func (e *emitter) loadRun(t kernels.DType, addr string, n int, packed bool) []string {
	regs := make([]string, 0, n)
	size := t.Size()
	switch {
	case !packed || n == 1:
		for i := range n {
			r := e.temp(raw(t))
			e.op("ld.global."+cell(t), r, at(addr, i*size))
			regs = append(regs, r)
		}
	case size < 4:
		for _, w := range e.words(addr, n*size) {
			regs = append(regs, e.unpack(t, w, min(n, 4/size))...)
		}
	default:
		per := min(n, 16/size)
		for i := 0; i < n; i += per {
			part := e.temps(raw(t), per)
			e.op(fmt.Sprintf("ld.global.v%d.%s", per, raw(t)), vector(part), at(addr, i*size))
			regs = append(regs, part...)
		}
	}
	return regs
}

// temps declares n registers.
func (e *emitter) temps(typ string, n int) []string {
	regs := make([]string, n)
	for i := range regs {
		regs[i] = e.temp(typ)
	}
	return regs
}

// words loads bytes as 32-bit words (two bytes as the lower half of one).
func (e *emitter) words(addr string, bytes int) []string {
	w := e.temps("b32", max(1, bytes/4))
	switch {
	case bytes == 2:
		e.op("ld.global.u16", w[0], at(addr, 0))
	case bytes == 4:
		e.op("ld.global.b32", w[0], at(addr, 0))
	default:
		e.op(fmt.Sprintf("ld.global.v%d.b32", bytes/4), vector(w), at(addr, 0))
	}
	return w
}

// unpack takes a word's elements apart.
func (e *emitter) unpack(t kernels.DType, word string, n int) []string {
	regs := e.temps(raw(t), n)
	if t.Size() == 2 {
		e.op("mov.b32", vector(regs), word)
		return regs
	}
	for i, r := range regs {
		e.op("bfe.u32", r, word, fmt.Sprint(8*i), "8")
	}
	return regs
}

// storeRun emits stores of consecutive elements, in the same way.
func (e *emitter) storeRun(t kernels.DType, addr string, x []string, packed bool) {
	n, size := len(x), t.Size()
	switch {
	case !packed || n == 1:
		for i, r := range x {
			e.op("st.global."+cell(t), at(addr, i*size), r)
		}
	case size < 4:
		per := min(n, 4/size)
		var words []string
		for i := 0; i < n; i += per {
			words = append(words, e.pack(t, x[i:i+per]))
		}
		switch {
		case n*size == 2:
			e.op("st.global.u16", at(addr, 0), words[0])
		case n*size == 4:
			e.op("st.global.b32", at(addr, 0), words[0])
		default:
			e.op(fmt.Sprintf("st.global.v%d.b32", len(words)), at(addr, 0), vector(words))
		}
	default:
		per := min(n, 16/size)
		for i := 0; i < n; i += per {
			e.op(fmt.Sprintf("st.global.v%d.%s", per, raw(t)), at(addr, i*size), vector(x[i:i+per]))
		}
	}
}

// pack puts elements into one word.
func (e *emitter) pack(t kernels.DType, x []string) string {
	if t.Size() == 2 {
		w := e.temp("b32")
		e.op("mov.b32", w, vector(x))
		return w
	}
	w := x[0]
	for i, r := range x[1:] {
		next := e.temp("b32")
		e.op("bfi.b32", next, r, w, fmt.Sprint(8*(i+1)), "8")
		w = next
	}
	return w
}

func at(addr string, off int) string {
	if off == 0 {
		return "[" + addr + "]"
	}
	return fmt.Sprintf("[%s+%d]", addr, off)
}

func vector(regs []string) string {
	s := "{"
	for i, r := range regs {
		if i > 0 {
			s += ", "
		}
		s += r
	}
	return s + "}"
}

// divider is a divisor that is the same for the whole launch.
type divider struct{ d, multiplier, shift string }

// loadDivider unpacks a parameter that divisor made (d at least 2), or, in wide arithmetic, takes the divisor itself.
func (e *emitter) loadDivider(param string, wide bool) divider {
	packed := e.temp("u64")
	e.op("ld.param.u64", packed, "["+param+"]")
	if wide {
		return divider{d: packed}
	}
	v := divider{e.temp("u32"), e.temp("u32"), e.temp("u32")}
	e.op("mov.b64", "{"+v.d+", "+v.multiplier+"}", packed)
	e.op("sub.u32", v.shift, v.d, "1")
	e.op("clz.b32", v.shift, v.shift)
	e.op("sub.u32", v.shift, "31", v.shift)
	return v
}

// divide emits the quotient and the remainder of n: a product and shifts (Granlund, Montgomery: Division by invariant integers using multiplication,
// 1994, figure 4.1), or a division in wide arithmetic.
func (e *emitter) divide(n string, by divider, wide bool) (quotient, remainder string) {
	if wide {
		q, r := e.temp("u64"), e.temp("u64")
		e.op("div.u64", q, n, by.d)
		e.op("mul.lo.u64", r, q, by.d)
		e.op("sub.u64", r, n, r)
		return q, r
	}
	t, q, r := e.temp("u32"), e.temp("u32"), e.temp("u32")
	e.op("mul.hi.u32", t, n, by.multiplier)
	e.op("sub.u32", q, n, t)
	e.op("shr.u32", q, q, "1")
	e.op("add.u32", q, q, t)
	e.op("shr.u32", q, q, by.shift)
	e.op("mul.lo.u32", r, q, by.d)
	e.op("sub.u32", r, n, r)
	return q, r
}
