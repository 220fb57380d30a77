// Package spec reads YAML files that people write: every value is checked where it is read, and every complaint names its line,
// what was given and what is allowed.
//
// A File collects complaints instead of stopping at the first, so that a reader is a plain list of Gets followed by one look at
// Err. An absent value is a zero Value, whose readers return the default. The package knows nothing of what
// a file means.
package spec

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// The limits of a file: a study is a page of text, so anything near them is a mistake or an attack.
const (
	MaxBytes = 1 << 20
	maxDepth = 50
	maxNodes = 100_000
)

// Error is a complaint about one place of a file.
type Error struct {
	File         string
	Line, Column int
	Path         string // such as space.parameters.width
	Message      string
}

func (e *Error) Error() string {
	where := e.File
	if e.Line > 0 {
		where = fmt.Sprintf("%s:%d:%d", e.File, e.Line, e.Column)
	}
	if e.Path == "" {
		return where + ": " + e.Message
	}
	return where + ": " + e.Path + ": " + e.Message
}

// File is a parsed file and the complaints about it.
type File struct {
	Name string
	root *yaml.Node
	errs []*Error
}

// Parse reads YAML text. Anchors, aliases and duplicate keys are refused.
func Parse(name string, src []byte) (*File, error) {
	f := &File{Name: name}
	if len(src) > MaxBytes {
		return nil, &Error{File: name, Message: fmt.Sprintf("%d bytes is more than the %d that such a file may have", len(src), MaxBytes)}
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(src, &doc); err != nil {
		return nil, yamlError(name, err)
	}
	if doc.Kind != yaml.DocumentNode || len(doc.Content) != 1 {
		return nil, &Error{File: name, Message: "the file is empty"}
	}
	f.root = doc.Content[0]
	nodes := 0
	f.inspect(f.root, 0, &nodes)
	return f, f.Err()
}

// yamlError gives the library's message the form of ours.
func yamlError(name string, err error) error {
	msg := strings.TrimPrefix(err.Error(), "yaml: ")
	e := &Error{File: name, Message: msg}
	if rest, ok := strings.CutPrefix(msg, "line "); ok {
		if num, text, ok := strings.Cut(rest, ": "); ok {
			if line, err := strconv.Atoi(num); err == nil {
				e.Line, e.Column, e.Message = line, 1, text
			}
		}
	}
	return e
}

func (f *File) inspect(n *yaml.Node, depth int, nodes *int) {
	*nodes++
	at := Value{f: f, node: n}
	switch {
	case *nodes > maxNodes:
		if *nodes == maxNodes+1 {
			at.Fail("more than %d values in one file", maxNodes)
		}
		return
	case depth > maxDepth:
		at.Fail("nested deeper than %d levels", maxDepth)
		return
	case n.Kind == yaml.AliasNode || n.Anchor != "":
		at.Fail("anchors and aliases are not allowed here: write the value out")
		return
	}
	if n.Kind == yaml.MappingNode {
		seen := map[string]int{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			k := n.Content[i]
			if k.Kind != yaml.ScalarNode {
				(Value{f: f, node: k}).Fail("a key must be a plain word")
				continue
			}
			if line, dup := seen[k.Value]; dup {
				(Value{f: f, node: k}).Fail("key %q is given twice, first on line %d", k.Value, line)
			}
			seen[k.Value] = k.Line
		}
	}
	for _, c := range n.Content {
		f.inspect(c, depth+1, nodes)
	}
}

// Root is the whole file's value.
func (f *File) Root() Value { return Value{f: f, node: f.root} }

// Err is all complaints so far, in the order of their lines, or nil.
func (f *File) Err() error {
	slices.SortStableFunc(f.errs, func(a, b *Error) int { return a.Line - b.Line })
	errs := make([]error, len(f.errs))
	for i, e := range f.errs {
		errs[i] = e
	}
	return errors.Join(errs...)
}

// Value is one value of a file; the zero Value is one that the file does not give.
type Value struct {
	f    *File
	node *yaml.Node
	path string
}

// Present says whether the file gives the value.
func (v Value) Present() bool { return v.node != nil }

// Path is where the value stands, such as budget.trials.
func (v Value) Path() string { return v.path }

// Line is the value's line, 0 if absent.
func (v Value) Line() int {
	if v.node == nil {
		return 0
	}
	return v.node.Line
}

// Fail records a complaint about the value.
func (v Value) Fail(format string, args ...any) {
	if v.f == nil {
		return
	}
	e := &Error{File: v.f.Name, Path: v.path, Message: fmt.Sprintf(format, args...)}
	if v.node != nil {
		e.Line, e.Column = v.node.Line, v.node.Column
	}
	v.f.errs = append(v.f.errs, e)
}

// Scalar, Sequence and Mapping say what kind of value it is.
func (v Value) Scalar() bool   { return v.node != nil && v.node.Kind == yaml.ScalarNode }
func (v Value) Sequence() bool { return v.node != nil && v.node.Kind == yaml.SequenceNode }
func (v Value) Mapping() bool  { return v.node != nil && v.node.Kind == yaml.MappingNode }

// Fields complains unless v is a mapping with no other than the given keys; it returns the value of each key in their order.
func (v Value) Fields(keys ...string) []Value {
	out := make([]Value, len(keys))
	for i, k := range keys {
		out[i] = Value{f: v.f, path: join(v.path, k)}
	}
	for _, e := range v.Entries() {
		i := slices.Index(keys, e.Key)
		if i < 0 {
			e.at.Fail("unknown key %q%s", e.Key, Suggest(e.Key, keys))
			continue
		}
		out[i] = e.Value
	}
	return out
}

// Entry is a key and its value.
type Entry struct {
	Key   string
	Value Value
	at    Value // the key's own place
}

// Fail records a complaint about the key.
func (e Entry) Fail(format string, args ...any) { e.at.Fail(format, args...) }

// Entries lists a mapping in the file's order.
func (v Value) Entries() []Entry {
	if v.node == nil {
		return nil
	}
	if v.node.Kind != yaml.MappingNode {
		v.Fail("want a mapping (key: value), got %s", v.describe())
		return nil
	}
	var out []Entry
	for i := 0; i+1 < len(v.node.Content); i += 2 {
		k := v.node.Content[i]
		out = append(out, Entry{
			Key:   k.Value,
			Value: Value{f: v.f, node: v.node.Content[i+1], path: join(v.path, k.Value)},
			at:    Value{f: v.f, node: k, path: v.path},
		})
	}
	return out
}

// Items lists a sequence.
func (v Value) Items() []Value {
	if v.node == nil {
		return nil
	}
	if v.node.Kind != yaml.SequenceNode {
		v.Fail("want a list, got %s", v.describe())
		return nil
	}
	out := make([]Value, len(v.node.Content))
	for i, c := range v.node.Content {
		out[i] = Value{f: v.f, node: c, path: fmt.Sprintf("%s[%d]", v.path, i)}
	}
	return out
}

// Any is a scalar as int, float64, bool or string, or nil with a complaint.
func (v Value) Any() any {
	if !v.Scalar() {
		v.Fail("want a single value, got %s", v.describe())
		return nil
	}
	switch v.node.Tag {
	case "!!int":
		if n, err := strconv.ParseInt(strings.ReplaceAll(v.node.Value, "_", ""), 0, 64); err == nil && int64(int(n)) == n {
			return int(n)
		}
		v.Fail("%s does not fit in a whole number", v.node.Value)
		return nil
	case "!!float":
		var x float64
		if err := v.node.Decode(&x); err != nil || math.IsNaN(x) || math.IsInf(x, 0) {
			v.Fail("%s is no finite number", v.node.Value)
			return nil
		}
		return x
	case "!!bool":
		var b bool
		if v.node.Decode(&b) == nil {
			return b
		}
	case "!!str":
		return v.node.Value
	case "!!null":
		v.Fail("has no value")
		return nil
	}
	return v.node.Value
}

// Int reads a whole number in [lo, hi]; def where absent.
func (v Value) Int(def, lo, hi int) int {
	if v.node == nil {
		return def
	}
	n, ok := v.Any().(int)
	switch {
	case !ok:
		v.Fail("want a whole number, got %s", v.describe())
	case n < lo || n > hi:
		v.Fail("%d is out of range: want %d to %d", n, lo, hi)
	default:
		return n
	}
	return def
}

// Float reads a number in [lo, hi]; def where absent.
func (v Value) Float(def, lo, hi float64) float64 {
	if v.node == nil {
		return def
	}
	var x float64
	switch n := v.Any().(type) {
	case int:
		x = float64(n)
	case float64:
		x = n
	default:
		v.Fail("want a number, got %s", v.describe())
		return def
	}
	if x < lo || x > hi {
		v.Fail("%v is out of range: want %v to %v", x, lo, hi)
		return def
	}
	return x
}

// Bool reads true or false; def where absent.
func (v Value) Bool(def bool) bool {
	if v.node == nil {
		return def
	}
	b, ok := v.Any().(bool)
	if !ok {
		v.Fail("want true or false, got %s", v.describe())
		return def
	}
	return b
}

// Text reads a string; def where absent. With allowed words it must be one of them.
func (v Value) Text(def string, allowed ...string) string {
	if v.node == nil {
		return def
	}
	if !v.Scalar() || v.node.Tag == "!!null" {
		v.Fail("want a word, got %s", v.describe())
		return def
	}
	s := v.node.Value
	if len(allowed) > 0 && !slices.Contains(allowed, s) {
		v.Fail("%q is not known: want one of %s%s", s, strings.Join(allowed, ", "), Suggest(s, allowed))
		return def
	}
	return s
}

func (v Value) describe() string {
	switch v.node.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	}
	if v.node.Tag == "!!null" {
		return "nothing"
	}
	return strconv.Quote(v.node.Value)
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// Plain is the value as any, []any and map[string]any, for comparing files.
func (v Value) Plain() any {
	switch {
	case v.Mapping():
		m := map[string]any{}
		for _, e := range v.Entries() {
			m[e.Key] = e.Value.Plain()
		}
		return m
	case v.Sequence():
		l := []any{}
		for _, i := range v.Items() {
			l = append(l, i.Plain())
		}
		return l
	case v.node == nil:
		return nil
	}
	return v.node.Value
}
