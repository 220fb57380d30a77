package fallback

import (
	"strings"
	"testing"

	"palladio/fallback/ref"
	"palladio/kernels"
	"palladio/kernels/devicetest"
)

// nnCases are the cases of the families that this file tests, of type f32.
func nnCases(t *testing.T) []kernels.Case {
	families := map[string]bool{"norm": true, "norm_backward": true, "softmax": true, "softmax_backward": true, "cross_entropy": true,
		"cross_entropy_backward": true, "pool": true, "pool_backward": true, "resize": true, "resize_backward": true}
	var cs []kernels.Case
	for _, c := range kernels.Cases() {
		if families[c.Kernel.Family()] && c.Kernel.Operands()[0].Type == kernels.F32 {
			cs = append(cs, c)
		}
	}
	if len(cs) == 0 {
		t.Fatal("no case")
	}
	return cs
}

// streamer is a device that writes results of any size past the caches.
type streamer struct{ *Device }

func (s streamer) Prepare(k kernels.Kernel) (kernels.Exec, error) {
	exec, err := s.Device.Prepare(k)
	if e, ok := exec.(interface{ streamFrom(bytes int) }); ok {
		e.streamFrom(0)
	}
	return exec, err
}

// TestStreamingChangesNothing compares results written past the caches with those written as usual.
func TestStreamingChangesNothing(t *testing.T) {
	for _, l := range Levels() {
		d := newDevice(t, AtLevel(l))
		for _, c := range nnCases(t) {
			trial, err := devicetest.NewTrial(ref.New(), c)
			if err != nil {
				t.Fatal(err)
			}
			if err := trial.SameBits(d, streamer{d}); err != nil {
				t.Errorf("%s: %s: %v", l, c.Name, err)
			}
		}
	}
}

// TestNNAllocatesNothing runs each family's cases and asks that a call allocates nothing.
func TestNNAllocatesNothing(t *testing.T) {
	d := newDevice(t, Threads(2))
	for _, c := range nnCases(t) {
		exec, err := d.Prepare(c.Kernel)
		if err != nil {
			t.Fatal(err)
		}
		var args []kernels.Arg
		for _, o := range c.Kernel.Operands() {
			args = append(args, kernels.HostArg(make([]byte, o.Bytes())))
		}
		w := kernels.HostArg(make([]byte, exec.Workspace()))
		if n := allocations(2, func() {
			if err := exec.Run(args, w); err != nil {
				t.Fatalf("%s: %v", c.Name, err)
			}
		}); n > 0 {
			t.Errorf("%s: %v allocations a call", c.Name, n)
		}
	}
}

// TestCrossEntropyRefusesLabels asks for an error that names the sample and the classes, of every device.
func TestCrossEntropyRefusesLabels(t *testing.T) {
	k := kernels.CrossEntropy{Type: kernels.F32, N: 3, C: 4, Labels: kernels.I64, Ignore: true, IgnoreIndex: -100}
	for _, dev := range []kernels.Device{newDevice(t), ref.New()} {
		for _, bad := range []int64{4, -1, 1 << 40} {
			labels := kernels.HostArg([]int64{0, -100, bad})
			logits, n, scalar := make([]float32, 12), make([]float32, 3), make([]float32, 1)
			for _, c := range []struct {
				k    kernels.Kernel
				args []kernels.Arg
			}{
				{k, []kernels.Arg{kernels.HostArg(logits), labels, kernels.HostArg(n), kernels.HostArg(scalar), kernels.HostArg(n)}},
				{kernels.CrossEntropyBackward{Of: k}, []kernels.Arg{kernels.HostArg(logits), labels, kernels.HostArg(n), kernels.HostArg(scalar), kernels.HostArg(logits)}},
			} {
				exec, err := dev.Prepare(c.k)
				if err != nil {
					t.Fatal(err)
				}
				err = exec.Run(c.args, kernels.HostArg(make([]byte, exec.Workspace())))
				if err == nil || !strings.Contains(err.Error(), "sample 2, want 0 to 3") {
					t.Errorf("%s: %s with label %d: error %v", dev.Name(), c.k, bad, err)
				}
			}
		}
	}
}

// TestNormSeesSmallVariance asks for digits where the mean is large beside the spread, over several blocks.
func TestNormSeesSmallVariance(t *testing.T) {
	const rows, c = 20000, 3
	k := kernels.NewNorm(kernels.BatchTraining, rows, 1, c, 0)
	k.Running = false
	x := make([]float32, rows*c)
	for i := range x {
		x[i] = 4096 + float32(i/c%2) // variance 1/4
	}
	for _, l := range Levels() {
		d := newDevice(t, AtLevel(l))
		exec, err := d.Prepare(k)
		if err != nil {
			t.Fatal(err)
		}
		y, mean, invstd := make([]float32, len(x)), make([]float32, c), make([]float32, c)
		args := []kernels.Arg{kernels.HostArg(x), kernels.HostArg([]float32{1, 1, 1}), kernels.HostArg(make([]float32, c)), kernels.HostArg(y), kernels.HostArg(mean), kernels.HostArg(invstd)}
		if err := exec.Run(args, kernels.HostArg(make([]byte, exec.Workspace()))); err != nil {
			t.Fatal(err)
		}
		for j := range c {
			if invstd[j] < 1.999 || invstd[j] > 2.001 {
				t.Errorf("%s: channel %d: 1/std %v, want 2", l, j, invstd[j])
			}
		}
	}
}

// TestNormReLUMask asks that the backward pass of a fused ReLU is open exactly where the forward pass was.
func TestNormReLUMask(t *testing.T) {
	for kind := kernels.BatchTraining; kind <= kernels.InstanceNorm; kind++ {
		k := kernels.NewNorm(kind, 4, 50, 24, 4)
		k.Act, k.Bias = kernels.ReLU, true
		back := kernels.NormBackward{Of: k}
		for _, l := range Levels() {
			d := newDevice(t, AtLevel(l))
			values := make(map[string][]float32)
			for _, kernel := range []kernels.Kernel{k, back} {
				exec, err := d.Prepare(kernel)
				if err != nil {
					t.Fatal(err)
				}
				var args []kernels.Arg
				for _, o := range kernel.Operands() {
					v, ok := values[o.Name]
					if !ok {
						v = make([]float32, o.Elems())
						for i := range v {
							v[i] = 1
							if o.Name == "x" {
								v[i] = float32(i*7919%1000-500) / 250 // many values at the edge, where their mean and bias meet
							} else if o.Name == "bias" {
								v[i] = float32(i) / 24
							}
						}
						values[o.Name] = v
					}
					args = append(args, kernels.HostArg(v))
				}
				if err := exec.Run(args, kernels.HostArg(make([]byte, exec.Workspace()))); err != nil {
					t.Fatal(err)
				}
			}
			open := 0
			for i, y := range values["y"] {
				if y > 0 && i%24 == 3 {
					open++
				}
			}
			if got := values["dbias"][3]; got != float32(open) {
				t.Errorf("%s %s: dbias %v with dy = 1, want the %d positive outputs", l, kind, got, open)
			}
		}
	}
}
