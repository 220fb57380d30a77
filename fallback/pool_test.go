package fallback

import (
	"sync/atomic"
	"testing"
	"time"
)

// countTask counts how often each part runs, and notices two parts at once on one worker.
type countTask struct {
	runs []atomic.Int32
	busy []atomic.Int32
	work func(i int)
	bad  atomic.Int32
}

func (c *countTask) part(i, worker int) {
	if c.busy[worker].Add(1) != 1 {
		c.bad.Add(1)
	}
	c.runs[i].Add(1)
	if c.work != nil {
		c.work(i)
	}
	c.busy[worker].Add(-1)
}

// TestPoolRunsEveryPartOnce does so at 1 to 8 threads, for runs that follow each other at once and after the workers have parked.
func TestPoolRunsEveryPartOnce(t *testing.T) {
	for threads := 1; threads <= 8; threads++ {
		p := newPool(threads)
		for _, parts := range []int{0, 1, 2, 3, 7, 8, 9, 100} {
			for round := range 60 {
				c := &countTask{runs: make([]atomic.Int32, parts), busy: make([]atomic.Int32, threads)}
				switch round % 3 {
				case 1:
					c.work = func(i int) { pause(1 + i*50) } // uneven
				case 2:
					c.work = func(i int) {
						if round%10 == 2 && i < 4 {
							time.Sleep(50 * time.Microsecond) // the caller parks
						}
					}
				}
				p.run(parts, c)
				if round%20 == 0 {
					time.Sleep(100 * time.Microsecond) // the workers park
				}
				for i := range c.runs {
					if n := c.runs[i].Load(); n != 1 {
						t.Fatalf("%d threads, %d parts: part %d ran %d times", threads, parts, i, n)
					}
				}
				if c.bad.Load() != 0 {
					t.Fatalf("%d threads, %d parts: two parts at once on one worker", threads, parts)
				}
			}
		}
		p.close()
		c := &countTask{runs: make([]atomic.Int32, 5), busy: make([]atomic.Int32, 1)}
		p.run(5, c) // after close: on the caller
		for i := range c.runs {
			if n := c.runs[i].Load(); n != 1 {
				t.Fatalf("closed: part %d ran %d times", i, n)
			}
		}
	}
}

// TestPoolRunAllocatesNothing holds the steady state to it.
func TestPoolRunAllocatesNothing(t *testing.T) {
	p := newPool(2)
	defer p.close()
	c := &countTask{runs: make([]atomic.Int32, 8), busy: make([]atomic.Int32, 2)}
	if n := allocations(100, func() { p.run(8, c) }); n != 0 {
		t.Errorf("a run allocates %v times", n)
	}
}

// BenchmarkPoolRun measures the cost of waking the pool, hot and after a pause.
func BenchmarkPoolRun(b *testing.B) {
	for _, idle := range []time.Duration{0, 10 * time.Microsecond, time.Millisecond} {
		b.Run(idle.String(), func(b *testing.B) {
			p := newPool(2)
			defer p.close()
			c := &countTask{runs: make([]atomic.Int32, 2), busy: make([]atomic.Int32, 2)}
			b.ReportAllocs()
			best, total := time.Hour, time.Duration(0)
			for b.Loop() {
				for t := time.Now(); time.Since(t) < idle; {
				}
				t := time.Now()
				p.run(2, c)
				d := time.Since(t)
				best, total = min(best, d), total+d
			}
			b.ReportMetric(float64(best.Nanoseconds()), "best-ns")
			b.ReportMetric(float64(total.Nanoseconds())/float64(b.N), "mean-ns")
		})
	}
}
