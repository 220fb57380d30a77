package kernels

import "fmt"

// StreamOp is one of the four loops of the STREAM benchmark.
type StreamOp uint8

// The loops.
const (
	StreamCopy  StreamOp = iota // out = x
	StreamScale                 // out = s·x
	StreamAdd                   // out = x + y
	StreamTriad                 // out = x + s·y
)

var streamOps = [...]struct {
	name   string
	inputs int
	flops  int64
}{
	StreamCopy: {"copy", 1, 0}, StreamScale: {"scale", 1, 1}, StreamAdd: {"add", 2, 1}, StreamTriad: {"triad", 2, 2},
}

func (o StreamOp) String() string {
	if int(o) >= len(streamOps) {
		return fmt.Sprintf("streamop(%d)", uint8(o))
	}
	return streamOps[o].name
}

// Stream is one loop of STREAM over vectors of N elements (McCalpin, Memory Bandwidth and Machine Balance in Current High
// Performance Computers, 1995). Large vectors are written past the caches.
//
// Operands: x, then y for add and triad, then out.
type Stream struct {
	Op     StreamOp
	Type   DType // F32 or F64
	N      int
	Scalar float64 // s, of scale and triad
}

// Family is "stream".
func (k Stream) Family() string { return "stream" }

// Operands lists x, y for add and triad, and out.
func (k Stream) Operands() []Operand {
	shape := []int{k.N}
	ops := []Operand{{"x", In, k.Type, shape}}
	if streamOps[k.Op].inputs == 2 {
		ops = append(ops, Operand{"y", In, k.Type, shape})
	}
	return append(ops, Operand{"out", Out, k.Type, shape})
}

// Validate checks the loop, the type and the length.
func (k Stream) Validate() error {
	if int(k.Op) >= len(streamOps) {
		return fmt.Errorf("stream: no loop %s: want copy, scale, add or triad", k.Op)
	}
	if k.Type != F32 && k.Type != F64 {
		return fmt.Errorf("stream: computes in f32 or f64, not %s", k.Type)
	}
	return CheckShape("stream", []int{k.N}, 0)
}

// Cost counts STREAM's own bytes: each vector once, without the read that an ordinary store makes before it writes.
func (k Stream) Cost() Cost { return Traffic(k, streamOps[k.Op].flops*int64(k.N)) }

// MayAlias allows the result over an input.
func (k Stream) MayAlias(out, in int) bool {
	return in < streamOps[k.Op].inputs && out == streamOps[k.Op].inputs
}

// Tolerance is exact for a copy, and otherwise that of one rounding more than the reference.
func (k Stream) Tolerance() Tolerance {
	if k.Op == StreamCopy {
		return Tolerance{}
	}
	u := k.Type.Epsilon()
	return Tolerance{Rel: 4 * u, Norm: 2 * u}
}

func (k Stream) String() string {
	s := fmt.Sprintf("stream %s %s %d", k.Op, k.Type, k.N)
	if k.Op == StreamScale || k.Op == StreamTriad {
		s += fmt.Sprintf(" s=%v", k.Scalar)
	}
	return s
}
