package nn

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// Layer is a row of a network's summary.
type Layer struct {
	Name   string `json:"name"`
	Kind   string `json:"kind"`
	Output []int  `json:"output"`           // shape, with the batch
	Kernel []int  `json:"kernel,omitempty"` // spatial extents of a filter or window
	Params int    `json:"params"`           // trained values that are counted here; shared ones at their first use
	State  int    `json:"state"`            // values that are not trained
	MACs   int64  `json:"macs"`             // multiply-adds for one sample; element-wise work, normalisation and pooling count 0
}

// record adds a row for the current scope.
func (b *Builder) record(kind string, kernel []int, y Node, macs int64) {
	l := Layer{Name: b.path(), Kind: kind, Output: y.Shape(), Kernel: kernel}
	if n := l.Output; len(n) > 0 && n[0] > 0 {
		l.MACs = macs / int64(n[0])
	}
	seen := false
	for _, other := range b.layers {
		seen = seen || other.Name == l.Name
	}
	if !seen {
		for _, p := range b.params.list {
			if scope, rest, ok := cutLast(p.Name); ok && scope == l.Name && rest != "" {
				if p.Trained {
					l.Params += p.Value.DataSize()
				} else {
					l.State += p.Value.DataSize()
				}
			}
		}
	}
	b.layers = append(b.layers, l)
}

// cutLast splits a parameter's name into its scope and its own name.
func cutLast(name string) (scope, own string, ok bool) {
	i := strings.LastIndexByte(name, '.')
	if i < 0 {
		return "", name, true
	}
	return name[:i], name[i+1:], true
}

// Summary lists the layers of a network with their output shapes, parameters and multiply-adds.
type Summary struct {
	Layers []Layer `json:"layers"`
	Params int     `json:"params"` // all trained values
	State  int     `json:"state"`
	MACs   int64   `json:"macs"`  // for one sample
	Bytes  int64   `json:"bytes"` // of the trained values
}

// Summary describes what was built so far.
func (b *Builder) Summary() Summary {
	s := Summary{Layers: b.layers}
	for _, l := range b.layers {
		s.MACs += l.MACs
	}
	for _, p := range b.params.list {
		if p.Trained {
			s.Params += p.Value.DataSize()
			s.Bytes += int64(p.Value.DataSize()) * int64(p.Value.Dtype().Size())
		} else {
			s.State += p.Value.DataSize()
		}
	}
	return s
}

// JSON is the summary for programs.
func (s Summary) JSON() ([]byte, error) { return json.MarshalIndent(s, "", "  ") }

// WriteTo writes the summary as a table.
func (s Summary) WriteTo(w io.Writer) (int64, error) {
	var text strings.Builder
	t := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "layer\tkind\toutput\tkernel\tparameters\tMACs")
	for _, l := range s.Layers {
		kernel := ""
		for i, k := range l.Kernel {
			if i > 0 {
				kernel += "x"
			}
			kernel += fmt.Sprint(k)
		}
		fmt.Fprintf(t, "%s\t%s\t%v\t%s\t%s\t%s\n", l.Name, l.Kind, l.Output, kernel, thousands(int64(l.Params)), thousands(l.MACs))
	}
	fmt.Fprintf(t, "total\t\t\t\t%s\t%s\n", thousands(int64(s.Params)), thousands(s.MACs))
	_ = t.Flush() // to memory
	fmt.Fprintf(&text, "weights %.2f MB, state %s values, multiply-adds for one sample\n", float64(s.Bytes)/1e6, thousands(int64(s.State)))
	n, err := io.WriteString(w, text.String())
	return int64(n), err
}

func (s Summary) String() string {
	var b strings.Builder
	_, _ = s.WriteTo(&b)
	return b.String()
}

// thousands writes a number with separators.
func thousands(n int64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
