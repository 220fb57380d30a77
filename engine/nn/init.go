package nn

import (
	"fmt"
	"hash/fnv"
	"math"

	"gonum.org/v1/gonum/mat"

	"palladio/kernels"
)

// Init says how a parameter starts. A weight's shape is [out, taps…, in]: its fan in is taps·in, its fan out taps·out.
type Init struct {
	name string
	f    func(shape []int, in, out float64, d *draws) ([]float64, error)
}

func (i Init) String() string { return i.name }

func (i Init) values(shape []int, d *draws) ([]float64, error) {
	if i.f == nil {
		return nil, fmt.Errorf("no initialiser given")
	}
	taps := 1.0
	for k := 1; k < len(shape)-1; k++ {
		taps *= float64(shape[k])
	}
	in, out := 1.0, 1.0
	if len(shape) > 0 {
		in, out = taps*float64(shape[len(shape)-1]), taps*float64(shape[0])
	}
	return i.f(shape, in, out, d)
}

// draw makes an initialiser that draws each value.
func drawing(name string, f func(in, out float64, d *draws) func() float64) Init {
	return Init{name, func(shape []int, in, out float64, d *draws) ([]float64, error) {
		next := f(in, out, d)
		v := make([]float64, kernels.Elems(shape))
		for i := range v {
			v[i] = next()
		}
		return v, nil
	}}
}

// Constant starts at c everywhere.
func Constant(c float64) Init {
	return drawing(fmt.Sprintf("constant(%v)", c), func(_, _ float64, _ *draws) func() float64 { return func() float64 { return c } })
}

// Zeros starts at 0, Ones at 1.
func Zeros() Init { return Constant(0) }

// Ones starts at 1.
func Ones() Init { return Constant(1) }

// Uniform draws from [lo, hi).
func Uniform(lo, hi float64) Init {
	return drawing(fmt.Sprintf("uniform(%v,%v)", lo, hi), func(_, _ float64, d *draws) func() float64 {
		return func() float64 { return lo + (hi-lo)*d.uniform() }
	})
}

// Normal draws from the normal distribution with mean 0.
func Normal(deviation float64) Init {
	return drawing(fmt.Sprintf("normal(%v)", deviation), func(_, _ float64, d *draws) func() float64 {
		return func() float64 { return deviation * d.normal() }
	})
}

// TruncatedNormal draws from the normal distribution with mean 0, and again where a draw lies more than two deviations off.
func TruncatedNormal(deviation float64) Init {
	return drawing(fmt.Sprintf("truncated_normal(%v)", deviation), func(_, _ float64, d *draws) func() float64 {
		return func() float64 {
			for {
				if v := d.normal(); math.Abs(v) <= 2 {
					return deviation * v
				}
			}
		}
	})
}

// XavierUniform keeps the variance of signals and gradients alike: uniform with bound gain·sqrt(6/(in+out)) (Glorot and Bengio, 2010, eq. 16).
func XavierUniform(gain float64) Init {
	return drawing(fmt.Sprintf("xavier_uniform(%v)", gain), func(in, out float64, d *draws) func() float64 {
		a := gain * math.Sqrt(6/(in+out))
		return func() float64 { return a * (2*d.uniform() - 1) }
	})
}

// XavierNormal is the normal distribution of the same variance, gain²·2/(in+out).
func XavierNormal(gain float64) Init {
	return drawing(fmt.Sprintf("xavier_normal(%v)", gain), func(in, out float64, d *draws) func() float64 {
		s := gain * math.Sqrt(2/(in+out))
		return func() float64 { return s * d.normal() }
	})
}

// HeNormal keeps the variance of signals through ReLU: normal with variance 2/in (He et al., 2015, eq. 10).
func HeNormal() Init {
	return drawing("he_normal", func(in, _ float64, d *draws) func() float64 {
		s := math.Sqrt(2 / in)
		return func() float64 { return s * d.normal() }
	})
}

// HeNormalFanOut is HeNormal by the fan out, 2/out (ibid., eq. 14).
func HeNormalFanOut() Init {
	return drawing("he_normal_fan_out", func(_, out float64, d *draws) func() float64 {
		s := math.Sqrt(2 / out)
		return func() float64 { return s * d.normal() }
	})
}

// HeUniform is uniform with variance 2/in.
func HeUniform() Init {
	return drawing("he_uniform", func(in, _ float64, d *draws) func() float64 {
		a := math.Sqrt(6 / in)
		return func() float64 { return a * (2*d.uniform() - 1) }
	})
}

// Orthogonal makes the rows, or the columns if these are fewer, of the weight seen as a matrix [out, rest] orthogonal and of length
// gain: Q of a normal matrix, with the signs of R's diagonal taken out so that Q is uniform (Saxe et al., 2014; Mezzadri, 2007).
func Orthogonal(gain float64) Init {
	return Init{fmt.Sprintf("orthogonal(%v)", gain), func(shape []int, _, _ float64, d *draws) ([]float64, error) {
		if len(shape) < 2 {
			return nil, fmt.Errorf("an orthogonal start needs two axes or more, not shape %v", shape)
		}
		rows, cols := shape[0], kernels.Elems(shape[1:])
		tall, thin := max(rows, cols), min(rows, cols)
		a := mat.NewDense(tall, thin, nil)
		for i := range tall {
			for j := range thin {
				a.Set(i, j, d.normal())
			}
		}
		var qr mat.QR
		qr.Factorize(a)
		var q, r mat.Dense
		qr.QTo(&q)
		qr.RTo(&r)
		v := make([]float64, rows*cols)
		for i := range tall {
			for j := range thin {
				x := gain * math.Copysign(1, r.At(j, j)) * q.At(i, j)
				if rows >= cols {
					v[i*cols+j] = x
				} else {
					v[j*cols+i] = x
				}
			}
		}
		return v, nil
	}}
}

// initStep is the step under which initial values are drawn; no training reaches it.
const initStep = math.MaxUint64

// draws is a Philox stream of random numbers for one parameter.
type draws struct {
	seed   uint64
	stream uint32
	block  uint32
	words  [4]uint32
	used   int
	spare  float64
	has    bool
}

func newDraws(seed uint64, name string) *draws {
	h := fnv.New32a()
	_, _ = h.Write([]byte(name))
	return &draws{seed: seed, stream: h.Sum32(), used: 4}
}

func (d *draws) word() uint32 {
	if d.used == 4 {
		d.words = kernels.Draw(d.seed, initStep, d.stream, d.block)
		d.block++
		d.used = 0
	}
	d.used++
	return d.words[d.used-1]
}

// uniform is in [0, 1), with 53 bits.
func (d *draws) uniform() float64 {
	hi, lo := uint64(d.word()), uint64(d.word())
	return float64((hi<<32|lo)>>11) * 0x1p-53
}

// normal is standard normal, by Box and Muller.
func (d *draws) normal() float64 {
	if d.has {
		d.has = false
		return d.spare
	}
	r := math.Sqrt(-2 * math.Log(1-d.uniform()))
	s, c := math.Sincos(2 * math.Pi * d.uniform())
	d.spare, d.has = r*s, true
	return r * c
}
