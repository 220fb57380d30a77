package engine

import (
	"fmt"
	"reflect"
	"sync"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// Gorgonia's solvers find a gradient in a dual value, a pair of a value and its derivative that only its own machines make. This file
// makes such pairs, so that gradients accumulate in them as those machines' do.

var boundField = nodeField("boundTo", reflect.TypeFor[gorgonia.Value]())

// dualType is gorgonia's type of dual values. It has no name outside its package, but gorgonia's lisp machine leaves one in every variable.
var dualType = sync.OnceValues(func() (reflect.Type, error) {
	g := gorgonia.NewGraph()
	x := gorgonia.NewScalar(g, gorgonia.Float64, gorgonia.WithName("x"), gorgonia.WithValue(1.0))
	if _, err := gorgonia.Square(x); err != nil {
		return nil, err
	}
	vm := gorgonia.NewLispMachine(g)
	defer vm.Close()
	if err := vm.RunAll(); err != nil {
		return nil, err
	}
	t := field(x, boundField).Elem().Type()
	if t.Kind() == reflect.Pointer && t.Elem().Kind() == reflect.Struct {
		if _, ok := t.Elem().FieldByName("d"); ok {
			return t, nil
		}
	}
	return nil, fmt.Errorf("dual values of gorgonia are %s: this package was written for v0.9.18", t)
})

// isDual says whether a node's value has a derivative beside it.
func isDual(n *gorgonia.Node, dual reflect.Type) bool {
	v := field(n, boundField)
	return !v.IsNil() && v.Elem().Type() == dual
}

// derivative is the derivative beside a node's value; it starts as zero.
func derivative(n *gorgonia.Node) (gorgonia.Value, error) {
	dual, err := dualType()
	if err != nil {
		return nil, err
	}
	if !isDual(n, dual) {
		if err := makeDual(n, dual); err != nil {
			return nil, err
		}
	}
	return n.Grad()
}

// makeDual puts a derivative of zero beside a node's value.
func makeDual(n *gorgonia.Node, dual reflect.Type) error {
	v := n.Value()
	if v == nil {
		return fmt.Errorf("%s has no value", n.Name())
	}
	zero, err := zeroLike(v)
	if err != nil {
		return err
	}
	pair := reflect.New(dual.Elem())
	pair.Elem().FieldByName("Value").Set(reflect.ValueOf(v))
	d := pair.Elem().FieldByName("d")
	reflect.NewAt(d.Type(), d.Addr().UnsafePointer()).Elem().Set(reflect.ValueOf(zero))
	return gorgonia.UnsafeLet(n, pair.Interface())
}

// zeroLike is a zero of a value's type and shape.
func zeroLike(v gorgonia.Value) (gorgonia.Value, error) {
	if _, ok := v.(gorgonia.Scalar); ok || v.Shape().IsScalar() {
		return viewValue(make([]byte, 8), v.Dtype(), nil)
	}
	return tensor.New(tensor.Of(v.Dtype()), tensor.WithShape(v.Shape().Clone()...)), nil
}
