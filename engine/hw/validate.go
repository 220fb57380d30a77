package hw

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"palladio/cuda/profile"
	"palladio/cuda/sim"
)

// anchors are figures that were measured on GPUs, by others, with where they are from.
//
//go:embed anchors.json
var anchorText []byte

// mmaModule is a kernel that does nothing but mma.sync.
//
//go:embed mma.ptx
var mmaModule string

// anchor is a reference figure and the workload that the model has to predict.
type anchor struct {
	What      string             `json:"what"`
	Chip      string             `json:"chip"`
	Change    map[string]float64 `json:"change,omitempty"` // figures of the chip that differ
	As        string             `json:"as,omitempty"`     // what the changed chip is
	Workload  string             `json:"workload"`         // of package profile; or "mma", "ceiling"
	Options   map[string]string  `json:"options,omitempty"`
	Unit      string             `json:"unit"` // GB/s or TFLOP/s
	Reference float64            `json:"reference"`
	Tolerance float64            `json:"tolerance"`
	Source    string             `json:"source"`
	Note      string             `json:"note,omitempty"`
}

func readAnchors() ([]anchor, error) {
	dec := json.NewDecoder(strings.NewReader(string(anchorText)))
	dec.DisallowUnknownFields()
	var list []anchor
	if err := dec.Decode(&list); err != nil {
		return nil, fmt.Errorf("anchors.json: %w", err)
	}
	return list, nil
}

// ValidateGPU holds the timing model of the simulated GPU against the anchors.
func ValidateGPU(ctx context.Context) ([]Comparison, error) {
	anchors, err := readAnchors()
	if err != nil {
		return nil, err
	}
	var list []Comparison
	for _, a := range anchors {
		chip, err := a.chip()
		if err != nil {
			return nil, err
		}
		got, err := a.predict(ctx, chip)
		if err != nil {
			return nil, fmt.Errorf("%s on %s: %w", a.What, chip.Title, err)
		}
		name := a.Chip
		if a.As != "" {
			name = a.As
		}
		list = append(list, Comparison{Model: "gpu", What: a.What + ", " + name, Unit: a.Unit, Reference: a.Reference, Predicted: got, Tolerance: a.Tolerance, Source: a.Source, Note: a.Note})
	}
	return list, nil
}

// chip is the anchor's chip with its changes.
func (a anchor) chip() (*sim.Chip, error) {
	c, err := sim.ChipNamed(a.Chip)
	if err != nil {
		return nil, err
	}
	v := reflect.ValueOf(c).Elem()
	for name, x := range a.Change {
		i := slices.IndexFunc(reflect.VisibleFields(v.Type()), func(f reflect.StructField) bool { return f.Tag.Get("json") == name })
		if i < 0 {
			return nil, fmt.Errorf("anchors.json: %s: chips have no figure %q", a.What, name)
		}
		if f := v.Field(i); f.CanInt() {
			f.SetInt(int64(x))
		} else {
			f.SetFloat(x)
		}
	}
	return c, nil
}

// sampledBlocks bounds the blocks of a launch that run: the workloads of the anchors are the same in every block.
const sampledBlocks = 128

// predict is what the model says.
func (a anchor) predict(ctx context.Context, chip *sim.Chip) (float64, error) {
	switch a.Workload {
	case "mma":
		return mmaRate(ctx, chip)
	case "ceiling":
		typ := strings.TrimPrefix(a.Options["pipe"], "tensor ")
		return 2 * float64(chip.SMs) * chip.Tensor[typ] * chip.TensorClock * chip.Ceilings["tensor"] / 1e12, nil
	}
	w, ok := profile.WorkloadOf(a.Workload)
	if !ok {
		return 0, fmt.Errorf("anchors.json: no workload %q", a.Workload)
	}
	k, err := w.Kernel(a.Options)
	if err != nil {
		return 0, err
	}
	r, err := profile.Run(ctx, profile.Of(k), profile.Options{Device: "sim:" + a.Chip, Chip: chip, Blocks: sampledBlocks})
	if err != nil {
		return 0, err
	}
	if a.Unit == "GB/s" {
		return float64(r.Cost.Bytes()) / r.Seconds / 1e9, nil
	}
	return float64(r.Cost.FLOPs) / r.Seconds / 1e12, nil
}

// mmaRate is the rate in TFLOP/s of mma.sync with all multiprocessors busy.
func mmaRate(ctx context.Context, chip *sim.Chip) (float64, error) {
	const steps = 50
	g := sim.New(chip, sim.Options{Profile: true})
	defer g.Close()
	m, err := g.Load("mma", mmaModule)
	if err != nil {
		return 0, err
	}
	e, err := m.Entry("mma_rate")
	if err != nil {
		return 0, err
	}
	r, err := g.Launch(ctx, e, sim.Config{Grid: [3]int{chip.SMs, 1, 1}, Block: [3]int{256, 1, 1}}, []uint64{steps})
	if err != nil {
		return 0, err
	}
	busy := r.Profile.Timing.Seconds - r.Profile.Timing.Launch // long launches are measured, in which the overhead vanishes
	return r.Profile.FLOPs["tensor f16"] / busy / 1e12, nil
}
