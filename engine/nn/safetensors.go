package nn

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strings"

	"github.com/google/renameio/v2"

	"palladio/kernels"
)

// RawTensor is a tensor of a safetensors file: row-major, little-endian.
type RawTensor struct {
	Name  string
	Type  kernels.DType
	Shape []int
	Data  []byte
}

// limits of what a reader accepts before it allocates anything.
const (
	maxHeader  = 100 << 20 // as the format's own library
	maxTensors = 1 << 20
	maxDims    = 64
	metadata   = "__metadata__"
)

// safetensorsTypes pairs the format's names with ours.
var safetensorsTypes = map[string]kernels.DType{
	"F64": kernels.F64, "F32": kernels.F32, "F16": kernels.F16, "BF16": kernels.BF16,
	"I64": kernels.I64, "I32": kernels.I32, "U64": kernels.U64, "U8": kernels.U8, "BOOL": kernels.Bool,
}

func safetensorsName(t kernels.DType) (string, error) {
	for name, u := range safetensorsTypes {
		if u == t {
			return name, nil
		}
	}
	return "", fmt.Errorf("safetensors has no type %s", t)
}

// WriteSafetensors writes tensors and text metadata in the safetensors format: the header's length (8 bytes, little-endian), the header (JSON), and the tensors'
// bytes one after the other. Equal input gives equal bytes.
func WriteSafetensors(w io.Writer, tensors []RawTensor, meta map[string]string) error {
	header, err := safetensorsHeader(tensors, meta)
	if err != nil {
		return err
	}
	var length [8]byte
	binary.LittleEndian.PutUint64(length[:], uint64(len(header)))
	if _, err := w.Write(append(length[:], header...)); err != nil {
		return fmt.Errorf("safetensors: header: %w", err)
	}
	for _, t := range tensors {
		if _, err := w.Write(t.Data); err != nil {
			return fmt.Errorf("safetensors: tensor %s: %w", t.Name, err)
		}
	}
	return nil
}

// safetensorsHeader writes the JSON by hand, tensors in their order, padded with spaces to a multiple of 8 bytes.
func safetensorsHeader(tensors []RawTensor, meta map[string]string) ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	if len(meta) > 0 {
		m, err := json.Marshal(meta) // sorted by key
		if err != nil {
			return nil, fmt.Errorf("safetensors: metadata: %w", err)
		}
		fmt.Fprintf(&b, "%q:%s", metadata, m)
	}
	seen := map[string]bool{metadata: true}
	at := 0
	for _, t := range tensors {
		if seen[t.Name] {
			return nil, fmt.Errorf("safetensors: two tensors named %q", t.Name)
		}
		seen[t.Name] = true
		name, err := safetensorsName(t.Type)
		if err != nil {
			return nil, fmt.Errorf("safetensors: tensor %s: %w", t.Name, err)
		}
		if want := kernels.Elems(t.Shape) * t.Type.Size(); len(t.Data) != want {
			return nil, fmt.Errorf("safetensors: tensor %s: %d bytes for %s%v, want %d", t.Name, len(t.Data), t.Type, t.Shape, want)
		}
		key, err := json.Marshal(t.Name)
		if err != nil {
			return nil, err
		}
		shape, err := json.Marshal(append([]int{}, t.Shape...))
		if err != nil {
			return nil, err
		}
		if b.Len() > 1 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `%s:{"dtype":%q,"shape":%s,"data_offsets":[%d,%d]}`, key, name, shape, at, at+len(t.Data))
		at += len(t.Data)
	}
	b.WriteByte('}')
	for b.Len()%8 != 0 {
		b.WriteByte(' ')
	}
	if b.Len() > maxHeader {
		return nil, fmt.Errorf("safetensors: a header of %d bytes: want at most %d", b.Len(), maxHeader)
	}
	return b.Bytes(), nil
}

// SaveSafetensors writes a file whole or not at all: it is written under another name beside, synchronised, and renamed.
func SaveSafetensors(path string, tensors []RawTensor, meta map[string]string) error {
	f, err := renameio.NewPendingFile(path, renameio.WithPermissions(0o644))
	if err != nil {
		return fmt.Errorf("save %s: %w", path, err)
	}
	defer f.Cleanup()
	if err := WriteSafetensors(f, tensors, meta); err != nil {
		return fmt.Errorf("save %s: %w", path, err)
	}
	if err := f.CloseAtomicallyReplace(); err != nil {
		return fmt.Errorf("save %s: %w", path, err)
	}
	return nil
}

// LoadSafetensors reads a file.
func LoadSafetensors(path string) ([]RawTensor, map[string]string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, fmt.Errorf("load: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, nil, fmt.Errorf("load: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, nil, fmt.Errorf("load %s: not a file", path)
	}
	tensors, meta, err := ReadSafetensors(f, info.Size())
	if err != nil {
		return nil, nil, fmt.Errorf("load %s: %w", path, err)
	}
	return tensors, meta, nil
}

// ReadSafetensors reads size bytes from r, in the order of the tensors' places. It refuses what the format does not allow: duplicate or unknown keys, types it does not
// know, extents that do not fit the bytes, tensors that overlap or leave gaps, and anything behind the last one. Nothing is allocated before
// the lengths have been checked against size.
func ReadSafetensors(r io.Reader, size int64) ([]RawTensor, map[string]string, error) {
	var length [8]byte
	if _, err := io.ReadFull(r, length[:]); err != nil {
		return nil, nil, fmt.Errorf("safetensors: header's length: %w", noEOF(err))
	}
	n := binary.LittleEndian.Uint64(length[:])
	if n < 2 || n > maxHeader || int64(n) > size-8 {
		return nil, nil, fmt.Errorf("safetensors: a header of %d bytes in a file of %d: want 2 to %d, and less than the file", n, size, maxHeader)
	}
	header := make([]byte, n)
	if _, err := io.ReadFull(r, header); err != nil {
		return nil, nil, fmt.Errorf("safetensors: header: %w", noEOF(err))
	}
	entries, meta, err := parseSafetensors(header)
	if err != nil {
		return nil, nil, fmt.Errorf("safetensors: header: %w", err)
	}
	if err := checkCoverage(entries, size-8-int64(n)); err != nil {
		return nil, nil, fmt.Errorf("safetensors: %w", err)
	}
	tensors := make([]RawTensor, len(entries))
	for i, e := range entries {
		tensors[i] = RawTensor{e.name, e.dtype, e.shape, make([]byte, e.end-e.begin)}
		if _, err := io.ReadFull(r, tensors[i].Data); err != nil {
			return nil, nil, fmt.Errorf("safetensors: tensor %s: %w", e.name, noEOF(err))
		}
	}
	return tensors, meta, nil
}

// noEOF makes an early end an error of its own.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// entry is a tensor of the header.
type entry struct {
	name       string
	dtype      kernels.DType
	shape      []int
	begin, end int64
}

// checkCoverage sorts the entries by place and requires that they cover the data exactly.
func checkCoverage(entries []entry, data int64) error {
	slices.SortStableFunc(entries, func(a, b entry) int {
		switch {
		case a.begin != b.begin:
			return int(min(max(a.begin-b.begin, -1), 1))
		default:
			return int(min(max(a.end-b.end, -1), 1))
		}
	})
	at := int64(0)
	for _, e := range entries {
		if e.begin != at {
			return fmt.Errorf("tensor %s lies at %d, want %d: tensors must neither overlap nor leave gaps", e.name, e.begin, at)
		}
		at = e.end
	}
	if at != data {
		return fmt.Errorf("the tensors take %d bytes, the file has %d for them", at, data)
	}
	return nil
}

// parseSafetensors reads the JSON header, token by token, so that duplicate keys are seen.
func parseSafetensors(header []byte) ([]entry, map[string]string, error) {
	if header[0] != '{' {
		return nil, nil, fmt.Errorf("starts with %q, want {", header[0])
	}
	d := json.NewDecoder(bytes.NewReader(header))
	d.UseNumber()
	var entries []entry
	var meta map[string]string
	seen := map[string]bool{}
	err := object(d, func(key string) error {
		if seen[key] {
			return fmt.Errorf("key %q is there twice", key)
		}
		seen[key] = true
		if key == metadata {
			meta = map[string]string{}
			return object(d, func(name string) error {
				if _, twice := meta[name]; twice {
					return fmt.Errorf("metadata %q is there twice", name)
				}
				v, err := d.Token()
				s, ok := v.(string)
				if err == nil && !ok {
					err = fmt.Errorf("metadata %q is %v, want a string", name, v)
				}
				meta[name] = s
				return err
			})
		}
		if len(entries) == maxTensors {
			return fmt.Errorf("more than %d tensors", maxTensors)
		}
		e, err := parseEntry(d, key)
		entries = append(entries, e)
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	if rest := strings.Trim(string(header[d.InputOffset():]), " "); rest != "" {
		return nil, nil, fmt.Errorf("%d bytes behind the JSON", len(rest))
	}
	return entries, meta, nil
}

// object reads a JSON object and calls f after each key; f reads the value.
func object(d *json.Decoder, f func(key string) error) error {
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return fmt.Errorf("want an object, found %v (%w)", t, noEOF(errOr(err)))
	}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return noEOF(err)
		}
		key, ok := t.(string)
		if !ok {
			return fmt.Errorf("want a key, found %v", t)
		}
		if err := f(key); err != nil {
			return noEOF(err)
		}
	}
	_, err := d.Token()
	return noEOF(err)
}

// errOr stands for an error of kind where the decoder has none of its own.
func errOr(err error) error {
	if err == nil {
		return errors.New("wrong kind of value")
	}
	return err
}

// parseEntry reads the object of one tensor.
func parseEntry(d *json.Decoder, name string) (entry, error) {
	e := entry{name: name}
	var offsets []int64
	seen := map[string]bool{}
	err := object(d, func(key string) error {
		if seen[key] {
			return fmt.Errorf("key %q is there twice", key)
		}
		seen[key] = true
		switch key {
		case "dtype":
			v, err := d.Token()
			if err != nil {
				return err
			}
			s, _ := v.(string)
			if e.dtype = safetensorsTypes[s]; e.dtype == kernels.Invalid {
				return fmt.Errorf("type %v: want one of F64, F32, F16, BF16, I64, I32, U64, U8, BOOL", v)
			}
			return nil
		case "shape":
			dims, err := naturals(d, maxDims)
			for _, n := range dims {
				e.shape = append(e.shape, int(n))
			}
			return err
		case "data_offsets":
			var err error
			offsets, err = naturals(d, 2)
			return err
		}
		return fmt.Errorf("unknown key %q: want dtype, shape, data_offsets", key)
	})
	if err == nil && len(seen) != 3 {
		err = errors.New("want dtype, shape and data_offsets")
	}
	if err == nil {
		err = e.place(offsets)
	}
	if err != nil {
		return e, fmt.Errorf("tensor %q: %w", name, err)
	}
	return e, nil
}

// place checks the offsets against type and shape.
func (e *entry) place(offsets []int64) error {
	if len(offsets) != 2 || offsets[1] < offsets[0] {
		return fmt.Errorf("data_offsets %v: want a beginning and an end", offsets)
	}
	e.begin, e.end = offsets[0], offsets[1]
	if err := kernels.CheckShape("tensor", e.shape, 0); err != nil {
		return err
	}
	if want := int64(kernels.Elems(e.shape)) * int64(e.dtype.Size()); e.end-e.begin != want {
		return fmt.Errorf("%d bytes for %s%v, want %d", e.end-e.begin, e.dtype, e.shape, want)
	}
	return nil
}

// naturals reads a list of at most limit numbers that are whole, not negative and fit an int.
func naturals(d *json.Decoder, limit int) ([]int64, error) {
	if t, err := d.Token(); err != nil || t != json.Delim('[') {
		return nil, fmt.Errorf("want a list, found %v (%w)", t, noEOF(errOr(err)))
	}
	list := []int64{}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return nil, noEOF(err)
		}
		n, ok := t.(json.Number)
		v, err := n.Int64()
		if !ok || err != nil || v < 0 || v > math.MaxInt/2 {
			return nil, fmt.Errorf("number %v: want a whole number of 0 or more", t)
		}
		if list = append(list, v); len(list) > limit {
			return nil, fmt.Errorf("a list of more than %d numbers", limit)
		}
	}
	_, err := d.Token()
	return list, noEOF(err)
}
