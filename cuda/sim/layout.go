package sim

import (
	"fmt"
	"slices"

	"palladio/cuda/sim/ptx"
)

// allot gives every variable its place.
func (d *decoder) allot() error {
	off := uint64(0)
	for _, v := range d.prog.entry.Params {
		off = alignUp(off, uint64(max(v.Align, 1)))
		d.params[v] = off
		d.prog.params = append(d.prog.params, param{v.Name, uint32(off), uint32(v.Size)})
		if off += uint64(v.Size); off > 1<<15 {
			return fmt.Errorf("more than %d bytes of parameters", 1<<15)
		}
	}
	d.prog.paramBytes = int(off)
	local, shared := uint64(localBase), uint64(sharedBase)
	var dynamic []*ptx.Var
	dynamicAlign := uint64(16)
	for _, v := range d.variables() {
		switch v.Space {
		case ptx.Shared:
			if v.Size == 0 {
				dynamic = append(dynamic, v)
				dynamicAlign = max(dynamicAlign, uint64(v.Align))
				continue
			}
			shared = alignUp(shared, uint64(max(v.Align, 1)))
			d.shared[v] = shared
			d.prog.sharedVars = append(d.prog.sharedVars, placed{v.Name, shared, uint64(v.Size)})
			shared += uint64(v.Size)
			if d.module.gpu.options.Sanitize {
				shared += sharedGap
				d.prog.sharedGaps += sharedGap
			}
		case ptx.Local, ptx.Param:
			local = alignUp(local, uint64(max(v.Align, 1)))
			d.locals[v] = local
			local += uint64(max(v.Size, 1))
		}
		if shared > sharedSpan || local > maxLocal {
			return fmt.Errorf("variable %s: more than %d bytes of shared or %d of local memory", v.Name, sharedSpan, maxLocal)
		}
	}
	if len(dynamic) > 0 {
		shared = alignUp(shared, min(dynamicAlign, 1024))
		for _, v := range dynamic {
			d.shared[v] = shared
		}
	}
	d.prog.sharedStatic = int(shared - sharedBase)
	d.prog.localEnd = alignUp(local, 16)
	if d.prog.localEnd == localBase {
		d.prog.localEnd = localBase
	}
	return d.allotRegisters()
}

// variables lists what is in shared or local memory, in order.
func (d *decoder) variables() []*ptx.Var {
	var vars []*ptx.Var
	used := d.usedVars()
	for _, v := range d.module.ptx.Vars {
		if used[v] {
			vars = append(vars, v)
		}
	}
	for i, f := range d.funcs {
		vars = append(vars, f.Vars...)
		if i > 0 {
			vars = append(append(vars, f.Params...), f.Returns...)
		}
	}
	return slices.DeleteFunc(vars, func(v *ptx.Var) bool { return v.Register })
}

// usedVars is the variables that the functions name.
func (d *decoder) usedVars() map[*ptx.Var]bool {
	used := map[*ptx.Var]bool{}
	var visit func(o *ptx.Operand)
	visit = func(o *ptx.Operand) {
		if o.Var != nil {
			used[o.Var] = true
		}
		for i := range o.Elems {
			visit(&o.Elems[i])
		}
	}
	for _, f := range d.funcs {
		for i := range f.Body {
			for j := range f.Body[i].Operands {
				visit(&f.Body[i].Operands[j])
			}
		}
	}
	return used
}

func alignUp(n, unit uint64) uint64 { return (n + unit - 1) / unit * unit }

// allotRegisters gives registers their places: predicates first, a word each, then the others, each at a multiple of 64 bytes.
func (d *decoder) allotRegisters() error {
	d.next = 4 // offset 0 is no operand
	for _, f := range d.funcs {
		d.regs[f] = make([]uint32, len(f.Regs))
		for i, r := range f.Regs {
			if r.Type == ptx.Pred {
				d.regs[f][i] = d.take(4)
			}
		}
		d.carry[f] = d.take(4)
	}
	d.sinks[predicate] = d.take(4)
	d.prog.predicateBytes = d.next
	d.next = uint32(alignUp(uint64(d.next), 64))
	d.sinks[narrow] = d.take(4 * lanes)
	d.sinks[wide] = d.take(8 * lanes)
	for _, f := range d.funcs {
		for i, r := range f.Regs {
			if r.Type == ptx.Pred {
				continue
			}
			if r.Type.Bits() > 64 {
				return fmt.Errorf("PTX line %d: register %s of function %s: registers of %d bits are not simulated", f.Line, r.Name, f.Name, r.Type.Bits())
			}
			d.regs[f][i] = virtualBase + uint32(len(d.isWide))
			d.isWide = append(d.isWide, r.Type.Bits() == 64)
		}
	}
	if len(d.isWide)*8 > maxFile {
		return fmt.Errorf("%d registers: at most %d", len(d.isWide), maxFile/8)
	}
	d.places = make([]uint32, len(d.isWide))
	return nil
}

// take reserves bytes of the register file. Beyond the limit it gives a place that is taken already; decode refuses the program then.
func (d *decoder) take(n uint32) uint32 {
	if d.next+n > maxFile {
		d.full = true
		return 4
	}
	at := d.next
	d.next += n
	return at
}

// address is the value of a symbol: its address within its own space.
func (d *decoder) address(o *ptx.Operand) (uint64, error) {
	if o.Kind == ptx.Function || o.Var == nil && o.Func != nil {
		return d.module.handles[o.Func], nil
	}
	_, a, err := d.locate(o.Var)
	return a + uint64(o.Offset), err
}

// locate is the space of a variable and its address there.
func (d *decoder) locate(v *ptx.Var) (space, uint64, error) {
	if a := d.module.vars[v]; a != nil {
		if v.Space == ptx.Const {
			return constSpace, a.addr, nil
		}
		return globalSpace, a.addr, nil
	}
	if off, ok := d.shared[v]; ok {
		return sharedSpace, off, nil
	}
	if off, ok := d.locals[v]; ok {
		return localSpace, off, nil
	}
	if off, ok := d.params[v]; ok {
		return paramSpace, off, nil
	}
	return 0, 0, fmt.Errorf("variable %s has no place in memory", v.Name)
}
