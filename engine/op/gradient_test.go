package op

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"palladio/kernels"
)

// input is one input of a case: f64 unless labels are given.
type input struct {
	shape  []int
	lo, hi float64 // uniform in [lo, hi); both zero: standard normal
	values []float64
	labels []int64
	fixed  bool // not differentiated
}

func normal(shape ...int) input                  { return input{shape: shape} }
func uniform(lo, hi float64, shape ...int) input { return input{shape: shape, lo: lo, hi: hi} }
func exactly(values []float64, shape ...int) input {
	return input{shape: shape, values: values}
}
func labels(values ...int64) input {
	return input{shape: []int{len(values)}, labels: values, fixed: true}
}
func constant(i input) input { i.fixed = true; return i }

type build func(x gorgonia.Nodes) (*gorgonia.Node, error)

// opCase is a row of the table: operators, on which inputs, and what is checked: the gradients of first and second order by finite differences, and
// the values where want is given.
type opCase struct {
	ops       string // the exported functions that the row covers
	f         build
	in        []input
	want      []float64
	flat      bool // no gradient
	firstOnly bool // the second gradient is not checked: it is not defined at the inputs
	inference bool
}

func f1(f func(*gorgonia.Node) (*gorgonia.Node, error)) build {
	return func(x gorgonia.Nodes) (*gorgonia.Node, error) { return f(x[0]) }
}

func f2(f func(a, b *gorgonia.Node) (*gorgonia.Node, error)) build {
	return func(x gorgonia.Nodes) (*gorgonia.Node, error) { return f(x[0], x[1]) }
}

func f3(f func(a, b, c *gorgonia.Node) (*gorgonia.Node, error)) build {
	return func(x gorgonia.Nodes) (*gorgonia.Node, error) { return f(x[0], x[1], x[2]) }
}

// instance is one graph of a case.
type instance struct {
	g      *gorgonia.ExprGraph
	x      gorgonia.Nodes
	y      *gorgonia.Node
	cost   *gorgonia.Node // Σ y·weights
	values map[*gorgonia.Node][]byte
}

// fill makes the values of an input.
func (in input) fill(r *rand.Rand) []float64 {
	v := make([]float64, kernels.Elems(in.shape))
	for i := range v {
		switch {
		case in.values != nil:
			v[i] = in.values[i%len(in.values)]
		case in.hi > in.lo:
			v[i] = in.lo + (in.hi-in.lo)*r.Float64()
		default:
			v[i] = r.NormFloat64()
		}
	}
	return v
}

func bytesOf[T kernels.Elem](v []T) []byte { return kernels.HostArg(v).Host }

// floatBytes is the memory of values of type float32 or float64.
func floatBytes(of tensor.Dtype, v []float64) []byte {
	if of == tensor.Float64 {
		return bytesOf(v)
	}
	w := make([]float32, len(v))
	for i := range v {
		w[i] = float32(v[i])
	}
	return bytesOf(w)
}

func newNode(g *gorgonia.ExprGraph, of tensor.Dtype, name string, shape []int) *gorgonia.Node {
	if len(shape) == 0 {
		return gorgonia.NewScalar(g, of, gorgonia.WithName(name))
	}
	return gorgonia.NewTensor(g, of, len(shape), gorgonia.WithShape(shape...), gorgonia.WithName(name))
}

// instantiate builds the graph of a case with reproducible values.
func (c opCase) instantiate(floats tensor.Dtype) (*instance, error) {
	r := rand.New(rand.NewPCG(1, 2))
	n := &instance{g: gorgonia.NewGraph(), values: map[*gorgonia.Node][]byte{}}
	for i, in := range c.in {
		of := floats
		if in.labels != nil {
			of = tensor.Int64
		}
		x := newNode(n.g, of, fmt.Sprintf("x%d", i), in.shape)
		if in.labels != nil {
			n.values[x] = bytesOf(slices.Clone(in.labels))
		} else {
			n.values[x] = floatBytes(of, in.fill(r))
		}
		n.x = append(n.x, x)
	}
	var err error
	if n.y, err = c.f(n.x); err != nil || n.y.Dtype() == tensor.Int64 {
		return n, err
	}
	n.cost, err = n.weigh(r, n.y, "weights")
	return n, err
}

// weigh makes the scalar Σ y·w with fixed random w.
func (n *instance) weigh(r *rand.Rand, y *gorgonia.Node, name string) (*gorgonia.Node, error) {
	w := newNode(n.g, y.Dtype(), name, y.Shape())
	n.values[w] = floatBytes(y.Dtype(), input{shape: y.Shape()}.fill(r))
	y, err := Mul(y, w)
	if err != nil {
		return nil, err
	}
	return Sum(y, false)
}

// evaluate computes nodes, with input i changed by h at element j, on copies of the values.
func (n *instance) evaluate(c opCase, i, j int, h float64, nodes ...*gorgonia.Node) ([][]float64, error) {
	values := map[*gorgonia.Node][]byte{}
	for k, b := range n.values {
		values[k] = append([]byte(nil), b...)
	}
	if h != 0 {
		kernels.Slice[float64](kernels.Arg{Host: values[n.x[i]]})[j] += h
	}
	e := newEvaluator(!c.inference, values)
	out := make([][]float64, len(nodes))
	for k, node := range nodes {
		v, err := e.float64s(node)
		if err != nil {
			return nil, err
		}
		out[k] = slices.Clone(v)
	}
	return out, nil
}

// differences is the gradient of a scalar node by input i, by central differences.
func (n *instance) differences(c opCase, cost *gorgonia.Node, i int) ([]float64, error) {
	const h = 1e-5
	d := make([]float64, kernels.Elems(n.x[i].Shape()))
	for j := range d {
		up, err := n.evaluate(c, i, j, h, cost)
		if err != nil {
			return nil, err
		}
		down, err := n.evaluate(c, i, j, -h, cost)
		if err != nil {
			return nil, err
		}
		d[j] = (up[0][0] - down[0][0]) / (2 * h)
	}
	return d, nil
}

func compare(t *testing.T, what string, got, want []float64, tolerance float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d elements, want %d", what, len(got), len(want))
	}
	scale := 1.0
	for _, w := range want {
		scale = max(scale, math.Abs(w))
	}
	for i := range got {
		if !(math.Abs(got[i]-want[i]) <= tolerance*scale) {
			t.Fatalf("%s: element %d is %v, want %v (all: %v, want %v)", what, i, got[i], want[i], got, want)
		}
	}
}

// free lists the inputs that are differentiated.
func (c opCase) free(n *instance) (at []int, nodes gorgonia.Nodes) {
	for i, in := range c.in {
		if !in.fixed {
			at, nodes = append(at, i), append(nodes, n.x[i])
		}
	}
	return at, nodes
}

func TestOperators(t *testing.T) {
	for _, c := range cases() {
		t.Run(strings.ReplaceAll(c.ops, " ", "_"), func(t *testing.T) { c.check(t) })
	}
}

func (c opCase) check(t *testing.T) {
	n, err := c.instantiate(tensor.Float64)
	if err != nil {
		t.Fatal(err)
	}
	y, err := n.evaluate(c, 0, 0, 0, n.y)
	if err != nil {
		t.Fatal(err)
	}
	if n.y.Dtype() == tensor.Float64 && slices.ContainsFunc(y[0], func(v float64) bool { return math.IsNaN(v) || math.IsInf(v, 0) }) {
		t.Fatalf("value %v", y[0])
	}
	if c.want != nil {
		if n.y.Dtype() == tensor.Int64 {
			for i, v := range y[0] {
				y[0][i] = float64(int64(math.Float64bits(v)))
			}
		}
		compare(t, "value", y[0], c.want, 1e-12)
	}
	at, free := c.free(n)
	if c.flat {
		if n.cost != nil {
			if ds, err := Grad(n.cost, free...); err == nil && len(free) > 0 {
				t.Fatalf("has gradients %v, want none", ds)
			}
		}
		return
	}
	ds, err := Grad(n.cost, free...)
	if err != nil {
		t.Fatal(err)
	}
	got, err := n.evaluate(c, 0, 0, 0, ds...)
	if err != nil {
		t.Fatal(err)
	}
	for k, i := range at {
		want, err := n.differences(c, n.cost, i)
		if err != nil {
			t.Fatal(err)
		}
		compare(t, fmt.Sprintf("gradient by input %d", i), got[k], want, 2e-6)
	}
	c.checkGorgonia(t, got)
	if !c.firstOnly {
		c.checkSecond(t, n, at, free, ds)
	}
}

// checkGorgonia compares with the gradients that gorgonia itself builds of the same operators.
func (c opCase) checkGorgonia(t *testing.T, want [][]float64) {
	n, err := c.instantiate(tensor.Float64)
	if err != nil {
		t.Fatal(err)
	}
	_, free := c.free(n)
	ds, err := gorgonia.Grad(n.cost, free...)
	if err != nil {
		t.Fatal(err)
	}
	got, err := n.evaluate(c, 0, 0, 0, ds...)
	if err != nil {
		t.Fatal(err)
	}
	for k := range got {
		compare(t, fmt.Sprintf("gorgonia's gradient %d", k), got[k], want[k], 1e-9)
	}
}

// checkSecond checks the gradient of Σ dx·v.
func (c opCase) checkSecond(t *testing.T, n *instance, at []int, free, ds gorgonia.Nodes) {
	r := rand.New(rand.NewPCG(3, 4))
	var cost *gorgonia.Node
	for k, d := range ds {
		s, err := n.weigh(r, d, fmt.Sprintf("v%d", k))
		if err != nil {
			t.Fatal(err)
		}
		if cost == nil {
			cost = s
		} else if cost, err = Add(cost, s); err != nil {
			t.Fatal(err)
		}
	}
	for k, i := range at {
		second, err := Grad(cost, free[k])
		want, errWant := n.differences(c, cost, i)
		if errWant != nil {
			t.Fatal(errWant)
		}
		if err != nil {
			if !errors.Is(err, ErrIndependent) {
				t.Fatal(err)
			}
			compare(t, fmt.Sprintf("second gradient by input %d", i), make([]float64, len(want)), want, 1e-5)
			continue
		}
		got, err := n.evaluate(c, 0, 0, 0, second[0])
		if err != nil {
			t.Fatal(err)
		}
		compare(t, fmt.Sprintf("second gradient by input %d", i), got[0], want, 5e-6)
	}
}

// TestTableIsComplete fails when an exported function that makes nodes is in no row of the table.
func TestTableIsComplete(t *testing.T) {
	covered := map[string]bool{"Grad": true} // every row uses it
	for _, c := range cases() {
		for _, name := range strings.Fields(c.ops) {
			covered[name] = true
		}
	}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") || strings.HasPrefix(name, "switch") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || f.Recv != nil || !f.Name.IsExported() || !makesNodes(f) {
				continue
			}
			found++
			if !covered[f.Name.Name] {
				t.Errorf("%s: %s is in no row of the table", name, f.Name.Name)
			}
			delete(covered, f.Name.Name)
		}
	}
	if found < 100 {
		t.Errorf("found %d operators: the search is broken", found)
	}
	for name := range covered {
		t.Errorf("row for %s, which does not exist", name)
	}
}

// makesNodes says whether a function returns a node.
func makesNodes(f *ast.FuncDecl) bool {
	if f.Type.Results == nil {
		return false
	}
	for _, r := range f.Type.Results.List {
		e := r.Type
		if s, ok := e.(*ast.StarExpr); ok {
			e = s.X
		}
		if s, ok := e.(*ast.SelectorExpr); ok && (s.Sel.Name == "Node" || s.Sel.Name == "Nodes") {
			return true
		}
	}
	return false
}
