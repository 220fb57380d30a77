package profile

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"palladio/kernels"
)

// Workload is a family of kernels that can be profiled at any shape.
type Workload struct {
	Family string
	Doc    string
	Params []Param
	build  func(v *values) (kernels.Kernel, error)
}

// Param is an option of a workload: a number, or one of Choices.
type Param struct {
	Name, Default, Doc string
	Choices            []string
}

func number(name string, def int, doc string) Param {
	return Param{Name: name, Default: strconv.Itoa(def), Doc: doc}
}

func choice(name, doc string, choices ...string) Param {
	return Param{Name: name, Default: choices[0], Doc: doc, Choices: choices}
}

// WorkloadOf is the workload of a family.
func WorkloadOf(family string) (Workload, bool) {
	all := Workloads()
	i := slices.IndexFunc(all, func(w Workload) bool { return w.Family == family })
	if i < 0 {
		return Workload{}, false
	}
	return all[i], true
}

// Kernel makes the kernel of the given options, the others at their defaults.
func (w Workload) Kernel(options map[string]string) (kernels.Kernel, error) {
	v := &values{family: w.Family, text: map[string]string{}}
	for _, p := range w.Params {
		v.text[p.Name] = p.Default
	}
	for name, text := range options {
		i := slices.IndexFunc(w.Params, func(p Param) bool { return p.Name == name })
		switch {
		case i < 0:
			return nil, fmt.Errorf("%s has no option %s: want %s", w.Family, name, strings.Join(w.names(), ", "))
		case w.Params[i].Choices != nil && !slices.Contains(w.Params[i].Choices, text):
			return nil, fmt.Errorf("%s: %s is %q: want %s", w.Family, name, text, strings.Join(w.Params[i].Choices, ", "))
		}
		v.text[name] = text
	}
	k, err := w.build(v)
	if v.err != nil {
		return nil, v.err
	}
	if err != nil {
		return nil, err
	}
	return k, k.Validate()
}

func (w Workload) names() []string {
	var n []string
	for _, p := range w.Params {
		n = append(n, p.Name)
	}
	return n
}

// Families lists the families that can be profiled.
func Families() []string {
	set := map[string]bool{}
	for _, c := range kernels.Cases() {
		set[c.Kernel.Family()] = true
	}
	return slices.Sorted(maps.Keys(set))
}

// Case finds a case of the conformance table: by its name, or, for a family's name, the family's costliest one.
func Case(name string) (kernels.Case, error) {
	var best kernels.Case
	found := false
	cost := func(c kernels.Case) int64 { n := c.Kernel.Cost(); return n.FLOPs + n.Bytes() }
	for _, c := range kernels.Cases() {
		if c.Name == name {
			return c, nil
		}
		if c.Kernel.Family() == name && (!found || cost(c) > cost(best)) {
			best, found = c, true
		}
	}
	if !found {
		return best, fmt.Errorf("no family or conformance case %q: want one of %s", name, strings.Join(Families(), ", "))
	}
	return best, nil
}

// values is the options of a workload; the first that is no number sticks.
type values struct {
	family string
	text   map[string]string
	err    error
}

// int is an option that is a number.
func (v *values) int(name string) int {
	n, err := strconv.Atoi(v.text[name])
	if (err != nil || n < 0 || n > 1<<40) && v.err == nil {
		v.err = fmt.Errorf("%s: %s is %q: want a whole number from 0", v.family, name, v.text[name])
	}
	return n
}

// dtype is the type of the option dtype, and whether it is tf32.
func (v *values) dtype() (t kernels.DType, tf32 bool) {
	switch v.text["dtype"] {
	case "f64":
		return kernels.F64, false
	case "bf16":
		return kernels.BF16, false
	case "f16":
		return kernels.F16, false
	case "tf32":
		return kernels.F32, true
	}
	return kernels.F32, false
}
