package cuda

import (
	"errors"
	"fmt"
	"time"

	"palladio/kernels"
)

// failed handles an error of the driver: where it cost the context, the error is told with the calls that may have caused it, and a new context is made. The
// device goes on with it; what lay in its memory is lost. Where none can be made, the error wraps ErrBeyondRepair.
func (d *Device) failed(g gpu, err error) error {
	if !errors.Is(err, ErrContextLost) {
		return fmt.Errorf("%s: %w", d.name, err)
	}
	calls, more := d.recent.describe()
	told := &LaunchError{Device: d.name, Calls: calls, More: more, Err: err}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.g != g { // somebody else found it lost before
		if d.dead != nil {
			return errors.Join(told, d.dead)
		}
		return told
	}
	d.faultful.Store(false)
	if err := d.revive(!errors.Is(err, ErrHung)); err != nil {
		d.g = nil
		d.dead = fmt.Errorf("%s: %w: no new context can be made: %w", d.name, ErrBeyondRepair, err)
	}
	d.generation.Add(1)
	clear(d.blocks)
	if d.dead != nil {
		return errors.Join(told, d.dead)
	}
	return told
}

// revive replaces the context by a new one, in which something has run. A driver that does not answer is given up, where waiting has a limit. What the lost context
// held of the driver's pool is given back, unless a kernel may still use it. d.mu is held.
func (d *Device) revive(idle bool) error {
	_ = d.g.abandon() // its errors are those of the lost context
	type made struct {
		g      gpu
		record uint64
		err    error
	}
	done := make(chan made, 1)
	go func() {
		g, record, err := d.make()
		done <- made{g, record, err}
	}()
	var late <-chan time.Time
	if d.limit > 0 {
		late = time.After(d.limit + d.patience)
	}
	select {
	case m := <-done:
		if m.err != nil {
			return m.err
		}
		if idle {
			_ = d.release(m.g)
		}
		d.begin(m.g, m.record)
		return nil
	case <-late:
		go func() { // should it come after all
			if m := <-done; m.err == nil {
				_ = m.g.close()
			}
		}()
		return fmt.Errorf("the driver has not made one in %v", d.limit+d.patience)
	}
}

// lost is the error for something of an earlier context.
func (d *Device) lost(what string) error {
	return fmt.Errorf("%s: %s: %w since an earlier call failed: allocate and fill it anew", d.name, what, ErrContextLost)
}

// checkOperands says whether the operands lie in memory of the present context.
func (d *Device) checkOperands(e *exec, args []kernels.Arg) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, i := range e.filled {
		a, n := args[i].Addr, uint64(e.ops[i].Bytes())
		ok := false
		for m := range d.blocks {
			ok = ok || m.generation == d.generation.Load() && a >= m.addr && a+n <= m.addr+uint64(m.n)
		}
		if !ok {
			return d.lost("operand " + e.ops[i].String() + " of " + e.k.Family())
		}
	}
	return nil
}
