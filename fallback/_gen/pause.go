package main

import (
	"github.com/mmcloughlin/avo/attr"
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
)

// pause builds the wait of the worker pool.
func pause() {
	TEXT("pause", attr.NOSPLIT, "func(n int)")
	Doc("pause waits for n PAUSE instructions, which leave the core's shared parts to its other thread.")
	n := Load(Param("n"), GP64())
	Label("loop")
	PAUSE()
	DECQ(n)
	JNZ(LabelRef("loop"))
	RET()
}
