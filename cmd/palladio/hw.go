package main

import (
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"palladio/bench"
	"palladio/engine/hw"
)

func newHW() *cobra.Command {
	return group(&cobra.Command{Use: "hw", Short: "Hardware models"}, newHWValidate())
}

func newHWValidate() *cobra.Command {
	var results string
	var asJSON bool
	c := &cobra.Command{
		Use:   "validate",
		Short: "Hold the hardware models against reference figures",
		Long: `Validate compares what the models say with figures that were published or measured: the timing model of the simulated GPU with anchors from
the literature and with the results of GPUs in --results, the roofline with the results of CPUs there. It prints each model's error. The exit status is 1 if a figure that has a
tolerance is missed.`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			list, err := hw.ValidateGPU(c.Context())
			if err != nil {
				return err
			}
			measured, err := bench.ValidateRoofline(results)
			if err != nil {
				return err
			}
			list = append(list, measured...)
			if measured, err = bench.ValidateGPU(c.Context(), results); err != nil {
				return err
			}
			list = append(list, measured...)
			if asJSON {
				enc := json.NewEncoder(c.OutOrStdout())
				enc.SetIndent("", "  ")
				err = enc.Encode(list)
			} else {
				err = hw.PrintComparisons(c.OutOrStdout(), list)
			}
			if missed := hw.Missed(list); err == nil && missed > 0 {
				err = fmt.Errorf("hw validate: %d of %d figures are missed", missed, len(list))
			}
			return err
		},
	}
	c.Flags().StringVar(&results, "results", "bench/results", "folder of measured results")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}
