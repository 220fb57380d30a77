package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"

	"github.com/spf13/cobra"

	"palladio/cuda"
	"palladio/engine"
	"palladio/engine/search"
	"palladio/engine/search/folder"
	"palladio/engine/search/ledger"
	"palladio/engine/search/spec"

	_ "palladio/engine/vision" // its problems
)

// studiesDir is where studies are kept unless told otherwise.
const studiesDir = "runs"

func newSearch() *cobra.Command {
	return group(&cobra.Command{Use: "search", Short: "Search architectures: run, resume, list, show, plot and export studies"},
		newSearchRun(), newSearchResume(), newSearchList(), newSearchShow(), newSearchPlot(), newSearchExport())
}

// searchFlags are shared by run and resume.
type searchFlags struct {
	workers, trials int
	seconds         float64
	device          string
	asJSON          bool
}

func (f *searchFlags) add(c *cobra.Command) {
	c.Flags().IntVar(&f.workers, "workers", 0, "trials at once (default: as the file says, or the number of cores); the result does not depend on it")
	c.Flags().IntVar(&f.trials, "trials", 0, "budget of trials, in place of the file's")
	c.Flags().Float64Var(&f.seconds, "seconds", 0, "budget of seconds, in place of the file's")
	c.Flags().StringVar(&f.device, "device", "", "where candidates are evaluated: "+engine.DeviceNames+" (default: $"+cuda.EnvDevice+", else cpu)")
	c.Flags().BoolVar(&f.asJSON, "json", false, "print events and the result as lines of JSON")
}

func (f *searchFlags) check() error {
	if f.workers < 0 || f.trials < 0 || f.seconds < 0 {
		return usage(errors.New("--workers, --trials and --seconds cannot be negative"))
	}
	return nil
}

func newSearchRun() *cobra.Command {
	var f searchFlags
	var out string
	var seed uint64
	var set []string
	c := &cobra.Command{
		Use: "run FILE", Short: "Run the study that a YAML file describes, or go on with it", Args: exactArgs(1),
		Long: `Run reads a study file, checks it, and works on the study until its budget is used up. The study lives in a folder (--out, else runs/NAME):
run again, after an interruption or a crash, it goes on where it stopped and loses no finished trial.`,
		RunE: func(c *cobra.Command, args []string) error {
			if err := f.check(); err != nil {
				return err
			}
			src, err := readLimited(args[0])
			if err != nil {
				return usage(err)
			}
			if src, err = spec.Override(args[0], src, set); err != nil {
				return usage(err)
			}
			o := search.Overrides{Trials: f.trials, Seconds: f.seconds}
			if c.Flags().Changed("seed") {
				o.Seed = &seed
			}
			file, err := search.ReadFile(args[0], src, o)
			if err != nil {
				return usage(err)
			}
			if out == "" {
				out = filepath.Join(studiesDir, file.Name)
			}
			s, err := folder.Begin(c.Context(), out, args[0], file)
			if err != nil {
				return err
			}
			defer s.Close()
			return runStudy(c.Context(), c.OutOrStdout(), s, f)
		},
	}
	f.add(c)
	c.Flags().StringVar(&out, "out", "", "folder of the study (default: runs/NAME)")
	c.Flags().StringArrayVar(&set, "set", nil, "PATH=VALUE: a value in place of the file's, such as problem.train=256")
	c.Flags().Uint64Var(&seed, "seed", 0, "seed, in place of the file's")
	return c
}

// readLimited reads a study file, but no disk image given by mistake.
func readLimited(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, 2<<20))
}

func newSearchResume() *cobra.Command {
	var f searchFlags
	c := &cobra.Command{
		Use: "resume DIR", Short: "Go on with a study in its folder", Args: exactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if err := f.check(); err != nil {
				return err
			}
			s, err := folder.Open(c.Context(), args[0], f.trials, f.seconds)
			if err != nil {
				return err
			}
			defer s.Close()
			return runStudy(c.Context(), c.OutOrStdout(), s, f)
		},
	}
	f.add(c)
	return c
}

// runStudy works on a study with a progress display, and leaves a report even when it is interrupted.
func runStudy(ctx context.Context, w io.Writer, s *folder.Folder, f searchFlags) error {
	workers := f.workers
	if workers == 0 {
		workers = s.File().Workers
	}
	if workers == 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	if err := useDevice(s.File().Problem, f.device); err != nil {
		return err
	}
	p := newSearchProgress(w, s, f.asJSON)
	before := 0 // trials that had a result when the run began
	watch := func(e search.Event) {
		if e.Kind == search.Began {
			before = e.Status.Finished - e.Status.Failed
		}
		p.event(e)
	}
	status, err := s.Run(ctx, search.RunOptions{Workers: workers, Watch: watch, Lost: beyondRepair})
	p.end()
	err = goesOn(err, status.Finished-status.Failed > before)
	if status.Asked == 0 {
		return err
	}
	after := context.WithoutCancel(ctx)
	path, reportErr := s.WriteReport(after)
	if err == nil && reportErr == nil {
		return p.summary(after, status, path)
	}
	if errors.Is(err, context.Canceled) && !f.asJSON {
		fmt.Fprintf(w, "stopped with %d trials finished; go on with: palladio search resume %s\n", status.Finished, s.Dir)
	}
	return errors.Join(err, reportErr)
}

// useDevice has a problem's candidates evaluated on a device, and finds out before the first one whether there is such a device. No name stands for what the
// environment says.
func useDevice(p search.Problem, name string) error {
	u, ok := p.(search.DeviceUser)
	switch {
	case !ok && name != "":
		return usage(errors.New("--device: the candidates of this problem are not evaluated on a device"))
	case !ok:
		return nil
	}
	err := u.UseDevice(name)
	if err == nil || beyondRepair(err) {
		return err
	}
	return deviceError(name, err)
}

func newSearchList() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use: "list [DIR]", Short: "List the studies in a folder (default: runs)", Args: wrapArgs(cobra.MaximumNArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			root := studiesDir
			if len(args) == 1 {
				root = args[0]
			}
			found, err := folder.List(c.Context(), root)
			if err != nil {
				return err
			}
			if asJSON {
				return json.NewEncoder(c.OutOrStdout()).Encode(found)
			}
			return printStudies(c.OutOrStdout(), root, found)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func newSearchShow() *cobra.Command {
	var asJSON, all bool
	trial := -1
	c := &cobra.Command{
		Use: "show DIR", Short: "Show a study's front, all its trials, or one trial", Args: exactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			s, err := folder.Open(c.Context(), args[0], 0, 0)
			if err != nil {
				return err
			}
			defer s.Close()
			if c.Flags().Changed("trial") {
				return showTrial(c.Context(), c.OutOrStdout(), s, trial, asJSON)
			}
			trials, err := s.Trials(c.Context())
			if err != nil {
				return err
			}
			if !all {
				trials = s.Front(trials)
			}
			if asJSON {
				return json.NewEncoder(c.OutOrStdout()).Encode(trials)
			}
			return printTrials(c.OutOrStdout(), s, trials)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	c.Flags().BoolVar(&all, "all", false, "all trials, not only the front")
	c.Flags().IntVar(&trial, "trial", -1, "one trial with its reports and attempts")
	return c
}

func showTrial(ctx context.Context, w io.Writer, s *folder.Folder, n int, asJSON bool) error {
	t, attempts, err := s.Trial(ctx, n)
	if err != nil {
		return err
	}
	if asJSON {
		return json.NewEncoder(w).Encode(struct {
			ledger.Trial
			Tries []ledger.Attempt
		}{t, attempts})
	}
	return printTrial(w, s, t, attempts)
}

func newSearchPlot() *cobra.Command {
	return &cobra.Command{
		Use: "plot DIR", Short: "Write a study's report anew and print its path", Args: exactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			s, err := folder.Open(c.Context(), args[0], 0, 0)
			if err != nil {
				return err
			}
			defer s.Close()
			path, err := s.WriteReport(c.Context())
			if err == nil {
				fmt.Fprintln(c.OutOrStdout(), path)
			}
			return err
		},
	}
}

func newSearchExport() *cobra.Command {
	trial, out := -1, ""
	c := &cobra.Command{
		Use: "export DIR", Short: "Export the winner: weights, JSON, and a Go program that uses them", Args: exactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			s, err := folder.Open(c.Context(), args[0], 0, 0)
			if err != nil {
				return err
			}
			defer s.Close()
			dir, files, err := s.Export(c.Context(), trial, out)
			if err != nil {
				return err
			}
			for _, f := range files {
				fmt.Fprintln(c.OutOrStdout(), filepath.Join(dir, f))
			}
			return nil
		},
	}
	c.Flags().IntVar(&trial, "trial", -1, "another trial of the front than the winner")
	c.Flags().StringVar(&out, "out", "", "folder to write to (default: winner in the study's folder)")
	return c
}
