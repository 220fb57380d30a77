package sim

import (
	"slices"

	"palladio/cuda/sim/ptx"
)

// at is the block that an instruction begins; one past the last instruction is the block of an implied return, which is not among blocks.
func (g *flow) at(instr int) int32 {
	if instr >= len(g.of) {
		return int32(len(g.blocks))
	}
	return g.of[instr]
}

// falls says whether control may go on behind the end of a block.
func (g *flow) falls(b *basicBlock) bool {
	last := &g.f.Body[b.end-1]
	return !endsBlock(last) || last.Guard != ptx.NoReg
}

// order lists the blocks that can be reached from the first, so that each loop is contiguous with its head first, and a block comes after all
// that lead to it without a backward branch: Bourdoncle's weak topological order (Efficient chaotic iteration strategies with widenings, 1993).
func (g *flow) order() []int32 {
	if len(g.blocks) == 0 {
		return nil
	}
	s := &sorter{flow: g, inside: make([]int32, len(g.blocks)), cut: make([]bool, len(g.blocks))}
	s.sort([]int32{0}, 0)
	return s.out
}

// sorter computes the order: strongly connected components in topological order (Tarjan), each without the edges to its head again.
type sorter struct {
	*flow
	inside []int32 // the innermost component known so far, by its serial number
	cut    []bool  // heads of the loops around: edges to them do not count
	serial int32
	out    []int32
}

// maxLoops is the depth of loops beyond which a component is laid out as written.
const maxLoops = 100

// frame is a visit of the search.
type frame struct{ node, edge, low int32 }

// sort appends the blocks of the component that the roots lead to. Only blocks marked with the component's number belong to it.
func (s *sorter) sort(roots []int32, level int) {
	component := s.inside[roots[0]]
	var stack []int32
	var visits []frame
	var found [][]int32
	onStack := map[int32]bool{}
	counter := int32(0)
	number := map[int32]int32{}
	for _, root := range roots {
		if number[root] != 0 {
			continue
		}
		counter++
		number[root] = counter
		stack, onStack[root] = append(stack, root), true
		visits = append(visits, frame{root, 0, counter})
		for len(visits) > 0 {
			v := &visits[len(visits)-1]
			next := s.blocks[v.node].next
			if int(v.edge) < len(next) {
				t := next[v.edge]
				v.edge++
				if s.inside[t] != component || s.cut[t] {
					continue
				}
				if number[t] == 0 {
					counter++
					number[t] = counter
					stack, onStack[t] = append(stack, t), true
					visits = append(visits, frame{t, 0, counter})
				} else if onStack[t] {
					v.low = min(v.low, number[t])
				}
				continue
			}
			done := *v
			visits = visits[:len(visits)-1]
			if len(visits) > 0 {
				up := &visits[len(visits)-1]
				up.low = min(up.low, done.low)
			}
			if done.low == number[done.node] {
				i := len(stack) - 1
				for stack[i] != done.node {
					i--
				}
				part := slices.Clone(stack[i:])
				for _, n := range part {
					onStack[n] = false
				}
				stack = stack[:i]
				found = append(found, part)
			}
		}
	}
	for _, part := range slices.Backward(found) {
		s.component(part, level)
	}
}

// component appends a strongly connected component; the first of part is where the search came in.
func (s *sorter) component(part []int32, level int) {
	head := part[0]
	if len(part) == 1 {
		s.out = append(s.out, head)
		return
	}
	if level >= maxLoops {
		slices.Sort(part)
		i := slices.Index(part, head)
		s.out = append(append(append(s.out, head), part[:i]...), part[i+1:]...)
		return
	}
	s.serial++
	for _, n := range part {
		s.inside[n] = s.serial
	}
	s.out = append(s.out, head)
	s.cut[head] = true
	s.sort(part[1:], level+1)
}
