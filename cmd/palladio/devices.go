package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"palladio/cuda"
	"palladio/cuda/sim"
	"palladio/fallback"
)

// devicesReport is what `palladio devices --json` prints.
type devicesReport struct {
	fallback.Description
	Threads   int            `json:"threads"`
	One       fallback.Peaks `json:"one_thread"`
	All       fallback.Peaks `json:"all_threads"`
	GPUs      []gpuReport    `json:"gpus"`
	GPUNote   string         `json:"gpu_note,omitempty"` // why there are none
	Simulated []simulatedGPU `json:"simulated"`
}

// gpuReport is a GPU with what was measured on it.
type gpuReport struct {
	cuda.Info
	Rates cuda.Rates `json:"measured"`
	Note  string     `json:"note,omitempty"` // why it could not be measured
}

func newDevices() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "devices",
		Short: "Show this machine's devices and their measured peaks",
		Long: `Devices shows the CPU, the features that kernels are chosen by, the chosen level and why, and the peaks that it measures now: fused
multiply-adds on registers, and STREAM copy and triad on vectors larger than the caches. ` + fallback.EnvLevel + ` lowers the level. Then it shows the NVIDIA
GPUs with their measured copy rate and rates of matrix products, or why there are none, and the GPUs that can be simulated. ` + cuda.EnvDevice + `
chooses the device of verbs that take --device and are given none.`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			r, err := describeDevices()
			if err != nil {
				return err
			}
			if asJSON {
				enc := json.NewEncoder(c.OutOrStdout())
				enc.SetIndent("", "  ")
				return enc.Encode(r)
			}
			return r.print(c.OutOrStdout())
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// simulatedGPU is a chip that the simulator knows, with its published figures.
type simulatedGPU struct {
	Device     string  `json:"device"`
	Chip       string  `json:"chip"`
	Capability int     `json:"compute_capability"`
	SMs        int     `json:"sms"`
	Memory     int64   `json:"memory_bytes"`
	Bandwidth  float64 `json:"bytes_per_s"`
	F32        float64 `json:"f32_flop_per_s"`
	BF16       float64 `json:"tensor_bf16_flop_per_s"`
}

// simulatedGPUs lists the built-in chips.
func simulatedGPUs() ([]simulatedGPU, error) {
	var list []simulatedGPU
	for _, name := range sim.Chips() {
		c, err := sim.ChipNamed(name)
		if err != nil {
			return nil, err
		}
		list = append(list, simulatedGPU{"sim:" + name, c.Title, c.Capability, c.SMs, c.MemoryBytes, c.MemoryRate, c.Peak("f32"), c.Peak("tensor bf16")})
	}
	return list, nil
}

// describeDevices describes and measures what there is.
func describeDevices() (devicesReport, error) {
	d, err := fallback.Describe()
	if err != nil {
		return devicesReport{}, usageError{err}
	}
	dev, err := fallback.New()
	if err != nil {
		return devicesReport{}, err
	}
	defer dev.Close()
	r := devicesReport{Description: d, Threads: dev.Threads(), GPUs: []gpuReport{}}
	if err := r.describeGPUs(); err != nil {
		return devicesReport{}, err
	}
	if r.One, err = fallback.MeasurePeaks(dev.Level(), 1); err != nil {
		return devicesReport{}, err
	}
	r.All = r.One
	if r.Threads > 1 {
		r.All, err = fallback.MeasurePeaks(dev.Level(), r.Threads)
	}
	return r, err
}

// describeGPUs describes and measures the GPUs, and lists the simulated ones.
func (r *devicesReport) describeGPUs() (err error) {
	gpus, err := cuda.GPUs()
	if err != nil {
		r.GPUNote = err.Error()
	} else if len(gpus) == 0 {
		r.GPUNote = "NVIDIA's driver shows no GPU"
	}
	for _, g := range gpus {
		report := gpuReport{Info: g}
		if report.Rates, err = measureGPU(g.Name); err != nil {
			report.Note = err.Error()
		}
		r.GPUs = append(r.GPUs, report)
	}
	r.Simulated, err = simulatedGPUs()
	return err
}

func measureGPU(name string) (rates cuda.Rates, err error) {
	d, err := cuda.Open(name)
	if err != nil {
		return rates, err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	return d.Measure()
}

func (r devicesReport) print(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "CPU\t%s\n", r.CPU)
	fmt.Fprintf(t, "features\t%s\n", strings.Join(r.Features, " "))
	fmt.Fprintf(t, "caches\tL1 %s, L2 %s, L3 %s\n", kibibytes(r.L1), kibibytes(r.L2), kibibytes(r.L3))
	fmt.Fprintf(t, "level\t%s of %s: %s\n", r.Level, strings.Join(r.Levels, ", "), r.Why)
	fmt.Fprintf(t, "threads\t%d\n", r.Threads)
	fmt.Fprintln(t)
	fmt.Fprintf(t, "measured peaks\tone thread\t%d threads\n", r.Threads)
	for _, p := range []struct {
		name     string
		one, all float64
		unit     string
	}{
		{"multiply-add f32", r.One.F32, r.All.F32, "GFLOP/s"}, {"multiply-add f64", r.One.F64, r.All.F64, "GFLOP/s"},
		{"copy", r.One.Copy, r.All.Copy, "GB/s"}, {"triad", r.One.Triad, r.All.Triad, "GB/s"},
	} {
		fmt.Fprintf(t, "%s\t%.1f %s\t%.1f %s\n", p.name, p.one, p.unit, p.all, p.unit)
	}
	fmt.Fprintln(t)
	r.printGPUs(t)
	fmt.Fprintln(t)
	fmt.Fprintln(t, "simulated\tchip\tcapability\tSMs\tmemory\tpublished: bandwidth\tf32\ttensor bf16")
	for _, s := range r.Simulated {
		fmt.Fprintf(t, "%s\t%s\t%d.%d\t%d\t%.0f GiB\t%.0f GB/s\t%.1f TFLOP/s\t%.1f TFLOP/s\n", s.Device, s.Chip, s.Capability/10, s.Capability%10, s.SMs,
			float64(s.Memory)/(1<<30), s.Bandwidth/1e9, s.F32/1e12, s.BF16/1e12)
	}
	return t.Flush()
}

func (r devicesReport) printGPUs(t io.Writer) {
	if r.GPUNote != "" {
		fmt.Fprintf(t, "GPU\tnone: %s\n", r.GPUNote)
	}
	for _, g := range r.GPUs {
		fmt.Fprintf(t, "%s\t%s\n", g.Name, gpuText(g.Info))
		if g.Note != "" {
			fmt.Fprintf(t, "\tnot measured: %s\n", g.Note)
			continue
		}
		r := g.Rates
		fmt.Fprintf(t, "\tcopy %.0f GB/s; %s\n\t%s TFLOP/s\n", r.Copy/1e9, rateText("multiply-adds on registers", r.Peaks), rateText("matrix products", r.Products))
	}
}

func rateText(what string, r cuda.ByPrecision) string {
	return fmt.Sprintf("%s f32 %.1f, tf32 %.1f, bf16 %.1f, f16 %.1f", what, r.F32/1e12, r.TF32/1e12, r.BF16/1e12, r.F16/1e12)
}

func gpuText(g cuda.Info) string {
	return fmt.Sprintf("%s, compute capability %d.%d, %d multiprocessors, %.1f GiB, %s", g.Model, g.Capability/10, g.Capability%10, g.SMs, float64(g.Memory)/(1<<30), g.Driver)
}

// kibibytes writes a cache's size.
func kibibytes(n int) string {
	switch {
	case n <= 0:
		return "unknown"
	case n >= 1<<20:
		return fmt.Sprintf("%g MiB", float64(n)/(1<<20))
	}
	return fmt.Sprintf("%g KiB", float64(n)/(1<<10))
}
