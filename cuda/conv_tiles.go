package cuda

import (
	"fmt"

	"palladio/kernels"
)

// convTile is a shape of tile that kernels/conv has kernels for.
type convTile struct {
	rows, columns int
	threads       int
	stages        int
	// slow is the time of a tile of 64 bytes of depth, per result, as a multiple of the largest tile's: smaller tiles load more for each product.
	slow float64
}

func (t convTile) name() string { return fmt.Sprintf("%dx%d", t.rows, t.columns) }

// shared is the bytes of dynamic shared memory: the ring of tiles, later 32 rows of results for each warp (Tile in kernels/include/conv_tile.cuh).
func (t convTile) shared() int {
	warpRows := 64
	if t.columns == 32 || t.rows == 64 {
		warpRows = 32
	}
	return max(t.stages*64*(t.rows+t.columns), t.rows/warpRows*32*(t.columns+8)*4)
}

// The tiles on CUDA cores, on tensor cores, and those that load element by element.
var (
	simdTiles   = []convTile{{128, 64, 128, 3, 1}, {128, 32, 128, 3, 1.3}, {64, 64, 128, 4, 1.25}}
	tensorTiles = []convTile{{128, 128, 256, 4, 1}, {128, 64, 128, 4, 1.5}, {64, 64, 128, 4, 2}} // bound by what they read from L2
	simdNarrow  = []convTile{{128, 64, 128, 3, 1}, {64, 64, 128, 4, 1.25}}
	tensNarrow  = []convTile{{128, 64, 128, 4, 1}, {64, 64, 128, 4, 1.25}}
)

// convType is how a convolution multiplies.
type convType struct {
	name   string // of the kernels
	size   int    // bytes of an element
	tensor bool
	// traffic is the time to move 8 bytes of partial sums through memory, in units of the time of one result's products over 64 bytes of depth, for one
	// multiprocessor with its share of the memory's rate. Tensor cores multiply 4 (tf32) to 8 times as fast, with 2 or 1 times the bytes a product.
	traffic float64
}

func newConvType(t kernels.DType, tf32 bool) convType {
	switch {
	case tf32:
		return convType{"tf32", 4, true, 16}
	case t == kernels.F32:
		return convType{"f32", 4, false, 4}
	}
	return convType{t.String(), 2, true, 16}
}

// depth is the elements of a tile's 64 bytes.
func (t convType) depth() int { return 64 / t.size }

func (t convType) tiles(packed bool) []convTile {
	switch {
	case t.tensor && packed:
		return tensorTiles
	case t.tensor:
		return tensNarrow
	case packed:
		return simdTiles
	}
	return simdNarrow
}

// convChoice is a tile and the number of parts that the depth is cut into.
type convChoice struct {
	tile   convTile
	splits int
}

// Bounds of splitting: a part is at least so many tiles deep, and the partial sums take at most so many bytes.
const (
	leastDepthTiles = 4
	mostSplits      = 64
	mostPartialSums = 256 << 20
)

// chooseTile estimates the time of each tile and each split, and takes the least:
//
//	ceil(blocks / multiprocessors) · (tiles of depth + 6) · results of a tile · slow  +  traffic · (splits + 1) · results / multiprocessors
//
// The 6 stand for filling the ring and storing. results counts all elements of the result, rowTiles gives the tiles of rows.
func (l *lowering) chooseTile(t convType, packed bool, rowTiles func(rows int) int, columns, groups, depthTiles, results int) convChoice {
	best, least := convChoice{}, 0.0
	for _, tile := range t.tiles(packed) {
		if tile.shared() > l.SharedBlock {
			continue
		}
		blocks := rowTiles(tile.rows) * ceilDiv(columns, tile.columns) * groups
		for splits := 1; splits <= mostSplits; splits *= 2 {
			if splits > 1 && (depthTiles < splits*leastDepthTiles || splits*results*4 > mostPartialSums) {
				break
			}
			time := float64(ceilDiv(blocks*splits, l.SMs)*(ceilDiv(depthTiles, splits)+6)*tile.rows*tile.columns) * tile.slow
			if splits > 1 {
				time += t.traffic * float64((splits+1)*results) / float64(l.SMs)
			}
			if best.splits == 0 || time < least {
				best, least = convChoice{tile, splits}, time
			}
		}
	}
	return best
}
