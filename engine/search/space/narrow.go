package space

import (
	"fmt"
	"slices"

	"palladio/engine/search/spec"
)

// Narrow reads `name: domain` entries that narrow given parameters: each domain must lie within the parameter's own. Parameters that the file
// does not mention keep theirs, and so do conditions. Complaints go to the file.
func Narrow(params []Param, v spec.Value) []Param { return narrow(params, v, nil) }

func narrow(params []Param, v spec.Value, outer []string) []Param {
	out := slices.Clone(params)
	var known []string
	for _, p := range params {
		known = append(known, p.Name)
	}
	for _, e := range v.Entries() {
		i := slices.Index(known, e.Key)
		if i < 0 {
			e.Fail("unknown parameter %q%s", e.Key, spec.Suggest(e.Key, known))
			continue
		}
		before := append(slices.Clone(outer), known[:i]...)
		if d, when := narrowDomain(params[i].Domain, e.Value, before); d != nil {
			out[i].Domain = d
			if when != nil {
				out[i].When = when
			}
		}
	}
	return out
}

// narrowDomain reads a domain within wide. Records are narrowed field by field, lists by their elements.
func narrowDomain(wide Domain, v spec.Value, outer []string) (Domain, *Condition) {
	switch w := wide.(type) {
	case List:
		if v.Mapping() {
			f := v.Fields("list", "length")
			if f[0].Present() {
				of, _ := narrowDomain(w.Of, f[0], outer)
				if of == nil {
					return nil, nil
				}
				w.Of = of
			}
			if f[1].Present() {
				lo, hi, ok := interval(f[1], func(v spec.Value) float64 { return float64(v.Int(0, 0, 1000)) })
				if !ok {
					return nil, nil
				}
				if int(lo) < w.Min || int(hi) > w.Max {
					f[1].Fail("%v to %v is outside of what the problem allows: %d to %d", lo, hi, w.Min, w.Max)
					return nil, nil
				}
				w.Min, w.Max = int(lo), int(hi)
			}
			return w, nil
		}
	case Record:
		if v.Mapping() {
			f := v.Fields("record")
			return Record{narrow(w.Params, f[0], outer)}, nil
		}
	}
	var d Domain
	var when *Condition
	if v.Mapping() {
		d, when = readDomain(v, outer)
	} else {
		d = readDomainOnly(v, outer)
	}
	if d == nil {
		return nil, nil
	}
	if err := within(d, wide); err != nil {
		v.Fail("outside of what the problem allows: %v", err)
		return nil, nil
	}
	return retype(d, wide), when
}

// within says whether every value of d lies in wide.
func within(d, wide Domain) error {
	switch d := d.(type) {
	case Int:
		if w, ok := wide.(Int); ok {
			if d.Lo < w.Lo || d.Lo+(d.count()-1)*d.step() > w.Hi || (d.Lo-w.Lo)%w.step() != 0 || d.count() > 1 && d.step()%w.step() != 0 {
				return fmt.Errorf("%s is not within %s", Describe(d), Describe(w))
			}
			return nil
		}
		if d.count() > 10_000 {
			return fmt.Errorf("%s is not within %s", Describe(d), Describe(wide))
		}
	case Float:
		for _, x := range []float64{d.Lo, d.Hi} {
			if _, err := wide.Check(x, nil); err != nil {
				return err
			}
		}
		if _, ok := wide.(Float); !ok && d.Lo < d.Hi {
			return fmt.Errorf("%s is not within %s", Describe(d), Describe(wide))
		}
		return nil
	case List, Record:
		return fmt.Errorf("it is a single value: %s", Describe(wide))
	}
	for v := range d.All(nil) {
		if _, err := wide.Check(v, nil); err != nil {
			return err
		}
	}
	return nil
}

// retype gives the values of a choice the type that the wide domain's have, so that 1 is 1.0 where a number is wanted.
func retype(d, wide Domain) Domain {
	c, ok := d.(Choice)
	if !ok {
		return d
	}
	values := make([]any, len(c.Values))
	for i, v := range c.Values {
		values[i], _ = wide.Check(v, nil)
	}
	return Choice{values, c.Ordered}
}
