package sim

import (
	"math/bits"
	"math/rand/v2"
	"testing"
)

// perLane makes addresses of a warp.
func perLane(f func(lane int) uint64) *[32]uint64 {
	var a [32]uint64
	for i := range a {
		a[i] = f(i)
	}
	return &a
}

const everyLane = 0xffffffff

func TestCoalesce(t *testing.T) {
	for _, c := range []struct {
		name           string
		addr           *[32]uint64
		mask           uint32
		size           int
		sectors, lines int
		distinct       int
	}{
		{"4 bytes in a row", perLane(func(i int) uint64 { return 0x1000 + uint64(4*i) }), everyLane, 4, 4, 1, 128},
		{"the same, off by 4", perLane(func(i int) uint64 { return 0x1004 + uint64(4*i) }), everyLane, 4, 5, 2, 128},
		{"16 bytes in a row", perLane(func(i int) uint64 { return 0x1000 + uint64(16*i) }), everyLane, 16, 16, 4, 512},
		{"stride 32", perLane(func(i int) uint64 { return uint64(32 * i) }), everyLane, 4, 32, 8, 128},
		{"stride 4096", perLane(func(i int) uint64 { return uint64(4096 * i) }), everyLane, 4, 32, 32, 128},
		{"one address", perLane(func(int) uint64 { return 0x2000 }), everyLane, 4, 1, 1, 4},
		{"backwards", perLane(func(i int) uint64 { return 0x2000 - uint64(4*i) }), everyLane, 4, 5, 2, 128},
		{"every other lane", perLane(func(i int) uint64 { return uint64(8 * i) }), 0x55555555, 4, 8, 2, 64},
		{"pairs of lanes", perLane(func(i int) uint64 { return uint64(i / 2 * 4) }), everyLane, 4, 2, 1, 64},
		{"bytes", perLane(func(i int) uint64 { return uint64(i) }), everyLane, 1, 1, 1, 32},
		{"no lane", perLane(func(i int) uint64 { return uint64(i) }), 0, 4, 0, 0, 0},
	} {
		lines, distinct := coalesce(c.addr, c.mask, c.size, nil)
		sectors := 0
		for _, l := range lines {
			sectors += bits.OnesCount8(l.sectors)
		}
		if sectors != c.sectors || len(lines) != c.lines || distinct != c.distinct {
			t.Errorf("%s: %d sectors in %d lines for %d bytes, want %d, %d, %d", c.name, sectors, len(lines), distinct, c.sectors, c.lines, c.distinct)
		}
	}
}

// TestCoalesceCountsBytes compares with marking bytes one by one.
func TestCoalesceCountsBytes(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		size := 1 << r.IntN(5)
		spread := 1 + r.IntN(64)
		addr := perLane(func(int) uint64 { return uint64(r.IntN(spread) * size) })
		mask := r.Uint32()
		seen, sectors := map[uint64]bool{}, map[uint64]bool{}
		for i, a := range addr {
			for b := range uint64(size) {
				if mask>>i&1 != 0 {
					seen[a+b], sectors[(a+b)/sectorBytes] = true, true
				}
			}
		}
		lines, distinct := coalesce(addr, mask, size, nil)
		n := 0
		for _, l := range lines {
			n += bits.OnesCount8(l.sectors)
		}
		if distinct != len(seen) || n != len(sectors) {
			t.Fatalf("%v mask %x size %d: %d bytes, %d sectors, want %d, %d", addr, mask, size, distinct, n, len(seen), len(sectors))
		}
	}
}

func TestBankPasses(t *testing.T) {
	for _, c := range []struct {
		name          string
		addr          *[32]uint64
		mask          uint32
		size          int
		passes, ideal int
	}{
		{"a word a lane", perLane(func(i int) uint64 { return uint64(4 * i) }), everyLane, 4, 1, 1},
		{"stride 2 words", perLane(func(i int) uint64 { return uint64(8 * i) }), everyLane, 4, 2, 1},
		{"stride 32 words", perLane(func(i int) uint64 { return uint64(128 * i) }), everyLane, 4, 32, 1},
		{"stride 33 words", perLane(func(i int) uint64 { return uint64(132 * i) }), everyLane, 4, 1, 1},
		{"broadcast", perLane(func(int) uint64 { return 64 }), everyLane, 4, 1, 1},
		{"two words of one bank", perLane(func(i int) uint64 { return uint64(i % 2 * 128) }), everyLane, 4, 2, 1},
		{"bytes of one word", perLane(func(i int) uint64 { return uint64(i) }), everyLane, 1, 1, 1},
		{"half words, stride 64 words", perLane(func(i int) uint64 { return uint64(256*i + 2) }), everyLane, 2, 32, 1},
		{"8 bytes in a row", perLane(func(i int) uint64 { return uint64(8 * i) }), everyLane, 8, 2, 2},
		{"16 bytes in a row", perLane(func(i int) uint64 { return uint64(16 * i) }), everyLane, 16, 4, 4},
		{"16 bytes, rows of 128 bytes", perLane(func(i int) uint64 { return uint64(128 * i) }), everyLane, 16, 32, 4},
		{"16 bytes, rows of 144 bytes", perLane(func(i int) uint64 { return uint64(144 * i) }), everyLane, 16, 4, 4},
		{"16 bytes, one half-warp", perLane(func(i int) uint64 { return uint64(16 * i) }), 0xffff, 16, 2, 2},
		{"no lane", perLane(func(int) uint64 { return 0 }), 0, 4, 0, 0},
	} {
		passes, ideal := bankPasses(c.addr, c.mask, c.size)
		if passes != c.passes || ideal != c.ideal {
			t.Errorf("%s: %d passes of %d, want %d of %d", c.name, passes, ideal, c.passes, c.ideal)
		}
	}
}

func TestSameAddress(t *testing.T) {
	if n := sameAddress(perLane(func(i int) uint64 { return uint64(i % 4) }), everyLane); n != 8 {
		t.Errorf("4 addresses for 32 lanes: %d at one, want 8", n)
	}
	if n := sameAddress(perLane(func(i int) uint64 { return uint64(i) }), 0xff00); n != 1 {
		t.Errorf("an address a lane: %d at one, want 1", n)
	}
}

func TestCache(t *testing.T) {
	c := newCache(64*lineBytes, 4)
	miss := func(line uint64, sectors uint8) int {
		m, _ := c.read(lineAccess{line, sectors})
		return bits.OnesCount8(m)
	}
	if n := miss(5, 0b0011); n != 2 {
		t.Errorf("cold: %d sectors missed, want 2", n)
	}
	if n := miss(5, 0b0111); n != 1 {
		t.Errorf("one sector more: %d missed, want 1", n)
	}
	if n := miss(5, 0b1111); n != 1 {
		t.Errorf("the last sector: %d missed, want 1", n)
	}
	c.drop(lineAccess{5, 0b0001})
	if n := miss(5, 0b1111); n != 1 {
		t.Errorf("a dropped sector: %d missed, want 1", n)
	}
	c.reset()
	for line := range uint64(64) { // fits
		miss(line, 0xf)
	}
	misses := 0
	for line := range uint64(64) {
		misses += miss(line, 0xf)
	}
	if misses != 0 {
		t.Errorf("the second reading of what fits missed %d sectors", misses)
	}
	for range 3 { // twice the size, cyclically, leaves nothing of use
		misses = 0
		for line := range uint64(128) {
			misses += miss(line, 0xf)
		}
	}
	if misses != 128*4 {
		t.Errorf("a loop over twice the size missed %d sectors, want all %d", misses, 128*4)
	}
	c.reset()
	back := 0
	for line := range uint64(128) {
		back += c.write(lineAccess{line, 0b0101})
	}
	if rest := c.clean(); back != 128 || rest != 128 {
		t.Errorf("%d sectors written back to make room and %d in the end, want 128 and 128", back, rest)
	}
	if n := miss(127, 0b0101); n != 0 || c.clean() != 0 {
		t.Errorf("%d sectors of a line that was written back missed, want 0", n)
	}
}
