package data

import (
	"context"
	"fmt"
	"iter"
	"math"
	"math/rand/v2"
)

// Batch is what a Loader serves. Its memory is reused: it is the caller's until the next step of the iteration.
type Batch struct {
	N      int       // images; less than the loader's batch size only in an epoch's last batch
	X      []float32 // [N, H, W, C], normalised
	Y      []int32   // [N] labels
	Y2     []int32   // [N] labels of the images mixed in; equal to Y without mixup
	Lambda float32   // share of Y; 1 without mixup
}

// LoaderOptions configure a Loader.
type LoaderOptions struct {
	Batch     int       // images a batch
	Shuffle   bool      // a new order every epoch
	Seed      uint64    // of the order and of the augmentation
	DropLast  bool      // leave out a last batch that is not full
	Augment   Augment   // training variation
	Mean, Std []float32 // normalisation a channel, of pixels in [0, 1]; nil: the set's own statistics
	Prefetch  int       // batches made ahead in the background; 0 is 2
}

// Loader serves a set as batches. Epoch e is a function of the set, the options and e alone.
type Loader struct {
	set   *Images
	o     LoaderOptions
	scale scale
}

// NewLoader checks the options against the set.
func NewLoader(set *Images, o LoaderOptions) (*Loader, error) {
	if err := set.check(); err != nil {
		return nil, err
	}
	if o.Batch < 1 {
		return nil, fmt.Errorf("%s: batch of %d: want at least 1", set.Name, o.Batch)
	}
	if o.DropLast && o.Batch > set.N {
		return nil, fmt.Errorf("%s: batch of %d with the last one dropped leaves none of %d images", set.Name, o.Batch, set.N)
	}
	if err := o.Augment.validate(set.H, set.W); err != nil {
		return nil, fmt.Errorf("%s: %w", set.Name, err)
	}
	if o.Mean == nil && o.Std == nil {
		o.Mean, o.Std = set.Stats()
		for c, s := range o.Std {
			if s == 0 { // a blank channel: leave it as it is
				o.Std[c] = 1
			}
		}
	}
	s, err := newScale(set.C, o.Mean, o.Std)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", set.Name, err)
	}
	if o.Prefetch < 1 {
		o.Prefetch = 2
	}
	return &Loader{set, o, s}, nil
}

// Batches is the number of batches an epoch.
func (l *Loader) Batches() int {
	if l.o.DropLast {
		return l.set.N / l.o.Batch
	}
	return (l.set.N + l.o.Batch - 1) / l.o.Batch
}

// Normalisation is the mean and deviation in use, to be given to the loader of held-out images.
func (l *Loader) Normalisation() (mean, std []float32) { return l.o.Mean, l.o.Std }

// Epoch iterates over the batches of epoch e, made in the background. It stops with ctx's error when ctx ends.
func (l *Loader) Epoch(ctx context.Context, e int) iter.Seq2[*Batch, error] {
	return func(yield func(*Batch, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		free, ready := make(chan *Batch, l.o.Prefetch), make(chan *Batch, l.o.Prefetch)
		done := make(chan struct{})
		defer func() { cancel(); <-done }()
		for range l.o.Prefetch {
			free <- l.newBatch()
		}
		go func() {
			defer close(done)
			defer close(ready)
			l.produce(ctx, e, free, ready)
		}()
		for b := range ready {
			if !yield(b, nil) {
				return
			}
			free <- b
		}
		if err := ctx.Err(); err != nil {
			yield(nil, err)
		}
	}
}

func (l *Loader) newBatch() *Batch {
	n := l.o.Batch
	b := &Batch{X: make([]float32, n*l.set.H*l.set.W*l.set.C), Y: make([]int32, n), Y2: make([]int32, n)}
	return b
}

func (l *Loader) produce(ctx context.Context, e int, free <-chan *Batch, ready chan<- *Batch) {
	order := l.order(e)
	for i := range l.Batches() {
		select {
		case <-ctx.Done():
			return
		case b := <-free:
			l.fill(b, e, i, order[i*l.o.Batch:min((i+1)*l.o.Batch, len(order))])
			ready <- b // never blocks: there are as many places as batches
		}
	}
}

// stream is the random numbers of one purpose: independent of how many were drawn for another.
func (l *Loader) stream(e, purpose, i int) *rand.Rand {
	return rand.New(rand.NewPCG(l.o.Seed, uint64(e)<<40^uint64(purpose)<<36^uint64(i)))
}

// The purposes of random streams.
const (
	forOrder = iota
	forImage
	forMix
)

func (l *Loader) order(e int) []int {
	if l.o.Shuffle {
		return l.stream(e, forOrder, 0).Perm(l.set.N)
	}
	order := make([]int, l.set.N)
	for i := range order {
		order[i] = i
	}
	return order
}

func (l *Loader) fill(b *Batch, e, batch int, images []int) {
	n := l.set.H * l.set.W * l.set.C
	b.N, b.Lambda = len(images), 1
	b.X, b.Y, b.Y2 = b.X[:b.N*n], b.Y[:b.N], b.Y2[:b.N]
	for j, i := range images {
		l.o.Augment.write(b.X[j*n:(j+1)*n], l.set.Image(i), l.set.H, l.set.W, l.scale, l.stream(e, forImage, i))
		b.Y[j] = l.set.Labels[i]
	}
	copy(b.Y2, b.Y)
	if l.o.Augment.Mixup > 0 {
		b.mix(beta(l.stream(e, forMix, batch), l.o.Augment.Mixup), n)
	}
}

// mix blends each image with the one at the mirrored place of the batch.
func (b *Batch) mix(lambda float64, n int) {
	b.Lambda = float32(lambda)
	for i, j := 0, b.N-1; i <= j; i, j = i+1, j-1 {
		xi, xj := b.X[i*n:(i+1)*n], b.X[j*n:(j+1)*n]
		for k := range xi {
			p, q := xi[k], xj[k]
			xi[k], xj[k] = b.Lambda*p+(1-b.Lambda)*q, b.Lambda*q+(1-b.Lambda)*p
		}
		b.Y2[i], b.Y2[j] = b.Y[j], b.Y[i]
	}
}

// beta draws from Beta(a, a) as x/(x+y) of two gamma variates.
func beta(r *rand.Rand, a float64) float64 {
	x, y := gamma(r, a), gamma(r, a)
	if x+y == 0 {
		return 0.5 // both underflowed: a is tiny, and the true draw is 0 or 1 with equal chance
	}
	return x / (x + y)
}

// gamma draws from Gamma(a, 1) (Marsaglia & Tsang 2000; for a < 1 by their boost Gamma(a+1) U^(1/a)).
func gamma(r *rand.Rand, a float64) float64 {
	if a < 1 {
		return gamma(r, a+1) * math.Pow(r.Float64(), 1/a)
	}
	d := a - 1.0/3
	c := 1 / math.Sqrt(9*d)
	for {
		x := r.NormFloat64()
		v := 1 + c*x
		if v <= 0 {
			continue
		}
		v = v * v * v
		if math.Log(1-r.Float64()) < x*x/2+d-d*v+d*math.Log(v) {
			return d * v
		}
	}
}
