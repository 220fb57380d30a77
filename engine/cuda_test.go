package engine_test

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"gorgonia.org/gorgonia"

	"palladio/cuda"
	"palladio/engine"
	"palladio/engine/nn"
	"palladio/engine/op"
	"palladio/kernels"
)

// devices are those that a training must agree on: the CPU, the simulated GPU, and, where the build has it, the simulated GPU under gorgonia.org/cu.
func devices(t *testing.T) []string {
	t.Setenv(cuda.EnvCache, t.TempDir())
	list := []string{"cpu", "sim:h100"}
	for _, name := range cuda.Simulated() {
		if name == "cuda:sim" {
			list = append(list, name)
		}
	}
	return list
}

// convNet is a small network with all that a classifier is made of.
func convNet(b *nn.Builder, x nn.Node) nn.Node {
	return nn.Sequential{
		nn.ConvNormAct{Conv: nn.Conv{Filters: 8, Kernel: []int{3, 3}}, Act: "relu"},
		nn.MaxPool{Window: []int{2, 2}},
		nn.ConvNormAct{Conv: nn.Conv{Filters: 16, Kernel: []int{3, 3}}, Act: "relu"},
		nn.GlobalAvgPool{},
		nn.Linear{Out: 4},
	}.Forward(b, x)
}

// training is a compiled training step on synthetic images.
type training struct {
	vm   *engine.Machine
	opt  *nn.Optimizer
	x    []float32
	y    []int32
	cost gorgonia.Value
}

func newTraining(t *testing.T, net func(*nn.Builder, nn.Node) nn.Node, opts ...engine.Option) *training {
	t.Helper()
	const batch, side = 8, 12
	params := nn.NewParams(7)
	b := params.Build(gorgonia.NewGraph())
	x, y := b.Input("x", batch, side, side, 1), b.Labels("y", batch)
	s := &training{x: x.Value().Data().([]float32), y: y.Value().Data().([]int32)}
	cost := b.CrossEntropy(net(b, x), y, op.CrossEntropyOptions{})
	if b.Err() != nil {
		t.Fatal(b.Err())
	}
	read := gorgonia.Read(cost, &s.cost)
	var err error
	if s.opt, err = nn.NewOptimizer(b, cost, nn.SGD(0.9, false, 1e-4), nn.ClipNorm(5)); err != nil {
		t.Fatal(err)
	}
	s.vm = engine.New(b.Graph(), append([]engine.Option{engine.WithUpdate(s.opt), engine.Outputs(read), engine.Seed(3)}, opts...)...)
	t.Cleanup(func() {
		if err := s.vm.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// run makes one step on the images of a number.
func (s *training) run(t *testing.T, step int) float64 {
	t.Helper()
	for i := range s.y {
		s.y[i] = int32((i + step) % 4)
	}
	pixels := len(s.x) / len(s.y)
	for i := range s.x {
		class := float64(s.y[i/pixels])
		s.x[i] = float32(math.Sin(float64(i%pixels)*(0.1+0.05*class)) + 0.1*math.Cos(float64(i*step)))
	}
	s.opt.Step(0.05)
	if err := s.vm.RunAll(); err != nil {
		t.Fatal(err)
	}
	return float64(s.cost.Data().(float32))
}

// TestSameTraining trains a small network on each device: the same losses to 1e-4, through plain and recorded runs, with variables on the device or not.
func TestSameTraining(t *testing.T) {
	const steps = 6
	for network, net := range map[string]func(*nn.Builder, nn.Node) nn.Node{"mlp": mlp, "convnet": convNet} {
		t.Run(network, func(t *testing.T) {
			var want []float64
			for _, name := range devices(t) {
				for _, opts := range [][]engine.Option{nil, {engine.Resident()}} {
					s := newTraining(t, net, append(opts, engine.On(name))...)
					var losses []float64
					for step := range steps {
						losses = append(losses, s.run(t, step))
					}
					if want == nil {
						want = losses
						if want[steps-1] > 0.9*want[0] {
							t.Errorf("the training does not learn: %v", want)
						}
					}
					for i := range losses {
						if !(math.Abs(losses[i]-want[i]) <= 1e-4) {
							t.Fatalf("%s: losses %v, want %v", name, losses, want)
						}
					}
				}
			}
		})
	}
}

// TestResident copies nothing but inputs and results once a training runs, and fetches the weights when asked.
func TestResident(t *testing.T) {
	for _, name := range devices(t)[1:] {
		dev, err := cuda.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		s := newTraining(t, mlp, engine.On(kernels.Device(dev)), engine.Resident())
		first := s.run(t, 0)
		traffic := func() (up, down int64) {
			st, err := dev.Statistics()
			if err != nil {
				t.Fatal(err)
			}
			return st.Uploaded, st.Downloaded
		}
		up, down := traffic()
		s.run(t, 1)
		up2, down2 := traffic()
		inputs := int64(4*len(s.x) + 4*len(s.y))
		if up2-up > inputs+256 || down2-down > 64 {
			t.Errorf("%s: a step brings %d bytes to the device and %d back; its inputs have %d", name, up2-up, down2-down, inputs)
		}
		if err := s.vm.Fetch(); err != nil {
			t.Fatal(err)
		}
		if _, now := traffic(); now == down2 {
			t.Errorf("%s: Fetch brought nothing", name)
		}
		s.vm.Push()
		if again := s.run(t, 0); again >= first {
			t.Errorf("%s: the loss is %v after two steps, was %v", name, again, first)
		}
		s.vm.Close()
		if err := dev.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func mlp(b *nn.Builder, x nn.Node) nn.Node {
	return nn.Sequential{nn.Flatten{}, nn.Linear{Out: 32}, nn.Activation("relu"), nn.Linear{Out: 4}}.Forward(b, x)
}

// TestDeviceNames says what is wrong with a device's name, and where it came from.
func TestDeviceNames(t *testing.T) {
	g := gorgonia.NewGraph()
	gorgonia.NewScalar(g, gorgonia.Float32, gorgonia.WithName("x"), gorgonia.WithValue(float32(1)))
	for _, name := range []string{"gpu", "sim:b200", "cuda:999", "cpu:sse"} {
		vm := engine.New(g, engine.On(name))
		if err := vm.RunAll(); err == nil {
			t.Errorf("device %s: no error", name)
		}
		vm.Close()
	}
	t.Setenv(cuda.EnvDevice, "sim:nothing")
	vm := engine.New(g)
	defer vm.Close()
	if err := vm.RunAll(); err == nil || fmt.Sprint(err) == "" {
		t.Error("PALLADIO_DEVICE is not read")
	}
}

// TestDataErrors tells of a label that does not exist, and goes on with the next run.
func TestDataErrors(t *testing.T) {
	for _, name := range devices(t) {
		s := newTraining(t, mlp, engine.On(name))
		for step := range 5 { // plain runs and recorded ones
			s.run(t, step)
			s.y[5] = 77
			err := s.vm.RunAll()
			if err == nil || !strings.Contains(err.Error(), "77") || !strings.Contains(err.Error(), "5") {
				t.Fatalf("%s, step %d: label 77 of sample 5: %v", name, step, err)
			}
		}
	}
}
