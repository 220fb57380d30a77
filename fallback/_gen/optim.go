package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Where optimArgs keeps its fields, in units of 8 bytes, and where its constants begin, in bytes.
const (
	optimGrad = iota
	optimParam
	optimState0
	optimState1
	optimState2
	optimN
	optimConsts = 8 * iota
)

// The constants of optimArgs; see fallback/optim.go.
const (
	cScale = iota
	cDecay
	cRate
	cMu
	cDamp
	cFirst
	cSecond
	cEps
	cCorr1
	cCorr2
	cKeep
	numConsts
)

// stepper emits one rule: constants in registers, operands by position.
type stepper struct {
	*isa
	p      reg.Register
	consts map[int]reg.VecVirtual
	base   map[int]reg.GPVirtual
	j      reg.GPVirtual
	tail   bool
}

// rule builds a loop over the parameters around body; it loads the constants and the base addresses of
// operands, and clears the sums, beforehand.
func (s *isa) rule(table Mem, name, doc string, operands, consts []int, body func(r *stepper), sums ...*reg.VecVirtual) *stepper {
	r := &stepper{isa: s, p: s.function(name, "optimArgs", doc), consts: map[int]reg.VecVirtual{}, base: map[int]reg.GPVirtual{}}
	for _, o := range operands {
		r.base[o] = field(r.p, o)
	}
	for _, c := range consts {
		r.consts[c] = s.vec()
		VBROADCASTSS(Mem{Base: r.p, Disp: optimConsts + 4*c}, r.consts[c])
	}
	for _, v := range sums {
		*v = s.vec()
		zero(*v)
	}
	size := field(r.p, optimN)
	rem := GP64()
	MOVQ(size, rem)
	ANDQ(Imm(uint64(s.bytes()/4-1)), rem)
	SHLQ(Imm(2), size)
	s.tailMask(rem, table)
	s.columns(size, rem, func(j reg.GPVirtual, tail bool) {
		r.j, r.tail = j, tail
		body(r)
	})
	return r
}

func (r *stepper) get(operand int) reg.VecVirtual {
	v := r.vec()
	r.load(at(r.base[operand], r.j), v, r.tail)
	return v
}

func (r *stepper) put(operand int, v reg.VecVirtual) { r.store(v, at(r.base[operand], r.j), r.tail) }

// gradient is scale·grad.
func (r *stepper) gradient() reg.VecVirtual {
	g := r.get(optimGrad)
	VMULPS(r.consts[cScale], g, g)
	return g
}

// toward moves the average v towards x: v += c·(x-v). It consumes x.
func (r *stepper) toward(v, x reg.VecVirtual, c int) {
	VSUBPS(v, x, x)
	VFMADD231PS(r.consts[c], x, v)
}

func (r *stepper) square(x reg.VecVirtual) reg.VecVirtual {
	q := r.vec()
	VMULPS(x, x, q)
	return q
}

// optim builds the optimisers' steps.
func optim() {
	table := tailTable("optimTail")
	for _, s := range isas() {
		sgd(s, table)
		adam(s, table)
		adaDelta(s, table)
		rmsProp(s, table)
		s.rule(table, "ema", "moves state0 towards grad: a += First·(x-a).", []int{optimGrad, optimState0}, []int{cFirst}, func(r *stepper) {
			a := r.get(optimState0)
			r.toward(a, r.get(optimGrad), cFirst)
			r.put(optimState0, a)
		})
		s.end()
	}
}

func sgd(s *isa, table Mem) {
	plain := []int{optimGrad, optimParam}
	withBuffer := []int{optimGrad, optimParam, optimState0}
	decayed := func(r *stepper) (g, w reg.VecVirtual) {
		g, w = r.gradient(), r.get(optimParam)
		VFMADD231PS(r.consts[cDecay], w, g)
		return g, w
	}
	finish := func(r *stepper, g, w reg.VecVirtual) {
		VFNMADD231PS(r.consts[cRate], g, w)
		r.put(optimParam, w)
	}
	s.rule(table, "sgd", "is w -= Rate·(Scale·g + Decay·w).", plain, []int{cScale, cDecay, cRate}, func(r *stepper) {
		g, w := decayed(r)
		finish(r, g, w)
	})
	s.end()
	for _, nesterov := range []bool{false, true} {
		name, doc := "sgdMomentum", "is g = Scale·g + Decay·w; m = Mu·m + Damp·g; w -= Rate·m."
		if nesterov {
			name, doc = "sgdNesterov", "is g = Scale·g + Decay·w; m = Mu·m + Damp·g; w -= Rate·(g + Mu·m)."
		}
		s.rule(table, name, doc, withBuffer, []int{cScale, cDecay, cRate, cMu, cDamp}, func(r *stepper) {
			g, w := decayed(r)
			m := r.get(optimState0)
			VMULPS(r.consts[cMu], m, m)
			VFMADD231PS(r.consts[cDamp], g, m)
			r.put(optimState0, m)
			if nesterov {
				VFMADD231PS(r.consts[cMu], m, g)
				m = g
			}
			finish(r, m, w)
		})
		s.end()
	}
}

func adam(s *isa, table Mem) {
	operands := []int{optimGrad, optimParam, optimState0, optimState1}
	moments := func(r *stepper, g reg.VecVirtual) (m, v reg.VecVirtual) {
		m, v = r.get(optimState0), r.get(optimState1)
		q := r.square(g)
		r.toward(m, g, cFirst)
		r.toward(v, q, cSecond)
		r.put(optimState0, m)
		r.put(optimState1, v)
		return m, v
	}
	// quotient is m/(sqrt(Corr2·v) + Eps); it consumes m and v.
	quotient := func(r *stepper, m, v reg.VecVirtual) reg.VecVirtual {
		VMULPS(r.consts[cCorr2], v, v)
		VSQRTPS(v, v)
		VADDPS(r.consts[cEps], v, v)
		VDIVPS(v, m, m)
		return m
	}
	s.rule(table, "adam", "is g = Scale·g + Decay·w; m += First·(g-m); v += Second·(g²-v); w = Keep·w - Rate·m/(sqrt(Corr2·v) + Eps).", operands,
		[]int{cScale, cDecay, cRate, cFirst, cSecond, cEps, cCorr2, cKeep}, func(r *stepper) {
			g, w := r.gradient(), r.get(optimParam)
			VFMADD231PS(r.consts[cDecay], w, g)
			VMULPS(r.consts[cKeep], w, w)
			m, v := moments(r, g)
			VFNMADD231PS(r.consts[cRate], quotient(r, m, v), w)
			r.put(optimParam, w)
		})
	s.end()
	// direction is r = Corr1·m/(sqrt(Corr2·v) + Eps) + Decay·w.
	direction := func(r *stepper, m, v, w reg.VecVirtual) reg.VecVirtual {
		VMULPS(r.consts[cCorr1], m, m)
		d := quotient(r, m, v)
		VFMADD231PS(r.consts[cDecay], w, d)
		return d
	}
	lambConsts := []int{cDecay, cEps, cCorr1, cCorr2}
	var ww, rr reg.VecVirtual
	r := s.rule(table, "lambMoments", "is m += First·(g-m); v += Second·(g²-v); sums = Σ w², Σ (Corr1·m/(sqrt(Corr2·v) + Eps) + Decay·w)².", operands,
		append([]int{cScale, cFirst, cSecond}, lambConsts...), func(r *stepper) {
			m, v := moments(r, r.gradient())
			w := r.get(optimParam)
			d := direction(r, m, v, w)
			if r.tail { // what lies beyond the end may be 0/0
				if r.wide {
					VMOVAPS_Z(d, r.kmask, d)
				} else {
					VANDPS(r.mask, d, d)
				}
			}
			VFMADD231PS(w, w, ww)
			VFMADD231PS(d, d, rr)
		}, &ww, &rr)
	for i, v := range []reg.VecVirtual{ww, rr} {
		s.sumLanes(v)
		VMOVSS(v.AsX(), Mem{Base: r.p, Disp: optimConsts + 4*(numConsts+1+i)})
	}
	s.end()
	s.rule(table, "lambApply", "is w -= Rate·(Corr1·m/(sqrt(Corr2·v) + Eps) + Decay·w).", operands, append([]int{cRate}, lambConsts...), func(r *stepper) {
		w := r.get(optimParam)
		d := direction(r, r.get(optimState0), r.get(optimState1), w)
		VFNMADD231PS(r.consts[cRate], d, w)
		r.put(optimParam, w)
	})
	s.end()
}

func adaDelta(s *isa, table Mem) {
	s.rule(table, "adaDelta", "is g = Scale·g + Decay·w; s += First·(g²-s); d = sqrt(u+Eps)/sqrt(s+Eps)·g; u += First·(d²-u); w -= Rate·d.",
		[]int{optimGrad, optimParam, optimState0, optimState1}, []int{cScale, cDecay, cRate, cFirst, cEps}, func(r *stepper) {
			g, w := r.gradient(), r.get(optimParam)
			VFMADD231PS(r.consts[cDecay], w, g)
			sq, u := r.get(optimState0), r.get(optimState1)
			r.toward(sq, r.square(g), cFirst)
			r.put(optimState0, sq)
			VADDPS(r.consts[cEps], sq, sq)
			d := r.vec()
			VADDPS(r.consts[cEps], u, d)
			VSQRTPS(sq, sq)
			VSQRTPS(d, d)
			VDIVPS(sq, d, d)
			VMULPS(g, d, d)
			r.toward(u, r.square(d), cFirst)
			r.put(optimState1, u)
			VFNMADD231PS(r.consts[cRate], d, w)
			r.put(optimParam, w)
		})
	s.end()
}

func rmsProp(s *isa, table Mem) {
	for variant := range 4 {
		centered, momentum := variant&1 != 0, variant&2 != 0
		name, doc := "rmsProp", "is g = Scale·g + Decay·w; v += First·(g²-v); q = v"
		operands := []int{optimGrad, optimParam, optimState0}
		buffer := optimState1
		if centered {
			name, doc = name+"Centered", doc+"; a += First·(g-a); q = max(v-a², 0)"
			operands = append(operands, optimState1)
			buffer = optimState2
		}
		doc += "; d = g/(sqrt(q) + Eps)"
		if momentum {
			name, doc = name+"Momentum", doc+"; m = Mu·m + d; d = m"
			operands = append(operands, buffer)
		}
		s.rule(table, name, doc+"; w -= Rate·d.", operands, []int{cScale, cDecay, cRate, cMu, cFirst, cEps}, func(r *stepper) {
			g, w := r.gradient(), r.get(optimParam)
			VFMADD231PS(r.consts[cDecay], w, g)
			v := r.get(optimState0)
			r.toward(v, r.square(g), cFirst)
			r.put(optimState0, v)
			if centered {
				a, x := r.get(optimState1), r.vec()
				VSUBPS(a, g, x)
				VFMADD231PS(r.consts[cFirst], x, a)
				r.put(optimState1, a)
				VFNMADD231PS(a, a, v)
				zeros := r.vec()
				zero(zeros)
				VMAXPS(v, zeros, v) // NaN stays NaN
			}
			VSQRTPS(v, v)
			VADDPS(r.consts[cEps], v, v)
			VDIVPS(v, g, g)
			if momentum {
				m := r.get(buffer)
				VFMADD231PS(r.consts[cMu], m, g)
				r.put(buffer, g)
			}
			VFNMADD231PS(r.consts[cRate], g, w)
			r.put(optimParam, w)
		})
		s.end()
	}
}
