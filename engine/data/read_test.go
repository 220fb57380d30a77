package data

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"image"
	"image/color"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// idxBytes writes an IDX array.
func idxBytes(shape []int, data []byte) []byte {
	b := []byte{0, 0, 8, byte(len(shape))}
	for _, d := range shape {
		b = append(b, byte(d>>24), byte(d>>16), byte(d>>8), byte(d))
	}
	return append(b, data...)
}

func gz(b []byte) []byte {
	var buf bytes.Buffer
	w := gzip.NewWriter(&buf)
	w.Write(b)
	w.Close()
	return buf.Bytes()
}

func TestReadIDX(t *testing.T) {
	good := idxBytes([]int{2, 3}, []byte{1, 2, 3, 4, 5, 6})
	for _, b := range [][]byte{good, gz(good)} {
		shape, data, err := ReadIDX(bytes.NewReader(b), "x")
		if err != nil || !slices.Equal(shape, []int{2, 3}) || !bytes.Equal(data, []byte{1, 2, 3, 4, 5, 6}) {
			t.Errorf("ReadIDX = %v, %v, %v", shape, data, err)
		}
	}
	for want, b := range map[string][]byte{
		"cut short":        {},
		"no IDX file":      []byte("\x89PNG...."),
		"element type":     {0, 0, 0x0d, 1, 0, 0, 0, 0},
		"9 axes":           {0, 0, 8, 9},
		"ends after 5":     good[:len(good)-1],
		"bytes follow":     append(slices.Clone(good), 0),
		"makes more than":  idxBytes([]int{math.MaxInt32, math.MaxInt32}, nil),
		"ends after 0":     idxBytes([]int{1 << 30}, nil),
		"invalid checksum": corrupt(gz(good)),
	} {
		if _, _, err := ReadIDX(bytes.NewReader(b), "x"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("% x: error %v, want one with %q", b[:min(len(b), 8)], err, want)
		}
	}
}

// corrupt changes the checksum of a gzip file.
func corrupt(b []byte) []byte { b[len(b)-8] ^= 1; return b }

func FuzzReadIDX(f *testing.F) {
	f.Add(idxBytes([]int{2, 3}, []byte{1, 2, 3, 4, 5, 6}))
	f.Add(idxBytes([]int{1 << 30, 1 << 30}, nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		shape, data, err := ReadIDX(bytes.NewReader(b), "fuzz")
		if err != nil {
			return
		}
		n := 1
		for _, d := range shape {
			n *= d
		}
		if n != len(data) {
			t.Errorf("shape %v with %d bytes", shape, len(data))
		}
	})
}

func TestEmbedded(t *testing.T) {
	train, test, err := Open(context.Background(), "fashion10k", [2]int{})
	if err != nil {
		t.Fatal(err)
	}
	if train.N != 8000 || test.N != 2000 || train.H != 28 || train.W != 28 || train.C != 1 {
		t.Fatalf("%d + %d images of %d×%d×%d", train.N, test.N, train.H, train.W, train.C)
	}
	if got := train.Labels[:10]; !slices.Equal(got, []int32{9, 2, 1, 1, 6, 1, 4, 6, 5, 7}) {
		t.Errorf("first labels %v", got)
	}
	per := make([]int, 10)
	sum := 0.0
	for _, s := range []*Images{train, test} {
		for _, l := range s.Labels {
			per[l]++
		}
		mean, _ := s.Stats()
		sum += float64(mean[0]) * float64(s.N) / 10000
	}
	for c, n := range per {
		if n != 1000 {
			t.Errorf("class %d has %d images", c, n)
		}
	}
	if math.Abs(sum-0.286849) > 1e-5 {
		t.Errorf("mean pixel %v", sum)
	}
}

// cifarRecord is a label and planes that hold 1, 2, 3, with the first pixel's red 9.
func cifarRecord(labels ...byte) []byte {
	b := slices.Clone(labels)
	for p := range 3 {
		b = append(b, bytes.Repeat([]byte{byte(p + 1)}, 1024)...)
	}
	b[len(labels)] = 9
	return b
}

func cifarTar(t *testing.T, files map[string][]byte) string {
	t.Helper()
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for name, b := range files {
		if err := w.WriteHeader(&tar.Header{Name: "cifar/" + name, Size: int64(len(b)), Mode: 0o644}); err != nil {
			t.Fatal(err)
		}
		w.Write(b)
	}
	w.Close()
	file := filepath.Join(t.TempDir(), "cifar.tar.gz")
	if err := os.WriteFile(file, gz(buf.Bytes()), 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestReadCIFAR(t *testing.T) {
	file := cifarTar(t, map[string][]byte{"data_batch_1.bin": append(cifarRecord(3), cifarRecord(9)...), "test_batch.bin": cifarRecord(0), "readme.html": []byte("x")})
	train, test, err := readCIFAR(file, false)
	if err != nil {
		t.Fatal(err)
	}
	if train.N != 2 || test.N != 1 || !slices.Equal(train.Labels, []int32{3, 9}) || !slices.Equal(train.Image(1)[:6], []uint8{9, 2, 3, 1, 2, 3}) {
		t.Errorf("train %d %v %v, test %d", train.N, train.Labels, train.Image(1)[:6], test.N)
	}
	hundred := cifarTar(t, map[string][]byte{"train.bin": cifarRecord(1, 42), "test.bin": cifarRecord(19, 99)})
	if train, test, err = readCIFAR(hundred, true); err != nil || train.Labels[0] != 42 || test.Labels[0] != 99 {
		t.Errorf("cifar100: %v", err)
	}
	for want, files := range map[string]map[string][]byte{
		"label 10":  {"data_batch_1.bin": cifarRecord(10)},
		"cut short": {"data_batch_1.bin": cifarRecord(1)[:100]},
		"no images": {"data_batch_1.bin": cifarRecord(1)},
	} {
		if _, _, err := readCIFAR(cifarTar(t, files), false); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
}

func writePNG(t *testing.T, file string, w, h int, c color.Color) {
	t.Helper()
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for i := range w * h {
		img.Set(i%w, i/w, c)
	}
	os.MkdirAll(filepath.Dir(file), 0o755)
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := png.Encode(f, img); err != nil {
		t.Fatal(err)
	}
}

func TestReadFolder(t *testing.T) {
	dir := t.TempDir()
	writePNG(t, filepath.Join(dir, "cat", "a.png"), 8, 6, color.RGBA{255, 0, 0, 255})
	writePNG(t, filepath.Join(dir, "dog", "b.png"), 16, 12, color.RGBA{0, 0, 255, 255})
	os.WriteFile(filepath.Join(dir, "dog", "notes.txt"), nil, 0o644)
	s, err := ReadFolder(dir, 0, 0, 3)
	if err != nil {
		t.Fatal(err)
	}
	if s.N != 2 || s.H != 6 || s.W != 8 || !slices.Equal(s.Classes, []string{"cat", "dog"}) || !slices.Equal(s.Image(1)[:3], []uint8{0, 0, 255}) {
		t.Errorf("%+v", s)
	}
	if grey, err := ReadFolder(dir, 4, 4, 1); err != nil || grey.H != 4 || grey.C != 1 {
		t.Errorf("grey: %v", err)
	}
	os.WriteFile(filepath.Join(dir, "dog", "c.png"), []byte("\x89PNG\r\n\x1a\nrubbish"), 0o644)
	if _, err := ReadFolder(dir, 0, 0, 3); err == nil || !strings.Contains(err.Error(), "c.png") {
		t.Errorf("broken image: error %v", err)
	}
	if _, err := ReadFolder(t.TempDir(), 0, 0, 3); err == nil || !strings.Contains(err.Error(), "no sub-folders") {
		t.Errorf("empty folder: error %v", err)
	}
	if _, err := ReadFolder(dir, -1, 5, 3); err == nil {
		t.Error("negative size accepted")
	}
}

func readNPYFile(t *testing.T, name string) (*Array, error) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return ReadNPY(bytes.NewReader(b), name)
}

// The files in testdata were written by NumPy.
func TestReadNPY(t *testing.T) {
	for _, c := range []struct {
		file  string
		shape []int
		data  []float64
	}{
		{"f4_c.npy", []int{3, 4}, []float64{0, .25, .5, .75, 1, 1.25, 1.5, 1.75, 2, 2.25, 2.5, 2.75}},
		{"i2be_f.npy", []int{2, 3, 2}, []float64{-6, -5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5}},
		{"bool.npy", []int{3}, []float64{1, 0, 1}},
		{"scalar.npy", nil, []float64{2.5}},
	} {
		a, err := readNPYFile(t, c.file)
		if err != nil || !slices.Equal(a.Shape, c.shape) || !slices.Equal(a.Data, c.data) {
			t.Errorf("%s: %v, %v", c.file, a, err)
		}
	}
	if _, err := readNPYFile(t, "complex.npy"); err == nil {
		t.Error("complex numbers accepted")
	}
	m, err := ReadNPZ("testdata/two.npz")
	if err != nil || !slices.Equal(m["x"].Shape, []int{2, 2}) || !slices.Equal(m["y"].Data, []float64{-1, 7}) {
		t.Errorf("npz: %v, %v", m, err)
	}
	if _, err := ReadNPZ("testdata/bool.npy"); err == nil {
		t.Error("an npy file passed for an npz")
	}
}

func FuzzReadNPY(f *testing.F) {
	for _, n := range []string{"f4_c.npy", "i2be_f.npy", "scalar.npy", "complex.npy"} {
		b, err := os.ReadFile(filepath.Join("testdata", n))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := ReadNPY(bytes.NewReader(b), "fuzz")
		if err != nil {
			return
		}
		n := 1
		for _, d := range a.Shape {
			n *= d
		}
		if n != len(a.Data) {
			t.Errorf("shape %v with %d elements", a.Shape, len(a.Data))
		}
	})
}

func TestReadCSV(t *testing.T) {
	table, err := ReadCSV(strings.NewReader("a,b,label\n0,16,1\n8,,0\n"), "t.csv", true)
	if err != nil || table.Rows != 2 || table.Columns[1] != "b" || !math.IsNaN(table.Data[4]) {
		t.Fatalf("%+v, %v", table, err)
	}
	if _, err := table.Images("t", 1, 2, 1, 2, 16); err == nil || !strings.Contains(err.Error(), "row 1, column 1") {
		t.Errorf("missing pixel: error %v", err)
	}
	table.Data[4] = 4
	s, err := table.Images("t", 1, 2, 1, 2, 16)
	if err != nil || !slices.Equal(s.Pix, []uint8{0, 255, 128, 64}) || !slices.Equal(s.Labels, []int32{1, 0}) {
		t.Errorf("%+v, %v", s, err)
	}
	for want, text := range map[string]string{
		"no rows":      "a,b\n",
		"t.csv:3:3":    "a,b\n1,2\n3,x\n",
		"NaN":          "a\nNaN\n",
		"wrong number": "a,b\n1\n",
	} {
		if _, err := ReadCSV(strings.NewReader(text), "t.csv", true); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want one with %q", text, err, want)
		}
	}
}

func FuzzReadCSV(f *testing.F) {
	f.Add("a,b\n1,2\n", true)
	f.Add("1;2\n\"", false)
	f.Fuzz(func(t *testing.T, text string, header bool) {
		table, err := ReadCSV(strings.NewReader(text), "fuzz", header)
		if err == nil && len(table.Data) != table.Rows*len(table.Columns) {
			t.Errorf("%d values in %d rows of %d", len(table.Data), table.Rows, len(table.Columns))
		}
	})
}
