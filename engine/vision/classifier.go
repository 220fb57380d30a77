package vision

import (
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"math"
	"os"
	"path/filepath"
	"slices"

	"github.com/google/renameio/v2"
	"gorgonia.org/gorgonia"

	"palladio/engine"
	"palladio/engine/data"
	"palladio/engine/nn"
)

// Classifier is a trained ConvNet with all that is needed to classify an image.
type Classifier struct {
	Net       ConvNet
	Params    *nn.Params
	Classes   []string
	Mean, Std []float32 // a channel, of pixels in [0, 1]

	vm     *engine.Machine
	x      []float32
	logits gorgonia.Value
}

// The files of a saved classifier.
const (
	weightsFile = "weights.safetensors"
	networkFile = "network.json"
)

// savedNetwork is the form of network.json.
type savedNetwork struct {
	Network  ConvNet   `json:"network"`
	Channels int       `json:"channels"`
	Classes  []string  `json:"classes"`
	Mean     []float32 `json:"mean"`
	Std      []float32 `json:"std"`
	Format   string    `json:"format"`
}

const savedFormat = "palladio convnet 1"

// Save writes the classifier into a folder, which it makes: the description as network.json and the weights as weights.safetensors.
func Save(dir string, c Classifier) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return fmt.Errorf("save classifier: %w", err)
	}
	if err := nn.SaveCheckpoint(filepath.Join(dir, weightsFile), c.Params, nil, nil); err != nil {
		return err
	}
	b, err := json.MarshalIndent(savedNetwork{c.Net, c.Net.Channels, c.Classes, c.Mean, c.Std, savedFormat}, "", "  ")
	if err != nil {
		return fmt.Errorf("save classifier: %w", err)
	}
	return writeFile(filepath.Join(dir, networkFile), append(b, '\n'))
}

// Load reads a saved classifier and compiles it for one image at a time.
func Load(dir string) (*Classifier, error) {
	b, err := os.ReadFile(filepath.Join(dir, networkFile))
	if err != nil {
		return nil, fmt.Errorf("load classifier: %w", err)
	}
	var s savedNetwork
	if err := json.Unmarshal(b, &s); err != nil {
		return nil, fmt.Errorf("load classifier: %s: %w", filepath.Join(dir, networkFile), err)
	}
	if s.Format != savedFormat {
		return nil, fmt.Errorf("load classifier: %s has format %q, want %q", filepath.Join(dir, networkFile), s.Format, savedFormat)
	}
	s.Network.Channels, s.Network.Classes = s.Channels, len(s.Classes)
	if err := s.Network.Validate(); err != nil {
		return nil, fmt.Errorf("load classifier: %w", err)
	}
	if len(s.Mean) != s.Channels || len(s.Std) != s.Channels || s.Channels != 1 && s.Channels != 3 {
		return nil, fmt.Errorf("load classifier: %d channels with %d means and %d deviations", s.Channels, len(s.Mean), len(s.Std))
	}
	c := &Classifier{Net: s.Network, Params: nn.NewParams(0), Classes: s.Classes, Mean: s.Mean, Std: s.Std}
	if err := c.compile(); err != nil {
		return nil, err
	}
	if _, err := nn.LoadCheckpoint(filepath.Join(dir, weightsFile), c.Params, nil); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

func (c *Classifier) compile() error {
	g := c.Params.Build(gorgonia.NewGraph())
	x := g.Input("x", 1, c.Net.Resolution, c.Net.Resolution, c.Net.Channels)
	y := c.Net.Forward(g, x)
	if err := g.Err(); err != nil {
		return fmt.Errorf("classifier: %w", err)
	}
	c.x = x.Value().Data().([]float32)
	c.vm = engine.New(g.Graph(), engine.Inference(), engine.Outputs(gorgonia.Read(y, &c.logits)))
	return nil
}

// Close frees the plan.
func (c *Classifier) Close() error { return c.vm.Close() }

// Guess is a class and its probability.
type Guess struct {
	Class       string  `json:"class"`
	Probability float64 `json:"probability"`
}

// Classify returns the classes of an image, the most probable one first. The image is scaled to the network's input.
func (c *Classifier) Classify(img image.Image) ([]Guess, error) {
	if img.Bounds().Empty() {
		return nil, errors.New("classify: the image is empty")
	}
	channels := c.Net.Channels
	for i, p := range data.Pixels(img, c.Net.Resolution, c.Net.Resolution, channels) {
		c.x[i] = (float32(p)/255 - c.Mean[i%channels]) / c.Std[i%channels]
	}
	if err := c.vm.RunAll(); err != nil {
		return nil, fmt.Errorf("classify: %w", err)
	}
	logits := c.logits.Data().([]float32)
	top, sum := slices.Max(logits), 0.0
	out := make([]Guess, len(logits))
	for i, l := range logits {
		out[i] = Guess{c.Classes[i], math.Exp(float64(l - top))}
		sum += out[i].Probability
	}
	for i := range out {
		out[i].Probability /= sum
	}
	slices.SortStableFunc(out, func(a, b Guess) int {
		switch {
		case a.Probability > b.Probability:
			return -1
		case a.Probability < b.Probability:
			return 1
		}
		return 0
	})
	return out, nil
}

// writeFile writes a file whole or not at all, in a folder that it makes.
func writeFile(path string, b []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return err
	}
	if err := renameio.WriteFile(path, b, 0o644); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// exampleProgram is the program that an export comes with.
const exampleProgram = `// Command classify names what is on images, with the network that a search found and trained.
//
// Run it within the palladio module:
//
//	go run ./FOLDER IMAGE.png…
package main

import (
	"flag"
	"fmt"
	"image"
	_ "image/gif"
	_ "image/jpeg"
	_ "image/png"
	"log"
	"os"
	"path/filepath"
	"runtime"

	"palladio/engine/vision"
)

func main() {
	_, here, _, _ := runtime.Caller(0)
	dir := flag.String("dir", filepath.Dir(here), "folder of network.json and weights.safetensors")
	flag.Parse()
	if flag.NArg() == 0 {
		log.Fatal("usage: classify IMAGE…")
	}
	net, err := vision.Load(*dir)
	if err != nil {
		log.Fatal(err)
	}
	defer net.Close()
	for _, name := range flag.Args() {
		img, err := read(name)
		if err != nil {
			log.Fatal(err)
		}
		guesses, err := net.Classify(img)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s: %s (%.1f %%), %s (%.1f %%)\n", name, guesses[0].Class, 100*guesses[0].Probability, guesses[1].Class, 100*guesses[1].Probability)
	}
}

func read(name string) (image.Image, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	img, _, err := image.Decode(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return img, nil
}
`
