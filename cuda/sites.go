package cuda

import (
	"encoding/binary"
	"fmt"
	"math"

	"palladio/kernels"
)

// siteMap is a launch in which each thread makes one position of a feature map, for a unit of channels, from some positions of another map
// (kernels/include/site.cuh).
type siteMap struct {
	kind  string // of entry points: single or packed
	grid  Dim
	block Dim
	args  []Slot
}

// sites makes the launch for n maps of c channels of the given spatial extents, this from other. k is named in an error.
func (l *lowering) sites(k kernels.Kernel, n, c int, this, other []int, t kernels.DType) (siteMap, error) {
	var m siteMap
	kind, unit := l.units(c, t.Size())
	units, p, e := c/unit, threeAxes(this), threeAxes(other)
	positions := kernels.Elems(this)
	if positions > math.MaxUint32/units || kernels.Elems(other) > math.MaxUint32 {
		return m, fmt.Errorf("cuda: %s: more than 2^32 units of %d channels in a sample: %w", k, unit, kernels.ErrUnsupported)
	}
	items := positions * units
	threads := max(32, min(256, powerOfTwo(items)))
	samples := min(n, 65535)
	m.kind, m.block = kind, Dim{threads, 1, 1}
	m.grid = Dim{min(ceilDiv(items, threads), max(1, 32*l.SMs/samples)), samples, 1}
	m.args = []Slot{divisor(units), divisor(p[2]), divisor(p[1]), Int(items), Int(e[0]), Int(e[1]), Int(e[2]), Int(n), Int(c)}
	return m, nil
}

func (m *siteMap) launch(module, entry string, t kernels.DType, args ...Slot) Launch {
	if t.Size() == 2 {
		module += "_half"
	}
	return Launch{Module: Shipped(module), Entry: entry + "_" + m.kind + "_" + t.String(), Grid: m.grid, Block: m.block, Args: with(m.args, args...)}
}

// threeAxes puts axes of extent 1 before the spatial axes.
func threeAxes(spatial []int) [3]int {
	e := [3]int{1, 1, 1}
	copy(e[3-len(spatial):], spatial)
	return e
}

// table is a Program's constants in the making.
type table struct{ bytes []byte }

// slot starts a part of the table at a multiple of 16 bytes.
func (t *table) slot() Slot {
	for len(t.bytes)%16 != 0 {
		t.bytes = append(t.bytes, 0)
	}
	return Constant(len(t.bytes))
}

func (t *table) int32(v ...int) {
	for _, v := range v {
		t.bytes = binary.LittleEndian.AppendUint32(t.bytes, uint32(int32(v)))
	}
}

// float appends numbers of the type that t is computed in.
func (t *table) float(typ kernels.DType, v ...float64) {
	for _, v := range v {
		if typ == kernels.F64 {
			t.bytes = binary.LittleEndian.AppendUint64(t.bytes, math.Float64bits(v))
		} else {
			t.bytes = binary.LittleEndian.AppendUint32(t.bytes, math.Float32bits(float32(v)))
		}
	}
}
