package nn

import (
	"fmt"
	"maps"
	"strconv"
	"strings"

	"gorgonia.org/tensor"

	"palladio/kernels"
)

// Checkpoints are safetensors files: the parameters under their own names, the optimiser's state under names that start with optimizerPrefix, and metadata.
const (
	optimizerPrefix = "optimizer/"
	metaRule        = "palladio.optimizer"
	metaSteps       = "palladio.steps"
)

// SaveCheckpoint writes parameters, an optimiser's state and number of steps (opt may be nil), and metadata of the caller's.
func SaveCheckpoint(path string, p *Params, opt *Optimizer, meta map[string]string) error {
	tensors, err := rawTensors("", p)
	if err != nil {
		return fmt.Errorf("save %s: %w", path, err)
	}
	all := maps.Clone(meta)
	if opt != nil {
		state, err := rawTensors(optimizerPrefix, opt.state)
		if err != nil {
			return fmt.Errorf("save %s: %w", path, err)
		}
		tensors = append(tensors, state...)
		if all == nil {
			all = map[string]string{}
		}
		all[metaRule], all[metaSteps] = opt.rule.name, strconv.Itoa(opt.step)
	}
	return SaveSafetensors(path, tensors, all)
}

func rawTensors(prefix string, p *Params) ([]RawTensor, error) {
	var ts []RawTensor
	for _, q := range p.list {
		if prefix == "" && strings.HasPrefix(q.Name, optimizerPrefix) {
			return nil, fmt.Errorf("parameter %s: names that start with %s are the optimiser's", q.Name, optimizerPrefix)
		}
		ts = append(ts, RawTensor{prefix + q.Name, dtypeOf(q.Value.Dtype()), q.Value.Shape(), hostBytes(q.Value)})
	}
	return ts, nil
}

func dtypeOf(t tensor.Dtype) kernels.DType {
	if t == tensor.Float64 {
		return kernels.F64
	}
	return kernels.F32
}

// LoadCheckpoint fills the parameters of a network that was built, and the state of an optimiser that was made for it (opt may be nil), from a
// checkpoint, and returns the metadata. All tensors must be there, in the same shape and type, and no others; nothing is changed unless all fits.
func LoadCheckpoint(path string, p *Params, opt *Optimizer) (map[string]string, error) {
	tensors, meta, err := LoadSafetensors(path)
	if err != nil {
		return nil, err
	}
	byName := map[string]RawTensor{}
	for _, t := range tensors {
		if opt != nil || !strings.HasPrefix(t.Name, optimizerPrefix) {
			byName[t.Name] = t
		}
	}
	steps, copies := 0, make([]func(), 0, len(tensors))
	if opt != nil {
		if got := meta[metaRule]; got != opt.rule.name {
			return nil, fmt.Errorf("load %s: the state of optimiser %q, want %q", path, got, opt.rule.name)
		}
		if steps, err = strconv.Atoi(meta[metaSteps]); err != nil || steps < 0 {
			return nil, fmt.Errorf("load %s: number of steps %q", path, meta[metaSteps])
		}
		if copies, err = match(byName, optimizerPrefix, opt.state, copies); err != nil {
			return nil, fmt.Errorf("load %s: %w", path, err)
		}
	}
	if copies, err = match(byName, "", p, copies); err != nil {
		return nil, fmt.Errorf("load %s: %w", path, err)
	}
	for name := range byName {
		return nil, fmt.Errorf("load %s: tensor %s (and %d more) has no place in this network", path, name, len(byName)-1)
	}
	for _, f := range copies {
		f()
	}
	if opt != nil {
		opt.step = steps
	}
	return meta, nil
}

// match finds the tensors of p, takes them out of byName, and appends the copies to be made.
func match(byName map[string]RawTensor, prefix string, p *Params, copies []func()) ([]func(), error) {
	for _, q := range p.list {
		t, ok := byName[prefix+q.Name]
		if !ok {
			return nil, fmt.Errorf("tensor %s is missing", prefix+q.Name)
		}
		if t.Type != dtypeOf(q.Value.Dtype()) || !q.Value.Shape().Eq(tensor.Shape(t.Shape)) {
			return nil, fmt.Errorf("tensor %s is %s%v, want %s%v", t.Name, t.Type, t.Shape, dtypeOf(q.Value.Dtype()), q.Value.Shape())
		}
		delete(byName, t.Name)
		copies = append(copies, func() { copy(hostBytes(q.Value), t.Data) })
	}
	return copies, nil
}
