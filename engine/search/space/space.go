package space

import (
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"sync"
)

// Space is parameters under hard constraints. It is safe for concurrent use.
type Space struct {
	params      Record
	constraints []Constraint
	derived     Derived
	cache       *derivedCache
}

// Constraint is a hard condition on candidates.
type Constraint struct {
	Name string
	// Holds decides. An error means that the candidate could not be judged and is returned to whoever asked for one.
	Holds func(c Candidate) (bool, error)
	// Quantity is what a bound limits, for messages; nil where it is no bound.
	Quantity func(c Candidate) (float64, error)
	// QuantityText names it.
	QuantityText string

	costly bool // reads derived quantities
}

// Derived computes quantities of a candidate that constraints may bound, such as its parameter count, without training it.
type Derived struct {
	Names []string
	// Of computes all of them. An error means that the candidate makes no sense, such as a network whose map vanishes: it is infeasible.
	Of func(c Candidate) (map[string]float64, error)
}

// New makes a space. Every parameter needs at least one value.
func New(params ...Param) (*Space, error) {
	s := &Space{params: Record{params}, cache: &derivedCache{}}
	if len(params) == 0 {
		return nil, errors.New("space: no parameters")
	}
	if err := checkRecord(s.params, "space", nil); err != nil {
		return nil, err
	}
	return s, nil
}

func checkRecord(d Record, path string, outer []string) error {
	var names []string
	for _, p := range d.Params {
		at := path + "." + p.Name
		if err := CheckName(p.Name); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		if slices.Contains(names, p.Name) {
			return fmt.Errorf("%s: given twice", at)
		}
		if p.When != nil {
			for _, n := range p.When.p.names {
				if !slices.Contains(names, n) && !slices.Contains(outer, n) {
					return fmt.Errorf("%s: its condition looks at %q, which is no parameter before it", at, n)
				}
			}
		}
		if err := checkDomain(p.Domain, at, append(slices.Clone(outer), names...)); err != nil {
			return err
		}
		names = append(names, p.Name)
	}
	return nil
}

func checkDomain(d Domain, path string, outer []string) error {
	switch d := d.(type) {
	case Int:
		if d.Lo > d.Hi || d.Step < 0 {
			return fmt.Errorf("%s: no whole number from %d to %d in steps of %d", path, d.Lo, d.Hi, d.Step)
		}
	case Float:
		if !(d.Lo <= d.Hi) || d.Log && d.Lo <= 0 {
			return fmt.Errorf("%s: bad interval [%v, %v] (log: %v)", path, d.Lo, d.Hi, d.Log)
		}
	case Choice:
		if len(d.Values) == 0 {
			return fmt.Errorf("%s: nothing to choose from", path)
		}
		for i, v := range d.Values {
			switch v.(type) {
			case int, float64, bool, string:
			default:
				return fmt.Errorf("%s: value %v is a %T, want int, float64, bool or string", path, v, v)
			}
			if slices.Contains(d.Values[:i], v) {
				return fmt.Errorf("%s: value %v stands twice", path, v)
			}
		}
	case List:
		if d.Min < 0 || d.Min > d.Max || d.Max > 1000 || d.Of == nil {
			return fmt.Errorf("%s: bad list of %d to %d values", path, d.Min, d.Max)
		}
		return checkDomain(d.Of, path+"[]", outer)
	case Record:
		return checkRecord(d, path, outer)
	case nil:
		return fmt.Errorf("%s: no domain", path)
	}
	return nil
}

// Params lists the parameters.
func (s *Space) Params() []Param { return s.params.Params }

// Constraints lists the hard constraints.
func (s *Space) Constraints() []Constraint { return s.constraints }

// Derive names quantities that constraints may bound. At most once, before they are added.
func (s *Space) Derive(d Derived) error {
	names := s.names()
	for _, n := range d.Names {
		if slices.Contains(names, n) {
			return fmt.Errorf("space: %q is both a parameter and a derived quantity", n)
		}
	}
	s.derived = d
	return nil
}

func (s *Space) names() []string {
	var names []string
	for _, p := range s.params.Params {
		names = append(names, p.Name)
	}
	return names
}

// Require adds a constraint.
func (s *Space) Require(c Constraint) { s.constraints = append(s.constraints, c) }

// RequireExpression adds a constraint such as `params <= 60000 and width % 8 == 0` over parameters and derived quantities.
func (s *Space) RequireExpression(source string) error {
	known := append(s.names(), s.derived.Names...)
	p, err := compile(source, known)
	if err != nil {
		return err
	}
	c := Constraint{Name: source, costly: slices.ContainsFunc(p.names, func(n string) bool { return slices.Contains(s.derived.Names, n) })}
	c.Holds = func(x Candidate) (bool, error) {
		v, err := s.eval(p, x, c.costly)
		if err != nil {
			return false, err
		}
		b, ok := v.(bool)
		if !ok {
			return false, fmt.Errorf("constraint %q gives %v, want true or false", source, v)
		}
		return b, nil
	}
	if q, text := boundedQuantity(source); q != nil {
		c.QuantityText = text
		c.Quantity = func(x Candidate) (float64, error) {
			v, err := s.eval(q, x, c.costly)
			f, _ := number(v)
			return f, err
		}
	}
	s.Require(c)
	return nil
}

func (s *Space) eval(p *program, c Candidate, derived bool) (any, error) {
	env := make(map[string]any, len(c.values)+len(s.derived.Names))
	for k, v := range c.values {
		env[k] = v
	}
	if derived {
		d, err := s.DerivedOf(c)
		if err != nil {
			return nil, err
		}
		for k, v := range d {
			env[k] = v
		}
	}
	return p.run(env)
}

// ErrImpossible is wrapped by the error of Derived.Of: the candidate makes no sense.
var ErrImpossible = errors.New("impossible candidate")

// DerivedOf is the candidate's derived quantities. It remembers the latest ones.
func (s *Space) DerivedOf(c Candidate) (map[string]float64, error) {
	if s.derived.Of == nil {
		return nil, nil
	}
	return s.cache.get(c, s.derived.Of)
}

// derivedCache remembers derived quantities, for they may cost a compilation each.
type derivedCache struct {
	mu    sync.Mutex
	known map[string]derivedEntry
}

type derivedEntry struct {
	values map[string]float64
	err    error
}

const derivedCacheSize = 4096

func (d *derivedCache) get(c Candidate, of func(Candidate) (map[string]float64, error)) (map[string]float64, error) {
	d.mu.Lock()
	e, ok := d.known[c.text]
	d.mu.Unlock()
	if ok {
		return e.values, e.err
	}
	e.values, e.err = of(c)
	if e.err != nil {
		e.err = fmt.Errorf("%w: %w", ErrImpossible, e.err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.known == nil || len(d.known) >= derivedCacheSize {
		d.known = map[string]derivedEntry{}
	}
	d.known[c.text] = e
	return e.values, e.err
}

// Size is the number of points, counted as if every condition held and there were no constraint; +Inf where a parameter is continuous.
func (s *Space) Size() float64 { return s.params.Size() }

// All enumerates the feasible points of a finite space in a fixed order. It stops with a candidate that cannot be judged.
func (s *Space) All() iter.Seq2[Candidate, error] {
	return func(yield func(Candidate, error) bool) {
		for v := range s.params.All(nil) {
			c := newCandidate(v.(map[string]any))
			ok, err := s.Feasible(c)
			if (ok || err != nil) && !yield(c, err) || err != nil {
				return
			}
		}
	}
}

// Feasible says whether c meets every constraint and can be built.
func (s *Space) Feasible(c Candidate) (bool, error) { return s.feasible(c, nil) }

// feasible judges cheap constraints first. A tally counts every constraint that rejects c, not only the first.
func (s *Space) feasible(c Candidate, t *tally) (bool, error) {
	all := true
	for _, costly := range []bool{false, true} {
		if costly && s.derived.Of != nil {
			if !all {
				return false, nil
			}
			if _, err := s.DerivedOf(c); err != nil {
				t.reject(-1, err)
				return false, nil
			}
		}
		for i, k := range s.constraints {
			if k.costly != costly {
				continue
			}
			ok, err := k.Holds(c)
			if err != nil {
				return false, fmt.Errorf("candidate %s: %w", c, err)
			}
			t.see(i, k, c)
			if !ok {
				if all = false; t == nil {
					return false, nil
				}
				t.reject(i, nil)
			}
		}
	}
	return all, nil
}

// sampleTries bounds how many points Sample draws before it gives up.
const sampleTries = 5000

// Sample draws a feasible candidate. The error is an *EmptyError where none is found.
func (s *Space) Sample(r *rand.Rand) (Candidate, error) {
	for range sampleTries {
		c := newCandidate(s.params.Sample(r, nil).(map[string]any))
		if ok, err := s.Feasible(c); ok || err != nil {
			return c, err
		}
	}
	return Candidate{}, s.explain(r)
}

// Mutate draws a feasible candidate near c and other than c: one place is changed, more where that finds nothing feasible.
func (s *Space) Mutate(r *rand.Rand, c Candidate) (Candidate, error) {
	return s.draw(r, c, func() any { return s.params.Mutate(r, c.values, nil) })
}

// Cross draws a feasible candidate that takes after both a and b.
func (s *Space) Cross(r *rand.Rand, a, b Candidate) (Candidate, error) {
	for range 50 {
		c := newCandidate(s.params.Cross(r, a.values, b.values, nil).(map[string]any))
		if ok, err := s.Feasible(c); ok || err != nil {
			return c, err
		}
	}
	return either(r, a, b).(Candidate), nil
}

func (s *Space) draw(r *rand.Rand, c Candidate, once func() any) (Candidate, error) {
	for try := range 300 {
		v := once()
		for range try / 100 { // a hundred tries with one change, then with two, then with three
			v = s.params.Mutate(r, v, nil)
		}
		n := newCandidate(v.(map[string]any))
		if n.text == c.text {
			continue
		}
		if ok, err := s.Feasible(n); ok || err != nil {
			return n, err
		}
	}
	return s.Sample(r)
}

// Neighbours lists the feasible candidates one step from c, in a fixed order.
func (s *Space) Neighbours(c Candidate) iter.Seq2[Candidate, error] {
	return func(yield func(Candidate, error) bool) {
		for v := range s.params.Neighbours(c.values, nil) {
			n := newCandidate(v.(map[string]any))
			if n.text == c.text {
				continue
			}
			ok, err := s.Feasible(n)
			if (ok || err != nil) && !yield(n, err) || err != nil {
				return
			}
		}
	}
}
