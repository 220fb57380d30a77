package vision

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"sync"

	"palladio/engine"
	"palladio/engine/data"
	"palladio/engine/hw"
	"palladio/engine/nn"
	"palladio/engine/search"
	"palladio/engine/search/space"
	"palladio/engine/search/spec"
)

// ImageSearch is the problem of finding a ConvNet for a set of images: candidates are trained for real on a part of the training images, and judged
// by accuracy on another part, by modelled latency of one inference, and by size. The set's test images are never looked at.
type ImageSearch struct {
	Data            string // as data.Open takes it
	Train, Validate int    // images
	Epochs, Batch   int
	Rate            float64     // highest learning rate
	Machine         *hw.Machine // nil: this one, measured
	device          string      // of the training; empty: PALLADIO_DEVICE, or a CPU
	mu              sync.Mutex
	sets            map[int][2]*data.Images // by resolution
	source          *data.Images
	anatomies       map[string]Anatomy // by candidate
}

func init() {
	search.RegisterProblem("image-classification", func(v spec.Value) search.Problem { return readImageSearch(v) })
}

func readImageSearch(v spec.Value) *ImageSearch {
	f := v.Fields("kind", "data", "train", "validate", "epochs", "batch", "rate", "machine")
	s := &ImageSearch{
		Data: f[1].Text("fashion10k"), Train: f[2].Int(4000, 1, 1<<30), Validate: f[3].Int(1000, 1, 1<<30),
		Epochs: f[4].Int(4, 1, 10_000), Batch: f[5].Int(32, 2, 1<<16), Rate: f[6].Float(0.003, 1e-9, 1e3),
	}
	if s.Batch > s.Train {
		f[5].Fail("a batch of %d is more than the %d images to train on", s.Batch, s.Train)
	}
	if f[7].Mapping() {
		s.Machine = readMachine(f[7])
	} else if f[7].Present() {
		f[7].Text("", "this")
	}
	return s
}

// readMachine reads the figures of a machine.
func readMachine(v spec.Value) *hw.Machine {
	f := v.Fields("name", "gflops", "gb_per_s", "overhead_us")
	for _, needed := range f[1:3] {
		if !needed.Present() {
			needed.Fail("is missing")
		}
	}
	peak := f[1].Float(1, 1e-6, 1e12) * 1e9
	return &hw.Machine{
		Name: f[0].Text("given machine"), F32: hw.FLOPRate(peak), F64: hw.FLOPRate(peak / 2), Bandwidth: hw.ByteRate(f[2].Float(1, 1e-6, 1e12) * 1e9),
		Overhead: hw.Seconds(f[3].Float(0, 0, 1e9) / 1e6), Source: "given in the study file",
	}
}

// Params are the parameters of ConvNet.
func (s *ImageSearch) Params() []space.Param {
	mobile, err := space.NewCondition(`block == "mobile"`, []string{"block"})
	if err != nil {
		panic(err) // a constant
	}
	odd := space.Choice{Values: []any{1, 3, 5, 7}, Ordered: true}
	var activations []any
	for _, a := range nn.Activations() {
		activations = append(activations, a)
	}
	return []space.Param{
		{Name: "resolution", Domain: space.Int{Lo: 4, Hi: 512}},
		{Name: "stem", Domain: space.Int{Lo: 1, Hi: 1024}},
		{Name: "activation", Domain: space.Choice{Values: activations}},
		{Name: "stages", Domain: space.List{Min: 1, Max: 6, Of: space.Record{Params: []space.Param{
			{Name: "block", Domain: space.Choice{Values: []any{Plain, Mobile}}},
			{Name: "depth", Domain: space.Int{Lo: 1, Hi: 16}},
			{Name: "width", Domain: space.Int{Lo: 1, Hi: 2048}},
			{Name: "kernel", Domain: odd},
			{Name: "expansion", Domain: space.Int{Lo: 1, Hi: 8}, When: mobile},
		}}}},
	}
}

// Metrics are accuracy and loss on the validation images, and what the network costs.
func (s *ImageSearch) Metrics() []search.Metric {
	return []search.Metric{
		{Name: "accuracy", Text: "share of the validation images that are classified correctly"},
		{Name: "loss", Text: "cross-entropy on the validation images"},
		{Name: "params", Text: "trained values"},
		{Name: "macs", Text: "multiply-adds of one inference"},
		{Name: "latency_us", Unit: "µs", Text: "modelled latency of one inference of one image (roofline)"},
	}
}

// Derived are the costs, which need no training.
func (s *ImageSearch) Derived() space.Derived {
	return space.Derived{Names: []string{"params", "macs", "latency_us"}, Of: s.costs}
}

// Prepare opens the data, and measures this machine unless the study has done so before.
func (s *ImageSearch) Prepare(ctx context.Context, saved json.RawMessage) (json.RawMessage, error) {
	train, _, err := data.Open(ctx, s.Data, [2]int{})
	if err != nil {
		return nil, err
	}
	if s.Train+s.Validate > train.N {
		return nil, fmt.Errorf("%d images to train on and %d to validate on: %s has %d training images", s.Train, s.Validate, s.Data, train.N)
	}
	s.source, s.sets, s.anatomies = train, map[int][2]*data.Images{}, map[string]Anatomy{}
	if s.Machine == nil && len(saved) > 0 {
		s.Machine = &hw.Machine{}
		if err := json.Unmarshal(saved, s.Machine); err != nil {
			return nil, fmt.Errorf("the machine that the study is priced for: %w", err)
		}
	}
	if s.Machine == nil {
		m, err := hw.ThisCPU(1)
		if err != nil {
			return nil, err
		}
		s.Machine = &m
	}
	if err := s.Machine.Validate(); err != nil {
		return nil, err
	}
	return json.Marshal(s.Machine)
}

// net decodes a candidate.
func (s *ImageSearch) net(c space.Candidate) (ConvNet, error) {
	n := ConvNet{Channels: s.source.C, Classes: len(s.source.Classes)}
	err := c.Decode(&n)
	return n, err
}

func (s *ImageSearch) anatomy(c space.Candidate) (Anatomy, error) {
	s.mu.Lock()
	a, ok := s.anatomies[c.String()]
	s.mu.Unlock()
	if ok {
		return a, nil
	}
	n, err := s.net(c)
	if err != nil {
		return a, err
	}
	if a, err = Examine(n, 1, n.Resolution, n.Resolution, n.Channels); err != nil {
		return a, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.anatomies) > 1000 {
		clear(s.anatomies)
	}
	s.anatomies[c.String()] = a
	return a, nil
}

// costs are the metrics that need no training.
func (s *ImageSearch) costs(c space.Candidate) (map[string]float64, error) {
	a, err := s.anatomy(c)
	if err != nil {
		return nil, err
	}
	p, err := a.price(*s.Machine)
	if err != nil {
		return nil, err
	}
	return map[string]float64{"params": float64(a.Summary.Params), "macs": float64(a.Summary.MACs), "latency_us": float64(p.Latency) * 1e6}, nil
}

// images are the training and validation images at a resolution.
func (s *ImageSearch) images(resolution int) (train, validate *data.Images, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if have, ok := s.sets[resolution]; ok {
		return have[0], have[1], nil
	}
	used, err := s.source.Range(0, s.Train+s.Validate)
	if err != nil {
		return nil, nil, err
	}
	if used, err = used.Resize(resolution, resolution); err != nil {
		return nil, nil, err
	}
	if train, validate, err = used.Split(s.Train); err != nil {
		return nil, nil, err
	}
	s.sets[resolution] = [2]*data.Images{train, validate}
	return train, validate, nil
}

// UseDevice trains the candidates on a device.
func (s *ImageSearch) UseDevice(name string) error {
	d, err := engine.OpenDevice(name, 1)
	if err != nil {
		return err
	}
	s.device = name
	return d.Close()
}

// Evaluate trains the candidate on one thread and reports after every epoch.
func (s *ImageSearch) Evaluate(ctx context.Context, job search.Job, report func(int, search.Metrics) error) (search.Metrics, error) {
	net, err := s.net(job.Candidate)
	if err != nil {
		return nil, err
	}
	costs, err := s.costs(job.Candidate)
	if err != nil {
		return nil, err
	}
	train, validate, err := s.images(net.Resolution)
	if err != nil {
		return nil, err
	}
	metrics := search.Metrics(costs)
	_, best, err := Fit(ctx, net, nn.NewParams(job.Seed), train, validate, FitOptions{
		Epochs: s.Epochs, Batch: s.Batch, Rule: nn.AdamW(0.01), Rate: s.Rate, Schedule: "cosine", Seed: job.Seed,
		Machine: []engine.Option{engine.On(s.device), engine.Threads(1)},
		OnEpoch: func(e Epoch, _ *nn.Params) error {
			metrics = search.Metrics{"accuracy": e.Accuracy, "loss": e.HeldLoss}
			maps.Copy(metrics, costs)
			return report(e.Epoch, metrics)
		},
	})
	if err != nil {
		return nil, err
	}
	if job.Dir == "" {
		return metrics, nil
	}
	mean, std := train.Stats()
	return metrics, Save(job.Dir, Classifier{Net: net, Params: best, Classes: train.Classes, Mean: mean, Std: std})
}

// Describe writes a network as one line, such as "16px relu: 8 | plain 2x16 k3 | mobile 1x24 k5 e3".
func (s *ImageSearch) Describe(c space.Candidate) string {
	var n ConvNet
	if err := c.Decode(&n); err != nil {
		return c.String()
	}
	return n.String()
}

// Draw shows the layers with their normalisations and activations folded in.
func (s *ImageSearch) Draw(c space.Candidate) (search.Drawing, error) {
	n, err := s.net(c)
	if err != nil {
		return search.Drawing{}, err
	}
	a, err := s.anatomy(c)
	if err != nil {
		return search.Drawing{}, err
	}
	return draw(n, a.Summary), nil
}

// Export copies the trained classifier and adds a program that uses it.
func (s *ImageSearch) Export(_ space.Candidate, trialDir, dir string) ([]string, error) {
	var written []string
	for _, name := range []string{weightsFile, networkFile} {
		b, err := os.ReadFile(filepath.Join(trialDir, name))
		if errors.Is(err, os.ErrNotExist) {
			return written, fmt.Errorf("the trial's weights are not kept: only trials on the front have theirs (%w)", err)
		}
		if err != nil {
			return written, err
		}
		if err := writeFile(filepath.Join(dir, name), b); err != nil {
			return written, err
		}
		written = append(written, name)
	}
	if err := writeFile(filepath.Join(dir, "main.go"), []byte(exampleProgram)); err != nil {
		return written, err
	}
	return append(written, "main.go"), nil
}
