package vision

import (
	"bytes"
	"context"
	"errors"
	"image"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"palladio/engine/search"
	"palladio/engine/search/space"
	"palladio/engine/search/spec"
)

const candidateText = `{"activation":"relu","resolution":12,"stages":[{"block":"plain","depth":1,"kernel":3,"width":8},{"block":"mobile","depth":1,"expansion":2,"kernel":3,"width":16}],"stem":4}`

// problem reads the problem's options and prepares it.
func problem(t *testing.T, options string) (*ImageSearch, space.Candidate) {
	t.Helper()
	f, err := spec.Parse("p.yaml", []byte(options))
	if err != nil {
		t.Fatal(err)
	}
	s := readImageSearch(f.Root())
	if err := f.Err(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Prepare(context.Background(), nil); err != nil {
		t.Fatal(err)
	}
	sp, err := space.New(s.Params()...)
	if err != nil {
		t.Fatal(err)
	}
	c, err := sp.Parse([]byte(candidateText))
	if err != nil {
		t.Fatal(err)
	}
	return s, c
}

const tiny = "{kind: image-classification, train: 600, validate: 200, epochs: 3, batch: 20, rate: 0.02, machine: {gflops: 10, gb_per_s: 10}}"

func TestCandidatesLearnAndAreReproducible(t *testing.T) {
	s, c := problem(t, tiny)
	dir := t.TempDir()
	var curve []float64
	evaluate := func(dir string) search.Metrics {
		curve = nil
		m, err := s.Evaluate(context.Background(), search.Job{Candidate: c, Seed: 5, Dir: dir}, func(step int, m search.Metrics) error {
			if step != len(curve)+1 {
				t.Errorf("step %d reported after %d", step, len(curve))
			}
			curve = append(curve, m["loss"])
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	m := evaluate(dir)
	if m["accuracy"] < 0.4 || len(curve) != 3 || curve[2] >= curve[0] {
		t.Errorf("after three epochs: %v, loss %v: chance is 0.1", m, curve)
	}
	other := t.TempDir()
	again := evaluate(other)
	for name, v := range m {
		if again[name] != v {
			t.Errorf("%s is %v, and %v when evaluated again", name, v, again[name])
		}
	}
	for _, name := range []string{weightsFile, networkFile} {
		a, _ := os.ReadFile(filepath.Join(dir, name))
		b, _ := os.ReadFile(filepath.Join(other, name))
		if len(a) == 0 || !bytes.Equal(a, b) {
			t.Errorf("%s differs between two evaluations", name)
		}
	}
	checkClassifier(t, s, dir, m["accuracy"])
}

// checkClassifier wants the saved network to be as good as it was said to be.
func checkClassifier(t *testing.T, s *ImageSearch, dir string, accuracy float64) {
	t.Helper()
	out := t.TempDir()
	files, err := s.Export(space.Candidate{}, dir, out)
	if err != nil || len(files) != 3 {
		t.Fatalf("exported %v, %v", files, err)
	}
	net, err := Load(out)
	if err != nil {
		t.Fatal(err)
	}
	defer net.Close()
	held, err := s.source.Range(s.Train, s.Train+s.Validate)
	if err != nil {
		t.Fatal(err)
	}
	right := 0
	for i := range held.N {
		img := &image.Gray{Pix: held.Image(i), Stride: held.W, Rect: image.Rect(0, 0, held.W, held.H)}
		g, err := net.Classify(img)
		if err != nil {
			t.Fatal(err)
		}
		sum := 0.0
		for _, x := range g {
			sum += x.Probability
		}
		if math.Abs(sum-1) > 1e-9 || len(g) != 10 {
			t.Fatalf("guesses %v do not sum to one", g)
		}
		if g[0].Class == held.Classes[held.Labels[i]] {
			right++
		}
	}
	if got := float64(right) / float64(held.N); math.Abs(got-accuracy) > 0.01 {
		t.Errorf("the exported network classifies %v right, its trial said %v", got, accuracy)
	}
	if _, err := net.Classify(image.NewGray(image.Rect(0, 0, 0, 0))); err == nil {
		t.Error("an empty image was classified")
	}
}

func TestEvaluationStopsAndIsCancelled(t *testing.T) {
	s, c := problem(t, tiny)
	steps := 0
	_, err := s.Evaluate(context.Background(), search.Job{Candidate: c}, func(int, search.Metrics) error {
		steps++
		return search.ErrStopped
	})
	if !errors.Is(err, search.ErrStopped) || steps != 1 {
		t.Errorf("stopped after %d steps with %v", steps, err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := s.Evaluate(ctx, search.Job{Candidate: c}, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: got %v", err)
	}
}

func TestImpossibleNetworksAreInfeasible(t *testing.T) {
	s, _ := problem(t, tiny)
	sp, err := space.New(s.Params()...)
	if err != nil {
		t.Fatal(err)
	}
	if err := sp.Derive(s.Derived()); err != nil {
		t.Fatal(err)
	}
	stage := `{"block":"plain","depth":1,"kernel":3,"width":8}`
	c, err := sp.Parse([]byte(`{"activation":"relu","resolution":4,"stages":[` + strings.Repeat(stage+",", 3) + stage + `],"stem":4}`))
	if err != nil {
		t.Fatal(err)
	}
	if ok, err := sp.Feasible(c); ok || err != nil {
		t.Errorf("a map of 1x1 was halved (%v, %v)", ok, err)
	}
	if _, err := sp.DerivedOf(c); err == nil || !strings.Contains(err.Error(), "cannot be halved") {
		t.Errorf("got %v", err)
	}
}

func TestDrawing(t *testing.T) {
	s, c := problem(t, tiny)
	d, err := s.Draw(c)
	if err != nil {
		t.Fatal(err)
	}
	var labels []string
	params := 0
	for _, l := range d.Layers {
		labels = append(labels, l.Label+" "+l.Output)
		params += l.Params
	}
	want := "conv 3×3, 4 12×12×4; conv 3×3, 8 12×12×8; conv 1×1, 16 12×12×16; depthwise 3×3 /2 6×6×16; conv 1×1, 16 6×6×16; linear, 10 10"
	costs, _ := s.costs(c)
	if got := strings.Join(labels, "; "); got != want || float64(params) != costs["params"] {
		t.Errorf("drawn as %s\nwant %s\nwith %d of %v parameters", got, want, params, costs["params"])
	}
}

func TestBadProblems(t *testing.T) {
	for options, want := range map[string]string{
		"{kind: image-classification, batch: 64, train: 10}": "a batch of 64 is more than the 10 images",
		"{kind: image-classification, machine: {gflops: 3}}": "machine.gb_per_s: is missing",
		"{kind: image-classification, machine: {gflop: 3}}":  `did you mean "gflops"?`,
		"{kind: image-classification, machine: that}":        `"that" is not known`,
		"{kind: image-classification, rate: 0}":              "out of range",
		"{kind: image-classification, validate: [1]}":        "want a single value, got a list",
	} {
		f, err := spec.Parse("p.yaml", []byte(options))
		if err != nil {
			t.Fatal(err)
		}
		readImageSearch(f.Root())
		if err := f.Err(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want …%s…", options, err, want)
		}
	}
	s := &ImageSearch{Data: "fashion10k", Train: 8000, Validate: 1}
	if _, err := s.Prepare(context.Background(), nil); err == nil || !strings.Contains(err.Error(), "has 8000 training images") {
		t.Errorf("too many images: got %v", err)
	}
	s = &ImageSearch{Data: "nonesuch", Train: 1, Validate: 1}
	if _, err := s.Prepare(context.Background(), nil); err == nil {
		t.Error("an unknown set was opened")
	}
}

func TestLoadRefusesDamage(t *testing.T) {
	s, c := problem(t, tiny)
	s.Epochs = 1
	dir := t.TempDir()
	if _, err := s.Evaluate(context.Background(), search.Job{Candidate: c, Dir: dir}, func(int, search.Metrics) error { return nil }); err != nil {
		t.Fatal(err)
	}
	network, _ := os.ReadFile(filepath.Join(dir, networkFile))
	weights, _ := os.ReadFile(filepath.Join(dir, weightsFile))
	for name, damage := range map[string]func(){
		"no network": func() { os.Remove(filepath.Join(dir, networkFile)) },
		"no JSON":    func() { os.WriteFile(filepath.Join(dir, networkFile), network[:40], 0o666) },
		"another format": func() {
			os.WriteFile(filepath.Join(dir, networkFile), bytes.Replace(network, []byte(savedFormat), []byte("x"), 1), 0o666)
		},
		"another network": func() {
			os.WriteFile(filepath.Join(dir, networkFile), bytes.Replace(network, []byte(`"width": 8`), []byte(`"width": 16`), 1), 0o666)
		},
		"truncated weights": func() { os.WriteFile(filepath.Join(dir, weightsFile), weights[:len(weights)-4], 0o666) },
	} {
		if err := os.WriteFile(filepath.Join(dir, networkFile), network, 0o666); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, weightsFile), weights, 0o666); err != nil {
			t.Fatal(err)
		}
		damage()
		if _, err := Load(dir); err == nil {
			t.Errorf("%s: loaded all the same", name)
		}
	}
}
