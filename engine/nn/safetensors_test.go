package nn

import (
	"bytes"
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"palladio/kernels"
)

// file makes the bytes of a file of a header as it is written and so many bytes of data.
func file(header string, data int) []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return append(append(b, header...), make([]byte, data)...)
}

func TestSafetensorsRoundTrip(t *testing.T) {
	tensors := []RawTensor{
		{"layer.weight", kernels.F32, []int{2, 3}, bytes.Repeat([]byte{1, 2, 3, 4}, 6)},
		{"scalar", kernels.F64, nil, []byte{1, 2, 3, 4, 5, 6, 7, 8}},
		{"empty", kernels.I32, []int{0, 4}, []byte{}},
		{`odd "name" ü`, kernels.Bool, []int{3}, []byte{0, 1, 1}},
	}
	meta := map[string]string{"b": "2", "a": "1"}
	path := filepath.Join(t.TempDir(), "x.safetensors")
	if err := SaveSafetensors(path, tensors, meta); err != nil {
		t.Fatal(err)
	}
	got, gotMeta, err := LoadSafetensors(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != len(tensors) || !reflect.DeepEqual(gotMeta, meta) {
		t.Fatalf("read %d tensors and %v", len(got), gotMeta)
	}
	byName := map[string]RawTensor{}
	for _, g := range got {
		byName[g.Name] = g
	}
	for _, want := range tensors {
		g := byName[want.Name]
		if g.Type != want.Type || kernels.Elems(g.Shape) != kernels.Elems(want.Shape) || len(g.Shape) != len(want.Shape) || !bytes.Equal(g.Data, want.Data) {
			t.Errorf("%s: %v, want %v", want.Name, g, want)
		}
	}
	left, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(left) != 1 {
		t.Errorf("the folder holds %v (%v), want the file alone", left, err)
	}
	if err := SaveSafetensors(filepath.Join(t.TempDir(), "no", "x"), tensors, nil); err == nil {
		t.Error("saved into a folder that does not exist")
	}
}

// TestSafetensorsRefuses lists files that a strict reader must not take.
func TestSafetensorsRefuses(t *testing.T) {
	a := `"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}`
	for _, c := range []struct {
		name, want string
		file       []byte
	}{
		{"empty", "length", nil},
		{"short length", "length", []byte{1, 2}},
		{"huge header", "header of", append(bytes.Repeat([]byte{0xff}, 8), '{', '}')},
		{"header longer than the file", "less than the file", append(binary.LittleEndian.AppendUint64(nil, 100), '{', '}')},
		{"no object", "want {", file("[]", 0)},
		{"space before the object", "want {", file(" {}", 0)},
		{"cut JSON", "unexpected EOF", file(`{"a":`, 0)},
		{"behind the JSON", "behind", file(`{}{}`, 0)},
		{"newline behind the JSON", "behind", file("{}\n", 0)},
		{"trailing bytes", "the file has 9", file("{"+a+"}", 9)},
		{"missing bytes", "the file has 7", file("{"+a+"}", 7)},
		{"gap", "gaps", file(`{"a":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}}`, 3)},
		{"overlap", "overlap", file(`{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}}`, 3)},
		{"duplicate tensor", "twice", file("{"+a+","+a+"}", 8)},
		{"duplicate key", "twice", file(`{"a":{"dtype":"F32","dtype":"F32","shape":[2],"data_offsets":[0,8]}}`, 8)},
		{"duplicate metadata", "twice", file(`{"__metadata__":{"x":"1","x":"2"}}`, 0)},
		{"metadata of numbers", "string", file(`{"__metadata__":{"x":1}}`, 0)},
		{"unknown key", "unknown key", file(`{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0],"x":1}}`, 0)},
		{"missing key", "want dtype", file(`{"a":{"dtype":"U8","shape":[0]}}`, 0)},
		{"unknown type", "type C64", file(`{"a":{"dtype":"C64","shape":[1],"data_offsets":[0,8]}}`, 8)},
		{"type of a number", "type 3", file(`{"a":{"dtype":3,"shape":[1],"data_offsets":[0,8]}}`, 8)},
		{"wrong size", "want 12", file(`{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}}`, 8)},
		{"negative extent", "0 or more", file(`{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,8]}}`, 8)},
		{"broken extent", "0 or more", file(`{"a":{"dtype":"F32","shape":[1.5],"data_offsets":[0,8]}}`, 8)},
		{"huge extents", "too many", file(`{"a":{"dtype":"F32","shape":[4611686018427387000,4611686018427387000],"data_offsets":[0,8]}}`, 8)},
		{"backward offsets", "beginning", file(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}}`, 8)},
		{"three offsets", "more than 2", file(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8,9]}}`, 8)},
		{"tensor of a string", "object", file(`{"a":"b"}`, 0)},
		{"claims more than there is", "the file has 4", file(`{"a":{"dtype":"U8","shape":[1000000000000],"data_offsets":[0,1000000000000]}}`, 4)},
	} {
		_, _, err := ReadSafetensors(bytes.NewReader(c.file), int64(len(c.file)))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v; want an error with %q", c.name, err, c.want)
		}
	}
}

func FuzzReadSafetensors(f *testing.F) {
	f.Add(file(`{"__metadata__":{"x":"1"},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}`, 8))
	f.Add(file(`{"a":{"dtype":"U8","shape":[],"data_offsets":[0,1]},"b":{"dtype":"BOOL","shape":[0],"data_offsets":[1,1]}}`, 1))
	f.Add(file(`{}`, 0))
	f.Fuzz(func(t *testing.T, b []byte) {
		tensors, meta, err := ReadSafetensors(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			return
		}
		var w bytes.Buffer
		if err := WriteSafetensors(&w, tensors, meta); err != nil {
			t.Fatalf("cannot write what was read: %v", err)
		}
		again, _, err := ReadSafetensors(&w, int64(w.Len()))
		if err != nil || len(again) != len(tensors) {
			t.Fatalf("cannot read what was written: %v", err)
		}
		for i := range again {
			if again[i].Name != tensors[i].Name && len(tensors[i].Data) > 0 || !bytes.Equal(again[i].Data, tensors[i].Data) {
				t.Fatalf("tensor %d: %v, want %v", i, again[i], tensors[i])
			}
		}
	})
}

func TestSchedules(t *testing.T) {
	near := func(name string, s Schedule, step int, want, tolerance float64) {
		t.Helper()
		if got := s(step); math.Abs(got-want) > tolerance {
			t.Errorf("%s at step %d: %v, want %v", name, step, got, want)
		}
	}
	for _, c := range []struct {
		p    float64
		want []float64 // at epochs 1, 30, 75, 150, 225, 270, 300
	}{
		{1, []float64{.1, .097574, .085467, .050376, .015285, .003179, .00075}},
		{2, []float64{.1, .096665, .080842, .041862, .011354, .002448, .00075}},
		{10, []float64{.1, .093964, .068439, .024597, .005173, .001389, .00075}},
	} {
		s, err := CosinePower(.1, 7.5e-4, c.p, 300, 0)
		if err != nil {
			t.Fatal(err)
		}
		for i, e := range []int{1, 30, 75, 150, 225, 270, 300} {
			near("cosine power", s, e-1, c.want[i], 1e-6)
		}
	}
	warm, err := CosinePower(.1, 7.5e-4, 10, 300, 5)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []float64{.01729, .03383, .05038, .06692, .08346, .1, .09997, .09994} {
		near("warm cosine power", warm, i, want, 1e-5)
	}
	near("warm cosine power", warm, 299, 7.5e-4, 1e-12)
	for _, bad := range []func() (Schedule, error){
		func() (Schedule, error) { return CosinePower(1, 0, 0.5, 10, 0) }, func() (Schedule, error) { return CosinePower(1, 0, math.NaN(), 10, 0) },
		func() (Schedule, error) { return CosinePower(1, 0, 2, 10, 10) }, func() (Schedule, error) { return OneCycle(1, 1, 0.3) },
		func() (Schedule, error) { return OneCycle(1, 10, 1) }, func() (Schedule, error) { return NamedSchedule("linear", 1, 10) },
	} {
		if _, err := bad(); err == nil {
			t.Error("a schedule without sense was made")
		}
	}
	near("constant", ConstantRate(3), 1000, 3, 0)
	near("step", StepDecay(1, 10, 0.5), 25, 0.25, 1e-15)
	near("multi-step", MultiStep(1, 0.1, 10, 20), 9, 1, 0)
	near("multi-step", MultiStep(1, 0.1, 10, 20), 20, 0.01, 1e-15)
	near("cosine", Cosine(1, 0.1, 11), 0, 1, 0)
	near("cosine", Cosine(1, 0.1, 11), 5, 0.55, 1e-12)
	near("cosine", Cosine(1, 0.1, 11), 99, 0.1, 1e-12)
	near("warm-up", WarmUp(3, ConstantRate(4)), 0, 1, 1e-12)
	near("warm-up", WarmUp(3, ConstantRate(4)), 3, 4, 1e-12)
	one, err := OneCycle(1, 101, 0.3)
	if err != nil {
		t.Fatal(err)
	}
	near("one-cycle", one, 0, 0.04, 1e-12)
	near("one-cycle", one, 30, 1, 1e-12)
	near("one-cycle", one, 100, 4e-6, 1e-12)
	for _, name := range ScheduleNames() {
		s, err := NamedSchedule(name, 1, 100)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 100 {
			if v := s(i); !(v >= 0 && v <= 1) {
				t.Errorf("%s at step %d: %v", name, i, v)
			}
		}
	}
}

func TestInitialisers(t *testing.T) {
	moments := func(i Init, shape ...int) (mean, deviation, most float64) {
		v, err := i.values(shape, newDraws(1, "x"))
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range v {
			mean += x
			deviation += x * x
			most = max(most, math.Abs(x))
		}
		n := float64(len(v))
		mean /= n
		return mean, math.Sqrt(deviation/n - mean*mean), most
	}
	in, out := 9.0*64, 9.0*128
	for _, c := range []struct {
		init            Init
		deviation, most float64
	}{
		{Zeros(), 0, 0}, {Uniform(-1, 1), 1 / math.Sqrt(3), 1}, {Normal(0.01), 0.01, 0.06}, {TruncatedNormal(1), 0.8796, 2},
		{XavierUniform(2), 2 * math.Sqrt(2/(in+out)), 2 * math.Sqrt(6/(in+out))}, {XavierNormal(1), math.Sqrt(2 / (in + out)), 1},
		{HeNormal(), math.Sqrt(2 / in), 1}, {HeNormalFanOut(), math.Sqrt(2 / out), 1}, {HeUniform(), math.Sqrt(2 / in), math.Sqrt(6 / in)},
	} {
		mean, deviation, most := moments(c.init, 128, 3, 3, 64)
		if math.Abs(mean) > 0.01*c.deviation+1e-15 || math.Abs(deviation-c.deviation) > 0.01*c.deviation || most > c.most {
			t.Errorf("%s: mean %v, deviation %v, largest %v; want 0, %v and at most %v", c.init, mean, deviation, most, c.deviation, c.most)
		}
	}
	if mean, deviation, _ := moments(Ones(), 5); mean != 1 || deviation != 0 {
		t.Errorf("ones: mean %v, deviation %v", mean, deviation)
	}
	for _, shape := range [][]int{{6, 20}, {20, 6}, {8, 3, 3, 2}} {
		v, err := Orthogonal(2).values(shape, newDraws(1, "x"))
		if err != nil {
			t.Fatal(err)
		}
		rows, cols := shape[0], kernels.Elems(shape[1:])
		at := func(i, j int) float64 { // column j of the taller form
			if rows <= cols {
				return v[j*cols+i]
			}
			return v[i*cols+j]
		}
		for a := range min(rows, cols) {
			for b := range min(rows, cols) {
				dot, want := 0.0, 0.0
				for i := range max(rows, cols) {
					dot += at(i, a) * at(i, b)
				}
				if a == b {
					want = 4
				}
				if math.Abs(dot-want) > 1e-12 {
					t.Fatalf("orthogonal %v: vectors %d and %d have product %v, want %v", shape, a, b, dot, want)
				}
			}
		}
	}
	if _, err := Orthogonal(1).values([]int{3}, newDraws(1, "x")); err == nil {
		t.Error("an orthogonal vector was made")
	}
	a, _ := Normal(1).values([]int{4}, newDraws(1, "a"))
	again, _ := Normal(1).values([]int{4}, newDraws(1, "a"))
	other, _ := Normal(1).values([]int{4}, newDraws(1, "b"))
	if !reflect.DeepEqual(a, again) || reflect.DeepEqual(a, other) {
		t.Errorf("draws: %v, again %v, by another name %v", a, again, other)
	}
}

// counted is a stream that counts what it gave.
type counted struct {
	label int32
	given int
}

func (c *counted) Next(x []float32, y []int32) error {
	for i := range y {
		y[i] = c.label
	}
	c.given += len(y)
	return nil
}

func TestMix(t *testing.T) {
	a, b, c := &counted{label: 0}, &counted{label: 1}, &counted{label: 2}
	m, err := NewMix(MixPart{a, 0.5}, MixPart{b, 0.3}, MixPart{c, 0.2})
	if err != nil {
		t.Fatal(err)
	}
	x, y := make([]float32, 7*3), make([]int32, 7)
	for range 100 {
		ends, err := m.Next(x, y)
		if err != nil || ends[2] != 7 {
			t.Fatalf("ends %v, %v", ends, err)
		}
		for i, label := range y {
			want := int32(0)
			for int(want) < 2 && i >= ends[want] {
				want++
			}
			if label != want {
				t.Fatalf("row %d is of stream %d, want %d (%v)", i, label, want, ends)
			}
		}
	}
	if a.given != 350 || b.given != 210 || c.given != 140 {
		t.Errorf("rows given: %d, %d, %d; want 350, 210, 140", a.given, b.given, c.given)
	}
	for _, bad := range [][]MixPart{{}, {{a, 0}}, {{a, -1}}, {{nil, 1}}, {{a, math.NaN()}}} {
		if _, err := NewMix(bad...); err == nil {
			t.Errorf("a mix of %v was made", bad)
		}
	}
	if _, err := m.Next(make([]float32, 5), y); err == nil {
		t.Error("5 values were split over 7 samples")
	}
}
