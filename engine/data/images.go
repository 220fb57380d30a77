package data

import (
	"fmt"
	"math"
)

// Images is a labelled image set in memory.
type Images struct {
	Name    string
	N       int      // images
	H, W, C int      // rows, columns, channels
	Pix     []uint8  // [N, H, W, C]
	Labels  []int32  // [N], each in [0, len(Classes))
	Classes []string // names
}

// limits of what a file may claim before memory is reserved for it.
const (
	maxSide  = 16384
	maxBytes = 8 << 30
)

// check says whether the set is consistent.
func (s *Images) check() error {
	if s.N < 1 {
		return fmt.Errorf("%s: no images", s.Name)
	}
	if s.H < 1 || s.W < 1 || s.C < 1 || s.H > maxSide || s.W > maxSide || s.C > 4 {
		return fmt.Errorf("%s: images of %d×%d×%d: want sides of 1 to %d and 1 to 4 channels", s.Name, s.H, s.W, s.C, maxSide)
	}
	if len(s.Pix) != s.N*s.H*s.W*s.C {
		return fmt.Errorf("%s: %d bytes of pixels for %d images of %d×%d×%d", s.Name, len(s.Pix), s.N, s.H, s.W, s.C)
	}
	if len(s.Labels) != s.N {
		return fmt.Errorf("%s: %d labels for %d images", s.Name, len(s.Labels), s.N)
	}
	for i, l := range s.Labels {
		if l < 0 || int(l) >= len(s.Classes) {
			return fmt.Errorf("%s: image %d has label %d, want 0 to %d", s.Name, i, l, len(s.Classes)-1)
		}
	}
	return nil
}

// Image is the pixels [H, W, C] of image i; it shares the set's memory.
func (s *Images) Image(i int) []uint8 {
	n := s.H * s.W * s.C
	return s.Pix[i*n : (i+1)*n : (i+1)*n]
}

// Range is the images [lo, hi); it shares the set's memory.
func (s *Images) Range(lo, hi int) (*Images, error) {
	if lo < 0 || hi > s.N || lo >= hi {
		return nil, fmt.Errorf("%s: images %d to %d of %d", s.Name, lo, hi, s.N)
	}
	n := s.H * s.W * s.C
	r := *s
	r.N, r.Pix, r.Labels = hi-lo, s.Pix[lo*n:hi*n], s.Labels[lo:hi]
	return &r, nil
}

// Split divides the set into its first n images and the others.
func (s *Images) Split(n int) (first, rest *Images, err error) {
	if first, err = s.Range(0, n); err != nil {
		return nil, nil, err
	}
	rest, err = s.Range(n, s.N)
	return first, rest, err
}

// Stats is the mean and the standard deviation of each channel, with pixels scaled to [0, 1].
func (s *Images) Stats() (mean, std []float32) {
	mean, std = make([]float32, s.C), make([]float32, s.C)
	for c := range s.C {
		var hist [256]int
		for i := c; i < len(s.Pix); i += s.C {
			hist[s.Pix[i]]++
		}
		var sum, sq float64
		for v, n := range hist {
			x := float64(v) / 255
			sum += x * float64(n)
			sq += x * x * float64(n)
		}
		n := float64(s.N * s.H * s.W)
		mean[c] = float32(sum / n)
		std[c] = float32(math.Sqrt(max(sq/n-(sum/n)*(sum/n), 0)))
	}
	return mean, std
}
