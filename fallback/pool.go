package fallback

import (
	"runtime"
	"sync/atomic"
	"time"
)

// task is work that splits into independent parts. Which part runs on which thread is left open, so a part's result must not depend on it.
type task interface {
	// part does part i; worker numbers the thread that runs it, from 0 to threads-1, to choose scratch memory.
	part(i, worker int)
}

// pool runs tasks on the caller's goroutine and threads-1 workers. One task at a time.
//
// A worker that has nothing to do spins for a moment, because calls follow each other closely, and then parks. The caller never waits for
// a worker that has not begun when the parts run out: on a machine that others share, that worker may be a long time coming.
type pool struct {
	threads int
	workers []poolWorker
	spin    time.Duration // how long to spin before parking

	// What the workers read of a run. They may do so between claiming it and counting themselves out of pending.
	task  task
	parts int64
	next  atomic.Int64

	pending atomic.Int64 // workers that have not finished the run, plus callerParked if the caller sleeps
	done    chan struct{}
}

// poolWorker is one worker's mailbox, on cache lines of its own.
type poolWorker struct {
	state atomic.Uint32
	wake  chan struct{} // holds a token when a parked worker is to look at its state
	_     [112]byte
}

// The states of a worker.
const (
	workerIdle   uint32 = iota // spinning, or on its way to look at its state
	workerParked               // waiting for a token
	workerCalled               // there is a run that it has not begun; the caller may take the call back
	workerRunning
	workerClosed
)

const (
	callerParked = 1 << 32
	spinTime     = 25 * time.Microsecond
	pauses       = 8 // pauses between two looks
)

func newPool(threads int) *pool {
	p := &pool{threads: threads, workers: make([]poolWorker, threads-1), done: make(chan struct{}, 1)}
	if threads <= runtime.GOMAXPROCS(0) { // otherwise a spinning worker keeps a working one from running
		p.spin = spinTime
	}
	for i := range p.workers {
		w := &p.workers[i]
		w.wake = make(chan struct{}, 1)
		go p.work(w, i+1)
	}
	return p
}

// work is the life of a worker.
func (p *pool) work(w *poolWorker, number int) {
	for p.await(w) {
		p.drain(number)
		w.state.Store(workerIdle)
		if p.pending.Add(-1) == callerParked {
			p.done <- struct{}{}
		}
	}
}

// await returns when the worker has claimed a run, or false when the pool is closed.
func (p *pool) await(w *poolWorker) bool {
	start := time.Now()
	for {
		switch w.state.Load() {
		case workerCalled:
			if w.state.CompareAndSwap(workerCalled, workerRunning) {
				return true
			}
		case workerClosed:
			return false
		case workerIdle:
			if time.Since(start) < p.spin {
				pause(pauses)
			} else if w.state.CompareAndSwap(workerIdle, workerParked) {
				<-w.wake
				start = time.Now()
			}
		}
	}
}

// tell changes a worker's state from outside and wakes it if it is parked.
func (w *poolWorker) tell(state uint32) {
	if w.state.Swap(state) == workerParked {
		w.wake <- struct{}{}
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
	helpers := p.workers[:min(p.threads, parts)-1]
	p.pending.Store(int64(len(helpers)))
	for i := range helpers {
		helpers[i].tell(workerCalled)
	}
	p.drain(0)
	for i := range helpers {
		if helpers[i].state.CompareAndSwap(workerCalled, workerIdle) {
			p.pending.Add(-1)
		}
	}
	p.join()
	p.task = nil
}

// join waits until no worker is at work on the run.
func (p *pool) join() {
	for start := time.Now(); p.pending.Load() != 0; {
		if time.Since(start) < p.spin {
			pause(pauses)
			continue
		}
		if p.pending.Add(callerParked) != callerParked {
			<-p.done
		}
		return
	}
}

// close ends the workers. What runs later runs on the caller's goroutine.
func (p *pool) close() {
	for i := range p.workers {
		p.workers[i].tell(workerClosed)
	}
	p.workers, p.threads = nil, 1
}
