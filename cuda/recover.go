package cuda

import (
	"errors"
	"fmt"

	"palladio/kernels"
)

// failed handles an error of the driver: where it cost the context, the error is told with the calls that may have caused it, and a new context is made. The
// device goes on with it; what lay in its memory is lost.
func (d *Device) failed(g gpu, err error) error {
	if !errors.Is(err, ErrContextLost) {
		return fmt.Errorf("%s: %w", d.name, err)
	}
	calls, more := d.recent.describe()
	told := &LaunchError{Device: d.name, Calls: calls, More: more, Err: err}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.g != g { // somebody else found it lost before
		return told
	}
	_ = d.g.close() // what can be given back of a lost context
	d.generation.Add(1)
	clear(d.blocks)
	d.faultful.Store(false)
	if err := d.start(); err != nil {
		d.g = nil
		d.dead = fmt.Errorf("%s: no new context could be made after an earlier error (start the program anew): %w", d.name, err)
		return errors.Join(told, d.dead)
	}
	return told
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
