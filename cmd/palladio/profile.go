package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"palladio/cuda"
	"palladio/cuda/profile"
	"palladio/kernels"
)

// profileFlags are the options that all kernels share.
type profileFlags struct {
	device string
	lines  int
	blocks int
	asJSON bool
}

func newProfile() *cobra.Command {
	f := &profileFlags{}
	c := group(&cobra.Command{
		Use:   "profile KERNEL",
		Short: "Run a kernel on a simulated GPU and show what its launches do",
		Long: `Profile runs one call of a kernel on a simulated GPU. For each launch it shows the occupancy and what limits it, the instructions by class,
how well the accesses to memory are shaped, the bytes by level, the time that the model of the chip estimates by resource, and the lines of
the PTX that cost most. KERNEL is a family with options (its default shape without them), or case NAME for a row of the conformance table.
The time is a model's (docs/simulated-gpu.md), not a measurement.`,
	})
	for _, w := range profile.Workloads() {
		c.AddCommand(newProfileWorkload(f, w))
	}
	for _, family := range profile.Families() {
		if _, ok := profile.WorkloadOf(family); !ok {
			c.AddCommand(newProfileCase(f, family, "the costliest conformance case of "+family, exactArgs(0)))
		}
	}
	c.AddCommand(newProfileCase(f, "case NAME", "a row of the conformance table, by its name", exactArgs(1)))
	c.PersistentFlags().StringVar(&f.device, "device", "sim:h100", "simulated GPU: sim:CHIP or sim:/path/chip.json")
	c.PersistentFlags().IntVar(&f.lines, "lines", 12, "lines of the PTX to show for each launch")
	c.PersistentFlags().IntVar(&f.blocks, "blocks", -1, "most blocks of a launch to run, the counts being scaled up; 0: all, -1: all unless the kernel is large")
	c.PersistentFlags().BoolVar(&f.asJSON, "json", false, "print JSON")
	return c
}

// newProfileWorkload is the command of a family with options.
func newProfileWorkload(f *profileFlags, w profile.Workload) *cobra.Command {
	c := &cobra.Command{Use: w.Family, Short: w.Doc, Args: noArgs}
	for _, p := range w.Params {
		doc := p.Doc
		if p.Choices != nil {
			doc += ": " + strings.Join(p.Choices, ", ")
		}
		c.Flags().String(p.Name, p.Default, doc)
	}
	c.RunE = func(c *cobra.Command, _ []string) error {
		options := map[string]string{}
		for _, p := range w.Params {
			options[p.Name] = c.Flag(p.Name).Value.String()
		}
		k, err := w.Kernel(options)
		if err != nil {
			return usage(err)
		}
		return f.run(c, profile.Of(k))
	}
	return c
}

// newProfileCase is a command that profiles a case of the conformance table.
func newProfileCase(f *profileFlags, use, short string, args cobra.PositionalArgs) *cobra.Command {
	return &cobra.Command{Use: use, Short: short, Args: args, RunE: func(c *cobra.Command, args []string) error {
		name := c.Name()
		if len(args) > 0 {
			name = args[0]
		}
		k, err := profile.Case(name)
		if err != nil {
			return usage(err)
		}
		return f.run(c, k)
	}}
}

func (f *profileFlags) run(c *cobra.Command, k kernels.Case) error {
	if f.lines < 0 || f.blocks < -1 {
		return usage(fmt.Errorf("--lines %d, --blocks %d: want numbers from 0 (--blocks: from -1)", f.lines, f.blocks))
	}
	o := profile.Options{Device: f.device, Blocks: f.blocks}
	if o.Blocks < 0 {
		o.Blocks = profile.AutoBlocks(k.Kernel)
	}
	r, err := profile.Run(c.Context(), k, o)
	switch {
	case errors.Is(err, cuda.ErrNoDevice):
		return usage(err)
	case err != nil:
		return err
	}
	if f.asJSON {
		enc := json.NewEncoder(c.OutOrStdout())
		enc.SetIndent("", "  ")
		return enc.Encode(r)
	}
	return r.Print(c.OutOrStdout(), f.lines)
}
