package ref

import (
	"math"

	"palladio/kernels"
)

// words is a stream of random words at the counter in t.
type words struct {
	seed, step uint64
	stream     uint32
}

func wordsOf(counter tensor, stream uint32) words {
	c := kernels.Slice[uint64](counter.arg)
	return words{c[0], c[1], stream}
}

func (w words) at(i int) uint32 {
	return kernels.Draw(w.seed, w.step, w.stream, uint32(i/4))[i%4]
}

// at53 is the integer of 53 bits that words 2i and 2i+1 make.
func (w words) at53(i int) float64 {
	return float64((uint64(w.at(2*i))<<32 | uint64(w.at(2*i+1))) >> 11)
}

func random(k kernels.Random) (kernels.Exec, error) {
	return run(k, func(t []tensor) {
		w, out := wordsOf(t[0], k.Stream), t[1]
		for i := range k.N {
			switch k.Dist {
			case kernels.DistUniform:
				out.set(i, uniform(k, w, i))
			case kernels.DistNormal:
				out.set(i, k.A+k.B*normal(k, w, i))
			case kernels.DistBernoulli:
				v := 0.0
				if uint64(w.at(i)) < kernels.BernoulliThreshold(k.A) {
					v = 1
				}
				out.set(i, v)
			case kernels.DistInteger:
				out.set(i, float64(int64(uint64(w.at(i))*uint64(k.B-k.A)>>32)+int64(k.A)))
			}
		}
	})
}

func uniform(k kernels.Random, w words, i int) float64 {
	if k.Type == kernels.F64 {
		return k.A + float64((k.B-k.A)*(w.at53(i)*0x1p-53))
	}
	u := float32(w.at(i)>>8) * 0x1p-24
	return float64(float32(k.A) + float32(float32(k.B-k.A)*u))
}

func normal(k kernels.Random, w words, i int) float64 {
	pair := i / 2
	u, v := float64(float32(float64(w.at(2*pair))+1))*0x1p-32, float64(w.at(2*pair+1))*0x1p-32
	if k.Type == kernels.F64 {
		u, v = (w.at53(2*pair)+1)*0x1p-53, w.at53(2*pair+1)*0x1p-53
	}
	r := math.Sqrt(-2 * math.Log(u))
	sin, cos := Turn(v)
	if i%2 == 0 {
		return r * cos
	}
	return r * sin
}

// Turn is sine and cosine of 2πv, 0 ≤ v ≤ 1. Quarters are taken off v first, exactly, so that the rounding of 2πv does not count.
func Turn(v float64) (sin, cos float64) {
	quarter := math.Round(4 * v)
	sin, cos = math.Sincos(2 * math.Pi * (v - quarter/4))
	for range int(quarter) {
		sin, cos = cos, -sin
	}
	return sin, cos
}

func dropout(k kernels.Dropout) (kernels.Exec, error) {
	return run(k, func(t []tensor) {
		w, x, y := wordsOf(t[0], k.Stream), t[1], t[2]
		each([]int{k.Outer, k.Middle, k.Inner}, func(flat int, i []int) {
			if uint64(w.at(i[0]*k.Inner+i[2])) < k.Threshold() {
				y.set(flat, 0)
				return
			}
			v := x.at(flat) * k.Scale()
			if k.Type != kernels.F64 {
				v = float64(float32(v)) // a half is rounded twice
			}
			y.set(flat, v)
		})
	})
}
