package cuda_test

import (
	"errors"
	"slices"
	"testing"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"palladio/cuda"
	"palladio/engine"
)

// TestMachineRecovers loses a run, and no more, where something else costs the machine's device its context.
func TestMachineRecovers(t *testing.T) {
	if !slices.Contains(cuda.Simulated(), "cuda:sim") {
		t.Skip("this build has no gorgonia.org/cu: make test sets the tag gpu")
	}
	t.Setenv(cuda.EnvCache, t.TempDir())
	d, err := cuda.Open("cuda:sim")
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	g := gorgonia.NewGraph()
	x := gorgonia.NewVector(g, gorgonia.Float32, gorgonia.WithShape(3), gorgonia.WithName("x"),
		gorgonia.WithValue(tensor.New(tensor.WithShape(3), tensor.WithBacking([]float32{1, 2, 3}))))
	y := gorgonia.Must(gorgonia.Sum(gorgonia.Must(gorgonia.Square(x))))
	vm := engine.New(g, engine.On(d), engine.Resident(x))
	defer vm.Close()
	run := func() error {
		err := vm.RunAll()
		if err == nil && y.Value().Data().(float32) != 14 {
			t.Errorf("the sum of squares is %v, want 14", y.Value())
		}
		return err
	}
	if err := run(); err != nil {
		t.Fatal(err)
	}
	if err := d.Break(t); !errors.Is(err, cuda.ErrContextLost) {
		t.Fatalf("an illegal access: %v", err)
	}
	if err := run(); !errors.Is(err, cuda.ErrContextLost) {
		t.Errorf("a run on lost memory: %v", err)
	}
	for range 4 {
		if err := run(); err != nil {
			t.Fatal(err)
		}
	}
}
