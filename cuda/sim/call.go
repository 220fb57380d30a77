package sim

import (
	"errors"
	"fmt"

	"palladio/cuda/sim/ptx"
)

// callTo decodes call.
func (d *decoder) callTo(in *ptx.Instr) (*inst, error) {
	if len(in.Operands) != 4 {
		return nil, errOperands
	}
	callee := &in.Operands[1]
	site := &callSite{args: in.Operands[2].Elems, results: in.Operands[0].Elems}
	if callee.Kind == ptx.Function && !callee.Func.Defined {
		return d.system(in, callee.Func.Name, site)
	}
	site.number = d.prog.calls
	d.prog.calls++
	out := &inst{kind: controlKind, control: callControl, call: site}
	if callee.Kind == ptx.Register {
		off, err := d.register(callee, ptx.B64)
		if err != nil {
			return nil, err
		}
		out.a = off
	}
	if len(d.callees(d.fn, in)) == 0 {
		return nil, errors.New("no function of the module can be meant")
	}
	d.calls = append(d.calls, pendingCall{len(d.prog.code), d.fn, in})
	return out, nil
}

// link gives calls their targets, once all functions have a place.
func (d *decoder) link() {
	for _, c := range d.calls {
		if c.at >= len(d.prog.code) || d.prog.code[c.at].call == nil {
			continue // it was refused
		}
		d.fn = c.fn
		site := d.prog.code[c.at].call
		for _, f := range d.callees(c.fn, c.instr) {
			if !f.Defined {
				continue
			}
			t := callTarget{handle: d.module.handles[f], entry: d.starts[f]}
			err := errors.Join(d.transfers(&t.args, site.args, f, f.Params, true), d.transfers(&t.results, site.results, f, f.Returns, false))
			if err != nil {
				d.errs = append(d.errs, fmt.Errorf("PTX line %d: call of %s: %w", c.instr.Line, f.Name, err))
			}
			site.targets = append(site.targets, t)
		}
	}
}

// transfers lists the copies between the operands of a call and the callee's parameters or results.
func (d *decoder) transfers(list *[]transfer, ops []ptx.Operand, f *ptx.Func, vars []*ptx.Var, in bool) error {
	if len(ops) != len(vars) {
		return fmt.Errorf("%d operands where %d are wanted", len(ops), len(vars))
	}
	for i, v := range vars {
		var t transfer
		var caller, there uint32
		var callerReg bool
		there = uint32(d.locals[v])
		s := shapeOf(v.Type)
		if v.Register {
			there = d.regs[f][v.Reg]
		}
		t.size = uint32(v.Size)
		if v.Register {
			t.size = [...]uint32{narrow: 4, wide: 8}[min(s, wide)]
		}
		o := &ops[i]
		switch {
		case o.Kind == ptx.Symbol:
			off, ok := d.locals[o.Var]
			if !ok || uint64(o.Var.Size) < uint64(t.size) {
				return fmt.Errorf("%s does not fit parameter %s", o.Var.Name, v.Name)
			}
			caller = uint32(off)
		case o.Kind == ptx.Register || in:
			off, err := d.source(o, v.Type)
			if err != nil {
				return err
			}
			caller, callerReg = off, true
		default:
			return errors.New("a result goes to no register and no variable")
		}
		if s == predicate || callerReg && v.Size > [...]int{narrow: 4, wide: 8}[s] {
			return fmt.Errorf("parameter %s of type %s cannot be passed in a register", v.Name, v.Type)
		}
		if in {
			t.from, t.fromReg, t.to, t.toReg = caller, callerReg, there, v.Register
		} else {
			t.from, t.fromReg, t.to, t.toReg = there, v.Register, caller, callerReg
		}
		t.shape = s
		*list = append(*list, t)
	}
	return nil
}
