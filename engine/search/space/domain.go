package space

import (
	"encoding/json"
	"fmt"
	"iter"
	"math"
	"math/rand/v2"
	"slices"
)

// Env holds the values of the parameters that stand around a value: what a condition may look at.
type Env map[string]any

// Domain is the set of values that a parameter may take. Values are int, float64, bool, string, []any or map[string]any, and are
// never changed in place.
type Domain interface {
	// Sample draws a value.
	Sample(r *rand.Rand, env Env) any
	// Mutate draws a value near v, other than v where the domain has another one.
	Mutate(r *rand.Rand, v any, env Env) any
	// Cross draws a value that takes after both a and b.
	Cross(r *rand.Rand, a, b any, env Env) any
	// Repair fits v, which lay in the domain in some other surroundings, into these.
	Repair(r *rand.Rand, v any, env Env) any
	// Neighbours lists the values one step from v, in a fixed order.
	Neighbours(v any, env Env) iter.Seq[any]
	// Sites is the number of places at which v can be mutated.
	Sites(v any) int
	// Size is the number of values, counted as if every condition held; +Inf where continuous.
	Size() float64
	// All lists every value of a finite domain.
	All(env Env) iter.Seq[any]
	// Check says whether v, perhaps decoded from JSON, lies in the domain, and gives it the domain's own type.
	Check(v any, env Env) (any, error)
}

// Int is the whole numbers Lo, Lo+Step, … up to Hi. A Step of 0 means 1.
type Int struct{ Lo, Hi, Step int }

func (d Int) step() int  { return max(d.Step, 1) }
func (d Int) count() int { return (d.Hi-d.Lo)/d.step() + 1 }

func (d Int) Sample(r *rand.Rand, _ Env) any { return d.Lo + r.IntN(d.count())*d.step() }

// Mutate takes one step up or down half of the time, and jumps anywhere else otherwise.
func (d Int) Mutate(r *rand.Rand, v any, _ Env) any {
	i := (v.(int) - d.Lo) / d.step()
	return d.Lo + moveIndex(r, i, d.count())*d.step()
}

// moveIndex draws an index other than i below n: a step to a side half of the time, any other one otherwise.
func moveIndex(r *rand.Rand, i, n int) int {
	if n < 2 {
		return i
	}
	if r.IntN(2) == 0 {
		switch {
		case i == 0:
			return 1
		case i == n-1:
			return n - 2
		}
		return i + 1 - 2*r.IntN(2)
	}
	return otherIndex(r, i, n)
}

func otherIndex(r *rand.Rand, i, n int) int {
	if n < 2 {
		return i
	}
	return (i + 1 + r.IntN(n-1)) % n
}

func (d Int) Cross(r *rand.Rand, a, b any, _ Env) any { return either(r, a, b) }
func (d Int) Repair(_ *rand.Rand, v any, _ Env) any   { return v }
func (d Int) Sites(any) int                           { return sites(d.Size()) }
func (d Int) Size() float64                           { return float64(d.count()) }
func (d Int) Neighbours(v any, _ Env) iter.Seq[any] {
	return func(yield func(any) bool) {
		for _, n := range []int{v.(int) - d.step(), v.(int) + d.step()} {
			if n >= d.Lo && n <= d.Hi && !yield(n) {
				return
			}
		}
	}
}

func (d Int) All(Env) iter.Seq[any] {
	return func(yield func(any) bool) {
		for i := range d.count() {
			if !yield(d.Lo + i*d.step()) {
				return
			}
		}
	}
}

func (d Int) Check(v any, _ Env) (any, error) {
	x, ok := number(v)
	n := int(x)
	if !ok || float64(n) != x || n < d.Lo || n > d.Hi || (n-d.Lo)%d.step() != 0 {
		return nil, fmt.Errorf("%v is not one of the whole numbers %d to %d in steps of %d", v, d.Lo, d.Hi, d.step())
	}
	return n, nil
}

// Float is the interval [Lo, Hi]; with Log its logarithm is drawn uniformly, and Lo must be positive.
type Float struct {
	Lo, Hi float64
	Log    bool
}

func (d Float) at(u float64) float64 {
	u = min(max(u, 0), 1)
	if d.Log {
		return min(max(math.Exp(math.Log(d.Lo)+u*(math.Log(d.Hi)-math.Log(d.Lo))), d.Lo), d.Hi)
	}
	return d.Lo + u*(d.Hi-d.Lo)
}

func (d Float) where(x float64) float64 {
	if d.Hi == d.Lo {
		return 0
	}
	if d.Log {
		return (math.Log(x) - math.Log(d.Lo)) / (math.Log(d.Hi) - math.Log(d.Lo))
	}
	return (x - d.Lo) / (d.Hi - d.Lo)
}

func (d Float) Sample(r *rand.Rand, _ Env) any { return d.at(r.Float64()) }

// Mutate adds normal noise of a tenth of the interval (of its logarithm), reflected at the ends.
func (d Float) Mutate(r *rand.Rand, v any, _ Env) any {
	u := math.Abs(d.where(v.(float64)) + 0.1*r.NormFloat64())
	if u > 1 {
		u = 2 - u
	}
	return d.at(u)
}

// Cross draws between the two parents.
func (d Float) Cross(r *rand.Rand, a, b any, _ Env) any {
	u, w := d.where(a.(float64)), d.where(b.(float64))
	return d.at(u + r.Float64()*(w-u))
}

func (d Float) Repair(_ *rand.Rand, v any, _ Env) any { return v }
func (d Float) Sites(any) int                         { return sites(d.Size()) }

func (d Float) Size() float64 {
	if d.Lo == d.Hi {
		return 1
	}
	return math.Inf(1)
}

func (d Float) Neighbours(v any, _ Env) iter.Seq[any] {
	return func(yield func(any) bool) {
		u := d.where(v.(float64))
		for _, w := range []float64{u - 0.1, u + 0.1} {
			if n := d.at(w); n != v.(float64) && !yield(n) {
				return
			}
		}
	}
}

func (d Float) All(Env) iter.Seq[any] {
	return func(yield func(any) bool) {
		if d.Lo == d.Hi {
			yield(d.Lo)
		}
	}
}

func (d Float) Check(v any, _ Env) (any, error) {
	x, ok := number(v)
	if !ok || !(x >= d.Lo && x <= d.Hi) {
		return nil, fmt.Errorf("%v is no number from %v to %v", v, d.Lo, d.Hi)
	}
	return x, nil
}

// Choice is a list of values (int, float64, bool or string). Where Ordered, neighbours in the list are near each other.
type Choice struct {
	Values  []any
	Ordered bool
}

func (d Choice) index(v any) int { return slices.Index(d.Values, v) }

func (d Choice) Sample(r *rand.Rand, _ Env) any { return d.Values[r.IntN(len(d.Values))] }

func (d Choice) Mutate(r *rand.Rand, v any, _ Env) any {
	if d.Ordered {
		return d.Values[moveIndex(r, d.index(v), len(d.Values))]
	}
	return d.Values[otherIndex(r, d.index(v), len(d.Values))]
}

func (d Choice) Cross(r *rand.Rand, a, b any, _ Env) any { return either(r, a, b) }
func (d Choice) Repair(_ *rand.Rand, v any, _ Env) any   { return v }
func (d Choice) Sites(any) int                           { return sites(d.Size()) }
func (d Choice) Size() float64                           { return float64(len(d.Values)) }

// Neighbours are the values beside v where ordered, all others where not.
func (d Choice) Neighbours(v any, _ Env) iter.Seq[any] {
	at := d.index(v)
	return func(yield func(any) bool) {
		for i, n := range d.Values {
			if i == at || d.Ordered && i != at-1 && i != at+1 {
				continue
			}
			if !yield(n) {
				return
			}
		}
	}
}

func (d Choice) All(Env) iter.Seq[any] { return slices.Values(d.Values) }

func (d Choice) Check(v any, _ Env) (any, error) {
	for _, want := range d.Values {
		if v == want {
			return want, nil
		}
		x, ok := number(v)
		y, number := number(want)
		if ok && number && x == y {
			return want, nil
		}
	}
	return nil, fmt.Errorf("%v is not one of %v", v, d.Values)
}

func either(r *rand.Rand, a, b any) any {
	if r.IntN(2) == 0 {
		return a
	}
	return b
}

func sites(size float64) int {
	if size > 1 {
		return 1
	}
	return 0
}

// number sees a decoded number as float64.
func number(v any) (float64, bool) {
	switch n := v.(type) {
	case int:
		return float64(n), true
	case float64:
		return n, !math.IsNaN(n) && !math.IsInf(n, 0)
	case json.Number:
		x, err := n.Float64()
		return x, err == nil
	}
	return 0, false
}
