package space

import (
	"fmt"
	"iter"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
)

// List is Min to Max values of one domain.
type List struct {
	Of       Domain
	Min, Max int
}

func (d List) Sample(r *rand.Rand, env Env) any {
	out := make([]any, d.Min+r.IntN(d.Max-d.Min+1))
	for i := range out {
		out[i] = d.Of.Sample(r, env)
	}
	return out
}

// Mutate changes the length or one element, every place being equally likely.
func (d List) Mutate(r *rand.Rand, v any, env Env) any {
	l := slices.Clone(v.([]any))
	at := r.IntN(max(d.Sites(v), 1))
	for i, e := range l {
		if n := d.Of.Sites(e); at >= n {
			at -= n
			continue
		}
		l[i] = d.Of.Mutate(r, e, env)
		return l
	}
	if d.Min == d.Max {
		return l
	}
	if len(l) == d.Min || len(l) < d.Max && r.IntN(2) == 0 {
		grown := d.Of.Sample(r, env)
		if len(l) > 0 && r.IntN(2) == 0 {
			grown = l[r.IntN(len(l))] // a copy of a part that has proved itself
		}
		return slices.Insert(l, r.IntN(len(l)+1), grown)
	}
	i := r.IntN(len(l))
	return slices.Delete(l, i, i+1)
}

// Cross takes the length of either parent and crosses the elements that both have.
func (d List) Cross(r *rand.Rand, a, b any, env Env) any {
	x, y := a.([]any), b.([]any)
	if r.IntN(2) == 0 {
		x, y = y, x
	}
	out := slices.Clone(x)
	for i := range min(len(x), len(y)) {
		out[i] = d.Of.Cross(r, x[i], y[i], env)
	}
	return out
}

func (d List) Repair(r *rand.Rand, v any, env Env) any {
	l := slices.Clone(v.([]any))
	for i, e := range l {
		l[i] = d.Of.Repair(r, e, env)
	}
	return l
}

func (d List) Sites(v any) int {
	n := 0
	for _, e := range v.([]any) {
		n += d.Of.Sites(e)
	}
	if d.Min < d.Max {
		n++
	}
	return n
}

func (d List) Size() float64 {
	total, of := 0.0, d.Of.Size()
	for n := d.Min; n <= d.Max; n++ {
		total += math.Pow(of, float64(n))
	}
	return total
}

// Neighbours change one element, leave one out, or repeat one.
func (d List) Neighbours(v any, env Env) iter.Seq[any] {
	l := v.([]any)
	return func(yield func(any) bool) {
		for i, e := range l {
			for n := range d.Of.Neighbours(e, env) {
				c := slices.Clone(l)
				c[i] = n
				if !yield(c) {
					return
				}
			}
		}
		for i := range l {
			if len(l) > d.Min && !yield(slices.Delete(slices.Clone(l), i, i+1)) {
				return
			}
			if len(l) < d.Max && !yield(slices.Insert(slices.Clone(l), i, l[i])) {
				return
			}
		}
	}
}

func (d List) All(env Env) iter.Seq[any] {
	return func(yield func(any) bool) {
		for n := d.Min; n <= d.Max; n++ {
			if !d.tails(make([]any, 0, n), n, env, yield) {
				return
			}
		}
	}
}

func (d List) tails(head []any, n int, env Env, yield func(any) bool) bool {
	if len(head) == n {
		return yield(slices.Clone(head))
	}
	for e := range d.Of.All(env) {
		if !d.tails(append(head, e), n, env, yield) {
			return false
		}
	}
	return true
}

func (d List) Check(v any, env Env) (any, error) {
	l, ok := v.([]any)
	if !ok || len(l) < d.Min || len(l) > d.Max {
		return nil, fmt.Errorf("%v is no list of %d to %d values", v, d.Min, d.Max)
	}
	out := make([]any, len(l))
	for i, e := range l {
		c, err := d.Of.Check(e, env)
		if err != nil {
			return nil, fmt.Errorf("[%d]: %w", i, err)
		}
		out[i] = c
	}
	return out, nil
}

// Param is one named parameter of a Record. A parameter with a condition is present only where the condition holds; it may look
// at the parameters before it and around the record.
type Param struct {
	Name   string
	Domain Domain
	When   *Condition // nil: always
}

// Record is a list of named parameters.
type Record struct{ Params []Param }

func (p Param) present(env Env) bool { return p.When == nil || p.When.holds(env) }

// build makes a record parameter by parameter; value gives the value of a present one.
func (d Record) build(env Env, value func(p Param, inner Env) any) map[string]any {
	inner := maps.Clone(env)
	if inner == nil {
		inner = Env{}
	}
	for _, p := range d.Params {
		delete(inner, p.Name) // a name of the surroundings is hidden by our own
	}
	out := make(map[string]any, len(d.Params))
	for _, p := range d.Params {
		if !p.present(inner) {
			continue
		}
		v := value(p, inner)
		out[p.Name], inner[p.Name] = v, v
	}
	return out
}

func (d Record) Sample(r *rand.Rand, env Env) any {
	return d.build(env, func(p Param, inner Env) any { return p.Domain.Sample(r, inner) })
}

// Mutate changes one place, every place being equally likely, and repairs what depends on it.
func (d Record) Mutate(r *rand.Rand, v any, env Env) any {
	m := v.(map[string]any)
	at := r.IntN(max(d.Sites(v), 1))
	chosen := ""
	for _, p := range d.Params {
		if old, ok := m[p.Name]; ok {
			if n := p.Domain.Sites(old); at < n {
				chosen = p.Name
				break
			} else {
				at -= n
			}
		}
	}
	return d.build(env, func(p Param, inner Env) any {
		old, ok := m[p.Name]
		switch {
		case !ok:
			return p.Domain.Sample(r, inner)
		case p.Name == chosen:
			return p.Domain.Mutate(r, old, inner)
		}
		return p.Domain.Repair(r, old, inner)
	})
}

func (d Record) Cross(r *rand.Rand, a, b any, env Env) any {
	x, y := a.(map[string]any), b.(map[string]any)
	return d.build(env, func(p Param, inner Env) any {
		u, inX := x[p.Name]
		w, inY := y[p.Name]
		switch {
		case inX && inY:
			return p.Domain.Cross(r, u, w, inner)
		case inX:
			return p.Domain.Repair(r, u, inner)
		case inY:
			return p.Domain.Repair(r, w, inner)
		}
		return p.Domain.Sample(r, inner)
	})
}

func (d Record) Repair(r *rand.Rand, v any, env Env) any {
	m := v.(map[string]any)
	return d.build(env, func(p Param, inner Env) any {
		if old, ok := m[p.Name]; ok {
			return p.Domain.Repair(r, old, inner)
		}
		return p.Domain.Sample(r, inner)
	})
}

func (d Record) Sites(v any) int {
	n := 0
	for _, p := range d.Params {
		if e, ok := v.(map[string]any)[p.Name]; ok {
			n += p.Domain.Sites(e)
		}
	}
	return n
}

func (d Record) Size() float64 {
	n := 1.0
	for _, p := range d.Params {
		n *= p.Domain.Size()
	}
	return n
}

// Neighbours change one parameter. A parameter that thereby appears takes each of its values where it has finitely many, and the value
// that a fixed generator draws where not.
func (d Record) Neighbours(v any, env Env) iter.Seq[any] {
	m := v.(map[string]any)
	return func(yield func(any) bool) {
		for i, p := range d.Params {
			old, ok := m[p.Name]
			if !ok {
				continue
			}
			inner := d.envBefore(m, env, i)
			for n := range p.Domain.Neighbours(old, inner) {
				for c := range d.complete(m, p.Name, n, env) {
					if !yield(c) {
						return
					}
				}
			}
		}
	}
}

func (d Record) envBefore(m map[string]any, env Env, i int) Env {
	inner := maps.Clone(env)
	if inner == nil {
		inner = Env{}
	}
	for _, p := range d.Params {
		delete(inner, p.Name)
	}
	for _, p := range d.Params[:i] {
		if v, ok := m[p.Name]; ok {
			inner[p.Name] = v
		}
	}
	return inner
}

// complete lists the records that equal m but for the named value and for parameters that appear or vanish with it.
func (d Record) complete(m map[string]any, name string, value any, env Env) iter.Seq[any] {
	keep := maps.Clone(m)
	keep[name] = value
	return func(yield func(any) bool) { d.fill(0, map[string]any{}, keep, d.envBefore(nil, env, 0), yield) }
}

func (d Record) fill(i int, out, keep map[string]any, inner Env, yield func(any) bool) bool {
	if i == len(d.Params) {
		return yield(maps.Clone(out))
	}
	p := d.Params[i]
	if !p.present(inner) {
		return d.fill(i+1, out, keep, inner, yield)
	}
	with := func(v any) bool {
		out[p.Name], inner[p.Name] = v, v
		ok := d.fill(i+1, out, keep, inner, yield)
		delete(out, p.Name)
		delete(inner, p.Name)
		return ok
	}
	if v, ok := keep[p.Name]; ok {
		return with(v)
	}
	if p.Domain.Size() > maxAppearing {
		return with(p.Domain.Sample(rand.New(rand.NewPCG(0, 0)), inner))
	}
	for v := range p.Domain.All(inner) {
		if !with(v) {
			return false
		}
	}
	return true
}

// maxAppearing bounds how many values of a newly present parameter count as neighbours.
const maxAppearing = 64

// All lists every record; parameters that are absent add nothing.
func (d Record) All(env Env) iter.Seq[any] {
	return func(yield func(any) bool) { d.enumerate(0, map[string]any{}, d.envBefore(nil, env, 0), yield) }
}

func (d Record) enumerate(i int, out map[string]any, inner Env, yield func(any) bool) bool {
	if i == len(d.Params) {
		return yield(maps.Clone(out))
	}
	p := d.Params[i]
	if !p.present(inner) {
		return d.enumerate(i+1, out, inner, yield)
	}
	for v := range p.Domain.All(inner) {
		out[p.Name], inner[p.Name] = v, v
		ok := d.enumerate(i+1, out, inner, yield)
		delete(out, p.Name)
		delete(inner, p.Name)
		if !ok {
			return false
		}
	}
	return true
}

// Check wants exactly the parameters that are present.
func (d Record) Check(v any, env Env) (any, error) {
	m, ok := v.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("%v is no record", v)
	}
	var failed error
	out := d.build(env, func(p Param, inner Env) any {
		e, ok := m[p.Name]
		if !ok {
			failed = fmt.Errorf("%s is missing", p.Name)
			return nil
		}
		if failed != nil {
			return nil
		}
		c, err := p.Domain.Check(e, inner)
		if err != nil {
			failed = fmt.Errorf("%s: %w", p.Name, err)
		}
		return c
	})
	if failed != nil {
		return nil, failed
	}
	for name := range m {
		if _, ok := out[name]; !ok {
			return nil, fmt.Errorf("%s does not belong here: there is no such parameter, or its condition does not hold", name)
		}
	}
	return out, nil
}
