package sim

import (
	"time"

	"palladio/cuda/sim/ptx"
)

// special is a special register that the program reads, and its place in the register file.
type special struct {
	which ptx.Special
	off   uint32
}

// perBlock says whether a special register differs from block to block.
func (s special) perBlock() bool {
	return s.which == ptx.CtaidX || s.which == ptx.CtaidY || s.which == ptx.CtaidZ || s.which == ptx.SMID ||
		s.which == ptx.ClusteridX || s.which == ptx.ClusteridY || s.which == ptx.ClusteridZ
}

// changes says whether a special register changes while a thread runs.
func changes(s ptx.Special) bool {
	switch s {
	case ptx.Clock, ptx.ClockHi, ptx.Clock64, ptx.GlobalTimer, ptx.GlobalTimerLo, ptx.GlobalTimerHi:
		return true
	}
	return false
}

// specialWide says whether a special register has 64 bits.
func specialWide(s ptx.Special) bool {
	return s == ptx.Clock64 || s == ptx.GlobalTimer || s == ptx.GridID || s == ptx.CurrentGraphExec
}

// set writes the register's value.
func (s special) set(w *warp, l *launch) {
	r := w.at(s.off)
	switch s.which {
	case ptx.TidX, ptx.TidY, ptx.TidZ:
		for i := range r {
			r[i] = uint32(w.thread(i)[s.which-ptx.TidX])
		}
		return
	case ptx.LaneID:
		for i := range r {
			r[i] = uint32(i)
		}
		return
	case ptx.LaneMaskEq, ptx.LaneMaskLe, ptx.LaneMaskLt, ptx.LaneMaskGe, ptx.LaneMaskGt:
		for i := range r {
			eq := uint32(1) << i
			r[i] = [...]uint32{eq, eq | (eq - 1), eq - 1, ^(eq - 1), ^(eq | (eq - 1))}[s.which-ptx.LaneMaskEq]
		}
		return
	}
	v := s.uniform(w, l)
	if specialWide(s.which) {
		d := r.u64()
		for i := range d {
			d[i] = v
		}
		return
	}
	for i := range r {
		r[i] = uint32(v)
	}
}

// uniform is the value of a special register that all lanes share.
func (s special) uniform(w *warp, l *launch) uint64 {
	b, c := w.blk, l.config
	switch s.which {
	case ptx.NTidX, ptx.NTidY, ptx.NTidZ:
		return uint64(c.Block[s.which-ptx.NTidX])
	case ptx.CtaidX, ptx.CtaidY, ptx.CtaidZ:
		return uint64(b.id[s.which-ptx.CtaidX])
	case ptx.NCtaidX, ptx.NCtaidY, ptx.NCtaidZ:
		return uint64(c.Grid[s.which-ptx.NCtaidX])
	case ptx.ClusteridX, ptx.ClusteridY, ptx.ClusteridZ: // clusters of one block
		return uint64(b.id[s.which-ptx.ClusteridX])
	case ptx.NClusteridX, ptx.NClusteridY, ptx.NClusteridZ:
		return uint64(c.Grid[s.which-ptx.NClusteridX])
	case ptx.ClusterNCtaidX, ptx.ClusterNCtaidY, ptx.ClusterNCtaidZ, ptx.ClusterNCtaRank:
		return 1
	case ptx.WarpID:
		return uint64(w.index)
	case ptx.NWarpID:
		return uint64(l.gpu.chip.ThreadsBlock / lanes)
	case ptx.SMID:
		return uint64(b.linear % int64(max(1, l.gpu.chip.SMs)))
	case ptx.NSMID:
		return uint64(l.gpu.chip.SMs)
	case ptx.DynamicSmemSize:
		return uint64(c.Shared)
	case ptx.TotalSmemSize:
		return uint64(c.Shared + b.prog.sharedBytes())
	case ptx.AggrSmemSize:
		return uint64(sharedBase + c.Shared + b.prog.sharedBytes())
	case ptx.ReservedSmemEnd, ptx.ReservedSmemCap:
		return sharedBase
	}
	return 0
}

// now is the value of a special register that changes: a clock that counts the block's instructions, and the time.
func (w *warp) now(s ptx.Special) uint64 {
	clock := w.blk.clock + uint64(w.issued)
	timer := uint64(time.Now().UnixNano())
	switch s {
	case ptx.Clock:
		return clock & 0xffffffff
	case ptx.ClockHi:
		return clock >> 32
	case ptx.Clock64:
		return clock
	case ptx.GlobalTimerLo:
		return timer & 0xffffffff
	case ptx.GlobalTimerHi:
		return timer >> 32
	}
	return timer
}

// runNow reads a special register that changes.
func runNow(w *warp, in *inst, mask uint32) bool {
	v := w.now(ptx.Special(in.imm))
	if in.shape == wide {
		d := w.at(in.d).u64()
		for i := range d {
			if mask>>i&1 != 0 {
				d[i] = v
			}
		}
		return true
	}
	d := w.at(in.d)
	for i := range d {
		if mask>>i&1 != 0 {
			d[i] = uint32(v)
		}
	}
	return true
}
