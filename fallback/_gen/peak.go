package main

import (
	"github.com/mmcloughlin/avo/attr"
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// peak builds loops that do nothing but fused multiply-adds on registers: the machine's arithmetic peak, against which
// every kernel is quoted. 12 independent chains cover latency times ports on every core so far.
func peak() {
	const chains = 12
	fmaLoop("fmaPeakAVX2", "runs n rounds of 12 YMM fused multiply-adds: n·12·8·2 operations", func() reg.VecVirtual { return YMM() }, chains)
	fmaLoop("fmaPeakAVX512", "runs n rounds of 12 ZMM fused multiply-adds: n·12·16·2 operations", func() reg.VecVirtual { return ZMM() }, chains)
}

func fmaLoop(name, doc string, vec func() reg.VecVirtual, chains int) {
	TEXT(name, attr.NOSPLIT, "func(n int)")
	Doc(name + " " + doc + ".")
	n := Load(Param("n"), GP64())
	acc := make([]reg.VecVirtual, chains)
	for i := range acc {
		acc[i] = vec()
		zero(acc[i])
	}
	x, y := vec(), vec()
	zero(x)
	zero(y)
	Label("loop")
	for _, a := range acc {
		VFMADD231PS(x, y, a)
	}
	DECQ(n)
	JNZ(LabelRef("loop"))
	VZEROUPPER()
	RET()
}

// zero clears a vector register.
func zero(v reg.VecVirtual) {
	if v.Size() == 64 {
		VPXORD(v, v, v)
		return
	}
	VPXOR(v, v, v)
}
