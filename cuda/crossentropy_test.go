package cuda

import (
	"encoding/binary"
	"math"
	"strings"
	"testing"

	"palladio/kernels"
)

// TestLabelOutOfRange: a label outside the classes is an error of Sync that names it and its sample, once, forward and backward; an ignored one is none.
func TestLabelOutOfRange(t *testing.T) {
	d := open(t, "sim:h100")
	ce := kernels.CrossEntropy{Type: kernels.F32, N: 70, C: 10, Labels: kernels.I32, Ignore: true, IgnoreIndex: -100}
	for _, k := range []kernels.Kernel{ce, kernels.CrossEntropyBackward{Of: ce}} {
		exec, err := d.Prepare(k)
		if err != nil {
			t.Fatal(err)
		}
		var args []kernels.Arg
		var labels kernels.Memory
		for _, o := range k.Operands() {
			m, err := d.Alloc(o.Bytes())
			if err != nil {
				t.Fatal(err)
			}
			defer m.Free()
			if err := m.Upload(0, make([]byte, o.Bytes())); err != nil {
				t.Fatal(err)
			}
			if o.Name == "labels" {
				labels = m
			}
			args = append(args, m.Arg(0, o.Bytes()))
		}
		work, err := d.Alloc(exec.Workspace())
		if err != nil {
			t.Fatal(err)
		}
		defer work.Free()
		run := func(label int32) error {
			if err := labels.Upload(4*61, binary.LittleEndian.AppendUint32(nil, uint32(label))); err != nil {
				t.Fatal(err)
			}
			if err := exec.Run(args, work.Arg(0, exec.Workspace())); err != nil {
				t.Fatal(err)
			}
			return d.Sync()
		}
		for _, label := range []int32{10, -1, math.MaxInt32} {
			err := run(label)
			if err == nil || !strings.Contains(err.Error(), "of sample 61, want 0 to 9") {
				t.Errorf("%s: label %d: error %v", k, label, err)
			}
		}
		for _, label := range []int32{9, 0, -100} {
			if err := run(label); err != nil {
				t.Errorf("%s: label %d: %v", k, label, err)
			}
		}
	}
}
