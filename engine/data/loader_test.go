package data

import (
	"context"
	"errors"
	"math"
	"slices"
	"testing"
)

// ramp is a set of n images of h×w×c with different pixels, labels i mod 3.
func ramp(n, h, w, c int) *Images {
	s := &Images{Name: "ramp", N: n, H: h, W: w, C: c, Classes: numbered(3)}
	for i := range n {
		for p := range h * w * c {
			s.Pix = append(s.Pix, uint8(1+(i*31+p*7)%255))
		}
		s.Labels = append(s.Labels, int32(i%3))
	}
	return s
}

// epoch copies all of an epoch's pixels and labels.
func epoch(t *testing.T, l *Loader, e int) (x []float32, y []int32) {
	t.Helper()
	for b, err := range l.Epoch(context.Background(), e) {
		if err != nil {
			t.Fatal(err)
		}
		if len(b.X) != b.N*l.set.H*l.set.W*l.set.C || len(b.Y) != b.N {
			t.Fatalf("batch of %d has %d pixels and %d labels", b.N, len(b.X), len(b.Y))
		}
		x, y = append(x, b.X...), append(y, b.Y...)
	}
	return x, y
}

func TestLoaderPlain(t *testing.T) {
	s := ramp(10, 4, 5, 3)
	l, err := NewLoader(s, LoaderOptions{Batch: 4})
	if err != nil {
		t.Fatal(err)
	}
	x, y := epoch(t, l, 0)
	if l.Batches() != 3 || !slices.Equal(y, s.Labels) {
		t.Errorf("%d batches, labels %v", l.Batches(), y)
	}
	var sum, sq float64
	for _, v := range x {
		sum += float64(v)
		sq += float64(v) * float64(v)
	}
	if n := float64(len(x)); math.Abs(sum/n) > 1e-5 || math.Abs(sq/n-1) > 1e-4 {
		t.Errorf("normalised to mean %v, square %v", sum/n, sq/n)
	}
}

func TestLoaderIsAFunctionOfSeedAndEpoch(t *testing.T) {
	o := LoaderOptions{Batch: 3, Shuffle: true, Seed: 7, Augment: Augment{Pad: 2, Flip: true, Cutout: 2, Mixup: .4}}
	a, _ := NewLoader(ramp(10, 6, 6, 1), o)
	o.Prefetch = 5
	b, _ := NewLoader(ramp(10, 6, 6, 1), o)
	x1, y1 := epoch(t, a, 1)
	x2, y2 := epoch(t, b, 1)
	if !slices.Equal(x1, x2) || !slices.Equal(y1, y2) {
		t.Error("the same epoch differs between two loaders")
	}
	if x3, _ := epoch(t, a, 2); slices.Equal(x1, x3) {
		t.Error("two epochs are the same")
	}
	sorted := slices.Clone(y1)
	slices.Sort(sorted)
	if !slices.Equal(sorted, []int32{0, 0, 0, 0, 1, 1, 1, 2, 2, 2}) {
		t.Errorf("an epoch's labels are %v", y1)
	}
}

func TestShiftVariantsAgree(t *testing.T) {
	s := ramp(1, 5, 6, 1)
	lut, _ := newScale(1, []float32{.5}, []float32{.25})
	got, want := make([]float32, 30), make([]float32, 30)
	for dy := -4; dy <= 4; dy++ {
		for dx := -5; dx <= 5; dx++ {
			shiftGrey(got, s.Image(0), 5, 6, dy, dx, &lut[0])
			shift(want, s.Image(0), 5, 6, dy, dx, false, lut)
			if !slices.Equal(got, want) {
				t.Fatalf("shift by %d, %d differs", dy, dx)
			}
		}
	}
	shift(got, s.Image(0), 5, 6, 0, 0, true, lut)
	shift(want, s.Image(0), 5, 6, 0, 0, false, lut)
	for y := range 5 {
		slices.Reverse(want[y*6 : y*6+6])
	}
	if !slices.Equal(got, want) {
		t.Error("a flip is no mirror image")
	}
}

func TestMixup(t *testing.T) {
	s := ramp(4, 3, 3, 1)
	plain, _ := NewLoader(s, LoaderOptions{Batch: 4})
	mixed, _ := NewLoader(s, LoaderOptions{Batch: 4, Augment: Augment{Mixup: 1}})
	x, _ := epoch(t, plain, 0)
	for b, err := range mixed.Epoch(context.Background(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		for i := range 4 {
			if b.Y2[i] != s.Labels[3-i] {
				t.Errorf("image %d is mixed with label %d", i, b.Y2[i])
			}
			for p := range 9 {
				want := b.Lambda*x[i*9+p] + (1-b.Lambda)*x[(3-i)*9+p]
				if math.Abs(float64(b.X[i*9+p]-want)) > 1e-6 {
					t.Fatalf("pixel %d of image %d is %v, want %v", p, i, b.X[i*9+p], want)
				}
			}
		}
	}
}

func TestBetaMoments(t *testing.T) {
	l, _ := NewLoader(ramp(1, 2, 2, 1), LoaderOptions{Batch: 1})
	for _, a := range []float64{.2, 1, 4} {
		r := l.stream(0, forMix, 0)
		var sum, sq float64
		const n = 20000
		for range n {
			x := beta(r, a)
			sum += x
			sq += x * x
		}
		mean, variance := sum/n, sq/n-sum/n*sum/n
		want := 1 / (4 * (2*a + 1))
		if math.Abs(mean-.5) > 5*math.Sqrt(want/n) || math.Abs(variance-want) > .03*want+.001 {
			t.Errorf("Beta(%v, %v): mean %v, variance %v, want .5 and %v", a, a, mean, variance, want)
		}
	}
}

func TestLoaderStopsEarly(t *testing.T) {
	l, _ := NewLoader(ramp(100, 4, 4, 1), LoaderOptions{Batch: 1})
	for range l.Epoch(context.Background(), 0) {
		break // must not leave the background goroutine blocked: -race and the next loop would show it
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	n := 0
	for _, err := range l.Epoch(ctx, 0) {
		if n++; n == 3 {
			cancel()
		}
		if err != nil {
			if !errors.Is(err, context.Canceled) {
				t.Errorf("error %v", err)
			}
			return
		}
	}
	t.Error("a cancelled epoch ended without an error")
}

func TestLoaderRefuses(t *testing.T) {
	s := ramp(4, 4, 4, 1)
	for name, o := range map[string]LoaderOptions{
		"batch":     {},
		"drop":      {Batch: 5, DropLast: true},
		"pad":       {Batch: 1, Augment: Augment{Pad: 4}},
		"mixup":     {Batch: 1, Augment: Augment{Mixup: math.NaN()}},
		"mean":      {Batch: 1, Mean: []float32{0, 0}, Std: []float32{1, 1}},
		"deviation": {Batch: 1, Mean: []float32{0}, Std: []float32{0}},
	} {
		if _, err := NewLoader(s, o); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	s.Labels[2] = 3
	if _, err := NewLoader(s, LoaderOptions{Batch: 1}); err == nil {
		t.Error("a label outside the classes: accepted")
	}
}

func TestResize(t *testing.T) {
	s := ramp(2, 8, 8, 3)
	small, err := s.Resize(4, 4)
	if err != nil || small.H != 4 || len(small.Pix) != 2*4*4*3 || s.H != 8 {
		t.Errorf("%+v, %v", small, err)
	}
	if _, err := s.Resize(0, 4); err == nil {
		t.Error("resize to nothing accepted")
	}
	if b := s.Sheet(2, 2, 3).Bounds(); b.Dx() != 2*26+2 || b.Dy() != 26+2 {
		t.Errorf("sheet of %v", b)
	}
}

func BenchmarkLoaderMNIST(b *testing.B) {
	train, _, err := openEmbedded()
	if err != nil {
		b.Fatal(err)
	}
	l, err := NewLoader(train, LoaderOptions{Batch: 128, Shuffle: true, Augment: Augment{Pad: 2}})
	if err != nil {
		b.Fatal(err)
	}
	images := 0
	for b.Loop() {
		for batch := range l.Epoch(b.Context(), 0) {
			images += batch.N
		}
	}
	b.ReportMetric(float64(images)/b.Elapsed().Seconds(), "images/s")
}
