package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"palladio/bench"
	"palladio/cuda"
)

func newBench() *cobra.Command {
	var o bench.Options
	var asJSON, bars bool
	var out, device string
	names := append(bench.SuiteNames(), bench.GPUSuiteNames()...)
	c := &cobra.Command{
		Use:       "bench [" + strings.Join(names, "|") + "]…",
		Short:     "Measure the kernels, beside rivals and the machine's own peak",
		ValidArgs: names,
		Args:      wrapArgs(cobra.OnlyValidArgs),
		RunE: func(c *cobra.Command, args []string) error {
			o.Suites = args
			if device != "" && device != "cpu" {
				d, err := cuda.Open(device)
				if err != nil {
					return usage(err)
				}
				defer d.Close()
				o.Device = d
			}
			progress := newProgressLine()
			defer progress.end()
			o.Progress = progress.show
			if out != "" { // before the long work, not after it
				if err := os.MkdirAll(out, 0o755); err != nil {
					return err
				}
			}
			r, err := bench.Run(c.Context(), o)
			if err != nil {
				return err
			}
			if asJSON {
				err = json.NewEncoder(c.OutOrStdout()).Encode(r)
			} else {
				err = r.Print(c.OutOrStdout())
			}
			if err != nil {
				return err
			}
			if out != "" {
				file, err := r.Write(out)
				if err != nil {
					return err
				}
				fmt.Fprintf(c.ErrOrStderr(), "written to %s\n", file)
			}
			if missed := r.Missed(); bars && len(missed) > 0 {
				return fmt.Errorf("%d of %d bars missed", len(missed), len(r.Bars))
			}
			return nil
		},
	}
	f := c.Flags()
	f.BoolVar(&o.Peers, "peers", false, "also measure the rivals that make peers installs")
	f.StringVar(&o.PeersDir, "peers-dir", "build/peers", "where the rivals were built")
	f.StringVar(&o.Scripts, "peers-src", "bench/peers", "where the rivals' sources are")
	f.IntVar(&o.Rounds, "rounds", 5, "turns that each contender gets; with few contenders it is more")
	f.DurationVar(&o.Budget, "budget", 0, "time for one contender, workload and turn (default 150ms)")
	f.StringVar(&device, "device", "", "measure a GPU by the gpu suites: cuda:N or sim:CHIP")
	f.BoolVar(&o.Small, "small", false, "of the gpu suites: tiny workloads, to see that everything runs")
	f.StringVar(&out, "out", "", "write the result as JSON into this folder")
	f.BoolVar(&bars, "bars", false, "fail if a bar is missed")
	f.BoolVar(&asJSON, "json", false, "print JSON")
	return c
}
