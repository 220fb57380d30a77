package fallback

import (
	"math"
	"unsafe"
)

// normArgs are the operands of a pass over rows of float32; assembly reads the fields by position.
type normArgs struct {
	x, dy, out       *float32 // rows·cols
	mean, a, b, c, d *float32 // one a column (or a row: see each pass)
	sum1, sum2       *float32
	rows, cols       int
	eps              float32
}

// normPasses are the passes of normalisations at one level. Those that write a tensor come in variants, which normVariant indexes.
type normPasses struct {
	columnSums, columnSquares                              func(p *normArgs)
	columnBackSums                                         [2]func(p *normArgs)
	columnAffine, columnBackX                              [4]func(p *normArgs)
	rowNormCentred, rowNormRMS, rowBackCentred, rowBackRMS [4]func(p *normArgs)
}

// normVariant is the index of a pass with a fused ReLU or not, whose result goes to memory past the caches or not.
func normVariant(relu, stream bool) int {
	v := 0
	if relu {
		v = 1
	}
	if stream {
		v += 2
	}
	return v
}

func genericNormPasses() normPasses {
	sums := func(f func(p *normArgs, relu bool)) [2]func(p *normArgs) {
		return [2]func(p *normArgs){func(p *normArgs) { f(p, false) }, func(p *normArgs) { f(p, true) }}
	}
	both := func(f func(p *normArgs, relu bool)) [4]func(p *normArgs) {
		v := sums(f)
		return [4]func(p *normArgs){v[0], v[1], v[0], v[1]}
	}
	centred := func(f func(p *normArgs, relu, centred bool), c bool) [4]func(p *normArgs) {
		return both(func(p *normArgs, relu bool) { f(p, relu, c) })
	}
	return normPasses{
		columnSums: normColumnSums, columnSquares: normColumnSquares, columnBackSums: sums(normColumnBackSums),
		columnAffine: both(normColumnAffine), columnBackX: both(normColumnBackX),
		rowNormCentred: centred(normRow, true), rowNormRMS: centred(normRow, false),
		rowBackCentred: centred(normRowBack, true), rowBackRMS: centred(normRowBack, false),
	}
}

// row is row r of a matrix of rows of n elements.
func row(p *float32, r, n int) []float32 {
	return unsafe.Slice((*float32)(unsafe.Add(unsafe.Pointer(p), 4*r*n)), n)
}

func normColumnSums(p *normArgs) {
	sum := row(p.sum1, 0, p.cols)
	for r := range p.rows {
		for j, v := range row(p.x, r, p.cols) {
			sum[j] += v
		}
	}
}

func normColumnSquares(p *normArgs) {
	sum, mean := row(p.sum2, 0, p.cols), row(p.mean, 0, p.cols)
	for r := range p.rows {
		for j, v := range row(p.x, r, p.cols) {
			sum[j] += (v - mean[j]) * (v - mean[j])
		}
	}
}

func normColumnAffine(p *normArgs, relu bool) {
	mean, a, b := row(p.mean, 0, p.cols), row(p.a, 0, p.cols), row(p.b, 0, p.cols)
	for r := range p.rows {
		out := row(p.out, r, p.cols)
		for j, v := range row(p.x, r, p.cols) {
			v = (v-mean[j])*a[j] + b[j]
			if relu {
				v = max(v, 0)
			}
			out[j] = v
		}
	}
}

func normColumnBackSums(p *normArgs, relu bool) {
	mean, s1, s2 := row(p.mean, 0, p.cols), row(p.sum1, 0, p.cols), row(p.sum2, 0, p.cols)
	for r := range p.rows {
		x := row(p.x, r, p.cols)
		for j, g := range row(p.dy, r, p.cols) {
			d := x[j] - mean[j]
			if relu && !(d*row(p.a, 0, p.cols)[j]+row(p.b, 0, p.cols)[j] > 0) {
				continue
			}
			s1[j] += g
			s2[j] += g * d
		}
	}
}

func normColumnBackX(p *normArgs, relu bool) {
	mean, a, c, e := row(p.mean, 0, p.cols), row(p.a, 0, p.cols), row(p.c, 0, p.cols), row(p.d, 0, p.cols)
	for r := range p.rows {
		x, out := row(p.x, r, p.cols), row(p.out, r, p.cols)
		for j, g := range row(p.dy, r, p.cols) {
			d := x[j] - mean[j]
			if relu && !(d*a[j]+row(p.b, 0, p.cols)[j] > 0) {
				g = 0
			}
			out[j] = a[j]*g + c[j]*d + e[j]
		}
	}
}

func normRow(p *normArgs, relu, centred bool) {
	a, b, n := row(p.a, 0, p.cols), row(p.b, 0, p.cols), float64(p.cols)
	for r := range p.rows {
		x, out := row(p.x, r, p.cols), row(p.out, r, p.cols)
		var mean float32
		if centred {
			sum := 0.0
			for _, v := range x {
				sum += float64(v)
			}
			mean = float32(sum / n)
			row(p.mean, r, 1)[0] = mean
		}
		sum := 0.0
		for _, v := range x {
			sum += float64((v - mean) * (v - mean))
		}
		inv := float32(1 / math.Sqrt(sum/n+float64(p.eps)))
		row(p.sum1, r, 1)[0] = inv
		for j, v := range x {
			v = (v-mean)*inv*a[j] + b[j]
			if relu {
				v = max(v, 0)
			}
			out[j] = v
		}
	}
}

func normRowBack(p *normArgs, relu, centred bool) {
	a, s1, s2, n := row(p.a, 0, p.cols), row(p.sum1, 0, p.cols), row(p.sum2, 0, p.cols), float64(p.cols)
	for r := range p.rows {
		x, dy, out := row(p.x, r, p.cols), row(p.dy, r, p.cols), row(p.out, r, p.cols)
		var mean float32
		if centred {
			mean = row(p.mean, r, 1)[0]
		}
		inv := row(p.c, r, 1)[0]
		terms := func(j int) (h, g float32) {
			h, g = (x[j]-mean)*inv, dy[j]
			if relu && !(h*a[j]+row(p.b, 0, p.cols)[j] > 0) {
				g = 0
			}
			return h, g
		}
		t1, t2 := 0.0, 0.0
		for j := range x {
			h, g := terms(j)
			if centred {
				t1 += float64(a[j] * g)
			}
			t2 += float64(a[j] * g * h)
			s1[j] += g
			s2[j] += g * h
		}
		m1, m2 := float32(t1/n), float32(t2/n)
		for j := range x {
			h, g := terms(j)
			out[j] = inv * (a[j]*g - m1 - h*m2)
		}
	}
}
