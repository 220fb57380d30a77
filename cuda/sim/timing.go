package sim

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
)

// Timing is the estimated time of a launch on a chip: the overhead of a launch and the longest of what its resources take. Nothing of
// it is measured; docs/simulated-gpu.md says how it is made and how far it is off.
type Timing struct {
	Seconds   float64    `json:"seconds"`
	Bound     string     `json:"bound"`     // the resource that takes longest, or "launch"
	Resources []Resource `json:"resources"` // longest first
	Launch    float64    `json:"launch_s"`  // overhead between queued launches, within Seconds
	Waves     float64    `json:"waves"`     // of resident blocks
	Tail      float64    `json:"tail"`      // share of the multiprocessors' time that has work: whole blocks do not divide evenly
	FLOPRate  float64    `json:"flop_per_s"`
	PeakShare float64    `json:"share_of_peak"`      // of the published peak of the pipe that does most of the arithmetic
	Peak      string     `json:"peak,omitempty"`     // that pipe
	DRAMRate  float64    `json:"dram_bytes_per_s"`   //
	DRAMShare float64    `json:"share_of_dram_rate"` // of the published rate
	Energy    float64    `json:"energy_j"`           // a rough estimate: compares launches on one chip
}

// Resource is a part of the chip and how long the launch keeps it busy.
type Resource struct {
	Name    string  `json:"name"`
	Seconds float64 `json:"seconds"`
}

// The resources.
const (
	issueSlots  = "issue"
	fmaPipe     = "fma"
	intPipe     = "int"
	f64Pipe     = "f64"
	sfuPipe     = "sfu"
	tensorPipe  = "tensor"
	addressPipe = "load/store"
	sharedPipe  = "shared"
	l1Pipe      = "l1"
	l2Pipe      = "l2"
	dramPipe    = "dram"
	atomicPipe  = "atomics"
	latencyPipe = "latency"
)

// pipeOf is the pipe that executes a class. Multiplications of integers share the pipe of multiply-adds; slow conversions and bit counts that of
// the special functions.
func (c *Chip) pipeOf(class Class) string {
	switch class {
	case FP32, Half, IntMul:
		return fmaPipe
	case FP64:
		return f64Pipe
	case SFU, Bits, Convert64, Redux:
		return sfuPipe
	case Convert, Convert8:
		if c.Instructions[class.String()] <= 16 {
			return sfuPipe
		}
		return intPipe
	case Memory, Shuffle:
		return addressPipe
	case Tensor:
		return tensorPipe
	case Control, Barrier:
		return issueSlots
	}
	return intPipe
}

// clocks is how long a warp instruction of a class occupies its pipe of one sub-core.
func (c *Chip) clocks(class Class) float64 {
	rate := c.Instructions[class.String()]
	switch {
	case class == Half:
		rate /= 2 // counts two results a lane
	case rate == 0:
		return 1
	}
	return float64(32*c.SubCores) / rate
}

// load is what a launch asks of a chip, in the units of the resources.
type load struct {
	grid        int                 // blocks
	threads     int                 // of a block
	occupancy   Occupancy           //
	machine     [NumClasses]float64 // warp instructions of the machine
	tensor      map[string]float64  // multiply-adds by type of the factors
	flops       map[string]float64  // floating-point operations by pipe
	passes      float64             // of shared memory
	l1, l2      float64             // bytes
	dram        float64             // bytes
	hottest     float64             // atomics on the address that most name
	warpLatency float64             // clocks of a warp when alone
}

// price is the time of a launch.
func (c *Chip) price(l load) Timing {
	t := Timing{Launch: c.LaunchDevice}
	if l.grid == 0 {
		t.Seconds, t.Bound = t.Launch, "launch"
		return t
	}
	slots := float64(c.SMs * l.occupancy.Blocks)
	t.Waves = math.Ceil(float64(l.grid) / slots)
	busiest := math.Ceil(float64(l.grid) / float64(c.SMs)) // blocks on the multiprocessor that has most
	t.Tail = float64(l.grid) / (busiest * float64(min(c.SMs, l.grid)))
	active := float64(min(c.SMs, l.grid)) * t.Tail // multiprocessors, on average over the launch
	perSM := func(clocks, clock float64) float64 { return clocks / (active * clock) }
	add := func(name string, s float64) {
		if s > 0 {
			t.Resources = append(t.Resources, Resource{name, s})
		}
	}
	clock := c.VectorClock
	pipes := map[string]float64{}
	for class, n := range l.machine {
		pipes[issueSlots] += n / float64(c.SubCores)
		if p := c.pipeOf(Class(class)); p != issueSlots && p != tensorPipe {
			pipes[p] += n * c.clocks(Class(class)) / float64(c.SubCores)
		}
	}
	pipes[fmaPipe] /= c.Ceilings["f32"]
	for _, p := range []string{issueSlots, fmaPipe, intPipe, f64Pipe, sfuPipe, addressPipe} {
		add(p, perSM(pipes[p], clock))
	}
	add(tensorPipe, c.tensorSeconds(l.tensor)/active)
	add(sharedPipe, perSM(l.passes*128/c.SharedRate, clock))
	add(l1Pipe, perSM(l.l1/c.L1Rate, clock))
	add(l2Pipe, max(l.l2/(c.L2Rate*c.Ceilings["l2"]*clock), perSM(l.l2/c.L2PerSM, clock)))
	add(dramPipe, l.dram/(c.MemoryRate*c.Ceilings["dram"]))
	add(atomicPipe, l.hottest/(c.L2AtomicRate*clock))
	add(latencyPipe, math.Max(1, float64(l.grid)/slots)*l.warpLatency/clock) // blocks of later waves start as soon as others end
	slices.SortStableFunc(t.Resources, func(a, b Resource) int { return cmp.Compare(b.Seconds, a.Seconds) })
	longest := 0.0
	if len(t.Resources) > 0 {
		longest, t.Bound = t.Resources[0].Seconds, t.Resources[0].Name
	}
	if longest < t.Launch {
		t.Bound = "launch"
	}
	t.Seconds = t.Launch + longest
	c.shares(&t, l)
	return t
}

// tensorClock is the clock that the data sheet's peak of a type is for: of f64 that of the vectors, on the tensor cores too.
func (c *Chip) tensorClock(typ string) float64 {
	if typ == "f64" {
		return c.VectorClock
	}
	return c.TensorClock
}

// tensorSeconds is the time of one multiprocessor's tensor cores for multiply-adds by mma.sync, which on chips with wgmma reach but a part of
// the peak.
func (c *Chip) tensorSeconds(fma map[string]float64) float64 {
	total := 0.0
	for typ, n := range fma {
		rate := c.Tensor[typ]
		if rate == 0 { // emulated on the vector pipe
			rate = c.Instructions["int"]
		}
		total += n / (rate * c.Ceilings["mma"] * c.tensorClock(typ))
	}
	return total
}

// shares relates the launch to the chip's published peaks.
func (c *Chip) shares(t *Timing, l load) {
	sum, most := 0.0, 0.0
	for pipe, n := range l.flops {
		sum += n
		peak := c.Peak(pipe)
		if peak == 0 || n/t.Seconds/peak <= most {
			continue
		}
		most = n / t.Seconds / peak
		t.Peak, t.PeakShare = pipe, most
	}
	t.FLOPRate = sum / t.Seconds
	t.DRAMRate = l.dram / t.Seconds
	t.DRAMShare = t.DRAMRate / c.MemoryRate
	tensor := 0.0
	for _, n := range l.tensor {
		tensor += n
	}
	e := c.Energy
	t.Energy = e["idle"]*c.Power*t.Seconds + e["f32"]*(l.machine[FP32]+l.machine[Half]+l.machine[FP64]+l.machine[Int]+l.machine[IntMul]+l.machine[Logic])*32 +
		e["tensor"]*tensor + e["shared"]*l.passes*128 + e["l2"]*l.l2 + e["dram"]*l.dram
}

// Peak is the published rate of floating-point operations a second of a pipe: f32, half, f64, or "tensor TYPE" such as "tensor bf16".
func (c *Chip) Peak(pipe string) float64 {
	if typ, ok := strings.CutPrefix(pipe, "tensor "); ok {
		return 2 * float64(c.SMs) * c.Tensor[typ] * c.tensorClock(typ)
	}
	return 2 * float64(c.SMs) * c.Instructions[pipe] * c.VectorClock
}

// String is one line such as "12.3 us: dram 71 %, fma 22 %".
func (t Timing) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, bound by %s", seconds(t.Seconds), t.Bound)
	for i, r := range t.Resources {
		if share := 100 * r.Seconds / t.Seconds; i < 4 && share >= 1 {
			sep := ", "
			if i == 0 {
				sep = ": "
			}
			fmt.Fprintf(&b, "%s%s %.0f %%", sep, r.Name, share)
		}
	}
	return b.String()
}

// seconds writes a time with a fitting unit.
func seconds(s float64) string {
	switch {
	case s < 1e-3:
		return fmt.Sprintf("%.4g us", s*1e6)
	case s < 1:
		return fmt.Sprintf("%.4g ms", s*1e3)
	}
	return fmt.Sprintf("%.4g s", s)
}
