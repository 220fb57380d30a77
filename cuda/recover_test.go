package cuda

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"palladio/kernels"
)

// hangingGPU is a driver whose kernels never end.
type hangingGPU struct{ emptyGPU }

func (g *hangingGPU) sync() error {
	if g.next < 1<<20 { // the wait in the new context, before anybody has allocated more
		return nil
	}
	return fmt.Errorf("%w: %w", ErrHung, ErrContextLost)
}

// TestBeyondRepair gives a device up where the driver refuses a new context, makes one in which nothing runs, or does not answer.
func TestBeyondRepair(t *testing.T) {
	t.Setenv(EnvTimeout, "20ms")
	stuck := make(chan struct{})
	defer close(stuck)
	for name, again := range map[string]func() (gpu, error){
		"refuses": func() (gpu, error) { return nil, fmt.Errorf("refused: %w", ErrContextLost) },
		"hangs":   func() (gpu, error) { return &hangingGPU{emptyGPU{next: 1 << 20}}, nil },
		"stuck":   func() (gpu, error) { <-stuck; return nil, errors.New("too late") },
	} {
		opened := 0
		d, err := newDevice("gpu:"+name, func(time.Duration) (gpu, error) {
			if opened++; opened == 1 {
				return &hangingGPU{}, nil
			}
			return again()
		})
		check(t, err)
		d.patience = 20 * time.Millisecond
		m, err := d.Alloc(1 << 20)
		check(t, err)
		err = d.Sync()
		if !errors.Is(err, ErrBeyondRepair) || !errors.Is(err, ErrHung) {
			t.Errorf("%s: the error is %v", name, err)
		}
		for what, call := range map[string]func() error{
			"waiting":     d.Sync,
			"downloading": func() error { return m.Download(0, make([]byte, 4)) },
			"allocating":  func() error { _, err := d.Alloc(4); return err },
			"preparing":   func() error { _, err := d.Prepare(victim); return err },
		} {
			if err := call(); !errors.Is(err, ErrBeyondRepair) {
				t.Errorf("%s: %s a device that is beyond repair: %v", name, what, err)
			}
		}
		check(t, m.Free())
		check(t, d.Close())
	}
	_, err := newDevice("gpu", func(time.Duration) (gpu, error) { return nil, fmt.Errorf("refused: %w", ErrContextLost) })
	if !errors.Is(err, ErrBeyondRepair) {
		t.Errorf("opening a GPU that an earlier error keeps from this process: %v", err)
	}
}

// TestUploads brings pieces of all sizes to the device and back, with more of them on the way than the staging buffers hold.
func TestUploads(t *testing.T) {
	for _, name := range simulatedDevices {
		t.Run(name, func(t *testing.T) {
			d := open(t, name)
			const size = 9<<20 + 5
			m, err := d.Alloc(size)
			check(t, err)
			slow := kernels.Stream{Op: kernels.StreamCopy, Type: kernels.F32, N: 8 << 20}
			e, err := d.Prepare(slow)
			check(t, err)
			args, _ := operands(t, d, slow)
			check(t, e.Run(args, kernels.Arg{})) // the pieces wait for it
			want := make([]byte, size)
			for i := range want {
				want[i] = byte(i * i >> 7)
			}
			for off, n := 0, 1; off < size; off, n = off+n, (n*3+1)%(5<<20) {
				n = min(n, size-off)
				piece := append([]byte(nil), want[off:off+n]...)
				check(t, m.Upload(off, piece))
				clear(piece) // it is the caller's again
			}
			got := make([]byte, size)
			check(t, m.Download(0, got))
			for i := range got {
				if got[i] != want[i] {
					t.Fatalf("byte %d is %d, want %d", i, got[i], want[i])
				}
			}
			check(t, m.Download(size-3, got[:3]))
			if got[0] != want[size-3] {
				t.Error("the last bytes are wrong")
			}
		})
	}
}

// TestRecordingKeepsMemory frees memory, uploads and loads a program while a graph is recorded: none of it becomes part of the graph.
func TestRecordingKeepsMemory(t *testing.T) {
	for _, name := range simulatedDevices {
		t.Run(name, func(t *testing.T) {
			d := open(t, name)
			before, err := d.Statistics()
			check(t, err)
			e := prepareEntry(t, d, "complain", FaultRecord(), CallNumber())
			copies, err := d.Prepare(victim)
			check(t, err)
			args, blocks := operands(t, d, victim)
			spare, err := d.Alloc(1 << 20)
			check(t, err)
			var late kernels.Memory
			r, err := d.Record(func() error {
				if late, err = d.Alloc(4 * victim.N); err != nil {
					return err
				}
				source := make([]byte, 4*victim.N)
				source[0] = 77
				if err := errors.Join(late.Upload(0, source), spare.Free()); err != nil {
					return err
				}
				source[0] = 78
				return errors.Join(e.Run(args, kernels.Arg{}), copies.Run([]kernels.Arg{late.Arg(0, 4*victim.N), args[1]}, kernels.Arg{}))
			})
			check(t, err)
			for range 2 {
				check(t, r.Run())
				wantError(t, d.Sync(), "position 5")
			}
			var got [1]byte
			check(t, blocks[1].Download(0, got[:]))
			if got[0] != 77 {
				t.Errorf("the graph copied %d, want the 77 that was uploaded while it was recorded", got[0])
			}
			check(t, r.Free())
			for _, m := range append(blocks, late) {
				check(t, m.Free())
			}
			check(t, d.Sync())
			after, err := d.Statistics()
			check(t, err)
			if after.Free < before.Free || after.Held != before.Held {
				t.Errorf("%d bytes are free after all was given back, %d were before", after.Free, before.Free)
			}
		})
	}
}

// TestSharedMemoryOfOneFunction prepares launches of one function with much and with less shared memory; the first one still runs.
func TestSharedMemoryOfOneFunction(t *testing.T) {
	for _, name := range simulatedDevices {
		t.Run(name, func(t *testing.T) {
			d := open(t, name)
			args, _ := operands(t, d, victim)
			prepare := func(shared int) kernels.Exec {
				p := &Program{Launches: []Launch{{Module: Module{Name: "faulty", Text: faultyPTX}, Entry: "complain", Grid: Dim{1, 1, 1}, Block: Dim{32, 1, 1}, Shared: shared,
					Args: []Slot{Operand(0), Operand(1)}}}}
				e, err := d.preparePrograms(victim, p, p)
				check(t, err)
				return e
			}
			much := prepare(100 << 10)
			for _, e := range []kernels.Exec{prepare(60 << 10), prepare(0), much} {
				check(t, e.Run(args, kernels.Arg{}))
			}
			check(t, d.Sync())
		})
	}
}
