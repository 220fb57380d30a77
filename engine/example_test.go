package engine_test

import (
	"fmt"
	"log"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"palladio/engine"
)

// A linear regression: only the constructor of the machine differs from a program for gorgonia's tape machine.
func Example() {
	g := gorgonia.NewGraph()
	x := gorgonia.NewVector(g, gorgonia.Float64, gorgonia.WithName("x"), gorgonia.WithShape(3),
		gorgonia.WithValue(tensor.New(tensor.WithBacking([]float64{1, 2, 3}))))
	y := gorgonia.NewVector(g, gorgonia.Float64, gorgonia.WithName("y"), gorgonia.WithShape(3),
		gorgonia.WithValue(tensor.New(tensor.WithBacking([]float64{3, 5, 7}))))
	m := gorgonia.NewScalar(g, gorgonia.Float64, gorgonia.WithName("m"), gorgonia.WithValue(0.0))
	c := gorgonia.NewScalar(g, gorgonia.Float64, gorgonia.WithName("c"), gorgonia.WithValue(0.0))
	pred := gorgonia.Must(gorgonia.Add(gorgonia.Must(gorgonia.Mul(x, m)), c))
	cost := gorgonia.Must(gorgonia.Mean(gorgonia.Must(gorgonia.Square(gorgonia.Must(gorgonia.Sub(pred, y))))))
	if _, err := gorgonia.Grad(cost, m, c); err != nil {
		log.Fatal(err)
	}

	vm := engine.New(g, engine.BindDualValues(m, c))
	defer vm.Close()
	solver := gorgonia.NewVanillaSolver(gorgonia.WithLearnRate(0.1))
	for range 500 {
		if err := vm.RunAll(); err != nil {
			log.Fatal(err)
		}
		if err := solver.Step([]gorgonia.ValueGrad{m, c}); err != nil {
			log.Fatal(err)
		}
		vm.Reset()
	}
	fmt.Printf("y = %.2fx + %.2f\n", m.Value(), c.Value())
	// Output: y = 2.00x + 1.00
}
