package data

import (
	"archive/zip"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"regexp"
	"strconv"
	"strings"
)

// Array is a numeric array read from a file, row-major, converted to float64 (exact for everything but large 64-bit integers).
type Array struct {
	Shape []int
	Data  []float64
}

// The header of an npy file is a Python dict literal with exactly these three keys, in any order (NumPy Enhancement Proposal 1).
var (
	npyDescr   = regexp.MustCompile(`'descr'\s*:\s*'([<>|=]?)([biuf])(\d+)'`)
	npyFortran = regexp.MustCompile(`'fortran_order'\s*:\s*(True|False)`)
	npyShape   = regexp.MustCompile(`'shape'\s*:\s*\(([\d\s,L]*)\)`)
)

const maxNpyHeader = 1 << 16

// ReadNPY reads a NumPy array of booleans, integers or floats. name is for errors.
func ReadNPY(r io.Reader, name string) (*Array, error) {
	header, err := npyHeader(r)
	if err != nil {
		return nil, fmt.Errorf("%s: npy header: %w", name, err)
	}
	d, f, s := npyDescr.FindStringSubmatch(header), npyFortran.FindStringSubmatch(header), npyShape.FindStringSubmatch(header)
	if d == nil || f == nil || s == nil {
		return nil, fmt.Errorf("%s: npy header %q: want descr (booleans, integers or floats), fortran_order and shape", name, header)
	}
	size, _ := strconv.Atoi(d[3])
	elem, err := npyElement(d[2], size, d[1] == ">")
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	shape, total, err := parseShape(s[1], size)
	if err != nil {
		return nil, fmt.Errorf("%s: npy shape (%s): %w", name, s[1], err)
	}
	raw, err := readExactly(r, total*size)
	if err != nil {
		return nil, fmt.Errorf("%s: npy array %v: %w", name, shape, err)
	}
	a := &Array{Shape: shape, Data: make([]float64, total)}
	for i := range a.Data {
		a.Data[i] = elem(raw[i*size:])
	}
	if f[1] == "True" {
		a.fromFortran()
	}
	return a, nil
}

func npyHeader(r io.Reader) (string, error) {
	var pre [8]byte
	if _, err := io.ReadFull(r, pre[:]); err != nil {
		return "", truncated(err)
	}
	if string(pre[:6]) != "\x93NUMPY" {
		return "", fmt.Errorf("begins with % x, want 93 4e 55 4d 50 59 (NUMPY)", pre[:6])
	}
	var n int
	switch pre[6] {
	case 1:
		var l uint16
		if err := binary.Read(r, binary.LittleEndian, &l); err != nil {
			return "", truncated(err)
		}
		n = int(l)
	case 2, 3:
		var l uint32
		if err := binary.Read(r, binary.LittleEndian, &l); err != nil {
			return "", truncated(err)
		}
		n = int(l)
	default:
		return "", fmt.Errorf("format version %d, want 1 to 3", pre[6])
	}
	if n > maxNpyHeader {
		return "", fmt.Errorf("%d bytes long, want at most %d", n, maxNpyHeader)
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(r, b); err != nil {
		return "", truncated(err)
	}
	return string(b), nil
}

// npyElement reads one element from its bytes.
func npyElement(kind string, size int, bigEndian bool) (func(b []byte) float64, error) {
	var o binary.ByteOrder = binary.LittleEndian
	if bigEndian {
		o = binary.BigEndian
	}
	switch kind + strconv.Itoa(size) {
	case "b1", "u1":
		return func(b []byte) float64 { return float64(b[0]) }, nil
	case "i1":
		return func(b []byte) float64 { return float64(int8(b[0])) }, nil
	case "u2":
		return func(b []byte) float64 { return float64(o.Uint16(b)) }, nil
	case "i2":
		return func(b []byte) float64 { return float64(int16(o.Uint16(b))) }, nil
	case "u4":
		return func(b []byte) float64 { return float64(o.Uint32(b)) }, nil
	case "i4":
		return func(b []byte) float64 { return float64(int32(o.Uint32(b))) }, nil
	case "u8":
		return func(b []byte) float64 { return float64(o.Uint64(b)) }, nil
	case "i8":
		return func(b []byte) float64 { return float64(int64(o.Uint64(b))) }, nil
	case "f4":
		return func(b []byte) float64 { return float64(math.Float32frombits(o.Uint32(b))) }, nil
	case "f8":
		return func(b []byte) float64 { return math.Float64frombits(o.Uint64(b)) }, nil
	}
	return nil, fmt.Errorf("npy element type %s%d: want b1, i1–i8, u1–u8, f4 or f8", kind, size)
}

func parseShape(s string, size int) (shape []int, total int, err error) {
	total = 1
	for f := range strings.SplitSeq(s, ",") {
		f = strings.TrimSuffix(strings.TrimSpace(f), "L")
		if f == "" {
			continue
		}
		d, err := strconv.Atoi(f)
		if err != nil {
			return nil, 0, err
		}
		if d > 0 && total > maxBytes/size/d {
			return nil, 0, fmt.Errorf("more than %d bytes", maxBytes)
		}
		shape, total = append(shape, d), total*d
	}
	return shape, total, nil
}

// fromFortran turns column-major data into row-major.
func (a *Array) fromFortran() {
	out := make([]float64, len(a.Data))
	index := make([]int, len(a.Shape))
	for flat := range out {
		src, stride := 0, 1
		for d, x := range index {
			src += x * stride
			stride *= a.Shape[d]
		}
		out[flat] = a.Data[src]
		for d := len(index) - 1; d >= 0; d-- {
			if index[d]++; index[d] < a.Shape[d] {
				break
			}
			index[d] = 0
		}
	}
	a.Data = out
}

// ReadNPZ reads all the arrays of a NumPy archive, by name without ".npy".
func ReadNPZ(file string) (map[string]*Array, error) {
	z, err := zip.OpenReader(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	defer z.Close()
	arrays := map[string]*Array{}
	for _, f := range z.File {
		name, ok := strings.CutSuffix(f.Name, ".npy")
		if !ok {
			return nil, fmt.Errorf("%s: %s is no .npy", file, f.Name)
		}
		if arrays[name] != nil {
			return nil, fmt.Errorf("%s: two arrays are called %s", file, name)
		}
		r, err := f.Open()
		if err != nil {
			return nil, fmt.Errorf("%s: %s: %w", file, f.Name, err)
		}
		a, err := ReadNPY(r, file+": "+f.Name)
		r.Close()
		if err != nil {
			return nil, err
		}
		arrays[name] = a
	}
	return arrays, nil
}
