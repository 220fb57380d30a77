package space

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
)

// Candidate is one point of a space. It is immutable; the zero Candidate is none.
type Candidate struct {
	values map[string]any
	text   string // canonical JSON: keys sorted, no white space
}

func newCandidate(values map[string]any) Candidate {
	b, err := json.Marshal(values) // keys in order; the values are plain and finite, so it cannot fail
	if err != nil {
		panic(err)
	}
	return Candidate{values, string(b)}
}

// String is the canonical JSON text: equal candidates have equal texts.
func (c Candidate) String() string { return c.text }

// Hash is 16 hexadecimal digits of the text's SHA-256.
func (c Candidate) Hash() string {
	h := sha256.Sum256([]byte(c.text))
	return hex.EncodeToString(h[:8])
}

// IsZero says whether c is no candidate.
func (c Candidate) IsZero() bool { return c.text == "" }

// Get is the value of a top-level parameter: int, float64, bool, string, []any or map[string]any. It must not be changed.
func (c Candidate) Get(name string) (any, bool) { v, ok := c.values[name]; return v, ok }

// Decode fills a Go struct (with json tags) from the candidate's values. A value without a field is an error.
func (c Candidate) Decode(into any) error {
	d := json.NewDecoder(bytes.NewReader([]byte(c.text)))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return fmt.Errorf("candidate %s: %w", c.Hash(), err)
	}
	return nil
}

// MarshalJSON gives the canonical text.
func (c Candidate) MarshalJSON() ([]byte, error) {
	if c.IsZero() {
		return []byte("null"), nil
	}
	return []byte(c.text), nil
}

// Parse reads a candidate's JSON text. It must lie in the space's domains; constraints are not looked at.
func (s *Space) Parse(text []byte) (Candidate, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var raw any
	if err := d.Decode(&raw); err != nil {
		return Candidate{}, fmt.Errorf("candidate: %w", err)
	}
	if d.More() {
		return Candidate{}, fmt.Errorf("candidate: text after its end")
	}
	v, err := s.params.Check(raw, nil)
	if err != nil {
		return Candidate{}, fmt.Errorf("candidate: %w", err)
	}
	return newCandidate(v.(map[string]any)), nil
}
