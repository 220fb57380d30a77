package space

import (
	"fmt"
	"slices"

	"palladio/engine/search/spec"
)

// kinds are the keys that say what kind of domain a mapping describes.
var kinds = []string{"int", "float", "log", "choice", "ordered", "list", "record"}

// ReadParams reads `name: domain` entries:
//
//	width: 16                                    # fixed
//	width: {int: [8, 64], step: 8}
//	rate: {log: [1e-4, 1e-1]}                    # float: [lo, hi] for a uniform one
//	block: {choice: [plain, mbconv]}
//	resolution: {ordered: [8, 12, 16]}
//	expansion: {int: [1, 6], when: block == "mbconv"}
//	stages: {list: {record: {depth: …, width: …}}, length: [1, 3]}
//
// Complaints go to the file.
func ReadParams(v spec.Value) []Param { return readParams(v, nil) }

func readParams(v spec.Value, outer []string) []Param {
	var out []Param
	for _, e := range v.Entries() {
		if err := CheckName(e.Key); err != nil {
			e.Fail("%v", err)
			continue
		}
		p := Param{Name: e.Key}
		if e.Value.Mapping() {
			p.Domain, p.When = readDomain(e.Value, outer)
		} else {
			p.Domain = readDomainOnly(e.Value, outer)
		}
		if p.Domain == nil {
			continue
		}
		outer = append(slices.Clone(outer), p.Name)
		out = append(out, p)
	}
	return out
}

func readDomainOnly(v spec.Value, outer []string) Domain {
	if v.Mapping() {
		d, when := readDomain(v, outer)
		if when != nil {
			v.Fail("a condition stands on a named parameter, not on a list's elements")
		}
		return d
	}
	if !v.Scalar() {
		v.Fail("want one value, or a domain such as {int: [1, 8]}")
		return nil
	}
	if x := v.Any(); x != nil {
		return Choice{Values: []any{x}}
	}
	return nil
}

func readDomain(v spec.Value, outer []string) (Domain, *Condition) {
	kind, keys := "", []string{"when"}
	for _, e := range v.Entries() {
		if slices.Contains(kinds, e.Key) {
			if kind != "" {
				e.Fail("both %s and %s: a parameter has one kind", kind, e.Key)
				return nil, nil
			}
			kind = e.Key
		}
	}
	switch kind {
	case "":
		for _, e := range v.Entries() {
			e.Fail("%q is no kind of domain: want int, float, log, choice, ordered, list or record%s", e.Key, spec.Suggest(e.Key, kinds))
			return nil, nil
		}
		v.Fail("no domain: want one of int, float, log, choice, ordered, list or record")
		return nil, nil
	case "int":
		keys = append(keys, kind, "step")
	case "list":
		keys = append(keys, kind, "length")
	default:
		keys = append(keys, kind)
	}
	f := v.Fields(keys...)
	var when *Condition
	if f[0].Present() {
		c, err := NewCondition(f[0].Text(""), outer)
		if err != nil {
			f[0].Fail("%v", err)
		}
		when = c
	}
	d := domainOf(kind, f[1:], outer)
	if d == nil {
		return nil, nil
	}
	if err := checkDomain(d, "", outer); err != nil {
		v.Fail("%v", err)
		return nil, nil
	}
	return d, when
}

func domainOf(kind string, f []spec.Value, outer []string) Domain {
	const big = 1 << 40
	switch kind {
	case "int":
		lo, hi, ok := interval(f[0], func(v spec.Value) float64 { return float64(v.Int(0, -big, big)) })
		if !ok {
			return nil
		}
		return Int{int(lo), int(hi), f[1].Int(1, 1, big)}
	case "float", "log":
		lo, hi, ok := interval(f[0], func(v spec.Value) float64 { return v.Float(0, -1e300, 1e300) })
		if !ok {
			return nil
		}
		if kind == "log" && lo <= 0 {
			f[0].Fail("a logarithmic interval must begin above 0, not at %v", lo)
			return nil
		}
		return Float{lo, hi, kind == "log"}
	case "choice", "ordered":
		var values []any
		for _, i := range f[0].Items() {
			x := i.Any()
			if x == nil {
				return nil
			}
			values = append(values, x)
		}
		return Choice{values, kind == "ordered"}
	case "list":
		of := readDomainOnly(f[0], outer)
		lo, hi, ok := interval(f[1], func(v spec.Value) float64 { return float64(v.Int(0, 0, 1000)) })
		if of == nil || !ok {
			return nil
		}
		return List{of, int(lo), int(hi)}
	}
	params := readParams(f[0], outer)
	if len(params) == 0 {
		return nil
	}
	return Record{params}
}

// interval reads [lo, hi], or one number that is both.
func interval(v spec.Value, read func(spec.Value) float64) (lo, hi float64, ok bool) {
	if v.Scalar() {
		x := read(v)
		return x, x, true
	}
	if !v.Present() {
		v.Fail("is missing: want [low, high]")
		return 0, 0, false
	}
	items := v.Items()
	if len(items) != 2 {
		v.Fail("want [low, high], got %d values", len(items))
		return 0, 0, false
	}
	lo, hi = read(items[0]), read(items[1])
	if lo > hi {
		v.Fail("[%v, %v] is empty: the low end comes first", lo, hi)
		return 0, 0, false
	}
	return lo, hi, true
}

// Describe writes a domain in words, such as "8 to 64 in steps of 8".
func Describe(d Domain) string {
	switch d := d.(type) {
	case Int:
		if d.step() == 1 {
			return fmt.Sprintf("%d to %d", d.Lo, d.Hi)
		}
		return fmt.Sprintf("%d to %d in steps of %d", d.Lo, d.Hi, d.step())
	case Float:
		if d.Log {
			return fmt.Sprintf("%v to %v (logarithmic)", d.Lo, d.Hi)
		}
		return fmt.Sprintf("%v to %v", d.Lo, d.Hi)
	case Choice:
		if len(d.Values) == 1 {
			return fmt.Sprintf("always %v", d.Values[0])
		}
		return fmt.Sprintf("one of %v", d.Values)
	case List:
		return fmt.Sprintf("%d to %d times: %s", d.Min, d.Max, Describe(d.Of))
	case Record:
		s := ""
		for i, p := range d.Params {
			if i > 0 {
				s += "; "
			}
			s += p.Name + " " + Describe(p.Domain)
			if p.When != nil {
				s += " when " + p.When.String()
			}
		}
		return s
	}
	return fmt.Sprintf("%v", d)
}
