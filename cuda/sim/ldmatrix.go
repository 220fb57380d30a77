package sim

import (
	"errors"
	"math/bits"
	"unsafe"

	"palladio/cuda/sim/ptx"
)

// matrices is the number of matrices of ldmatrix or stmatrix.
func matrices(in *ptx.Instr) int {
	switch {
	case in.Has("x1"):
		return 1
	case in.Has("x2"):
		return 2
	case in.Has("x4"):
		return 4
	}
	return 0
}

// matrixAccess makes an ldmatrix or stmatrix of 8x8 matrices of 16-bit elements. Matrix j takes the addresses of its rows from lanes 8j … 8j+7; a lane's
// register j holds row lane/4, columns 2(lane%4) and the next, or the transposed.
func (d *decoder) matrixAccess(in *ptx.Instr, addr, data *ptx.Operand, kind accessKind) (*inst, error) {
	n := matrices(in)
	elems := vectorOf(data)
	if n == 0 || len(elems) != n || !in.Has("m8n8") || in.Type(0).Bits() != 16 {
		return nil, errors.New("want .m8n8, .x1, .x2 or .x4 with as many registers, and .b16")
	}
	out, err := d.accessTo(in, addr, kind, 16)
	if err != nil {
		return nil, err
	}
	for i := range elems {
		off, err := uint32(0), error(nil)
		if kind == loadAccess {
			off, err = d.dst(&elems[i], ptx.B32)
			out.shapes = append(out.shapes, narrow)
		} else {
			off, err = d.source(&elems[i], ptx.B32)
		}
		if err != nil {
			return nil, err
		}
		out.x = append(out.x, off)
	}
	out.kind, out.control = controlKind, syncControl
	return out, nil
}

// wholeWarp says whether all lanes are there, and fails otherwise.
func (w *warp) wholeWarp(in *inst, mask uint32) bool {
	if mask != fullMask {
		return w.fail(in, bits.TrailingZeros32(w.alive), 0, "it takes a whole warp, but lanes have exited or never were")
	}
	return true
}

// rowMask is the lanes that give the addresses of n matrices.
func rowMask(n int) uint32 { return uint32(uint64(1)<<(8*n) - 1) }

// loadMatrix decodes ldmatrix.
func (d *decoder) loadMatrix(in *ptx.Instr) (*inst, error) {
	if len(in.Operands) != 2 {
		return nil, errOperands
	}
	out, err := d.matrixAccess(in, &in.Operands[1], &in.Operands[0], loadAccess)
	if err != nil {
		return nil, err
	}
	out.mem.move = loadRows
	spread := rowsToRegisters
	if in.Has("trans") {
		spread = columnsToRegisters
	}
	out.run = func(w *warp, in *inst, mask uint32) bool {
		if !w.wholeWarp(in, mask) {
			return false
		}
		clear(w.rows[:])
		if !runAccess(w, in, rowMask(len(in.x))) {
			return false
		}
		for j, off := range in.x {
			spread(w.at(off), (*[8]matrixRow)(w.rows[8*j:]))
		}
		return true
	}
	return out, nil
}

// storeMatrix decodes stmatrix.
func (d *decoder) storeMatrix(in *ptx.Instr) (*inst, error) {
	if len(in.Operands) != 2 {
		return nil, errOperands
	}
	out, err := d.matrixAccess(in, &in.Operands[0], &in.Operands[1], storeAccess)
	if err != nil {
		return nil, err
	}
	out.mem.move = storeRows
	gather := registersToRows
	if in.Has("trans") {
		gather = registersToColumns
	}
	out.run = func(w *warp, in *inst, mask uint32) bool {
		if !w.wholeWarp(in, mask) {
			return false
		}
		for j, off := range in.x {
			gather(w.at(off), (*[8]matrixRow)(w.rows[8*j:]))
		}
		return runAccess(w, in, rowMask(len(in.x)))
	}
	return out, nil
}

// matrixRow is the eight elements of a row, two a word.
type matrixRow [4]uint32

// loadRows reads 16 bytes for each lane.
func loadRows(w *warp, in *inst, base unsafe.Pointer, mask uint32) bool {
	for rest := mask; rest != 0; rest &= rest - 1 {
		lane := bits.TrailingZeros32(rest)
		w.rows[lane] = *(*matrixRow)(unsafe.Add(base, w.addr[lane]))
	}
	return true
}

// storeRows writes 16 bytes of each lane.
func storeRows(w *warp, in *inst, base unsafe.Pointer, mask uint32) bool {
	for rest := mask; rest != 0; rest &= rest - 1 {
		lane := bits.TrailingZeros32(rest)
		*(*matrixRow)(unsafe.Add(base, w.addr[lane])) = w.rows[lane]
	}
	return true
}

func rowsToRegisters(d *reg, rows *[8]matrixRow) {
	for i := range d {
		d[i] = rows[i/4][i%4]
	}
}

func columnsToRegisters(d *reg, rows *[8]matrixRow) {
	for i := range d {
		column := i / 4
		shift := 16 * (column % 2)
		lo, hi := rows[2*(i%4)][column/2]>>shift&0xffff, rows[2*(i%4)+1][column/2]>>shift&0xffff
		d[i] = lo | hi<<16
	}
}

func registersToRows(d *reg, rows *[8]matrixRow) {
	for i := range d {
		rows[i/4][i%4] = d[i]
	}
}

func registersToColumns(d *reg, rows *[8]matrixRow) {
	for i, v := range d {
		column := i / 4
		shift := 16 * (column % 2)
		for k, part := range [2]uint32{v & 0xffff, v >> 16} {
			p := &rows[2*(i%4)+k][column/2]
			*p = *p&^(0xffff<<shift) | part<<shift
		}
	}
}
