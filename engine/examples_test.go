package engine

import (
	"fmt"
	"hash"
	"hash/fnv"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/chewxy/hm"
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"palladio/fallback/ref"
)

// A program is one of gorgonia's examples, reduced in size and on made-up data. It makes its machine with newVM and returns what it would print.
type exampleProgram = func(t *testing.T, newVM vmMaker) []G.Value

// vmMaker stands for NewTapeMachine or New: dual are the nodes of BindDualValues, outputs those of CompileFunction (nil: the whole graph).
type vmMaker func(g *G.ExprGraph, inputs, dual, outputs G.Nodes) G.VM

func tapeVM(g *G.ExprGraph, inputs, dual, outputs G.Nodes) G.VM {
	var opts []G.VMOpt
	if dual != nil {
		opts = append(opts, G.BindDualValues(dual...), G.TraceExec())
	}
	if outputs != nil {
		prog, loc, err := G.CompileFunction(g, inputs, outputs)
		if err != nil {
			panic(err)
		}
		opts = append(opts, G.WithPrecompiled(prog, loc))
	}
	return G.NewTapeMachine(g, opts...)
}

func ourVM(more ...Option) vmMaker {
	return func(g *G.ExprGraph, _, dual, outputs G.Nodes) G.VM {
		opts := append([]Option{On(ref.New())}, more...)
		if dual != nil {
			opts = append(opts, BindDualValues(dual...))
		}
		if outputs != nil {
			opts = append(opts, Outputs(outputs...))
		}
		return New(g, opts...)
	}
}

// TestExamples runs gorgonia's examples with only the machine's constructor changed.
func TestExamples(t *testing.T) {
	for name, run := range map[string]exampleProgram{
		"basic": exampleBasic, "symbolicDiff": exampleSymbolicDiff, "linearRegression": exampleLinearRegression, "broadcastAdd": exampleBroadcastAdd,
		"triangles": exampleTriangles, "tensordot": exampleTensordot, "softMax": exampleSoftMax, "concat": exampleConcat, "iop": exampleIop,
		"iris": exampleIris, "logisticRegression": exampleLogisticRegression, "convnet": exampleConvnet, "286": examplePerceptron,
		"charRNN": exampleCharRNN, "stackedAutoencoder": exampleStackedAutoencoder, "concurrentTraining": exampleConcurrentTraining,
	} {
		t.Run(name, func(t *testing.T) {
			want := run(t, tapeVM)
			for opt, vm := range map[string]vmMaker{"optimised": ourVM(), "plain": ourVM(NoOptimisation()), "recompute": ourVM(Recompute())} {
				got := run(t, vm)
				if len(got) != len(want) {
					t.Fatalf("%s: %d values, want %d", opt, len(got), len(want))
				}
				for i := range want {
					tol := 1e-9
					if want[i].Dtype() == tensor.Float32 {
						tol = 2e-4
					}
					compare(t, fmt.Sprintf("%s: value %d", opt, i), got[i], want[i], tol)
				}
			}
		})
	}
}

// clones copies values, which later runs overwrite.
func clones(t *testing.T, vs ...G.Value) []G.Value {
	t.Helper()
	out := make([]G.Value, len(vs))
	for i, v := range vs {
		c, err := G.CloneValue(v)
		if err != nil {
			t.Fatal(err)
		}
		out[i] = c
	}
	return out
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// noise is a tensor of made-up numbers.
func noise(rng *rand.Rand, dt tensor.Dtype, scale float64, shape ...int) *tensor.Dense {
	n := tensor.Shape(shape).TotalSize()
	if dt == tensor.Float32 {
		s := make([]float32, n)
		for i := range s {
			s[i] = float32(scale * rng.NormFloat64())
		}
		return tensor.New(tensor.WithShape(shape...), tensor.WithBacking(s))
	}
	s := make([]float64, n)
	for i := range s {
		s[i] = scale * rng.NormFloat64()
	}
	return tensor.New(tensor.WithShape(shape...), tensor.WithBacking(s))
}

func exampleBasic(t *testing.T, newVM vmMaker) []G.Value {
	g := G.NewGraph()
	x, y := G.NewScalar(g, G.Float64, G.WithName("x")), G.NewScalar(g, G.Float64, G.WithName("y"))
	z := G.Must(G.Add(x, y))
	vm := newVM(g, nil, nil, nil)
	defer vm.Close()
	var vs []G.Value
	for _, v := range [][2]float64{{2, 2.5}, {3, -1}} { // Let between runs
		check(t, G.Let(x, v[0]))
		check(t, G.Let(y, v[1]))
		check(t, vm.RunAll())
		vs = append(vs, clones(t, z.Value())...)
		vm.Reset()
	}
	return vs
}

func exampleSymbolicDiff(t *testing.T, newVM vmMaker) []G.Value {
	g := G.NewGraph()
	x, y := G.NewScalar(g, G.Float64, G.WithName("x")), G.NewScalar(g, G.Float64, G.WithName("y"))
	z := G.Must(G.Add(x, y))
	grads, err := G.Grad(z, x, y)
	check(t, err)
	vm := newVM(g, nil, nil, nil)
	defer vm.Close()
	check(t, G.Let(x, 2.0))
	check(t, G.Let(y, 2.5))
	check(t, vm.RunAll())
	dx, err := x.Grad()
	check(t, err)
	dy, err := y.Grad()
	check(t, err)
	return []G.Value{z.Value(), dx, dy, grads[0].Value(), grads[1].Value()}
}

func exampleLinearRegression(t *testing.T, newVM vmMaker) []G.Value {
	var vs []G.Value
	for _, dt := range []tensor.Dtype{tensor.Float32, tensor.Float64} {
		const n = 100
		rng := rand.New(rand.NewPCG(3, 4))
		xT := tensor.New(tensor.WithBacking(tensor.Range(dt, 1, n+1)), tensor.WithShape(n))
		yT := noise(rng, dt, 0.1, n)
		yT2, err := tensor.Add(yT, xT)
		check(t, err)
		yT2, err = tensor.Add(yT2, xT)
		check(t, err)
		g := G.NewGraph()
		x := G.NewVector(g, dt, G.WithShape(n), G.WithName("x"), G.WithValue(xT))
		y := G.NewVector(g, dt, G.WithShape(n), G.WithName("y"), G.WithValue(yT2))
		one := map[tensor.Dtype]any{tensor.Float32: float32(0.3), tensor.Float64: 0.3}[dt]
		m := G.NewScalar(g, dt, G.WithName("m"), G.WithValue(one))
		c := G.NewScalar(g, dt, G.WithName("c"), G.WithValue(one))
		pred := G.Must(G.Add(G.Must(G.Mul(x, m)), c))
		cost := G.Must(G.Mean(G.Must(G.Square(G.Must(G.Sub(pred, y))))))
		_, err = G.Grad(cost, m, c)
		check(t, err)
		vm := newVM(g, nil, G.Nodes{m, c}, nil)
		defer vm.Close()
		solver := G.NewVanillaSolver(G.WithLearnRate(0.0001), G.WithClip(5))
		for range 50 {
			check(t, vm.RunAll())
			check(t, solver.Step([]G.ValueGrad{m, c}))
			vm.Reset()
		}
		vs = append(vs, m.Value(), c.Value())
	}
	return vs
}

func exampleBroadcastAdd(t *testing.T, newVM vmMaker) []G.Value {
	g := G.NewGraph()
	a := G.NewVector(g, tensor.Float64, G.WithShape(2), G.WithName("a"), G.WithValue(tensor.New(tensor.WithBacking([]float64{100, 100}))))
	b := G.NewMatrix(g, tensor.Float64, G.WithShape(2, 2), G.WithName("b"), G.WithValue(tensor.New(tensor.WithShape(2, 2), tensor.WithBacking([]float64{1, 1, 2, 2}))))
	ab := G.Must(G.BroadcastAdd(a, b, []byte{1}, nil))
	ba := G.Must(G.BroadcastAdd(b, a, nil, []byte{1}))
	vm := newVM(g, nil, nil, nil)
	defer vm.Close()
	check(t, vm.RunAll())
	return []G.Value{ab.Value(), ba.Value()}
}

func exampleTriangles(t *testing.T, newVM vmMaker) []G.Value {
	g := G.NewGraph()
	a := G.NewMatrix(g, tensor.Float64, G.WithShape(3, 1), G.WithName("a"), G.WithInit(G.RangedFrom(0)))
	b := G.NewMatrix(g, tensor.Float64, G.WithShape(1, 4), G.WithName("b"), G.WithInit(G.RangedFrom(0)))
	lower := G.Must(G.BroadcastGte(a, b, true, []byte{1}, []byte{0}))
	upper := G.Must(G.BroadcastLt(a, b, true, []byte{1}, []byte{0}))
	vm := newVM(g, nil, nil, nil)
	defer vm.Close()
	check(t, vm.RunAll())
	return []G.Value{lower.Value(), upper.Value()}
}

func exampleTensordot(t *testing.T, newVM vmMaker) []G.Value {
	g := G.NewGraph()
	a := G.NewVector(g, G.Float64, G.WithName("a"), G.WithShape(2), G.WithInit(G.RangedFrom(2)))
	b := G.NewVector(g, G.Float64, G.WithName("b"), G.WithShape(2), G.WithInit(G.RangedFrom(21)))
	c := G.Must(G.Tensordot([]int{0}, []int{0}, a, b))
	vm := newVM(g, nil, nil, nil)
	defer vm.Close()
	check(t, vm.RunAll())
	return []G.Value{c.Value()}
}

func exampleSoftMax(t *testing.T, newVM vmMaker) []G.Value {
	g := G.NewGraph()
	rng := rand.New(rand.NewPCG(1, 1))
	a := G.NodeFromAny(g, noise(rng, tensor.Float64, 1, 2, 3), G.WithName("a"))
	b := G.NodeFromAny(g, noise(rng, tensor.Float64, 1, 2, 3), G.WithName("b"))
	c := G.NodeFromAny(g, noise(rng, tensor.Float64, 1, 2, 2, 3), G.WithName("c"))
	s1, s0, s := G.Must(G.SoftMax(a)), G.Must(G.SoftMax(b, 0)), G.Must(G.SoftMax(c))
	vm := newVM(g, nil, nil, nil)
	defer vm.Close()
	check(t, vm.RunAll())
	return []G.Value{s1.Value(), s0.Value(), s.Value()}
}

func exampleConcat(t *testing.T, newVM vmMaker) []G.Value {
	g := G.NewGraph()
	x := G.NewTensor(g, G.Float64, 4, G.WithShape(2, 3, 4, 5), G.WithInit(G.RangedFrom(0)), G.WithName("x"))
	y := G.NewTensor(g, G.Float64, 4, G.WithShape(2, 3, 4, 5), G.WithInit(G.RangedFrom(120)), G.WithName("y"))
	z := G.Must(G.Concat(2, x, y))
	parts, err := G.Unconcat(z, 2, 2)
	check(t, err)
	vm := newVM(g, nil, nil, nil)
	defer vm.Close()
	check(t, vm.RunAll())
	return []G.Value{parts[0].Value(), parts[1].Value()}
}

// addOp is an operator of a program's own, whose gradient writes into scratch memory.
type addOp struct{}

func (addOp) Arity() int { return 2 }
func (addOp) Type() hm.Type {
	t := G.TensorType{Dims: 4, Of: hm.TypeVariable('a')}
	return hm.NewFnType(t, t, t)
}
func (addOp) InferShape(ns ...G.DimSizer) (tensor.Shape, error) {
	return ns[0].(tensor.Shape).Clone(), nil
}
func (addOp) Do(vs ...G.Value) (G.Value, error) { return tensor.Add(vs[0], vs[1]) }
func (addOp) ReturnsPtr() bool                  { return true }
func (addOp) CallsExtern() bool                 { return false }
func (addOp) OverwritesInput() int              { return -1 }
func (addOp) WriteHash(h hash.Hash)             { fmt.Fprint(h, "own addition") }
func (o addOp) Hashcode() uint32                { return hashed(o) }
func (addOp) String() string                    { return "own addition" }
func (addOp) DiffWRT(int) []bool                { return []bool{true, true} }

func (o addOp) SymDiff(in G.Nodes, _, _ *G.Node) (G.Nodes, error) {
	y := in[1]
	scratch := G.NewUniqueNode(G.WithType(y.Type()), G.WithShape(y.Shape()...), G.WithChildren(G.Nodes{y}), G.In(y.Graph()), G.WithOp(G.Iop{}))
	dx, err := G.ApplyOp(addGradient{o}, in[0], y, scratch)
	return G.Nodes{dx, scratch}, err
}

func hashed(o interface{ WriteHash(hash.Hash) }) uint32 {
	h := fnv.New32a()
	o.WriteHash(h)
	return h.Sum32()
}

type addGradient struct{ addOp }

func (addGradient) Arity() int { return 3 }
func (addGradient) Type() hm.Type {
	t := G.TensorType{Dims: 4, Of: hm.TypeVariable('a')}
	return hm.NewFnType(t, t, t, t)
}
func (addGradient) String() string        { return "own gradient" }
func (addGradient) WriteHash(h hash.Hash) { fmt.Fprint(h, "own gradient") }
func (o addGradient) Hashcode() uint32    { return hashed(o) }
func (addGradient) Do(vs ...G.Value) (G.Value, error) {
	for i, d := 0, vs[2].Data().([]float64); i < len(d); i++ {
		d[i] = 1000
	}
	return G.CloneValue(vs[1])
}

func exampleIop(t *testing.T, newVM vmMaker) []G.Value {
	g := G.NewGraph()
	x := G.NewTensor(g, tensor.Float64, 4, G.WithShape(4, 5, 6, 7), G.WithName("x"), G.WithInit(G.Ones()))
	y := G.NewTensor(g, tensor.Float64, 4, G.WithShape(4, 5, 6, 7), G.WithName("y"), G.WithInit(G.Zeroes()))
	z := G.Must(G.ApplyOp(addOp{}, x, y))
	_, err := G.Grad(G.Must(G.Sum(z)), x, y)
	check(t, err)
	vm := newVM(g, nil, G.Nodes{x, y, z}, nil)
	defer vm.Close()
	check(t, vm.RunAll())
	dy, err := y.Grad()
	check(t, err)
	return []G.Value{dy}
}

func exampleIris(t *testing.T, newVM vmMaker) []G.Value {
	rng := rand.New(rand.NewPCG(5, 6))
	g := G.NewGraph()
	x := G.NodeFromAny(g, noise(rng, tensor.Float64, 1, 30, 5), G.WithName("x"))
	y := G.NodeFromAny(g, noise(rng, tensor.Float64, 1, 30), G.WithName("y"))
	theta := G.NewVector(g, G.Float64, G.WithName("theta"), G.WithShape(5), G.WithValue(noise(rng, tensor.Float64, 1, 5)))
	pred := G.Must(G.Mul(x, theta))
	var predicted G.Value
	G.Read(pred, &predicted)
	cost := G.Must(G.Mean(G.Must(G.Square(G.Must(G.Sub(pred, y))))))
	_, err := G.Grad(cost, theta)
	check(t, err)
	vm := newVM(g, nil, G.Nodes{theta}, nil)
	defer vm.Close()
	solver := G.NewVanillaSolver(G.WithLearnRate(0.01))
	var costs []G.Value
	for range 20 {
		check(t, vm.RunAll())
		check(t, solver.Step([]G.ValueGrad{theta}))
		costs = append(costs, clones(t, cost.Value())...)
		vm.Reset()
	}
	return append(costs, theta.Value(), predicted)
}

func exampleLogisticRegression(t *testing.T, newVM vmMaker) []G.Value {
	const n, features = 40, 6
	rng := rand.New(rand.NewPCG(7, 8))
	xT, wT := noise(rng, tensor.Float64, 1, n, features), noise(rng, tensor.Float64, 1, features)
	labels := make([]float64, n)
	for i := range labels {
		labels[i] = float64(rng.IntN(2))
	}
	yT := tensor.New(tensor.WithShape(n), tensor.WithBacking(labels))

	g := G.NewGraph()
	x := G.NewMatrix(g, tensor.Float64, G.WithName("x"), G.WithShape(n, features))
	y := G.NewVector(g, tensor.Float64, G.WithName("y"), G.WithShape(n))
	w := G.NewVector(g, tensor.Float64, G.WithName("w"), G.WithShape(features))
	b := G.NewScalar(g, tensor.Float64, G.WithName("bias"))
	one := G.NewConstant(1.0)
	prob := G.Must(G.Sigmoid(G.Must(G.Add(G.Must(G.Mul(x, w)), b))))
	pred := G.Must(G.Gt(prob, G.NewConstant(0.5), false))
	var predicted G.Value
	read := G.Read(pred, &predicted)
	first := G.Must(G.HadamardProd(G.Must(G.Neg(y)), G.Must(G.Log(prob))))
	second := G.Must(G.HadamardProd(G.Must(G.Sub(one, y)), G.Must(G.Log(G.Must(G.Sub(one, prob))))))
	loss := G.Must(G.Mean(G.Must(G.Sub(first, second))))
	reg := G.Must(G.Mul(G.NewConstant(0.01, G.WithName("l2reg")), G.Must(G.Sum(G.Must(G.Square(w))))))
	cost := G.Must(G.Add(loss, reg))
	grads, err := G.Grad(cost, w, b)
	check(t, err)
	rate := G.NewConstant(0.1)
	newW := G.Must(G.Sub(w, G.Must(G.Mul(rate, grads[0]))))
	newB := G.Must(G.Sub(b, G.Must(G.Mul(rate, grads[1]))))

	vm := newVM(g, G.Nodes{x, y}, nil, G.Nodes{newW, newB, read}).(interface {
		G.VM
		Let(n *G.Node, be any) error
		Set(a, b *G.Node) error
	})
	defer vm.Close()
	check(t, vm.Let(w, wT))
	check(t, vm.Let(b, 0.0))
	for range 30 {
		vm.Reset()
		check(t, vm.Let(x, xT))
		check(t, vm.Let(y, yT))
		check(t, vm.RunAll())
		check(t, vm.Set(w, newW))
		check(t, vm.Set(b, newB))
	}
	hits := 0.0
	for i, p := range predicted.Data().([]bool) {
		if p == (labels[i] == 1) {
			hits++
		}
	}
	return []G.Value{w.Value(), b.Value(), G.NewF64(hits)}
}

func exampleConvnet(t *testing.T, newVM vmMaker) []G.Value {
	const batch, size = 4, 8
	dt := tensor.Float64
	rng := rand.New(rand.NewPCG(9, 10))
	weight := func(g *G.ExprGraph, name string, scale float64, shape ...int) *G.Node {
		return G.NewTensor(g, dt, len(shape), G.WithShape(shape...), G.WithName(name), G.WithValue(noise(rng, dt, scale, shape...)))
	}
	g := G.NewGraph()
	x := G.NewTensor(g, dt, 4, G.WithShape(batch, 1, size, size), G.WithName("x"))
	y := G.NewMatrix(g, dt, G.WithShape(batch, 10), G.WithName("y"))
	w0, w1 := weight(g, "w0", 0.3, 3, 1, 3, 3), weight(g, "w1", 0.3, 4, 3, 3, 3)
	w2, w3 := weight(g, "w2", 0.3, 4*2*2, 12), weight(g, "w3", 0.3, 12, 10)
	params := G.Nodes{w0, w1, w2, w3}
	layer := func(x, w *G.Node) *G.Node {
		c := G.Must(G.Conv2d(x, w, tensor.Shape{3, 3}, []int{1, 1}, []int{1, 1}, []int{1, 1}))
		p := G.Must(G.MaxPool2D(G.Must(G.Rectify(c)), tensor.Shape{2, 2}, []int{0, 0}, []int{2, 2}))
		return G.Must(G.Dropout(p, 0))
	}
	h := G.Must(G.Reshape(layer(layer(x, w0), w1), tensor.Shape{batch, 4 * 2 * 2}))
	out := G.Must(G.SoftMax(G.Must(G.Mul(G.Must(G.Rectify(G.Must(G.Mul(h, w2)))), w3))))
	cost := G.Must(G.Neg(G.Must(G.Mean(G.Must(G.HadamardProd(G.Must(G.Log(out)), y))))))
	var costVal G.Value
	G.Read(cost, &costVal)
	_, err := G.Grad(cost, params...)
	check(t, err)
	vm := newVM(g, nil, params, nil)
	defer vm.Close()
	solver := G.NewRMSPropSolver(G.WithBatchSize(batch))
	data, labels := noise(rng, dt, 1, 3*batch, 1, size, size), noise(rng, dt, 1, 3*batch, 10)
	var vs []G.Value
	for b := range 3 {
		xv, err := data.Slice(G.S(b*batch, (b+1)*batch))
		check(t, err)
		yv, err := labels.Slice(G.S(b*batch, (b+1)*batch))
		check(t, err)
		check(t, xv.(*tensor.Dense).Reshape(batch, 1, size, size))
		check(t, G.Let(x, xv))
		check(t, G.Let(y, yv))
		check(t, vm.RunAll())
		check(t, solver.Step(G.NodesToValueGrads(params)))
		vs = append(vs, clones(t, costVal)...)
		vm.Reset()
	}
	for _, p := range params {
		vs = append(vs, p.Value())
	}
	return vs
}

func examplePerceptron(t *testing.T, newVM vmMaker) []G.Value {
	const batch = 5
	rng := rand.New(rand.NewPCG(11, 12))
	g := G.NewGraph()
	x := G.NewMatrix(g, G.Float32, G.WithShape(batch, 12), G.WithName("x"))
	y := G.NewMatrix(g, G.Float32, G.WithShape(batch, 4), G.WithName("y"))
	w0 := G.NewMatrix(g, G.Float32, G.WithShape(12, 9), G.WithName("w0"), G.WithValue(noise(rng, tensor.Float32, 0.3, 12, 9)))
	w1 := G.NewMatrix(g, G.Float32, G.WithShape(9, 4), G.WithName("w1"), G.WithValue(noise(rng, tensor.Float32, 0.3, 9, 4)))
	out := G.Must(G.Mul(G.Must(G.LeakyRelu(G.Must(G.Mul(x, w0)), 0.1)), w1))
	var pred, costVal G.Value
	G.Read(out, &pred)
	cost := G.Must(G.Mean(G.Must(G.Square(G.Must(G.Sub(y, out))))))
	G.Read(cost, &costVal)
	_, err := G.Grad(cost, w0, w1)
	check(t, err)
	vm := newVM(g, nil, G.Nodes{w0, w1}, nil)
	defer vm.Close()
	solver := G.NewAdamSolver(G.WithLearnRate(0.01), G.WithBatchSize(batch))
	for range 10 {
		check(t, G.Let(x, noise(rng, tensor.Float32, 1, batch, 12)))
		check(t, G.Let(y, noise(rng, tensor.Float32, 1, batch, 4)))
		check(t, vm.RunAll())
		check(t, solver.Step(G.NodesToValueGrads(G.Nodes{w0, w1})))
		vm.Reset()
	}
	return []G.Value{pred, costVal, w0.Value(), w1.Value()}
}

func exampleCharRNN(t *testing.T, newVM vmMaker) []G.Value {
	const vocabulary, embedding, hidden = 7, 4, 5
	rng := rand.New(rand.NewPCG(13, 14))
	g := G.NewGraph()
	var params G.Nodes
	param := func(name string, shape ...int) *G.Node {
		n := G.NewTensor(g, G.Float64, len(shape), G.WithShape(shape...), G.WithName(name), G.WithValue(noise(rng, tensor.Float64, 0.3, shape...)))
		params = append(params, n)
		return n
	}
	embed := param("embedding", vocabulary, embedding)
	type gate struct{ wx, wh, b *G.Node }
	gates := map[string]gate{}
	for _, n := range []string{"i", "f", "o", "c"} {
		gates[n] = gate{param("w"+n+"x", hidden, embedding), param("w"+n+"h", hidden, hidden), param("b"+n, hidden)}
	}
	whd, bd := param("whd", vocabulary, hidden), param("bd", vocabulary)
	h := G.NewVector(g, G.Float64, G.WithName("h0"), G.WithShape(hidden), G.WithInit(G.Zeroes()))
	c := G.NewVector(g, G.Float64, G.WithName("c0"), G.WithShape(hidden), G.WithInit(G.Zeroes()))
	act := func(name string, f func(*G.Node) (*G.Node, error), x, h *G.Node) *G.Node {
		k := gates[name]
		return G.Must(f(G.Must(G.Add(G.Must(G.Add(G.Must(G.Mul(k.wx, x)), G.Must(G.Mul(k.wh, h)))), k.b))))
	}
	var cost, perplexity *G.Node
	sentence := []int{1, 4, 2, 2, 6, 0}
	for i, id := range sentence[:len(sentence)-1] {
		x := G.Must(G.Slice(embed, G.S(id)))
		in, forget, out, write := act("i", G.Sigmoid, x, h), act("f", G.Sigmoid, x, h), act("o", G.Sigmoid, x, h), act("c", G.Tanh, x, h)
		c = G.Must(G.Add(G.Must(G.HadamardProd(forget, c)), G.Must(G.HadamardProd(in, write))))
		h = G.Must(G.HadamardProd(out, G.Must(G.Tanh(c))))
		probs := G.Must(G.SoftMax(G.Must(G.Add(G.Must(G.Mul(whd, h)), bd))))
		loss := G.Must(G.Slice(G.Must(G.Neg(G.Must(G.Log(probs)))), G.S(sentence[i+1])))
		perp := G.Must(G.Slice(G.Must(G.Neg(G.Must(G.Log2(probs)))), G.S(sentence[i+1])))
		if cost == nil {
			cost, perplexity = loss, perp
			continue
		}
		cost, perplexity = G.Must(G.Add(cost, loss)), G.Must(G.Add(perplexity, perp))
	}
	var costVal, perpVal G.Value
	G.Read(cost, &costVal)
	G.Read(perplexity, &perpVal)
	_, err := G.Grad(cost, params...)
	check(t, err)
	vm := newVM(g, nil, params, nil)
	defer vm.Close()
	solver := G.NewRMSPropSolver(G.WithLearnRate(0.01), G.WithL2Reg(1e-6), G.WithClip(5))
	var vs []G.Value
	for range 4 {
		check(t, vm.RunAll())
		check(t, solver.Step(G.NodesToValueGrads(params)))
		vs = append(vs, clones(t, costVal, perpVal)...)
		vm.Reset()
	}
	for _, p := range params {
		vs = append(vs, p.Value())
	}
	return vs
}

func exampleStackedAutoencoder(t *testing.T, newVM vmMaker) []G.Value {
	const batch, inputs = 3, 8
	sizes := []int{6, 5}
	rng := rand.New(rand.NewPCG(15, 16))
	g := G.NewGraph()
	x := G.NewMatrix(g, G.Float64, G.WithShape(batch, inputs), G.WithName("x"))
	type coder struct{ w, b, hb, input *G.Node }
	var coders []coder
	in, width := x, inputs
	for i, size := range sizes {
		c := coder{input: in}
		c.w = G.NewMatrix(g, G.Float64, G.WithShape(width, size), G.WithName(fmt.Sprintf("w_%d", i)), G.WithValue(noise(rng, tensor.Float64, 0.3, width, size)))
		c.b = G.NewMatrix(g, G.Float64, G.WithShape(batch, size), G.WithName(fmt.Sprintf("b_%d", i)), G.WithInit(G.Zeroes()))
		c.hb = G.NewMatrix(g, G.Float64, G.WithShape(batch, width), G.WithName(fmt.Sprintf("hb_%d", i)), G.WithInit(G.Zeroes()))
		in, width = G.Must(G.Sigmoid(G.Must(G.Add(G.Must(G.Mul(in, c.w)), c.b)))), size
		coders = append(coders, c)
	}
	// several machines on one graph, a machine a layer
	var vms []G.VM
	var costs [2]G.Value
	for i, c := range coders {
		corrupted := G.Must(G.HadamardProd(G.BinomialRandomNode(g, G.Float64, 1, 1), c.input)) // corruption that always keeps
		out := G.Must(G.Sigmoid(G.Must(G.Add(G.Must(G.Mul(corrupted, c.w)), c.b))))
		back := G.Must(G.Sigmoid(G.Must(G.Add(G.Must(G.Mul(out, G.Must(G.Transpose(c.w)))), c.hb))))
		cost := G.Must(G.Mean(G.Must(G.Square(G.Must(G.Sub(back, c.input))))))
		read := G.Read(cost, &costs[i])
		grads, err := G.Grad(cost, c.w, c.b, c.hb)
		check(t, err)
		vm := newVM(g, G.Nodes{x}, nil, append(grads, read))
		defer vm.Close()
		vms = append(vms, vm)
	}
	solver := G.NewVanillaSolver(G.WithBatchSize(batch))
	data := noise(rng, tensor.Float64, 1, 4*batch, inputs)
	var vs []G.Value
	for i, c := range coders {
		for b := range 4 {
			xv, err := data.Slice(G.S(b*batch, (b+1)*batch))
			check(t, err)
			check(t, G.Let(x, xv))
			check(t, vms[i].RunAll())
			check(t, solver.Step(G.NodesToValueGrads(G.Nodes{c.w, c.b, c.hb})))
			vs = append(vs, clones(t, costs[i])...)
			vms[i].Reset()
		}
		vs = append(vs, c.w.Value(), c.b.Value(), c.hb.Value())
	}
	return vs
}

func exampleConcurrentTraining(t *testing.T, newVM vmMaker) []G.Value {
	const batch, columns, trainers = 10, 3, 3
	rng := rand.New(rand.NewPCG(17, 18))
	type trainer struct {
		x, y *G.Node
		vm   G.VM
	}
	ts := make([]trainer, trainers)
	for i := range ts {
		g := G.NewGraph()
		x := G.NewMatrix(g, G.Float64, G.WithShape(batch, columns), G.WithName("x"), G.WithValue(noise(rng, tensor.Float64, 1, batch, columns)))
		y := G.NewVector(g, G.Float64, G.WithShape(batch), G.WithName("y"), G.WithValue(noise(rng, tensor.Float64, 1, batch)))
		sum := G.Must(G.Sum(G.Must(G.Mul(G.Must(G.Transpose(x)), y))))
		_, err := G.Grad(sum, x, y)
		check(t, err)
		ts[i] = trainer{x, y, newVM(g, nil, G.Nodes{x, y}, nil)}
		defer ts[i].vm.Close()
	}
	var vs []G.Value
	for range 3 {
		var wg sync.WaitGroup
		errs := make([]error, len(ts))
		for i := range ts {
			wg.Go(func() { errs[i] = ts[i].vm.RunAll() })
		}
		wg.Wait()
		solver := G.NewVanillaSolver(G.WithLearnRate(0.01), G.WithBatchSize(batch))
		for i := range ts {
			check(t, errs[i])
			check(t, solver.Step([]G.ValueGrad{ts[i].x, ts[i].y}))
			ts[i].vm.Reset()
			vs = append(vs, clones(t, ts[i].x.Value(), ts[i].y.Value())...)
		}
	}
	return vs
}
