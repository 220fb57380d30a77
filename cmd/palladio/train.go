package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"palladio/cuda"
	"palladio/engine"
	"palladio/engine/nn"
	"palladio/engine/vision"
)

// trainFlags are the flags of train that are not fields of a job already.
type trainFlags struct {
	optimiser       string
	momentum, decay float64
	device          string
	precision       string
	threads         int
	limit           time.Duration
	slim            bool
	profile         bool
	trace           string
	layers, asJSON  bool
}

func newTrain() *cobra.Command {
	j, fl := vision.Job{}, trainFlags{}
	c := &cobra.Command{
		Use:       "train MODEL",
		Short:     "Train an image classifier: " + strings.Join(vision.ModelNames(), ", "),
		ValidArgs: vision.ModelNames(),
		Args:      wrapArgs(cobra.MatchAll(cobra.ExactArgs(1), cobra.OnlyValidArgs)),
		RunE: func(c *cobra.Command, args []string) error {
			j.Model = args[0]
			return runTrain(c, j, fl)
		},
	}
	f := c.Flags()
	f.StringVar(&j.Data, "data", "fashion10k", "data set: a name from palladio data list, folder:PATH or idx:PATH")
	f.StringVar(&j.Preset, "preset", "", "which of the model's published sizes: "+strings.Join(vision.SimpleNetPresets(), ", "))
	f.BoolVar(&fl.slim, "slim", false, "short for --preset slim310k")
	f.StringVar(&j.Genome, "genome", "", `layers of a simplenet, such as "32 32 p 64 64k1"`)
	f.IntVar(&j.Size, "size", 0, "scale images to this side")
	f.IntVar(&j.Limit, "images", 0, "train on the first so many images")
	f.StringVarP(&j.Output, "out", "o", "", "write the weights to this safetensors file")
	f.IntVar(&j.Fit.Epochs, "epochs", 6, "passes over the training images")
	f.IntVar(&j.Fit.Batch, "batch", 128, "images a step")
	f.StringVar(&fl.optimiser, "optimiser", "sgd", strings.Join(vision.RuleNames(), ", "))
	f.Float64Var(&j.Fit.Rate, "rate", 0.1, "highest learning rate")
	f.StringVar(&j.Fit.Schedule, "schedule", "one_cycle", strings.Join(nn.ScheduleNames(), ", "))
	f.Float64Var(&fl.momentum, "momentum", 0.9, "of sgd and rmsprop")
	f.Float64Var(&fl.decay, "decay", 5e-4, "weight decay")
	f.Float64Var(&j.Fit.LabelSmoothing, "smoothing", 0, "label smoothing")
	f.Float64Var(&j.Fit.Clip, "clip", 0, "largest global norm of the gradients; 0: any")
	f.Float64Var(&j.Fit.Average, "average", 0, "decay a step of the moving average of the weights; 0: none")
	f.IntVar(&j.Fit.Augment.Pad, "shift", 2, "shift images at random by up to so many pixels")
	f.BoolVar(&j.Fit.Augment.Flip, "flip", false, "mirror images at random")
	f.IntVar(&j.Fit.Augment.Cutout, "cutout", 0, "blank a random square of this side")
	f.Float64Var(&j.Fit.Augment.Mixup, "mixup", 0, "mix images in pairs; the parameter of the Beta distribution")
	f.Uint64Var(&j.Fit.Seed, "seed", 1, "of weights, order and augmentation")
	f.StringVar(&j.Fit.Checkpoint, "checkpoint", "", "keep the state of the training in this file")
	f.BoolVar(&j.Fit.Resume, "resume", false, "go on from the checkpoint, if it is there")
	f.StringVar(&fl.device, "device", "", engine.DeviceNames+" (default: $"+cuda.EnvDevice+", else cpu)")
	f.StringVar(&fl.precision, "precision", "f32", "of the training steps: f32, tf32, bf16 or f16 (which scales the loss)")
	f.IntVar(&fl.threads, "threads", 0, "threads; 0: all")
	f.DurationVar(&fl.limit, "limit", 0, "stop after the epoch in which this time is over")
	f.BoolVar(&fl.layers, "layers", false, "print the table of layers")
	f.BoolVar(&fl.profile, "profile", false, "print where the time went, call by call")
	f.StringVar(&fl.trace, "trace", "", "with --profile, also write a Chrome trace to this file")
	f.BoolVar(&fl.asJSON, "json", false, "print JSON")
	return c
}

func runTrain(c *cobra.Command, j vision.Job, fl trainFlags) error {
	out := c.OutOrStdout()
	if fl.slim {
		if j.Preset != "" {
			return usage(errors.New("--slim is a preset: give it or --preset"))
		}
		j.Preset = "slim310k"
	}
	if j.Fit.Resume && j.Fit.Checkpoint == "" {
		return usage(errors.New("--resume needs --checkpoint FILE"))
	}
	var err error
	if j.Fit.Rule, err = vision.NamedRule(fl.optimiser, fl.momentum, fl.decay); err != nil {
		return usage(err)
	}
	if j.Fit.Precision, err = engine.ParseNumerics(fl.precision); err != nil {
		return usage(err)
	}
	if d, err := engine.OpenDevice(fl.device, fl.threads); err == nil { // before the data is read
		if err := d.Close(); err != nil {
			return err
		}
	} else if !beyondRepair(err) { // that is for the training to meet
		return deviceError(fl.device, err)
	}
	j.Fit.Machine = []engine.Option{engine.On(fl.device)}
	if fl.threads > 0 {
		j.Fit.Machine = append(j.Fit.Machine, engine.Threads(fl.threads))
	}
	if fl.profile {
		closeTrace, err := fl.profileInto(&j.Fit, c)
		if err != nil {
			return err
		}
		defer closeTrace()
	}
	start, epochs := time.Now(), 0
	j.Fit.OnEpoch = func(e vision.Epoch, _ *nn.Params) error {
		epochs++
		if !fl.asJSON {
			fmt.Fprintf(out, "epoch %2d of %d  loss %.4f  accuracy %6.2f %%  held-out loss %.4f  %.0f images/s  %s\n",
				e.Epoch, j.Fit.Epochs, e.Loss, 100*e.Accuracy, e.HeldLoss, e.Images, time.Since(start).Round(time.Second))
		}
		if fl.limit > 0 && time.Since(start) >= fl.limit {
			return vision.ErrStop
		}
		return nil
	}
	r, err := vision.Train(c.Context(), j, func(r *vision.Report) {
		if fl.asJSON {
			return
		}
		if fl.layers {
			fmt.Fprint(out, r.Summary)
		}
		fmt.Fprintf(out, "%s on %s: %d + %d images, %d parameters, %.1f M multiply-adds an image\n", r.Model, r.Data, r.Train, r.Held, r.Params, float64(r.MACs)/1e6)
	})
	switch {
	case beyondRepair(err) && j.Fit.Checkpoint == "":
		return fmt.Errorf("%w\nstart the training again; with --checkpoint FILE it goes on by itself after such an error", err)
	case beyondRepair(err) && !j.Fit.Resume:
		return goesOn(err, epochs > 0, "--resume")
	case err != nil:
		return goesOn(err, epochs > 0)
	}
	if fl.asJSON {
		return json.NewEncoder(out).Encode(r)
	}
	fmt.Fprintf(out, "accuracy %.2f %% after %s; %d parameters, %.1f M multiply-adds, %.0f images/s\n",
		100*r.Accuracy, time.Since(start).Round(time.Second), r.Params, float64(r.MACs)/1e6, r.Images)
	return nil
}

// profileInto has the training's profile written when it ends.
func (fl trainFlags) profileInto(o *vision.FitOptions, c *cobra.Command) (closeTrace func(), err error) {
	o.Machine = append(o.Machine, engine.Profile())
	if fl.trace == "" {
		o.Finished = vision.ProfileTo(c.OutOrStdout(), nil)
		return func() {}, nil
	}
	f, err := os.Create(fl.trace)
	if err != nil {
		return nil, err
	}
	o.Finished = vision.ProfileTo(c.OutOrStdout(), f)
	return func() { f.Close() }, nil
}
