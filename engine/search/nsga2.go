package search

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"

	"palladio/engine/search/space"
	"palladio/engine/search/spec"
)

// NSGA2 is the elitist non-dominated sorting genetic algorithm (Deb, Pratap, Agarwal, Meyarivan: A Fast and Elitist Multiobjective Genetic
// Algorithm: NSGA-II, 2002): parents are chosen by binary tournament on (front, crowding distance), crossed and mutated; each
// time Population results have come in, the best of parents and offspring become the new parents. Where results lag behind proposals,
// the first proposals of a generation still come from the parents before.
type NSGA2 struct {
	space     *space.Space
	options   NSGA2Options
	asked     int
	parents   []Told
	offspring []Told
	done      int // results since the last selection, failed ones included
}

// NSGA2Options: zero values mean a population of 40, crossover with probability 0.9, mutation of a crossed child with 0.7.
type NSGA2Options struct {
	Population          int
	Crossover, Mutation float64
}

// NewNSGA2 makes an NSGA-II.
func NewNSGA2(s *space.Space, o NSGA2Options) *NSGA2 {
	if o.Population == 0 {
		o.Population = 40
	}
	if o.Crossover == 0 {
		o.Crossover = 0.9
	}
	if o.Mutation == 0 {
		o.Mutation = 0.7
	}
	return &NSGA2{space: s, options: o}
}

func init() {
	RegisterStrategy("nsga2", func(s *space.Space, v spec.Value) Strategy {
		f := v.Fields("name", "population", "crossover", "mutation")
		return NewNSGA2(s, NSGA2Options{f[1].Int(40, 2, 100_000), f[2].Float(0.9, 0.001, 1), f[3].Float(0.7, 0.001, 1)})
	})
}

// Ask breeds a child, or draws one of the first Population candidates.
func (g *NSGA2) Ask(q Question) (Proposal, error) {
	pool := g.parents
	if len(pool) == 0 {
		pool = g.offspring
	}
	note := Note{By: "nsga2", How: "random"}
	draw := func() (space.Candidate, error) { return g.space.Sample(q.Rand) }
	if g.asked >= g.options.Population && len(pool) > 0 {
		rank := ranking(points(pool))
		a := pool[tournament(q.Rand, rank)]
		b := pool[tournament(q.Rand, rank)]
		cross := q.Rand.Float64() < g.options.Crossover && a.Number != b.Number
		note.How, note.Parents = "mutation", []int{a.Number}
		if cross {
			note.How, note.Parents = "crossover", []int{a.Number, b.Number}
		}
		draw = func() (space.Candidate, error) { return g.breed(q.Rand, a.Candidate, b.Candidate, cross) }
	}
	c, err := fresh(g.space, q, draw)
	if err == nil {
		g.asked++
	}
	return Proposal{c, note}, err
}

func (g *NSGA2) breed(r *rand.Rand, a, b space.Candidate, cross bool) (space.Candidate, error) {
	if !cross {
		return g.space.Mutate(r, a)
	}
	c, err := g.space.Cross(r, a, b)
	if err == nil && r.Float64() < g.options.Mutation {
		c, err = g.space.Mutate(r, c)
	}
	return c, err
}

// ranking orders points by front and crowding distance: the smaller, the better; equals share a rank.
func ranking(ps []Point) []int {
	type key struct {
		front, index int
		distance     float64
	}
	var keys []key
	for f, front := range Fronts(ps) {
		for i, d := range Crowding(ps, front) {
			keys = append(keys, key{f, front[i], d})
		}
	}
	slices.SortStableFunc(keys, func(a, b key) int {
		switch {
		case a.front != b.front:
			return a.front - b.front
		case a.distance > b.distance:
			return -1
		case a.distance < b.distance:
			return 1
		}
		return 0
	})
	out := make([]int, len(ps))
	for i, k := range keys {
		out[k.index] = i
		if i > 0 && keys[i-1].front == k.front && keys[i-1].distance == k.distance {
			out[k.index] = out[keys[i-1].index]
		}
	}
	return out
}

func tournament(r *rand.Rand, rank []int) int {
	a, b := r.IntN(len(rank)), r.IntN(len(rank))
	if rank[b] < rank[a] {
		return b
	}
	return a
}

// Tell collects results and selects the next parents when a generation is complete.
func (g *NSGA2) Tell(t Told) error {
	if !t.Failed() {
		g.offspring = append(g.offspring, t)
	}
	if g.done++; g.done < g.options.Population {
		return nil
	}
	all := append(slices.Clone(g.parents), g.offspring...)
	g.parents, g.offspring, g.done = survivors(all, g.options.Population), nil, 0
	return nil
}

// survivors keeps whole fronts while they fit, and the least crowded of the front that does not.
func survivors(all []Told, n int) []Told {
	if len(all) <= n {
		return all
	}
	ps := points(all)
	var keep []int
	for _, front := range Fronts(ps) {
		if len(keep)+len(front) <= n {
			keep = append(keep, front...)
			continue
		}
		distance := Crowding(ps, front)
		order := make([]int, len(front))
		for i := range order {
			order[i] = i
		}
		slices.SortStableFunc(order, func(a, b int) int {
			switch {
			case distance[a] > distance[b]:
				return -1
			case distance[a] < distance[b]:
				return 1
			}
			return 0
		})
		for _, i := range order[:n-len(keep)] {
			keep = append(keep, front[i])
		}
		break
	}
	slices.Sort(keep)
	out := make([]Told, len(keep))
	for i, k := range keep {
		out[i] = all[k]
	}
	return out
}

// State saves parents and offspring.
func (g *NSGA2) State() (json.RawMessage, error) {
	return json.Marshal(struct {
		Asked     int    `json:"asked"`
		Done      int    `json:"done"`
		Parents   []Told `json:"parents,omitempty"`
		Offspring []Told `json:"offspring,omitempty"`
	}{g.asked, g.done, g.parents, g.offspring})
}

// Restore takes them back.
func (g *NSGA2) Restore(b json.RawMessage) error {
	var s struct {
		Asked     int        `json:"asked"`
		Done      int        `json:"done"`
		Parents   []toldJSON `json:"parents,omitempty"`
		Offspring []toldJSON `json:"offspring,omitempty"`
	}
	if err := json.Unmarshal(b, &s); err != nil {
		return fmt.Errorf("nsga2: %w", err)
	}
	parents, err := restoreTold(g.space, s.Parents)
	if err != nil {
		return fmt.Errorf("nsga2: %w", err)
	}
	offspring, err := restoreTold(g.space, s.Offspring)
	if err != nil {
		return fmt.Errorf("nsga2: %w", err)
	}
	g.asked, g.done, g.parents, g.offspring = s.Asked, s.Done, parents, offspring
	return nil
}
