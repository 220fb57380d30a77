package sim

import "math/bits"

// cache is a set-associative cache of lines with four sectors, least recently used out first. Tags are the addresses of lines; a miss fetches
// sectors, not lines.
type cache struct {
	sets int
	ways int
	tags []uint64 // line+1; 0 is empty. A set's ways, most recently used first
	have []uint8  // sectors
	torn []uint8  // sectors that were written and not yet written back
}

// newCache makes a cache of about so many bytes, at least one set.
func newCache(size int64, ways int) *cache {
	sets := max(1, int(size)/lineBytes/ways)
	n := sets * ways
	return &cache{sets: sets, ways: ways, tags: make([]uint64, n), have: make([]uint8, n), torn: make([]uint8, n)}
}

// reset empties the cache.
func (c *cache) reset() {
	clear(c.tags)
	clear(c.have)
	clear(c.torn)
}

// set is the set of a line. Hashing spreads strides that are powers of two, as the hardware does.
func (c *cache) set(line uint64) int {
	h := line ^ line>>9 ^ line>>17 ^ line>>29
	return int(h % uint64(c.sets))
}

// find moves a line to the front of its set, replacing the oldest if it is not there; it gives the place and the number of sectors that the
// replaced line has to write back.
func (c *cache) find(line uint64) (at int, present bool, writeBack int) {
	first := c.set(line) * c.ways
	tags := c.tags[first : first+c.ways]
	way := 0
	for way < len(tags)-1 && tags[way] != line+1 && tags[way] != 0 {
		way++
	}
	have, torn := c.have[first+way], c.torn[first+way]
	present = tags[way] == line+1
	if !present {
		if tags[way] != 0 {
			writeBack = bits.OnesCount8(torn)
		}
		have, torn = 0, 0
	}
	copy(tags[1:way+1], tags[:way])
	copy(c.have[first+1:first+way+1], c.have[first:first+way])
	copy(c.torn[first+1:first+way+1], c.torn[first:first+way])
	tags[0], c.have[first], c.torn[first] = line+1, have, torn
	return first, present, writeBack
}

// read is the number of sectors of the access that the cache does not have, and the number that it writes back to make room.
func (c *cache) read(a lineAccess) (missed uint8, writeBack int) {
	at, _, back := c.find(a.line)
	missed = a.sectors &^ c.have[at]
	c.have[at] |= a.sectors
	return missed, back
}

// write puts sectors into a write-back cache; nothing is fetched. It gives the number of sectors written back to make room.
func (c *cache) write(a lineAccess) (writeBack int) {
	at, _, back := c.find(a.line)
	c.have[at] |= a.sectors
	c.torn[at] |= a.sectors
	return back
}

// drop forgets sectors, which somebody else wrote.
func (c *cache) drop(a lineAccess) {
	first := c.set(a.line) * c.ways
	for way := range c.ways {
		if c.tags[first+way] == a.line+1 {
			c.have[first+way] &^= a.sectors
			return
		}
	}
}

// clean writes everything back and gives the number of sectors; they stay in the cache.
func (c *cache) clean() int {
	n := 0
	for i, t := range c.torn {
		if c.tags[i] != 0 {
			n += bits.OnesCount8(t)
		}
	}
	clear(c.torn)
	return n
}
