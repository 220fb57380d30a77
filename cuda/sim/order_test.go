package sim

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// structured is a random program of nested branches and loops on one value a thread, as PTX blocks in any order and as a Go function.
type structured struct {
	rng    *rand.Rand
	blocks []string // text of each, with its label and where it goes next
	regs   int
}

// step is a part of a program: what it does to a thread's value.
type step func(v uint32) uint32

// block adds a block and gives its label.
func (s *structured) block(text string) string {
	label := fmt.Sprintf("B%d", len(s.blocks))
	s.blocks = append(s.blocks, label+":\n"+text)
	return label
}

// sequence makes code that goes on at label next, and gives where it begins.
func (s *structured) sequence(depth int, next string) (string, step) {
	n := 1 + s.rng.IntN(3)
	steps := make([]step, n)
	for i := n - 1; i >= 0; i-- {
		switch k := s.rng.IntN(4); {
		case depth == 0 || k == 0:
			next, steps[i] = s.arithmetic(next)
		case k < 3:
			next, steps[i] = s.branch(depth-1, next)
		default:
			next, steps[i] = s.loop(depth-1, next)
		}
	}
	return next, func(v uint32) uint32 {
		for _, f := range steps {
			v = f(v)
		}
		return v
	}
}

func (s *structured) arithmetic(next string) (string, step) {
	k := s.rng.Uint32()
	return s.block(fmt.Sprintf("mad.lo.u32 %%v, %%v, 1664525, %d;\nbra %s;\n", k, next)), func(v uint32) uint32 { return v*1664525 + k }
}

// entered notes the running lanes in a new register, which left compares where they must all be together again.
func (s *structured) entered() (note, check string) {
	r := fmt.Sprintf("%%m%d", s.regs)
	s.regs++
	return "activemask.b32 " + r + ";\n", fmt.Sprintf("activemask.b32 %%x;\nxor.b32 %%x, %%x, %s;\nor.b32 %%bad, %%bad, %%x;\n", r)
}

func (s *structured) branch(depth int, next string) (string, step) {
	note, check := s.entered()
	join := s.block(check + "bra " + next + ";\n")
	yes, f := s.sequence(depth, join)
	no, g := join, step(func(v uint32) uint32 { return v })
	if s.rng.IntN(2) == 0 {
		no, g = s.sequence(depth, join)
	}
	shift := s.rng.IntN(30)
	return s.block(fmt.Sprintf("%sshr.u32 %%x, %%v, %d;\nand.b32 %%x, %%x, 1;\nsetp.eq.u32 %%p, %%x, 1;\n@%%p bra %s;\nbra %s;\n", note, shift, yes, no)), func(v uint32) uint32 {
		if v>>shift&1 == 1 {
			return f(v)
		}
		return g(v)
	}
}

// loop runs its body while the value's bits say so, at most four times.
func (s *structured) loop(depth int, next string) (string, step) {
	note, check := s.entered()
	count := fmt.Sprintf("%%m%d", s.regs)
	s.regs++
	exit := s.block(check + "bra " + next + ";\n")
	latch := len(s.blocks)
	s.blocks = append(s.blocks, "")
	body, f := s.sequence(depth, fmt.Sprintf("B%d", latch))
	s.blocks[latch] = fmt.Sprintf("B%d:\nadd.u32 %s, %s, 1;\nshr.u32 %%x, %%v, 7;\nand.b32 %%x, %%x, 3;\nsetp.lt.u32 %%p, %s, %%x;\n@!%%p bra %s;\nbra %s;\n", latch, count, count, count, exit, body)
	return s.block(note + "mov.u32 " + count + ", 0;\nbra " + body + ";\n"), func(v uint32) uint32 {
		for i := uint32(1); ; i++ {
			if v = f(v); i >= v>>7&3 {
				return v
			}
		}
	}
}

// TestThreadsMeetAtPostDominators runs random programs whose blocks lie in any order: results are right, and lanes that parted are
// together again where all their ways meet.
func TestThreadsMeetAtPostDominators(t *testing.T) {
	for seed := range uint64(60) {
		s := &structured{rng: rand.New(rand.NewPCG(seed, 3))}
		end := s.block("st.global.u32 [%out], %v;\nsetp.ne.u32 %p, %bad, 0;\n@%p trap;\nret;\n")
		start, f := s.sequence(4, end)
		s.rng.Shuffle(len(s.blocks), func(i, j int) { s.blocks[i], s.blocks[j] = s.blocks[j], s.blocks[i] })
		body := fmt.Sprintf(".reg .pred %%p;\n.reg .u32 %%v, %%x, %%bad, %%m<%d>;\nmov.u32 %%bad, 0;\nmul.lo.u32 %%v, %%t, 2654435761;\nbra %s;\n%s", s.regs+1, start, strings.Join(s.blocks, ""))
		got, err := perThread(t, Options{Workers: 1}, 2, 64, body)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		for i, v := range got {
			if want := f(uint32(i) * 2654435761); v != want {
				t.Fatalf("seed %d: thread %d has %#x, want %#x", seed, i, v, want)
			}
		}
	}
}
