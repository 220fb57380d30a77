package engine

import (
	"go/ast"
	"go/build"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

type binaryFunc = func(a, b *G.Node) (*G.Node, error)

func builtinCases() []graphCase {
	unary := func(name string, f func(*G.Node) (*G.Node, error), lo, hi float64) graphCase {
		return graphCase{name: name, build: func(g *graph) *G.Node { return g.must(f(g.variable(lo, hi, 3, 5))) }}
	}
	ungraded := func(c graphCase) graphCase { c.ungraded = true; return c }
	cs := []graphCase{
		unary("Abs", G.Abs, -2, 2), unary("Sin", G.Sin, -2, 2), unary("Cos", G.Cos, -2, 2), unary("Exp", G.Exp, -2, 2),
		unary("Log", G.Log, 0.1, 3), unary("Log2", G.Log2, 0.1, 3), unary("Neg", G.Neg, -2, 2), unary("Square", G.Square, -2, 2),
		unary("Sqrt", G.Sqrt, 0.1, 3), unary("Inverse", G.Inverse, 0.2, 3), unary("InverseSqrt", G.InverseSqrt, 0.2, 3), unary("Cube", G.Cube, -2, 2),
		unary("Tanh", G.Tanh, -2, 2), unary("Sigmoid", G.Sigmoid, -3, 3), unary("Log1p", G.Log1p, -0.5, 3), unary("Expm1", G.Expm1, -2, 2),
		unary("Softplus", G.Softplus, -3, 3), unary("Rectify", G.Rectify, -2, 2), unary("Mish", G.Mish, -2, 2),
		unary("LeakyRelu", func(n *G.Node) (*G.Node, error) { return G.LeakyRelu(n, 0.1) }, -2, 2),
		ungraded(unary("Sign", G.Sign, -2, 2)), ungraded(unary("Ceil", G.Ceil, -2, 2)), ungraded(unary("Floor", G.Floor, -2, 2)),
		{name: "ScalarChain", build: func(g *graph) *G.Node { return g.must(G.Exp(g.must(G.Sin(g.x())))) }},
	}
	for name, f := range map[string]binaryFunc{"Add": G.Add, "Sub": G.Sub, "HadamardProd": G.HadamardProd, "HadamardDiv": G.HadamardDiv, "Pow": G.Pow} {
		cs = append(cs,
			graphCase{name: name, build: func(g *graph) *G.Node {
				return g.must(f(g.variable(0.5, 2, 4, 3), g.variable(0.5, 2, 4, 3)))
			}},
			graphCase{name: name + "Scalars", build: func(g *graph) *G.Node { return g.must(f(g.variable(0.5, 2), g.variable(0.5, 2))) }},
			graphCase{name: name + "Constant", build: func(g *graph) *G.Node { return g.must(f(g.variable(0.5, 2, 7), g.constant(1.5))) }},
			graphCase{name: name + "OneSided", ungraded: true, build: func(g *graph) *G.Node { return g.must(f(g.variable(0.5, 2), g.variable(0.5, 2, 6))) }},
		)
	}
	for name, f := range map[string]func(a, b *G.Node, same bool) (*G.Node, error){"Lt": G.Lt, "Gt": G.Gt, "Lte": G.Lte, "Gte": G.Gte, "Eq": G.Eq, "Ne": G.Ne} {
		for _, same := range []bool{false, true} {
			suffix := map[bool]string{false: "Bool", true: "Same"}[same]
			cs = append(cs, graphCase{name: name + suffix, ungraded: true, direct: !same, build: func(g *graph) *G.Node {
				return g.must(f(g.integers(4, 5), g.integers(4, 5), same))
			}})
		}
	}
	cs = append(cs, linearAlgebraCases()...)
	cs = append(cs, movementCases()...)
	return append(cs, networkCases()...)
}

func linearAlgebraCases() []graphCase {
	return []graphCase{
		{name: "MatMul", build: func(g *graph) *G.Node { return g.must(G.Mul(g.x(3, 4), g.x(4, 5))) }},
		{name: "MatVecMul", build: func(g *graph) *G.Node { return g.must(G.Mul(g.x(3, 4), g.x(4))) }},
		{name: "VecMatMul", build: func(g *graph) *G.Node { return g.must(G.Mul(g.x(3), g.x(3, 4))) }},
		{name: "Dot", build: func(g *graph) *G.Node { return g.must(G.Mul(g.x(6), g.x(6))) }},
		{name: "Outer", ungraded: true, build: func(g *graph) *G.Node { return g.must(G.OuterProd(g.x(4), g.x(3))) }},
		{name: "BatchedMatMul", build: func(g *graph) *G.Node { return g.must(G.BatchedMatMul(g.x(2, 3, 4), g.x(2, 4, 5))) }},
		{name: "BatchedMatMulTB", build: func(g *graph) *G.Node { return g.must(G.BatchedMatMul(g.x(2, 3, 4), g.x(2, 5, 4), false, true)) }},
		{name: "BatchedMatMulTA", build: func(g *graph) *G.Node { return g.must(G.BatchedMatMul(g.x(2, 4, 3), g.x(2, 4, 5), true)) }},
		{name: "MatMulOfTranspose", build: func(g *graph) *G.Node {
			return g.must(G.Mul(g.must(G.Transpose(g.x(4, 3))), g.must(G.Transpose(g.x(5, 4)))))
		}},
		{name: "Tensordot", build: func(g *graph) *G.Node {
			return g.must(G.Tensordot([]int{0, 2}, []int{1, 0}, g.x(3, 4, 2), g.x(2, 3, 5)))
		}},
		{name: "TensordotVectors", ungraded: true, build: func(g *graph) *G.Node { return g.must(G.Tensordot([]int{0}, []int{0}, g.x(4), g.x(4))) }},
		{name: "MinBetween", build: func(g *graph) *G.Node { return g.must(G.MinBetween(g.x(3, 4), g.x(3, 4))) }},
		{name: "MaxBetween", build: func(g *graph) *G.Node { return g.must(G.MaxBetween(g.x(3, 4), g.x(3, 4))) }},
		{name: "DiagFlat", ungraded: true, build: func(g *graph) *G.Node { return g.must(G.DiagFlat(g.x(4))) }},
	}
}

func movementCases() []graphCase {
	return []graphCase{
		{name: "SumAll", build: func(g *graph) *G.Node { return g.must(G.Sum(g.x(3, 4))) }},
		{name: "Sum0", build: func(g *graph) *G.Node { return g.must(G.Sum(g.x(3, 4), 0)) }},
		{name: "Sum1", build: func(g *graph) *G.Node { return g.must(G.Sum(g.x(3, 4), 1)) }},
		{name: "SumMiddle", build: func(g *graph) *G.Node { return g.must(G.Sum(g.x(3, 4, 2), 1)) }},
		{name: "Mean", build: func(g *graph) *G.Node { return g.must(G.Mean(g.x(3, 4))) }},
		{name: "Mean1", build: func(g *graph) *G.Node { return g.must(G.Mean(g.x(3, 4), 1)) }},
		{name: "Max", build: func(g *graph) *G.Node { return g.must(G.Max(g.x(3, 4), 1)) }},
		{name: "Norm2", build: func(g *graph) *G.Node { return g.must(G.Norm(g.x(3, 4), 0, 2)) }},
		{name: "Reshape", build: func(g *graph) *G.Node { return g.must(G.Reshape(g.x(3, 4), tensor.Shape{2, 6})) }},
		{name: "Transpose", build: func(g *graph) *G.Node { return g.must(G.Transpose(g.x(3, 4, 2), 2, 0, 1)) }},
		{name: "TransposeOfOnes", build: func(g *graph) *G.Node { return g.must(G.Transpose(g.x(3, 1, 2), 1, 0, 2)) }},
		{name: "SliceRows", build: func(g *graph) *G.Node { return g.must(G.Slice(g.x(5, 3), G.S(1, 4))) }},
		{name: "SliceRow", build: func(g *graph) *G.Node { return g.must(G.Slice(g.x(5, 3), G.S(2))) }},
		{name: "SliceBoth", build: func(g *graph) *G.Node { return g.must(G.Slice(g.x(5, 6), G.S(1, 4), G.S(2, 5))) }},
		{name: "SliceElement", build: func(g *graph) *G.Node { return g.must(G.Slice(g.x(6), G.S(2))) }},
		{name: "SliceAll", build: func(g *graph) *G.Node { return g.must(G.Slice(g.x(5, 3), nil, G.S(1, 3))) }},
		{name: "Concat0", build: func(g *graph) *G.Node { return g.must(G.Concat(0, g.x(2, 3), g.x(4, 3), g.x(2, 3))) }},
		{name: "Concat1", build: func(g *graph) *G.Node { return g.must(G.Concat(1, g.x(3, 2), g.x(3, 4))) }},
		{name: "At", ungraded: true, direct: true, build: func(g *graph) *G.Node { return g.must(G.At(g.x(3, 4), 1, 2)) }},
		{name: "BroadcastAddRow", build: func(g *graph) *G.Node { return g.must(G.BroadcastAdd(g.x(3, 4), g.x(4), nil, []byte{0})) }},
		{name: "BroadcastMulColumn", build: func(g *graph) *G.Node {
			return g.must(G.BroadcastHadamardProd(g.x(3, 4), g.x(3, 1), nil, []byte{1}))
		}},
		{name: "BroadcastSubLeft", build: func(g *graph) *G.Node { return g.must(G.BroadcastSub(g.x(1, 4), g.x(3, 4), []byte{0}, nil)) }},
		{name: "BroadcastBoth", build: func(g *graph) *G.Node {
			return g.must(G.BroadcastHadamardDiv(g.x(3, 1, 2), g.variable(1, 2, 3, 4, 1), []byte{1}, []byte{2}))
		}},
		{name: "ByIndices", build: func(g *graph) *G.Node {
			index := G.NewVector(g.ExprGraph, tensor.Int, G.WithShape(4), G.WithName("index"),
				G.WithValue(tensor.New(tensor.WithShape(4), tensor.WithBacking([]int{2, 0, 2, 1}))))
			return g.must(G.ByIndices(g.x(3, 5), index, 0))
		}},
		{name: "ConvType", ungraded: true, build: func(g *graph) *G.Node { return g.must(G.ConvType(g.x(3, 4), g.dt, tensor.Int)) }},
		{name: "Iop", ungraded: true, build: func(g *graph) *G.Node { return g.must(G.ApplyOp(G.Iop{}, g.x(3, 4))) }},
		{name: "Upsample2D", build: func(g *graph) *G.Node { return g.must(G.Upsample2D(g.x(2, 3, 2, 2), 2)) }},
	}
}

func networkCases() []graphCase {
	return []graphCase{
		{name: "SoftMax", build: func(g *graph) *G.Node { return g.must(G.SoftMax(g.x(3, 5))) }},
		{name: "SoftMaxVector", build: func(g *graph) *G.Node { return g.must(G.SoftMax(g.x(5))) }},
		{name: "SoftMax1", build: func(g *graph) *G.Node { return g.must(G.SoftMax(g.x(3, 5), 1)) }},
		{name: "LogSoftMax", build: func(g *graph) *G.Node { return g.must(G.LogSoftMax(g.x(3, 5), 1)) }},
		{name: "Sparsemax", build: func(g *graph) *G.Node { return g.must(G.Sparsemax(g.x(3, 5))) }},
		{name: "BinaryXent", build: func(g *graph) *G.Node {
			return g.must(G.BinaryXent(g.variable(0.1, 0.9, 6), g.variable(0.1, 0.9, 6)))
		}},
		{name: "Im2Col", build: func(g *graph) *G.Node {
			return g.must(G.Im2Col(g.x(2, 3, 5, 6), tensor.Shape{3, 2}, tensor.Shape{1, 1}, tensor.Shape{2, 1}, tensor.Shape{1, 2}))
		}},
		{name: "Conv2d", build: func(g *graph) *G.Node {
			return g.must(G.Conv2d(g.x(2, 3, 5, 6), g.x(4, 3, 3, 3), tensor.Shape{3, 3}, []int{1, 1}, []int{1, 1}, []int{1, 1}))
		}},
		{name: "Conv1d", build: func(g *graph) *G.Node { return g.must(G.Conv1d(g.x(2, 3, 1, 8), g.x(4, 3, 1, 3), 3, 1, 1, 1)) }},
		{name: "MaxPool2D", build: func(g *graph) *G.Node {
			return g.must(G.MaxPool2D(g.x(2, 3, 6, 4), tensor.Shape{2, 2}, []int{0, 0}, []int{2, 2}))
		}},
		{name: "MaxPool1D", build: func(g *graph) *G.Node { return g.must(G.MaxPool1D(g.x(2, 3, 1, 8), 2, 0, 2)) }},
		{name: "AveragePool2D", build: func(g *graph) *G.Node {
			return g.must(G.AveragePool2D(g.x(2, 3, 6, 4), tensor.Shape{2, 2}, []int{0, 0}, []int{2, 2}))
		}},
		{name: "GlobalAveragePool2D", ungraded: true, build: func(g *graph) *G.Node { return g.must(G.GlobalAveragePool2D(g.x(2, 3, 4, 5))) }},
		{name: "BatchNorm", build: func(g *graph) *G.Node {
			n, _, _, _, err := G.BatchNorm(g.x(4, 3, 2, 5), g.x(1, 3, 1, 1), g.x(1, 3, 1, 1), 0.1, 1e-5)
			return g.must(n, err)
		}},
		{name: "GroupNorm", build: func(g *graph) *G.Node {
			return g.must(G.GroupNorm(g.x(2, 4, 3, 3), g.x(1, 4, 1, 1), g.x(1, 4, 1, 1), 2, 4, 1e-5))
		}},
		{name: "DropoutOff", build: func(g *graph) *G.Node { return g.must(G.Dropout(g.x(4, 5), 0)) }},
		{name: "CTCLoss", ungraded: true, build: ctcLoss},
		{name: "YOLOv3", ungraded: true, build: func(g *graph) *G.Node {
			if g.dt != G.Float32 {
				return g.x(2) // gorgonia has it in single precision only
			}
			return g.must(G.YOLOv3(g.x(1, 14, 2, 2), []float32{10, 13, 16, 30}, []int{0, 1}, 64, 2, 0.7))
		}},
	}
}

func ctcLoss(g *graph) *G.Node {
	ints := func(name string, shape []int, vs ...int) *G.Node {
		return G.NewTensor(g.ExprGraph, tensor.Int, len(shape), G.WithShape(shape...), G.WithName(name),
			G.WithValue(tensor.New(tensor.WithShape(shape...), tensor.WithBacking(vs))))
	}
	logProbs := g.must(G.LogSoftMax(g.x(6, 2, 4), 2))
	return g.must(G.CTCLoss(logProbs, ints("targets", []int{2, 3}, 1, 2, 3, 2, 2, 1), ints("inputs", []int{2}, 6, 6), ints("lengths", []int{2}, 3, 2), G.ReductionMean))
}

// TestEveryBuiltinIsCovered fails when gorgonia has an operator that no case of the table has.
func TestEveryBuiltinIsCovered(t *testing.T) {
	known := map[string]string{ // operators that the table cannot hold, and why
		"letOp": "a statement without effect", "readOp": "each case reads its result with one", "devTrans": "of CUDA machines only",
		"ExternalOp": "wraps operators inside gorgonia's own machines", "clampOp": "no function of gorgonia's makes one",
		"scalarBinOp": "inside elemBinOp", "tBinOp": "inside elemBinOp", "constantScalar": "is a constant", "constantTensor": "is a constant",
		"dropoutDiffOp": "tested with dropoutOp in TestDropout", "randomOp": "tested in TestRandomNodes",
		"ctcLossDiffOp":   "CTCLoss has a type of which gorgonia takes no gradient",
		"groupNormDiffOp": "reached through GroupNorm", "col2imOp": "reached through Im2Col",
	}
	pkg, err := build.Import("gorgonia.org/gorgonia", ".", build.FindOnly)
	if err != nil {
		t.Fatal(err)
	}
	ops := map[string]bool{}
	sources, err := filepath.Glob(filepath.Join(pkg.Dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range sources {
		if strings.HasSuffix(name, "_test.go") || strings.Contains(name, "cuda") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			if fd, ok := d.(*ast.FuncDecl); ok && fd.Name.Name == "InferShape" && fd.Recv != nil {
				ops[receiver(fd)] = true
			}
		}
	}
	if len(ops) < 40 {
		t.Fatalf("found only %d operators in %s", len(ops), pkg.Dir)
	}
	covered := map[string]bool{}
	for _, c := range builtinCases() {
		g := newGraph(t, G.Float32)
		n := c.build(g)
		if !c.ungraded {
			if _, err := G.Grad(g.cost(n), g.vars...); err != nil {
				t.Fatalf("%s: %v", c.name, err)
			}
		}
		for _, n := range g.AllNodes() {
			covered[opName(n)] = true
		}
	}
	for o := range ops {
		if !covered[o] && known[o] == "" {
			t.Errorf("no case of the table has gorgonia's operator %s", o)
		}
	}
}

// receiver is the name of a method's type.
func receiver(fd *ast.FuncDecl) string {
	t := fd.Recv.List[0].Type
	if s, ok := t.(*ast.StarExpr); ok {
		t = s.X
	}
	return t.(*ast.Ident).Name
}
