package search

import (
	"context"
	"encoding/json"
	"slices"

	"palladio/engine/search/space"
	"palladio/engine/search/spec"
)

// Problem is what a study file names: parameters that can be chosen and an evaluator that knows what they mean.
type Problem interface {
	Evaluator
	// Params are the parameters with their widest domains; a study file may narrow them.
	Params() []space.Param
	// Derived are the quantities that constraints may bound without an evaluation.
	Derived() space.Derived
	// Prepare gets everything ready that takes time: data, measurements. What it returns is kept in the ledger and given back, as saved, when
	// the study goes on, so that a measurement is made once a study; saved is nil the first time. It is called before Derived and Evaluate are
	// put to use.
	Prepare(ctx context.Context, saved json.RawMessage) (keep json.RawMessage, err error)
}

// Describer is implemented by problems that can say what a candidate is in a few words.
type Describer interface {
	Describe(c space.Candidate) string
}

// Drawer is implemented by problems that can draw a candidate.
type Drawer interface {
	Draw(c space.Candidate) (Drawing, error)
}

// Drawing is a candidate as a chain of layers.
type Drawing struct {
	Input  string // such as 28x28x1
	Layers []DrawnLayer
}

// DrawnLayer is one box of a drawing.
type DrawnLayer struct {
	Kind   string // chooses the colour: conv, depthwise, pool, dense, …
	Label  string // such as "conv 3x3, 32"
	Output string // such as 14x14x32
	Params int
	MACs   int64
	Group  int // layers of one group are drawn together; 0 for none
}

// Exporter is implemented by problems whose trials leave files behind.
type Exporter interface {
	// Export writes what is needed to use a finished trial's result into dir: it gets the candidate and the folder of the trial's files.
	// It returns the names of the files written.
	Export(c space.Candidate, trialDir, dir string) ([]string, error)
}

// ProblemFactory makes a problem from the options of a study file; complaints about them go to the file.
type ProblemFactory func(options spec.Value) Problem

var problems = map[string]ProblemFactory{}

// RegisterProblem makes a problem known to study files. Registering a kind twice is a programming error.
func RegisterProblem(kind string, f ProblemFactory) {
	if _, dup := problems[kind]; dup {
		panic("problem registered twice: " + kind)
	}
	problems[kind] = f
}

// Problems lists the kinds that study files may use.
func Problems() []string {
	var names []string
	for n := range problems {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

// DeviceUser is implemented by problems whose evaluations run on a device that the user chooses, instead of the one that they choose themselves.
type DeviceUser interface {
	// UseDevice says on which device the next evaluations run. The error says what is wrong with the name, or why there is no such device.
	UseDevice(name string) error
}
