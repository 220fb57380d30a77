package nn

import (
	"fmt"
	"math"
)

// Stream is a source of labelled samples: it fills x, which has room for len(y) of them, and y.
type Stream interface {
	Next(x []float32, y []int32) error
}

// MixPart is a stream and its share of every batch.
type MixPart struct {
	Stream Stream
	Share  float64
}

// Mix makes batches of several streams, such as real and generated images, or labelled and pseudo-labelled ones. The rows of each batch are split by the
// shares; what is left of a row is carried over, so that every share is met exactly in the long run.
type Mix struct {
	parts []MixPart
	owed  []float64
	total float64
}

// NewMix mixes streams.
func NewMix(parts ...MixPart) (*Mix, error) {
	m := &Mix{parts: parts, owed: make([]float64, len(parts))}
	for i, p := range parts {
		if p.Stream == nil || !(p.Share >= 0) || math.IsInf(p.Share, 1) {
			return nil, fmt.Errorf("mixed batch: part %d: stream %v with share %v; want a stream, and a share of 0 or more", i, p.Stream, p.Share)
		}
		m.total += p.Share
	}
	if m.total == 0 {
		return nil, fmt.Errorf("mixed batch: the shares of %d parts add up to 0", len(parts))
	}
	return m, nil
}

// rows says how many rows of a batch of n each stream gives. It is what the next call of Next uses.
func (m *Mix) rows(n int) []int {
	rows := make([]int, len(m.parts))
	left := n
	for i, p := range m.parts {
		m.owed[i] += float64(n) * p.Share / m.total
		rows[i] = min(max(int(math.Floor(m.owed[i]+1e-9)), 0), left)
		left -= rows[i]
		m.owed[i] -= float64(rows[i])
	}
	for ; left > 0; left-- { // the rest goes to whom most is owed
		best := 0
		for i := range m.owed {
			if m.owed[i] > m.owed[best] {
				best = i
			}
		}
		rows[best]++
		m.owed[best]--
	}
	return rows
}

// Next fills a batch of len(y) samples, the streams' parts one after the other, and returns where each part ends.
func (m *Mix) Next(x []float32, y []int32) (ends []int, err error) {
	if len(y) == 0 || len(x)%len(y) != 0 {
		return nil, fmt.Errorf("mixed batch: %d values for %d samples", len(x), len(y))
	}
	size, at := len(x)/len(y), 0
	for i, n := range m.rows(len(y)) {
		if n > 0 {
			if err := m.parts[i].Stream.Next(x[at*size:(at+n)*size], y[at:at+n]); err != nil {
				return nil, fmt.Errorf("mixed batch: part %d: %w", i, err)
			}
		}
		at += n
		ends = append(ends, at)
	}
	return ends, nil
}
