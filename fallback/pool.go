package fallback

import (
	"sync"
	"sync/atomic"
)

// task is work that splits into independent parts. Which part runs on which thread is left open, so a part's result must not depend on it.
type task interface {
	// part does part i; worker numbers the thread that runs it, from 0 to threads-1, to choose scratch memory.
	part(i, worker int)
}

// pool runs tasks on the caller's goroutine and threads-1 workers. One task at a time.
type pool struct {
	threads int
	wake    []chan struct{}
	done    sync.WaitGroup
	next    atomic.Int64
	parts   int64
	task    task
}

func newPool(threads int) *pool {
	p := &pool{threads: threads, wake: make([]chan struct{}, threads-1)}
	for i := range p.wake {
		p.wake[i] = make(chan struct{}, 1)
		go p.work(p.wake[i], i+1)
	}
	return p
}

func (p *pool) work(wake <-chan struct{}, worker int) {
	for range wake {
		p.drain(worker)
		p.done.Done()
	}
}

func (p *pool) drain(worker int) {
	for {
		i := p.next.Add(1) - 1
		if i >= p.parts {
			return
		}
		p.task.part(int(i), worker)
	}
}

// run does the parts 0 … parts-1 of t and returns when all are done. It allocates nothing.
func (p *pool) run(parts int, t task) {
	if p.threads == 1 || parts <= 1 {
		for i := range parts {
			t.part(i, 0)
		}
		return
	}
	p.task, p.parts = t, int64(parts)
	p.next.Store(0)
	helpers := min(p.threads, parts) - 1
	p.done.Add(helpers)
	for _, w := range p.wake[:helpers] {
		w <- struct{}{}
	}
	p.drain(0)
	p.done.Wait()
	p.task = nil
}

func (p *pool) close() {
	for _, w := range p.wake {
		close(w)
	}
	p.wake, p.threads = nil, 1
}
