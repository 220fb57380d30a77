package vision

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"palladio/engine"
	"palladio/engine/data"
	"palladio/engine/nn"
)

// Job is a classifier to be trained on a named data set.
type Job struct {
	Model  string // of ModelNames
	Preset string // of the model; empty: its first
	Genome string // of a simplenet, in place of a preset
	Data   string // as data.Open takes it
	Size   int    // scale the images to this side; 0: as they are
	Limit  int    // train on the first images only; 0: on all
	Output string // file of the trained weights; empty: none
	Fit    FitOptions
}

// ModelNames lists the classifiers that a Job can train.
func ModelNames() []string { return []string{"simplenet", "resnet20", "resnet50"} }

// Report is what a training reached.
type Report struct {
	Model    string     `json:"model"`
	Data     string     `json:"data"`
	Train    int        `json:"train_images"`
	Held     int        `json:"held_images"`
	Params   int        `json:"parameters"`
	MACs     int64      `json:"macs"` // of one image, forward
	Epochs   []Epoch    `json:"epochs"`
	Accuracy float64    `json:"accuracy"` // after the last epoch
	Images   float64    `json:"images_per_second"`
	Summary  nn.Summary `json:"summary"`
}

// build makes the network of a job.
func (j Job) build(classes int) (net nn.Module, name string, err error) {
	switch j.Model {
	case "simplenet":
		if j.Genome != "" {
			net, err = ParseSimpleNet(j.Genome, classes)
			return net, "simplenet " + j.Genome, err
		}
		preset := j.Preset
		if preset == "" {
			preset = "full"
		}
		net, err = SimpleNetPreset(preset, classes)
		return net, "simplenet " + preset, err
	case "resnet20", "resnet50":
		if j.Preset != "" || j.Genome != "" {
			return nil, "", fmt.Errorf("train: %s has neither presets nor genomes", j.Model)
		}
		if j.Model == "resnet50" {
			return ResNet50(classes), j.Model, nil
		}
		return ResNet20(classes), j.Model, nil
	}
	return nil, "", fmt.Errorf("train: no model is called %q: want one of %s", j.Model, strings.Join(ModelNames(), ", "))
}

// Train runs a job. started, if not nil, is told the sizes before the first epoch.
func Train(ctx context.Context, j Job, started func(*Report)) (*Report, error) {
	train, held, err := j.open(ctx)
	if err != nil {
		return nil, err
	}
	net, name, err := j.build(len(train.Classes))
	if err != nil {
		return nil, err
	}
	params := nn.NewParams(j.Fit.Seed)
	anatomy, err := Examine(net, 1, train.H, train.W, train.C)
	if err != nil {
		return nil, err
	}
	summary := anatomy.Summary
	r := &Report{Model: name, Data: j.Data, Train: train.N, Held: held.N, Params: summary.Params, MACs: summary.MACs, Summary: summary}
	if started != nil {
		started(r)
	}
	epochs, best, err := Fit(ctx, net, params, train, held, j.Fit)
	if err != nil {
		return nil, err
	}
	r.Epochs = epochs
	if len(epochs) > 0 {
		r.Accuracy = epochs[len(epochs)-1].Accuracy
		for _, e := range epochs {
			r.Images += e.Images / float64(len(epochs))
		}
	}
	if j.Output == "" {
		return r, nil
	}
	meta := map[string]string{"model": name, "data": j.Data, "accuracy": fmt.Sprintf("%.4f", r.Accuracy)}
	return r, nn.SaveCheckpoint(j.Output, best, nil, meta)
}

// open reads the images.
func (j Job) open(ctx context.Context) (train, held *data.Images, err error) {
	train, held, err = data.Open(ctx, j.Data, [2]int{j.Size, j.Size})
	if err != nil {
		return nil, nil, err
	}
	if held == nil {
		return nil, nil, fmt.Errorf("train: %s has no held-out images: put them in sub-folders train and test", j.Data)
	}
	if j.Size > 0 {
		if train, err = train.Resize(j.Size, j.Size); err != nil {
			return nil, nil, err
		}
		if held, err = held.Resize(j.Size, j.Size); err != nil {
			return nil, nil, err
		}
	}
	if j.Limit > 0 {
		train, err = train.Range(0, min(j.Limit, train.N))
	}
	return train, held, err
}

// ProfileTo makes a FitOptions.Finished that writes the profile as a table and, if trace is not nil, as a Chrome trace.
func ProfileTo(table, trace io.Writer) func(*engine.Machine) error {
	return func(m *engine.Machine) error {
		if err := m.Profile().WriteTable(table, 30); err != nil || trace == nil {
			return err
		}
		return m.Profile().WriteTrace(trace)
	}
}

var rules = map[string]func(momentum, decay float64) nn.Rule{
	"sgd":      func(m, d float64) nn.Rule { return nn.SGD(m, true, d) },
	"adam":     func(_, d float64) nn.Rule { return nn.Adam(d) },
	"adamw":    func(_, d float64) nn.Rule { return nn.AdamW(d) },
	"lamb":     func(_, d float64) nn.Rule { return nn.LAMB(d) },
	"adadelta": func(_, d float64) nn.Rule { return nn.AdaDelta(0.9, 1e-3, d) },
	"rmsprop":  func(m, d float64) nn.Rule { return nn.RMSProp(0.9, 1e-8, m, d) },
}

// RuleNames lists the optimisers that NamedRule knows.
func RuleNames() []string {
	var names []string
	for n := range rules {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

// NamedRule makes an optimiser's rule: sgd (Nesterov), adam, adamw, lamb, adadelta (decay 0.9, eps 1e-3, as SimpleNet was trained) or rmsprop.
func NamedRule(name string, momentum, decay float64) (nn.Rule, error) {
	f := rules[name]
	if f == nil {
		return nn.Rule{}, fmt.Errorf("no optimiser is called %q: want one of %s", name, strings.Join(RuleNames(), ", "))
	}
	return f(momentum, decay), nil
}
