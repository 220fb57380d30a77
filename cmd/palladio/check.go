package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"palladio/cuda"
	"palladio/cuda/sim"
	"palladio/engine"
	"palladio/fallback"
	"palladio/fallback/ref"
	"palladio/kernels"
	"palladio/kernels/devicetest"
)

func newCheck() *cobra.Command {
	var devices, families []string
	var asJSON, sanitize bool
	c := &cobra.Command{
		Use:   "check",
		Short: "Run the conformance table on this machine's devices",
		Long: `Check runs every kernel's conformance cases on each device and compares with the plain reference, on guarded memory.
It prints a table of families and devices: cases passed, failed and unsupported, and the worst error as a fraction of the
kernel's tolerance. The exit status is 1 if any case failed.

With --sanitize, the devices are simulated GPUs (sim:h100 unless --device says otherwise) that watch every access: out of bounds, misaligned, after free,
to memory that nothing wrote; unordered accesses to shared memory; barriers that not all threads reach; integer divisions by zero. What they find fails the
case.`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			devs, err := openChecked(devices, sanitize)
			if err != nil {
				return usageError{err}
			}
			defer closeDevices(devs)
			cases, err := casesOf(families)
			if err != nil {
				return usageError{err}
			}
			progress := newProgressLine()
			report, err := check(c.Context(), devs, cases, progress)
			progress.end()
			if err != nil {
				return err
			}
			if asJSON {
				err = json.NewEncoder(c.OutOrStdout()).Encode(report)
			} else {
				err = printReport(c.OutOrStdout(), devs, report)
			}
			switch {
			case err == nil && len(report.Failures) > 0:
				err = fmt.Errorf("check: %d of %d cases failed", len(report.Failures), report.Runs)
			case err == nil && sanitize && !asJSON:
				_, err = fmt.Fprintf(c.OutOrStdout(), "memcheck, racecheck, initcheck, synccheck, mathcheck: no findings in %d cases\n", report.Runs)
			}
			return err
		},
	}
	c.Flags().StringSliceVar(&devices, "device", nil, "devices to check, such as cpu:avx2 or sim:h100 (default: every level of this CPU)")
	c.Flags().StringSliceVar(&families, "family", nil, "kernel families to check, such as gemm (default: all)")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	c.Flags().BoolVar(&sanitize, "sanitize", false, "run on simulated GPUs under all checks")
	return c
}

// openChecked opens devices by name; with sanitize, simulated GPUs under all checks.
func openChecked(names []string, sanitize bool) ([]kernels.Device, error) {
	if !sanitize {
		return openDevices(names)
	}
	if len(names) == 0 {
		names = []string{"sim:h100"}
	}
	var devs []kernels.Device
	for _, n := range names {
		d, err := cuda.OpenSimulated(n, sim.Options{Sanitize: true})
		if err != nil {
			closeDevices(devs)
			return nil, fmt.Errorf("--sanitize: %w", err)
		}
		devs = append(devs, d)
	}
	return devs, nil
}

// openDevices opens devices by name; none names every CPU level.
func openDevices(names []string) ([]kernels.Device, error) {
	if len(names) == 0 {
		for _, l := range fallback.Levels() {
			names = append(names, "cpu:"+l.String())
		}
	}
	var devs []kernels.Device
	for _, n := range names {
		d, err := engine.OpenDevice(n, 0)
		if err != nil {
			closeDevices(devs)
			return nil, err
		}
		if slices.ContainsFunc(devs, func(other kernels.Device) bool { return other.Name() == d.Name() }) {
			closeDevices([]kernels.Device{d}) // "cpu" and the level that it stands for, say
			continue
		}
		devs = append(devs, d)
	}
	return devs, nil
}

func closeDevices(devs []kernels.Device) {
	for _, d := range devs {
		d.Close() // CPU devices only stop their workers
	}
}

// casesOf lists the cases of the given families, or all.
func casesOf(families []string) ([]kernels.Case, error) {
	all := kernels.Cases()
	if len(families) == 0 {
		return all, nil
	}
	known := make(map[string]bool)
	var cases []kernels.Case
	for _, c := range all {
		f := c.Kernel.Family()
		known[f] = true
		if slices.Contains(families, f) {
			cases = append(cases, c)
		}
	}
	for _, f := range families {
		if !known[f] {
			return nil, fmt.Errorf("family %q: want one of %s", f, strings.Join(slices.Sorted(maps.Keys(known)), ", "))
		}
	}
	return cases, nil
}

// checkReport is the outcome of a check.
type checkReport struct {
	Runs     int          `json:"runs"`
	Table    []checkCell  `json:"table"`
	Failures []checkIssue `json:"failures"`
}

// checkCell counts the cases of one family on one device.
type checkCell struct {
	Family      string  `json:"family"`
	Device      string  `json:"device"`
	Passed      int     `json:"passed"`
	Failed      int     `json:"failed"`
	Unsupported int     `json:"unsupported"`
	Worst       float64 `json:"worst"` // the largest error of the passed cases as a fraction of the tolerance
	WorstCase   string  `json:"worst_case,omitempty"`
}

// checkIssue is one failed case.
type checkIssue struct {
	Case   string `json:"case"`
	Device string `json:"device"`
	Error  string `json:"error"`
}

func check(ctx context.Context, devs []kernels.Device, cases []kernels.Case, progress *progressLine) (checkReport, error) {
	report := checkReport{Table: []checkCell{}, Failures: []checkIssue{}}
	cells := make(map[[2]string]*checkCell) // by family and device
	var seen []string                       // families
	oracle := ref.New()
	for _, c := range cases {
		seen = append(seen, c.Kernel.Family())
		trial, broken := devicetest.NewTrial(oracle, c)
		for _, d := range devs {
			if ctx.Err() != nil {
				return report, ctx.Err()
			}
			res := devicetest.Result{Case: c.Name, Family: c.Kernel.Family(), Device: d.Name(), Err: broken}
			if broken == nil {
				res = trial.Run(d)
			}
			if g, ok := d.(*cuda.Device); ok {
				res.Err = errors.Join(res.Err, g.TakeFindings())
			}
			key := [2]string{res.Family, res.Device}
			if cells[key] == nil {
				cells[key] = &checkCell{Family: res.Family, Device: res.Device}
			}
			cells[key].count(res)
			report.Runs++
			progress.count(report.Runs, len(cases)*len(devs), "cases")
			if res.Err != nil {
				report.Failures = append(report.Failures, checkIssue{c.Name, d.Name(), res.Err.Error()})
			}
		}
	}
	slices.Sort(seen)
	for _, f := range slices.Compact(seen) {
		for _, d := range devs {
			report.Table = append(report.Table, *cells[[2]string{f, d.Name()}])
		}
	}
	return report, nil
}

func (c *checkCell) count(r devicetest.Result) {
	switch {
	case r.Unsupported:
		c.Unsupported++
	case r.Err != nil:
		c.Failed++
	default:
		c.Passed++
		if r.Fraction > c.Worst {
			c.Worst, c.WorstCase = r.Fraction, r.Case
		}
	}
}

// printReport writes a line a family and a column a device, then the failures.
func printReport(w io.Writer, devs []kernels.Device, r checkReport) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprint(tw, "family")
	for _, d := range devs {
		fmt.Fprintf(tw, "\t%s\tworst", d.Name())
	}
	last := ""
	for _, c := range r.Table {
		if c.Family != last {
			fmt.Fprintf(tw, "\n%s", c.Family)
			last = c.Family
		}
		fmt.Fprintf(tw, "\t%s\t%s", c.counts(), c.worst())
	}
	fmt.Fprintln(tw)
	var errs []error
	errs = append(errs, tw.Flush())
	for _, f := range r.Failures {
		_, err := fmt.Fprintf(w, "FAILED %s on %s: %s\n", f.Case, f.Device, f.Error)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func (c checkCell) counts() string {
	s := fmt.Sprintf("%d ok", c.Passed)
	if c.Failed > 0 {
		s += fmt.Sprintf(", %d FAILED", c.Failed)
	}
	if c.Unsupported > 0 {
		s += fmt.Sprintf(", %d unsupported", c.Unsupported)
	}
	return s
}

func (c checkCell) worst() string {
	switch {
	case c.Passed == 0:
		return "-"
	case c.Worst == 0:
		return "exact"
	}
	return fmt.Sprintf("%.2g of tolerance", c.Worst)
}
