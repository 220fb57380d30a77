package engine

import (
	"reflect"

	"gorgonia.org/gorgonia"

	"palladio/kernels"
)

// attributes reads the unexported fields of a built-in operator of gorgonia.
type attributes struct{ v reflect.Value }

func attributesOf(n *gorgonia.Node) attributes {
	v := reflect.ValueOf(n.Op())
	if v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	return attributes{v}
}

// inner follows an embedded operator or an interface field.
func (a attributes) inner(name string) attributes {
	v := a.v.FieldByName(name)
	for v.Kind() == reflect.Interface || v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	return attributes{v}
}

func (a attributes) int(name string) int     { return int(a.v.FieldByName(name).Int()) }
func (a attributes) uint(name string) uint64 { return a.v.FieldByName(name).Uint() }
func (a attributes) bool(name string) bool   { return a.v.FieldByName(name).Bool() }
func (a attributes) float(name string) float64 {
	return a.v.FieldByName(name).Float()
}

// ints copies a field that is a slice of integers.
func (a attributes) ints(name string) []int {
	f := a.v.FieldByName(name)
	s := make([]int, f.Len())
	for i := range s {
		s[i] = int(f.Index(i).Int())
	}
	return s
}

// readTarget is the variable that a Read statement writes.
func readTarget(n *gorgonia.Node) *gorgonia.Value {
	return (*gorgonia.Value)(attributesOf(n).v.FieldByName("into").UnsafePointer())
}

// builtins has, for the type of each built-in operator that becomes kernel calls, the function that lowers it. The function reports
// whether it did: for element types and shapes that the kernels do not have, the operator runs on the host.
var builtins = map[string]func(l *lowering, a attributes) bool{}

func init() {
	for name, f := range map[string]func(l *lowering, a attributes) bool{
		"elemBinOp":   lowerBinary,
		"elemUnaryOp": lowerUnary,
		"minBetween":  func(l *lowering, _ attributes) bool { return l.binary(kernels.Min, l.out[0].Type) },
		"maxBetween":  func(l *lowering, _ attributes) bool { return l.binary(kernels.Max, l.out[0].Type) },
		"linAlgBinOp": lowerLinearAlgebra,
		"sumOp":       func(l *lowering, a attributes) bool { return l.reduce(kernels.ReduceSum, a.ints("along")) },
		"maxOp":       func(l *lowering, a attributes) bool { return l.reduce(kernels.ReduceMax, a.ints("along")) },
		"reshapeOp":   lowerIdentity,
		// Iop is not a view: it is how operators from elsewhere make scratch memory, which another operator's Do then writes.
		"sizeOp":   lowerSize,
		"repeatOp": lowerRepeat,
	} {
		builtins[name] = f
	}
}

// builtin lowers one of gorgonia's own operators.
func (l *lowering) builtin() error {
	if f := builtins[opName(l.node)]; f != nil {
		if f(l, attributesOf(l.node)) || l.err != nil {
			return l.err
		}
	}
	return l.host()
}

// lowerIdentity makes the result a view of the operand.
func lowerIdentity(l *lowering, _ attributes) bool {
	if l.in[0].Elems() != l.out[0].Elems() || l.in[0].Type != l.out[0].Type {
		return false
	}
	l.Alias(0, l.in[0])
	return true
}

// lowerSize makes an extent of the operand a constant: all shapes are known.
func lowerSize(l *lowering, a attributes) bool {
	axis, shape := a.int("axis"), l.in[0].Shape
	size := 1
	if axis < len(shape) {
		size = shape[axis]
	} else if len(shape) > 0 {
		return false
	}
	l.Alias(0, l.Const(l.out[0].Type, l.out[0].Shape, []float64{float64(size)}))
	return true
}
