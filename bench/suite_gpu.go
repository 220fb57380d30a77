package bench

import (
	"context"
	"fmt"
	"slices"

	"palladio/kernels"
)

// The GPU suites, which run where Options.Device names a GPU, and their rivals there.
var gpuSuites = map[string]suite{
	"gpu-gemm":   gpuGEMM,
	"gpu-conv":   gpuConv,
	"gpu-memory": gpuMemory,
	"gpu-train":  gpuTrain,
}

// GPUSuiteNames lists the GPU suites in the order in which they run.
func GPUSuiteNames() []string { return []string{"gpu-gemm", "gpu-conv", "gpu-memory", "gpu-train"} }

const (
	torchGPU      = "pytorch-gpu"
	torchCompiled = "pytorch-gpu-compiled"
)

// gpuProducts are large products in every precision, and transformers' shapes.
func gpuProducts(small bool) []workload {
	shapes := []workload{
		gemmWork{batch: 1, m: 4096, n: 4096, k: 4096}, gemmWork{batch: 1, m: 8192, n: 8192, k: 8192},
		gemmWork{batch: 1, m: 4096, n: 4096, k: 4096, tb: true}, gemmWork{batch: 1, m: 8192, n: 1024, k: 4096, ta: true},
		gemmWork{batch: 1, m: 128, n: 4096, k: 4096, tb: true}, gemmWork{batch: 1, m: 1, n: 8192, k: 8192, tb: true},
		gemmWork{batch: 96, m: 512, n: 512, k: 64, tb: true},
	}
	if small {
		shapes = []workload{gemmWork{batch: 1, m: 128, n: 128, k: 64}, gemmWork{batch: 3, m: 33, n: 70, k: 40, tb: true}}
	}
	return in(shapes, "f32", "tf32", "bf16", "f16")
}

// gpuGEMM holds products against PyTorch's.
func gpuGEMM(ctx context.Context, o *Options) ([]Table, []Bar, error) {
	t, err := o.gpuTable(ctx, "GEMM", "TFLOP/s", []string{torchGPU}, gpuProducts(o.Small))
	if err != nil {
		return nil, nil, err
	}
	square := t
	square.Rows = t.Rows[:min(8, len(t.Rows))]
	return []Table{t}, t.barIfRivals(Bar{What: "GEMM 4096³ and 8192³, f32, tf32, bf16, f16: worst ratio to PyTorch (cuBLAS)", Want: 0.7, Got: least(square.ratios(torchGPU))}), nil
}

// gpuLayers are the layers of the convolution suite at a training batch.
func gpuLayers(small bool) []workload {
	var layers []workload
	for _, w := range convLayers() {
		l := w.(convWork)
		if l.n = 64; small {
			l.n, l.side, l.c, l.k = 1, min(l.side, 8), min(l.c, 16), min(l.k, 16)
			if l.group > 1 {
				l.group, l.k = l.c, l.c
			}
		}
		layers = append(layers, l)
	}
	return in(layers, "tf32", "bf16")
}

// gpuConv holds convolutions against PyTorch's.
func gpuConv(ctx context.Context, o *Options) ([]Table, []Bar, error) {
	t, err := o.gpuTable(ctx, "Convolution", "TFLOP/s", []string{torchGPU}, gpuLayers(o.Small))
	if err != nil {
		return nil, nil, err
	}
	return []Table{t}, t.barIfRivals(Bar{What: "Convolution, 20 layers, tf32 and bf16: geometric mean of the ratio to PyTorch (cuDNN)", Want: 0.7, Got: geomean(t.ratios(torchGPU))}), nil
}

// memoryWork is a kernel that moves more than it computes. Its rate is GB/s.
type memoryWork struct {
	what  string // with the extents, as in the rivals' protocol
	k     kernels.Kernel
	again int64 // bytes that must be read a second time, because no GPU's caches hold them
}

func (w memoryWork) label() string          { return w.what }
func (w memoryWork) request() string        { return "memory " + w.what }
func (w memoryWork) flops() int64           { return 0 }
func (w memoryWork) kernel() kernels.Kernel { return w.k }
func (w memoryWork) bytes() int64           { return w.k.Cost().Bytes() + w.again }

// memoryWorks are the memory-bound kernels; the first is the copy that the others are held against.
func memoryWorks(small bool) ([]workload, error) {
	n, rows, cols, batch, side, channels := 1<<27, 16384, 4096, 64, 56, 256
	if small {
		n, rows, cols, batch, side, channels = 1<<10, 16, 64, 2, 4, 16
	}
	flat := []int{n}
	gelu := kernels.Elementwise{Type: kernels.F32, Shape: flat,
		Inputs: []kernels.EltInput{{Type: kernels.F32, Strides: []int{1}}, {Type: kernels.F32, Strides: []int{1}}},
		Code:   []kernels.Instr{{Op: kernels.Add, A: 0, B: 1}, {Op: kernels.GELU, A: 2}}, Outputs: []kernels.EltOutput{{Type: kernels.F32, Value: 3}}}
	transpose, err := kernels.Transpose(kernels.F32, []int{rows, cols}, []int{1, 0})
	if err != nil {
		return nil, err
	}
	image := []int{batch, side, side, channels}
	pool, err := kernels.NewPool(kernels.MaxPool, image, []int{2, 2}, kernels.PoolOptions{Stride: []int{2, 2}})
	if err != nil {
		return nil, err
	}
	return []workload{
		memoryWork{what: fmt.Sprintf("copy %d", n), k: kernels.Stream{Op: kernels.StreamCopy, Type: kernels.F32, N: n}},
		memoryWork{what: fmt.Sprintf("add %d", n), k: kernels.Map(kernels.F32, kernels.Add, flat)},
		memoryWork{what: fmt.Sprintf("add_gelu %d", n), k: gelu},
		memoryWork{what: fmt.Sprintf("sum_rows %d %d", rows, cols), k: kernels.Reduce{Op: kernels.ReduceSum, Type: kernels.F32, Shape: []int{rows, cols}, Axes: []int{1}}},
		memoryWork{what: fmt.Sprintf("sum_columns %d %d", rows, cols), k: kernels.Reduce{Op: kernels.ReduceSum, Type: kernels.F32, Shape: []int{rows, cols}, Axes: []int{0}}},
		memoryWork{what: fmt.Sprintf("softmax %d %d", rows, cols), k: kernels.Softmax{Type: kernels.F32, Outer: rows, Len: cols, Inner: 1}},
		memoryWork{what: fmt.Sprintf("layer_norm %d %d", rows, cols), k: kernels.NewNorm(kernels.LayerNorm, rows, 1, cols, 1)},
		memoryWork{what: fmt.Sprintf("batch_norm %d %d %d", batch, side, channels), k: kernels.NewNorm(kernels.BatchTraining, batch, side*side, channels, 1), again: int64(4 * batch * side * side * channels)},
		memoryWork{what: fmt.Sprintf("transpose %d %d", rows, cols), k: transpose},
		memoryWork{what: fmt.Sprintf("max_pool %d %d %d", batch, side, channels), k: pool},
		memoryWork{what: fmt.Sprintf("adam %d", n/4), k: kernels.NewAdam(kernels.F32, n/4)},
	}, nil
}

// gpuKernels is the kernels of all GPU suites by the label of their row.
func gpuKernels(small bool) (map[string]kernels.Kernel, error) {
	memory, err := memoryWorks(small)
	if err != nil {
		return nil, err
	}
	list := map[string]kernels.Kernel{}
	for _, w := range slices.Concat(gpuProducts(small), gpuLayers(small), in(memory, "f32")) {
		if k, ok := w.(kernelWork); ok {
			list[w.label()] = k.kernel()
		}
	}
	return list, nil
}

// gpuMemory is the memory-bound kernels against the copy rate.
func gpuMemory(ctx context.Context, o *Options) ([]Table, []Bar, error) {
	works, err := memoryWorks(o.Small)
	if err != nil {
		return nil, nil, err
	}
	t, err := o.gpuTable(ctx, "Memory-bound kernels", "GB/s", []string{torchGPU}, in(works, "f32"))
	if err != nil {
		return nil, nil, err
	}
	copyRate, worst := t.Rows[0].Timings["palladio"].GBs, 1.0
	for _, r := range t.Rows[1:] {
		worst = min(worst, r.Timings["palladio"].GBs/copyRate)
	}
	return []Table{t}, []Bar{{What: "Memory-bound kernels: worst share of the copy rate", Want: 0.9, Got: worst}}, nil
}

// gpuTrain is training steps.
func gpuTrain(ctx context.Context, o *Options) ([]Table, []Bar, error) {
	works := append(in([]workload{trainWork{model: "resnet50", batch: 64}, trainWork{model: "transformer", batch: 64}}, "f32", "tf32", "bf16"),
		in([]workload{trainWork{model: "resnet20", batch: 256}}, "bf16")...)
	if o.Small {
		works = in([]workload{trainWork{model: "simplenet-slim", batch: 2}}, "f32", "bf16")
	}
	slow := *o
	slow.Rounds = min(o.Rounds, 3)
	t, err := slow.gpuTable(ctx, "Training step", "ms", []string{torchGPU, torchCompiled}, works)
	if err != nil {
		return nil, nil, err
	}
	var resnet Table
	for _, r := range t.Rows {
		if r.Case == (typedWork{trainWork{model: "resnet50", batch: 64}, "bf16"}).label() {
			resnet = Table{Contenders: t.Contenders, Rows: []Row{r}}
		}
	}
	return []Table{t}, resnet.barIfRivals(Bar{What: "Training step of ResNet-50 in bf16: ratio to PyTorch (eager)", Want: 0.8, Got: least(resnet.ratios(torchGPU))}), nil
}

// barIfRivals is the bar, if there was somebody to compare with.
func (t Table) barIfRivals(b Bar) []Bar {
	if len(t.Contenders) < 2 {
		return nil
	}
	return []Bar{b}
}
