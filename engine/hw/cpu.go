package hw

import (
	"fmt"
	"time"

	"palladio/fallback"
	"palladio/kernels"
)

// ThisCPU measures the machine that runs this program, with its kernels on a number of threads. It takes under a second.
func ThisCPU(threads int) (Machine, error) {
	level, err := fallback.DefaultLevel()
	if err != nil {
		return Machine{}, err
	}
	peaks, err := fallback.MeasurePeaks(level, threads)
	if err != nil {
		return Machine{}, err
	}
	overhead, err := callOverhead(level)
	if err != nil {
		return Machine{}, err
	}
	m := Machine{
		Name: fmt.Sprintf("%s, cpu:%s, %d threads", cpuName(), level, threads),
		F32:  FLOPRate(peaks.F32 * 1e9), F64: FLOPRate(peaks.F64 * 1e9), Bandwidth: ByteRate(peaks.Triad * 1e9), Overhead: overhead,
		Source: "measured here: fused multiply-adds on registers, STREAM triad, the time of a copy of one element",
	}
	return m, m.Validate()
}

// callOverhead is the time of a call that does next to nothing, the least of several trials.
func callOverhead(level fallback.Level) (Seconds, error) {
	d, err := fallback.New(fallback.AtLevel(level), fallback.Threads(1))
	if err != nil {
		return 0, err
	}
	defer d.Close()
	e, err := d.Prepare(kernels.Stream{Op: kernels.StreamCopy, Type: kernels.F32, N: 1})
	if err != nil {
		return 0, fmt.Errorf("measuring the overhead of a call: %w", err)
	}
	args := []kernels.Arg{kernels.HostArg([]float32{1}), kernels.HostArg([]float32{0})}
	work := kernels.HostArg(make([]byte, e.Workspace()))
	const calls = 2000
	best := time.Duration(1 << 62)
	for range 10 {
		start := time.Now()
		for range calls {
			if err := e.Run(args, work); err != nil {
				return 0, fmt.Errorf("measuring the overhead of a call: %w", err)
			}
		}
		best = min(best, time.Since(start))
	}
	return Seconds(best.Seconds() / calls), nil
}
