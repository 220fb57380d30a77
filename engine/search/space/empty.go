package space

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/parser"
)

// EmptyError says that no feasible point was found, and which constraints stand in the way.
type EmptyError struct {
	Tried      int
	Exhaustive bool     // Tried was every point of the space
	Blame      []string // a line a constraint, those that reject everything first
}

func (e *EmptyError) Error() string {
	what := fmt.Sprintf("none of %d points tried is feasible", e.Tried)
	if e.Exhaustive {
		what = fmt.Sprintf("none of the space's %d points is feasible", e.Tried)
	}
	return what + ": " + strings.Join(e.Blame, "; ")
}

// tally counts what the constraints reject. A nil tally counts nothing.
type tally struct {
	rejected []int
	lo, hi   []float64 // what bounds limit, as seen
	judged   []int
	broken   int
	lastErr  error
}

func newTally(n int) *tally {
	t := &tally{rejected: make([]int, n), judged: make([]int, n), lo: make([]float64, n), hi: make([]float64, n)}
	for i := range t.lo {
		t.lo[i], t.hi[i] = math.Inf(1), math.Inf(-1)
	}
	return t
}

func (t *tally) reject(i int, err error) {
	switch {
	case t == nil:
	case i < 0:
		t.broken++
		t.lastErr = err
	default:
		t.rejected[i]++
	}
}

func (t *tally) see(i int, k Constraint, c Candidate) {
	if t == nil {
		return
	}
	t.judged[i]++
	if k.Quantity == nil {
		return
	}
	if q, err := k.Quantity(c); err == nil {
		t.lo[i], t.hi[i] = min(t.lo[i], q), max(t.hi[i], q)
	}
}

// exhaustiveSize is the largest space that is enumerated to prove it empty.
const exhaustiveSize = 100_000

// explain finds out why nothing feasible was found.
func (s *Space) explain(r *rand.Rand) error {
	t, e := newTally(len(s.constraints)), &EmptyError{}
	if s.Size() <= exhaustiveSize {
		e.Exhaustive = true
		for v := range s.params.All(nil) {
			ok, err := s.feasible(newCandidate(v.(map[string]any)), t)
			if err != nil {
				return err
			}
			if ok { // so rare that sampling missed it
				return fmt.Errorf("feasible points are too rare to be sampled: %d tries found none: widen the constraints or narrow the parameters to them", sampleTries)
			}
			e.Tried++
		}
	} else {
		for range 2000 {
			if _, err := s.feasible(newCandidate(s.params.Sample(r, nil).(map[string]any)), t); err != nil {
				return err
			}
			e.Tried++
		}
	}
	for _, all := range []bool{true, false} {
		if t.broken > 0 && (t.broken == e.Tried) == all {
			e.Blame = append(e.Blame, fmt.Sprintf("%d of %d cannot be built (%v)", t.broken, e.Tried, t.lastErr))
		}
		for i, k := range s.constraints {
			if t.rejected[i] == 0 || (t.rejected[i] == t.judged[i]) != all {
				continue
			}
			line := fmt.Sprintf("constraint %q rejects %d of %d", k.Name, t.rejected[i], t.judged[i])
			if all {
				line = fmt.Sprintf("constraint %q rejects every one", k.Name)
			}
			if t.lo[i] <= t.hi[i] {
				line += fmt.Sprintf(" (%s lies between %.6g and %.6g)", k.QuantityText, t.lo[i], t.hi[i])
			}
			e.Blame = append(e.Blame, line)
		}
	}
	return e
}

// CheckFeasible returns an *EmptyError where the space looks empty.
func (s *Space) CheckFeasible() error {
	_, err := s.Sample(rand.New(rand.NewPCG(1, 2)))
	return err
}

// boundedQuantity is the left side of an expression like `params <= 60000`.
func boundedQuantity(source string) (*program, string) {
	tree, err := parser.Parse(source)
	if err != nil {
		return nil, ""
	}
	b, ok := tree.Node.(*ast.BinaryNode)
	if !ok || !strings.Contains("<= >= == <>", b.Operator) {
		return nil, ""
	}
	switch b.Right.(type) {
	case *ast.IntegerNode, *ast.FloatNode:
	default:
		return nil, ""
	}
	text := b.Left.String()
	var names []string
	ast.Walk(&b.Left, visitor(func(n ast.Node) {
		if id, ok := n.(*ast.IdentifierNode); ok {
			names = append(names, id.Value)
		}
	}))
	p, err := compile(text, names)
	if err != nil {
		return nil, ""
	}
	return p, text
}
