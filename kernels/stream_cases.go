package kernels

import "fmt"

// streamCases covers each loop, and one past the length from which stores bypass the caches.
func streamCases() []Case {
	var cs []Case
	for _, t := range []DType{F32, F64} {
		for op := StreamCopy; op <= StreamTriad; op++ {
			for _, n := range []int{0, 1, 3, 17, 64, 1000, 70001} {
				k := Stream{Op: op, Type: t, N: n}
				if op == StreamScale || op == StreamTriad {
					k.Scalar = 1.7
				}
				cs = append(cs, Case{Name: fmt.Sprint(k), Kernel: k})
			}
			special := map[string]Fill{"x": {Kind: Special}}
			if streamOps[op].inputs == 2 {
				special["y"] = Fill{Kind: Special}
			}
			cs = append(cs, Case{Name: fmt.Sprintf("special stream %s %s", op, t), Kernel: Stream{Op: op, Type: t, N: 300, Scalar: 2},
				Inputs: special})
		}
	}
	long := Stream{Op: StreamTriad, Type: F32, N: 1500001, Scalar: -0.3}
	return append(cs, Case{Name: long.String(), Kernel: long})
}
