package sim

import (
	"math/bits"
	"slices"
)

const (
	sectorBytes = 32  // what a request to L2 or memory moves at least
	lineBytes   = 128 // of a cache: four sectors
)

// lineAccess is the sectors of one cache line that a request of a warp touches.
type lineAccess struct {
	line    uint64 // address / lineBytes
	sectors uint8  // a bit a sector
}

// coalesce appends the cache lines that a warp's request of size bytes a lane touches, each once, and counts the distinct bytes
// that it asks for.
func coalesce(addr *[32]uint64, mask uint32, size int, lines []lineAccess) ([]lineAccess, int) {
	start := len(lines)
	distinct, end := 0, uint64(0) // end of the bytes so far, while the addresses rise
	rising := true
	for m := mask; m != 0; m &= m - 1 {
		a := addr[bits.TrailingZeros32(m)]
		switch {
		case a >= end:
			distinct += size
			end = a + uint64(size)
		case rising && a+uint64(size) == end: // as the lane before
		default:
			rising = false
		}
		for s, last := a/sectorBytes, (a+uint64(size)-1)/sectorBytes; s <= last; s++ {
			lines = addSector(lines, start, s)
		}
	}
	if !rising {
		distinct = distinctBytes(addr, mask, uint64(size))
	}
	return lines, distinct
}

// addSector adds a sector to the lines from start on.
func addSector(lines []lineAccess, start int, sector uint64) []lineAccess {
	line, bit := sector/4, uint8(1)<<(sector%4)
	for i := len(lines) - 1; i >= start; i-- { // the last line is nearly always the one
		if lines[i].line == line {
			lines[i].sectors |= bit
			return lines
		}
	}
	return append(lines, lineAccess{line, bit})
}

// sortedAddresses is the addresses of the lanes of mask, in rising order, and their number.
func sortedAddresses(addr *[32]uint64, mask uint32) (sorted [32]uint64, n int) {
	for m := mask; m != 0; m &= m - 1 {
		sorted[n] = addr[bits.TrailingZeros32(m)]
		n++
	}
	slices.Sort(sorted[:n])
	return sorted, n
}

// distinctBytes counts the bytes that lanes touch, each once.
func distinctBytes(addr *[32]uint64, mask uint32, size uint64) int {
	sorted, n := sortedAddresses(addr, mask)
	total, end := uint64(0), uint64(0)
	for _, a := range sorted[:n] {
		from := max(a, end)
		if a+size > from {
			total += a + size - from
			end = a + size
		}
	}
	return int(total)
}

// bankPasses is the number of clocks that shared memory takes for a warp's request of size bytes a lane, and what it would take without bank
// conflicts: 32 banks of 4 bytes serve 32 different words a clock if no two of them lie in one bank. Lanes that read the same word share
// it. Requests of 8 bytes go by half-warps and those of 16 bytes by quarter-warps.
func bankPasses(addr *[32]uint64, mask uint32, size int) (passes, ideal int) {
	lanes := 32
	if size > 4 {
		lanes = 128 / size
	}
	for first := 0; first < 32; first += lanes {
		group := mask & uint32((uint64(1)<<lanes-1)<<first)
		if group != 0 {
			passes += groupPasses(addr, group, size)
			ideal++
		}
	}
	return passes, ideal
}

// groupPasses is the largest number of different words in one bank.
func groupPasses(addr *[32]uint64, group uint32, size int) int {
	var words [32]uint64 // those seen, chained by bank
	var next [32]int8
	var head, count [32]int8
	n, worst := int8(0), int8(1)
	for m := group; m != 0; m &= m - 1 {
		a := addr[bits.TrailingZeros32(m)]
		for w, last := a/4, (a+uint64(size)-1)/4; w <= last && int(n) < len(words); w++ {
			bank := w % 32
			seen := head[bank]
			for seen != 0 && words[seen-1] != w {
				seen = next[seen-1]
			}
			if seen != 0 {
				continue
			}
			words[n], next[n] = w, head[bank]
			n++
			head[bank] = n
			count[bank]++
			worst = max(worst, count[bank])
		}
	}
	return int(worst)
}

// sameAddress is the largest number of lanes that name one address: atomics on it run one after the other.
func sameAddress(addr *[32]uint64, mask uint32) int {
	sorted, n := sortedAddresses(addr, mask)
	worst, run := 0, 0
	for i, a := range sorted[:n] {
		if i > 0 && a != sorted[i-1] {
			run = 0
		}
		run++
		worst = max(worst, run)
	}
	return worst
}
