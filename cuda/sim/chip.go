package sim

import (
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"path"
	"reflect"
	"slices"
	"strings"
)

// Chip is the data of a GPU: what limits a launch, and the rates, latencies and ceilings that price it. Every figure has a provenance.
type Chip struct {
	Name       string `json:"name"`               // such as "h100"
	Title      string `json:"title"`              // such as "NVIDIA H100 SXM5 80 GB"
	Capability int    `json:"compute_capability"` // 90 for 9.0

	SMs           int     `json:"sms"`            // streaming multiprocessors
	SubCores      int     `json:"sub_cores"`      // of a multiprocessor; each issues one warp instruction a clock
	VectorClock   float64 `json:"vector_clock"`   // Hz, under work on the vector pipes
	TensorClock   float64 `json:"tensor_clock"`   // Hz, under work on the tensor cores
	MemoryBytes   int64   `json:"memory_bytes"`   //
	MemoryRate    float64 `json:"memory_rate"`    // bytes a second, published
	L2Bytes       int64   `json:"l2_bytes"`       //
	L2Rate        float64 `json:"l2_rate"`        // bytes a clock, whole chip
	L2PerSM       float64 `json:"l2_per_sm"`      // bytes a clock that one multiprocessor can take from L2
	L1Bytes       int64   `json:"l1_bytes"`       // of a multiprocessor, shared memory included
	L1Rate        float64 `json:"l1_rate"`        // bytes a clock of a multiprocessor
	SharedRate    float64 `json:"shared_rate"`    // bytes a clock of a multiprocessor, without bank conflicts
	L2AtomicRate  float64 `json:"l2_atomic_rate"` // atomics to one address a clock
	Power         float64 `json:"power"`          // W
	SharedSM      int     `json:"shared_sm"`      // bytes of shared memory of a multiprocessor
	SharedBlock   int     `json:"shared_block"`   // most bytes that a block may ask for
	SharedStatic  int     `json:"shared_static"`  // most bytes of variables that a kernel may declare
	SharedReserve int     `json:"shared_reserve"` // bytes that each resident block costs beside its own
	SharedUnit    int     `json:"shared_unit"`    // granularity of a block's bytes
	Registers     int     `json:"registers"`      // 32-bit registers of a multiprocessor
	RegisterUnit  int     `json:"register_unit"`  // granularity of a warp's registers
	RegistersMax  int     `json:"registers_max"`  // of a thread
	Warps         int     `json:"warps"`          // resident on a multiprocessor
	Blocks        int     `json:"blocks"`         // resident on a multiprocessor
	ThreadsBlock  int     `json:"threads_block"`  // most threads of a block
	LaunchHost    float64 `json:"launch_host"`    // s on the host for a launch
	LaunchDevice  float64 `json:"launch_device"`  // s between two launches that are queued
	Instructions  Rates   `json:"instructions"`   // results a clock of a multiprocessor, by class of instruction
	Tensor        Rates   `json:"tensor"`         // dense multiply-adds a clock of a multiprocessor, by type of the factors
	Latency       Rates   `json:"latency"`        // clocks until a dependent instruction can start, by kind
	Ceilings      Rates   `json:"ceilings"`       // share of a published peak that is reached, by resource
	Provenance    Sources `json:"provenance"`     // by name of a figure ("sms") or of an entry ("latency.dram"), or of a table ("latency")
	Energy        Rates   `json:"energy"`         // J: an operation or a byte, by kind
}

// Rates is a table of figures.
type Rates map[string]float64

// Source says where a figure is from.
type Source struct {
	From Origin `json:"from"`
	Note string `json:"note,omitempty"`
}

// Sources says for each figure of a chip where it is from.
type Sources map[string]Source

// Origin is the kind of a source.
type Origin string

// The origins: a vendor's document, a measurement on the chip itself, or a guess (often another chip's figure).
const (
	Published Origin = "published"
	Measured  Origin = "measured"
	Assumed   Origin = "assumed"
)

//go:embed chips/*.json
var chipFiles embed.FS

// Chips lists the names of the built-in chips.
func Chips() []string {
	entries, _ := chipFiles.ReadDir("chips") // the folder is embedded
	var names []string
	for _, e := range entries {
		names = append(names, strings.TrimSuffix(e.Name(), ".json"))
	}
	return names
}

// ChipNamed is the built-in chip of a name, or the one that a file describes: a name that ends in .json is a path.
func ChipNamed(name string) (*Chip, error) {
	if strings.HasSuffix(name, ".json") {
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("chip file: %w", err)
		}
		return ParseChip(name, text)
	}
	if !slices.Contains(Chips(), name) {
		return nil, fmt.Errorf("no chip %q: want one of %s, or the path of a .json file", name, strings.Join(Chips(), ", "))
	}
	text, err := chipFiles.ReadFile(path.Join("chips", name+".json"))
	if err != nil {
		return nil, err
	}
	return ParseChip(name, text)
}

// ParseChip reads a chip's description. file names it in errors. Unknown and missing keys, keys that occur twice, and figures without provenance are errors.
func ParseChip(file string, text []byte) (*Chip, error) {
	found, err := checkKeys(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	dec := json.NewDecoder(strings.NewReader(string(text)))
	dec.DisallowUnknownFields()
	c := new(Chip)
	if err := dec.Decode(c); err != nil {
		return nil, fmt.Errorf("%s: %w", file, atLine(text, err))
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, fmt.Errorf("%s: line %d: there is more text behind the chip", file, lineAt(text, dec.InputOffset()))
	}
	if err := checkNames(found); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return c, nil
}

// The entries that every chip's tables have.
var (
	tensorTypes  = []string{"f16", "bf16", "tf32", "s8", "b1", "f64"}
	latencyKinds = []string{"alu", "f64", "sfu", "shuffle", "shared", "l1", "l2", "dram", "mma", "barrier"}
	ceilingKinds = []string{"dram", "l2", "f32", "tensor", "mma"}
	energyKinds  = []string{"idle", "f32", "tensor", "shared", "l2", "dram"}
)

// most is the largest value of a figure that the simulator can work with; others are at most maxFigure, and at least minFigure or 0.
var most = map[string]float64{
	"sms": 1 << 12, "sub_cores": 64, "warps": 1 << 10, "blocks": 1 << 10, "threads_block": 1024,
	"registers": 1 << 24, "register_unit": 1 << 16, "registers_max": 1 << 12,
	"memory_bytes": globalEnd - globalBase, "l2_bytes": 1 << 32, "l1_bytes": 1 << 28,
	"shared_sm": sharedSpan, "shared_block": sharedSpan, "shared_static": sharedSpan, "shared_reserve": sharedSpan, "shared_unit": 1 << 16,
}

const (
	minFigure = 1e-18
	maxFigure = 1e18
)

// Validate says which figures are missing, impossible or without provenance; all of them, not just the first.
func (c *Chip) Validate() error {
	var errs []error
	fail := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if c.Name == "" || c.Title == "" {
		fail("name and title: want text")
	}
	if c.Capability < 50 || c.Capability > 999 {
		fail("compute_capability is %d: want the number without its point, such as 90", c.Capability)
	}
	used := map[string]bool{}
	known := func(name string) {
		for _, key := range []string{name, name[:max(0, strings.IndexByte(name, '.'))]} {
			if s, ok := c.Provenance[key]; key != "" && ok {
				used[key] = true
				if !slices.Contains([]Origin{Published, Measured, Assumed}, s.From) {
					fail("provenance %q: from is %q: want published, measured or assumed", key, s.From)
				}
				return
			}
		}
		fail("%s has no provenance: add it to the table \"provenance\"", name)
	}
	c.figures(func(name string, v float64) {
		zero := strings.HasPrefix(name, "tensor.") || strings.HasPrefix(name, "launch_") || name == "shared_reserve" // 0 means: has none
		if math.IsNaN(v) || math.IsInf(v, 0) || v < 0 || v == 0 && !zero {
			fail("%s is %v: want a positive number", name, v)
		}
		limit := most[name]
		switch {
		case strings.HasPrefix(name, "ceilings.") && v > 1:
			fail("%s is %v: want a share of the peak, at most 1", name, v)
		case limit > 0 && v > limit:
			fail("%s is %v: want at most %v", name, v, limit)
		case v > maxFigure || v > 0 && v < minFigure:
			fail("%s is %v: want %v to %v", name, v, minFigure, maxFigure)
		}
		known(name)
	})
	for _, t := range []struct {
		name  string
		table Rates
		keys  []string
	}{
		{"instructions", c.Instructions, rateClasses()}, {"tensor", c.Tensor, tensorTypes}, {"latency", c.Latency, latencyKinds},
		{"ceilings", c.Ceilings, ceilingKinds}, {"energy", c.Energy, energyKinds},
	} {
		for _, k := range t.keys {
			if _, ok := t.table[k]; !ok {
				fail("%s.%s is missing", t.name, k)
			}
		}
		for k := range t.table {
			if !slices.Contains(t.keys, k) {
				fail("%s.%s: no such entry: want %s", t.name, k, strings.Join(t.keys, ", "))
			}
		}
	}
	for key := range c.Provenance {
		if !used[key] {
			fail("provenance of %q, which is no figure, or whose entries all have their own", key)
		}
	}
	if c.SharedBlock+c.SharedReserve > c.SharedSM {
		fail("shared_block %d and shared_reserve %d pass shared_sm %d", c.SharedBlock, c.SharedReserve, c.SharedSM)
	}
	slices.SortFunc(errs, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return errors.Join(errs...)
}

// figures calls f for every figure of the chip, those of tables as TABLE.ENTRY.
func (c *Chip) figures(f func(name string, v float64)) {
	v := reflect.ValueOf(c).Elem()
	for i := range v.NumField() {
		name := v.Type().Field(i).Tag.Get("json")
		if name == "compute_capability" {
			continue // the chip's identity, not a figure
		}
		switch x := v.Field(i).Interface().(type) {
		case int:
			f(name, float64(x))
		case int64:
			f(name, float64(x))
		case float64:
			f(name, x)
		case Rates:
			for key, value := range x {
				f(name+"."+key, value)
			}
		}
	}
}

// Source says where a figure is from: "sms", or "latency.dram" for an entry of a table.
func (c *Chip) Source(figure string) Source {
	if s, ok := c.Provenance[figure]; ok {
		return s
	}
	table, _, _ := strings.Cut(figure, ".")
	return c.Provenance[table]
}

// checkNames compares the chip's keys with those of a description, which encoding/json takes in capitals too, and does not miss.
func checkNames(found map[string]bool) error {
	var errs []error
	t := reflect.TypeFor[Chip]()
	for i := range t.NumField() {
		name := t.Field(i).Tag.Get("json")
		if !found[name] {
			errs = append(errs, fmt.Errorf("%s is missing", name))
		}
		delete(found, name)
	}
	for _, key := range slices.Sorted(maps.Keys(found)) {
		errs = append(errs, fmt.Errorf("unknown field %q", key))
	}
	return errors.Join(errs...)
}

// checkKeys gives the keys of the outermost object, and finds keys that occur twice in an object, which encoding/json would take silently.
func checkKeys(text []byte) (outer map[string]bool, err error) {
	dec := json.NewDecoder(strings.NewReader(string(text)))
	type object struct {
		keys map[string]bool // nil in an array
		key  bool            // a key is next
	}
	var open []object
	for {
		tok, err := dec.Token()
		if err != nil {
			return outer, nil // the decoder reports the end and faults better
		}
		top := len(open) - 1
		switch d, isDelim := tok.(json.Delim); {
		case isDelim && (d == '}' || d == ']'):
			open = open[:top]
			continue
		case top >= 0 && open[top].keys != nil && open[top].key:
			key := tok.(string)
			if open[top].keys[key] {
				return nil, fmt.Errorf("line %d: key %q occurs twice", lineAt(text, dec.InputOffset()), key)
			}
			open[top].keys[key] = true
			open[top].key = false
			continue
		case top >= 0:
			open[top].key = open[top].keys != nil
		}
		switch tok {
		case json.Delim('{'):
			keys := map[string]bool{}
			if outer == nil {
				outer = keys
			}
			open = append(open, object{keys: keys, key: true})
		case json.Delim('['):
			open = append(open, object{})
		}
	}
}

// atLine adds the line to an error of encoding/json.
func atLine(text []byte, err error) error {
	var syntax *json.SyntaxError
	var typ *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		return fmt.Errorf("line %d: %w", lineAt(text, syntax.Offset), err)
	case errors.As(err, &typ):
		return fmt.Errorf("line %d: %s is a %s: want a %s", lineAt(text, typ.Offset), typ.Field, typ.Value, typ.Type)
	}
	return err
}

func lineAt(text []byte, offset int64) int {
	return 1 + strings.Count(string(text[:min(int(offset), len(text))]), "\n")
}
