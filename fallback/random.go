package fallback

import (
	"math"

	"palladio/fallback/ref"
	"palladio/kernels"
)

// Random words are made a batch at a time in a buffer that stays in the first-level cache, and then turned into what is asked for.
const (
	drawBatch  = 2048           // words of a batch
	drawBlock  = 16384          // words of one part of a call
	groupWords = 8 * 4          // words of a group: eight blocks
	maxDraw    = 2 * groupWords // what the vector routines take at a time divides this
)

// philoxArgs is what a routine that makes random words takes. The assembly knows its layout.
type philoxArgs struct {
	dst    *uint32
	groups int
	block  uint32
	stream uint32
	step   uint64
	keys   [20][8]uint32 // the keys of ten rounds, each word repeated over a vector
}

// setKeys prepares the rounds' keys.
func (p *philoxArgs) setKeys(seed uint64) {
	k0, k1 := uint32(seed), uint32(seed>>32)
	for round := range 10 {
		for lane := range 8 {
			p.keys[2*round][lane], p.keys[2*round+1][lane] = k0, k1
		}
		k0 += kernels.PhiloxW0
		k1 += kernels.PhiloxW1
	}
}

// drawArgs is what a routine that uses random words takes. The assembly knows its layout.
type drawArgs struct {
	dst, src *float32
	words    *uint32
	n        int
	c        [32]float32
}

// draws are the routines of one level.
type draws struct {
	philox                   func(p *philoxArgs)
	uniform, normal, dropout func(p *drawArgs) // c: base, scale; mean, standard deviation, constants; threshold, scale
}

// scratch is a worker's memory for a call.
type drawScratch struct {
	philox philoxArgs
	args   drawArgs
	words  [drawBatch]uint32
}

// randomExec is a call of Random.
type randomExec struct {
	pool    *pool
	k       kernels.Random
	draws   draws
	scratch []drawScratch
	out     kernels.Arg
	each    func(e *randomExec, s *drawScratch, lo, hi int) // makes elements lo … hi-1 from s.words
}

func (d *Device) prepareRandom(k kernels.Random) (kernels.Exec, error) {
	e := &randomExec{pool: d.pool, k: k, draws: newDraws(d.level), scratch: make([]drawScratch, d.pool.threads)}
	for i := range e.scratch {
		e.scratch[i].philox.stream = k.Stream
	}
	switch k.Dist {
	case kernels.DistUniform:
		e.each = (*randomExec).uniform64
		if k.Type == kernels.F32 {
			e.each = (*randomExec).uniform32
		}
	case kernels.DistNormal:
		e.each = (*randomExec).normal64
		if k.Type == kernels.F32 {
			e.each = (*randomExec).normal32
		}
	case kernels.DistBernoulli:
		e.each = (*randomExec).bernoulli
	default:
		e.each = (*randomExec).integer
	}
	return e, nil
}

// Workspace is none: the buffers are the workers' own.
func (e *randomExec) Workspace() int { return 0 }

// Run fills the output.
func (e *randomExec) Run(args []kernels.Arg, _ kernels.Arg) error {
	counter := kernels.Slice[uint64](args[0])
	for i := range e.scratch {
		e.scratch[i].philox.setKeys(counter[0])
		e.scratch[i].philox.step = counter[1]
	}
	e.out = args[1]
	words := e.k.N * e.k.Words()
	e.pool.inParts((words+drawBlock-1)/drawBlock, 4*words, e)
	e.out = kernels.Arg{}
	return nil
}

func (e *randomExec) part(i, worker int) {
	s, per := &e.scratch[worker], e.k.Words()
	for lo := i * drawBlock; lo < min((i+1)*drawBlock, e.k.N*per); lo += drawBatch {
		hi := min(lo+drawBatch, e.k.N*per)
		e.draws.fill(s, lo, hi-lo)
		e.each(e, s, lo/per, hi/per)
	}
}

// fill makes words first … first+n-1 of the stream, and some more; first is a multiple of four.
func (d *draws) fill(s *drawScratch, first, n int) {
	s.philox.dst, s.philox.block = &s.words[0], uint32(first/4)
	// Box and Muller's transformation needs whole pairs, the vector routines whole vectors: n is rounded up to groups.
	s.philox.groups = (n + groupWords - 1) / groupWords
	d.philox(&s.philox)
}

func (e *randomExec) uniform32(s *drawScratch, lo, hi int) {
	out := kernels.Slice[float32](e.out)[lo:hi]
	s.args.c[0], s.args.c[1] = float32(e.k.A), float32(e.k.B-e.k.A)
	s.transform(out, e.draws.uniform, genericUniform)
}

func (e *randomExec) normal32(s *drawScratch, lo, hi int) {
	out := kernels.Slice[float32](e.out)[lo:hi]
	s.args.c = normalConstants
	s.args.c[nMean], s.args.c[nStd] = float32(e.k.A), float32(e.k.B)
	s.transform(out, e.draws.normal, genericNormal)
}

// transform turns s.words into out: whole vectors by the level's routine, the rest by the portable one, to equal bits.
func (s *drawScratch) transform(out []float32, vector, rest func(p *drawArgs)) {
	whole := len(out) / maxDraw * maxDraw
	if whole > 0 {
		s.args.dst, s.args.words, s.args.n = &out[0], &s.words[0], whole
		vector(&s.args)
	}
	if n := len(out) - whole; n > 0 {
		s.args.dst, s.args.words, s.args.n = &out[whole], &s.words[whole], n
		rest(&s.args)
	}
}

// at53 is the integer of 53 bits of words 2i and 2i+1.
func at53(words []uint32, i int) float64 {
	return float64((uint64(words[2*i])<<32 | uint64(words[2*i+1])) >> 11)
}

func (e *randomExec) uniform64(s *drawScratch, lo, hi int) {
	scale := e.k.B - e.k.A
	for i := range kernels.Slice[float64](e.out)[lo:hi] {
		kernels.Slice[float64](e.out)[lo+i] = e.k.A + float64(scale*(at53(s.words[:], i)*0x1p-53))
	}
}

func (e *randomExec) normal64(s *drawScratch, lo, hi int) {
	out := kernels.Slice[float64](e.out)[lo:hi]
	for i := 0; i < len(out); i += 2 {
		r := math.Sqrt(-2 * math.Log((at53(s.words[:], i)+1)*0x1p-53))
		sin, cos := ref.Turn(at53(s.words[:], i+1) * 0x1p-53)
		out[i] = e.k.A + e.k.B*(r*cos)
		if i+1 < len(out) {
			out[i+1] = e.k.A + e.k.B*(r*sin)
		}
	}
}

func (e *randomExec) bernoulli(s *drawScratch, lo, hi int) {
	threshold := kernels.BernoulliThreshold(e.k.A)
	switch e.k.Type {
	case kernels.F32:
		bernoulli(kernels.Slice[float32](e.out)[lo:hi], s.words[:], threshold)
	case kernels.F64:
		bernoulli(kernels.Slice[float64](e.out)[lo:hi], s.words[:], threshold)
	default:
		bernoulli(e.out.Host[lo:hi], s.words[:], threshold)
	}
}

func bernoulli[T kernels.Elem](out []T, words []uint32, threshold uint64) {
	for i := range out {
		out[i] = T((uint64(words[i]) - threshold) >> 63) // the borrow of the difference
	}
}

func (e *randomExec) integer(s *drawScratch, lo, hi int) {
	n, base := uint64(e.k.B-e.k.A), int64(e.k.A)
	if e.k.Type == kernels.I32 {
		out := kernels.Slice[int32](e.out)[lo:hi]
		for i := range out {
			out[i] = int32(int64(uint64(s.words[i])*n>>32) + base)
		}
		return
	}
	out := kernels.Slice[int64](e.out)[lo:hi]
	for i := range out {
		out[i] = int64(uint64(s.words[i])*n>>32) + base
	}
}

// genericDraws are the portable routines.
func genericDraws() draws {
	return draws{genericPhilox, genericUniform, genericNormal, genericDropout}
}

func genericPhilox(p *philoxArgs) {
	out := vector(p.dst, groupWords*p.groups)
	key := [2]uint32{p.keys[0][0], p.keys[1][0]}
	for b := range len(out) / 4 {
		w := kernels.Philox([4]uint32{p.block + uint32(b), p.stream, uint32(p.step), uint32(p.step >> 32)}, key)
		copy(out[4*b:], w[:])
	}
}

func genericUniform(p *drawArgs) {
	w, base, scale := vector(p.words, p.n), p.c[0], p.c[1]
	for i, dst := 0, vector(p.dst, p.n); i < len(dst); i++ {
		dst[i] = float32(scale*(float32(w[i]>>8)*0x1p-24)) + base
	}
}

func genericDropout(p *drawArgs) {
	w, x, threshold, scale := vector(p.words, p.n), vector(p.src, p.n), math.Float32bits(p.c[0])^1<<31, p.c[1]
	for i, dst := 0, vector(p.dst, p.n); i < len(dst); i++ {
		if w[i] < threshold {
			dst[i] = 0
		} else {
			dst[i] = x[i] * scale
		}
	}
}

// The constants of normalPair in drawArgs.c; the assembly knows their order. Logarithm, sine and cosine are the beginnings of their
// series, highest power first.
const (
	nMean = iota
	nStd
	nOne
	nTwo16
	nSqrtHalf // its bits
	nMinus32
	nMinus2
	nLn2High
	nLn2Low
	nEighth // of a turn, in bits
	nTurn   // 2π·2^-32
	nLog    // of 2·artanh: four terms behind the first
	nSin    = nLog + 4
	nCos    = nSin + 4
)

var normalConstants = [32]float32{
	nOne: 1, nTwo16: 1 << 16, nSqrtHalf: math.Float32frombits(sqrtHalfBits), nMinus32: -32, nMinus2: -2, nLn2High: ln2High, nLn2Low: ln2Low,
	nEighth: math.Float32frombits(1 << 29), nTurn: 2 * math.Pi / (1 << 32),
	nLog: 2. / 9, nLog + 1: 2. / 7, nLog + 2: 2. / 5, nLog + 3: 2. / 3,
	nSin: 1. / 362880, nSin + 1: -1. / 5040, nSin + 2: 1. / 120, nSin + 3: -1. / 6,
	nCos: -1. / 3628800, nCos + 1: 1. / 40320, nCos + 2: -1. / 720, nCos + 3: 1. / 24, nCos + 4: -1. / 2,
}

const (
	sqrtHalfBits = 0x3f3504f3
	ln2High      = 0x1.62ep-1 // 12 bits, so that its products with exponents are exact
	ln2Low       = math.Ln2 - ln2High
)

func genericNormal(p *drawArgs) {
	dst := vector(p.dst, p.n)
	w := vector(p.words, (p.n+1)/2*2)
	for i := 0; i < len(dst); i += 2 {
		z := normalPair(w[i], w[i+1], &p.c)
		copy(dst[i:], z[:])
	}
}

// normalPair makes two normal variates of two words (see kernels.DistNormal). The conversions to float32 keep the compiler from
// fusing operations, so that every level gives the same bits.
func normalPair(u, v uint32, c *[32]float32) [2]float32 {
	// log((u+1)·2^-32) = log m + e·log 2, with m from sqrt(1/2) to sqrt(2).
	t := float32(float32(u>>16)*c[nTwo16]) + (float32(u&0xffff) + c[nOne])
	e := int32(math.Float32bits(t)-sqrtHalfBits) >> 23
	m := math.Float32frombits(math.Float32bits(t) - uint32(e)<<23)
	f := (m - c[nOne]) / (m + c[nOne])
	f2 := f * f
	exp := float32(e) + c[nMinus32]
	log := series(f2, c[nLog:nLog+4])
	log = (f + f) + float32(float32(log*f2)*f)
	log = float32(exp*c[nLn2High]) + (float32(exp*c[nLn2Low]) + log)
	r := float32(math.Sqrt(float64(log * c[nMinus2])))

	quadrant := (v + 1<<29) >> 30
	x := float32(int32(v-quadrant<<30)) * c[nTurn]
	x2 := x * x
	sin := x + float32(float32(series(x2, c[nSin:nSin+4])*x2)*x)
	cos := float32(series(x2, c[nCos:nCos+5])*x2) + c[nOne]
	if quadrant&1 != 0 {
		sin, cos = cos, -sin
	}
	if quadrant&2 != 0 {
		sin, cos = -sin, -cos
	}
	return [2]float32{
		float32(float32(r*cos)*c[nStd]) + c[nMean],
		float32(float32(r*sin)*c[nStd]) + c[nMean],
	}
}

// series is a polynomial by Horner's rule, each operation rounded.
func series(x float32, c []float32) float32 {
	y := c[0]
	for _, a := range c[1:] {
		y = float32(y*x) + a
	}
	return y
}
