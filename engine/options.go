package engine

import (
	"fmt"

	"gorgonia.org/gorgonia"

	"palladio/engine/op"
	"palladio/kernels"
)

// Option configures New.
type Option func(*config)

type config struct {
	device    kernels.Device
	name      string // of a device to make
	threads   int
	training  bool
	outputs   gorgonia.Nodes // nil: the rule in the package's documentation
	keep      gorgonia.Nodes
	keepAll   bool
	dual      gorgonia.Nodes
	dualAll   bool
	updates   []op.Updater
	seed      uint64
	checkNaN  bool
	profile   bool
	plain     bool // no optimisation
	numerics  Numerics
	memory    int64
	remat     bool
	saved     gorgonia.Nodes
	resident  bool
	residents gorgonia.Nodes
	err       error
}

func newConfig(g *gorgonia.ExprGraph, opts []Option) *config {
	c := &config{training: true}
	for _, o := range opts {
		o(c)
	}
	if c.dualAll && g != nil {
		for _, n := range g.AllNodes() {
			if isVariable(n) && n.Deriv() != nil {
				c.dual = append(c.dual, n)
			}
		}
	}
	return c
}

func (c *config) fail(format string, args ...any) {
	if c.err == nil {
		c.err = fmt.Errorf("engine: "+format, args...)
	}
}

// On chooses the device: a kernels.Device, which stays the caller's to close, or a string that names one, as OpenDevice takes it.
func On(device any) Option {
	return func(c *config) {
		switch d := device.(type) {
		case string:
			c.name, c.device = d, nil
		case kernels.Device:
			c.device, c.name = d, ""
		default:
			c.fail("On(%v): want a kernels.Device or a device's name, not %T", device, device)
		}
	}
}

// Threads sets how many threads share one call on a CPU that the machine makes for itself.
func Threads(n int) Option { return func(c *config) { c.threads = n } }

// Inference compiles the forward computation only: no gradients, no updates; dropout and batch normalisation behave accordingly.
func Inference() Option { return func(c *config) { c.training = false } }

// Training compiles gradients and updates too; it is the default.
func Training() Option { return func(c *config) { c.training = true } }

// Outputs compiles only what the given nodes need, instead of the default in the package's documentation. Read statements
// (the nodes that gorgonia.Read returns) may be among them.
func Outputs(nodes ...*gorgonia.Node) Option {
	return func(c *config) {
		if c.outputs == nil {
			c.outputs = gorgonia.Nodes{}
		}
		c.outputs = append(c.outputs, nodes...)
	}
}

// Keep lets the given nodes have values after the run, beside the plan's outputs.
func Keep(nodes ...*gorgonia.Node) Option {
	return func(c *config) { c.keep = append(c.keep, nodes...) }
}

// KeepAll lets every node have a value after the run, as under gorgonia's tape machine. It costs memory and most of the fusion.
func KeepAll() Option { return func(c *config) { c.keepAll = true } }

// BindDualValues makes the gradients of the given variables accumulate: each run adds to Node.Grad(), and a solver's step sets it back to
// zero, as with gorgonia's option of the same name. Without nodes it means all variables that have a gradient.
func BindDualValues(nodes ...*gorgonia.Node) Option {
	return func(c *config) {
		c.dual = append(c.dual, nodes...)
		c.dualAll = c.dualAll || len(nodes) == 0
	}
}

// WithUpdate appends an optimiser's step to the plan. The gradients that only the step reads are not kept.
func WithUpdate(u ...op.Updater) Option {
	return func(c *config) { c.updates = append(c.updates, u...) }
}

// Seed sets the seed of all random numbers; the default is 0.
func Seed(seed uint64) Option { return func(c *config) { c.seed = seed } }

// CheckNaN looks for NaN in every floating-point result; the run stops with an error that names the node that made the first one. It is slow.
func CheckNaN() Option { return func(c *config) { c.checkNaN = true } }

// Profile measures each call; see Machine.Profile.
func Profile() Option { return func(c *config) { c.profile = true } }

// NoOptimisation compiles each node to its own calls in the graph's order, without folding, fusion or reuse of memory, for finding faults.
func NoOptimisation() Option { return func(c *config) { c.plain = true } }

// MemoryLimit bounds the memory that a plan may take, in bytes; the default is what the system has available.
func MemoryLimit(bytes int64) Option { return func(c *config) { c.memory = bytes } }

// Recompute trades time for memory (gradient checkpointing, Chen et al., Training Deep Nets with Sublinear Memory Cost, 2016): of the
// forward computation only the given nodes are kept for the gradients, all else is computed again when they need it. Without
// nodes the machine chooses about the square root of the number of calls.
func Recompute(keep ...*gorgonia.Node) Option {
	return func(c *config) {
		c.remat = true
		c.saved = append(c.saved, keep...)
	}
}

// open finds the device. owned says that the machine must close it.
func (c *config) open() (d kernels.Device, owned bool, err error) {
	if c.device != nil {
		return c.device, false, nil
	}
	if d, err = OpenDevice(c.name, c.threads); err != nil {
		return nil, false, err
	}
	return d, true, nil
}
