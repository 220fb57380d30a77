package cuda

import "palladio/kernels"

// convType is how a convolution multiplies.
type convType struct {
	name   string // of the kernels
	size   int    // bytes of an element
	tensor bool
}

func newConvType(t kernels.DType, tf32 bool) convType {
	switch {
	case tf32:
		return convType{"tf32", 4, true}
	case t == kernels.F32:
		return convType{"f32", 4, false}
	}
	return convType{t.String(), 2, true}
}

// depth is the elements of k of a tile: 64 bytes.
func (t convType) depth() int { return 64 / t.size }

// The tiles that kernels/conv has kernels for, without what depends on the type of their elements: on CUDA cores, on tensor cores, and those that load element by
// element. The rates are like those of gemmTiles, of bf16 on tensor cores; smaller tiles load more for each product.
var (
	simdTiles = []gemmTile{
		{m: 128, n: 64, threads: 128, blocks: 3, rate: 112}, {m: 128, n: 32, threads: 128, blocks: 4, rate: 86}, {m: 64, n: 64, threads: 128, blocks: 4, rate: 86},
	}
	tensorTiles = []gemmTile{
		{m: 128, n: 128, threads: 128, blocks: 2, rate: 690}, {m: 128, n: 64, threads: 128, blocks: 3, rate: 480}, {m: 64, n: 64, threads: 128, blocks: 4, rate: 340},
	}
	simdNarrow   = []gemmTile{{m: 128, n: 64, threads: 128, blocks: 2, rate: 95}, {m: 64, n: 64, threads: 128, blocks: 3, rate: 75}}
	tensorNarrow = []gemmTile{{m: 64, n: 64, threads: 128, blocks: 4, rate: 130}}
)

// tiles lists the tiles of a type, with their sizes in k and in shared memory: the ring of tiles, which later holds the results.
func (t convType) tiles(packed bool) []gemmTile {
	of := map[[2]bool][]gemmTile{{false, false}: simdNarrow, {false, true}: simdTiles, {true, false}: tensorNarrow, {true, true}: tensorTiles}[[2]bool{t.tensor, packed}]
	var tiles []gemmTile
	for _, tile := range of {
		stages := 4
		if !t.tensor && tile.m == 128 {
			stages = 3
		}
		tile.k, tile.shared = t.depth(), stages*64*(tile.m+tile.n)
		if t.name == "tf32" {
			tile.rate /= 2
			if tile.n == 128 {
				tile.threads = 256
			}
		}
		tiles = append(tiles, tile)
	}
	return tiles
}

// convChoice is a tile and the number of parts that the depth is cut into.
type convChoice struct {
	tile   gemmTile
	splits int
}

// convSplits are the numbers of parts, mostPartialSums the most bytes that their sums take.
var convSplits = append(gemmSplits[:len(gemmSplits):len(gemmSplits)], 48, 64, 96, 128)

const mostPartialSums = 256 << 20

// chooseTile estimates the time of each tile and number of parts (tileClocks), and takes the least. results counts all elements of the result, rowTiles
// gives the tiles of rows.
func (l *lowering) chooseTile(t convType, packed bool, rowTiles func(rows int) int, columns, groups, depthTiles, results int) convChoice {
	if l.convForced != nil {
		return *l.convForced
	}
	best, least := convChoice{}, 0.0
	for _, tile := range t.tiles(packed) {
		if tile.shared > l.SharedBlock {
			continue
		}
		tiles := rowTiles(tile.m) * ceilDiv(columns, tile.n) * groups
		for _, splits := range convSplits {
			share := ceilDiv(depthTiles, splits)
			if splits > 1 && (share < 4 || ceilDiv(depthTiles, share) != splits || splits*results*4 > mostPartialSums) {
				continue
			}
			if c := l.tileClocks(tile, tiles, splits, share*tile.k, results); best.splits == 0 || c < least {
				best, least = convChoice{tile, splits}, c
			}
		}
	}
	return best
}
