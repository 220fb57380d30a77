package sim

import (
	"context"
	"encoding/binary"
	"os"
	"slices"
	"strings"
	"testing"
)

// checkedRun is a launch of an entry point of testdata under the checks.
type checkedRun struct {
	entry   string
	grid    int
	block   [3]int
	buffers []buffer
	extra   []uint64 // arguments after the buffers
}

// buffer is an argument: an allocation of words that the host wrote, or not.
type buffer struct {
	words   int
	written bool
	freed   bool
	null    bool
}

func written(words int) buffer { return buffer{words: words, written: true} }

// launchChecked runs c and gives the findings, the buffers' words and the launch's error.
func launchChecked(t *testing.T, file string, c checkedRun) ([]Finding, [][]uint32, error) {
	t.Helper()
	text, err := os.ReadFile("testdata/" + file)
	if err != nil {
		t.Fatal(err)
	}
	chip, err := ChipNamed("h100")
	if err != nil {
		t.Fatal(err)
	}
	o := Options{Sanitize: true}
	if file == "faults.ptx" {
		o.Workers = 1 // where blocks race, so do the host's threads
	}
	g := New(chip, o)
	defer g.Close()
	m, err := g.Load(file, string(text))
	if err != nil {
		t.Fatal(err)
	}
	e, err := m.Entry(c.entry)
	if err != nil {
		t.Fatal(err)
	}
	var args []uint64
	for _, b := range c.buffers {
		if b.null {
			args = append(args, 0)
			continue
		}
		addr, err := g.Alloc(4 * b.words)
		if err != nil {
			t.Fatal(err)
		}
		if b.written {
			data := make([]byte, 4*b.words)
			for i := range b.words {
				binary.LittleEndian.PutUint32(data[4*i:], uint32(i))
			}
			if err := g.Write(addr, data); err != nil {
				t.Fatal(err)
			}
		}
		if b.freed {
			if err := g.Free(addr); err != nil {
				t.Fatal(err)
			}
		}
		args = append(args, addr)
	}
	block := c.block
	for i := range block {
		block[i] = max(1, block[i])
	}
	_, runErr := g.Launch(context.Background(), e, Config{Grid: [3]int{max(1, c.grid), 1, 1}, Block: block}, append(args, c.extra...))
	var out [][]uint32
	for i, b := range c.buffers {
		words := make([]uint32, b.words)
		if data := make([]byte, 4*b.words); !b.null && !b.freed && g.Read(args[i], data) == nil {
			for j := range words {
				words[j] = binary.LittleEndian.Uint32(data[4*j:])
			}
		}
		out = append(out, words)
	}
	list, dropped := g.Findings()
	if dropped != 0 {
		t.Errorf("%s: %d findings were dropped", c.entry, dropped)
	}
	return list, out, runErr
}

// TestPlantedFaults proves that each check finds what it should, at the right instruction, and that no other check speaks up.
func TestPlantedFaults(t *testing.T) {
	for _, c := range []struct {
		run   checkedRun
		check Check
		instr string // at which it is found
		want  []string
	}{
		{checkedRun{entry: "loop_too_far", block: [3]int{32}, buffers: []buffer{written(100)}, extra: []uint64{100}}, MemCheck, "st.global.u32",
			[]string{"out of bounds", "0 bytes past the end of the allocation of 400 bytes", "thread [4 0 0]", "faults.cu:7", "loop_too_far"}},
		{checkedRun{entry: "null_pointer", block: [3]int{32}, buffers: []buffer{{null: true}}}, MemCheck, "ld.global.u32", []string{"out of bounds", "null pointer"}},
		{checkedRun{entry: "misaligned_vector", block: [3]int{32}, buffers: []buffer{written(256)}}, MemCheck, "ld.global.v4.f32", []string{"misaligned", "want a multiple of 16", "4 bytes into the allocation of 1024 bytes"}},
		{checkedRun{entry: "misaligned_shared", block: [3]int{32}, buffers: []buffer{written(1)}}, MemCheck, "st.shared.u32", []string{"misaligned", "thread [5 0 0]", "want a multiple of 4"}},
		{checkedRun{entry: "stores", block: [3]int{32}, buffers: []buffer{{words: 32, freed: true}}}, MemCheck, "st.global.u32", []string{"use after free", "which was freed"}},
		{checkedRun{entry: "stores", block: [3]int{40}, buffers: []buffer{{words: 37}}}, MemCheck, "st.global.u32", []string{"out of bounds", "0 bytes past the end", "thread [37 0 0]"}},
		{checkedRun{entry: "loads", block: [3]int{32}, buffers: []buffer{written(32), {words: 32}}}, InitCheck, "ld.global.u32", []string{"uninitialised global memory", "0 bytes into the allocation of 128 bytes"}},
		{checkedRun{entry: "no_barrier", block: [3]int{64}, buffers: []buffer{written(64)}}, RaceCheck, "", []string{"", "no barrier orders it", "tile_nb"}},
		{checkedRun{entry: "no_second_barrier", block: [3]int{64}, buffers: []buffer{written(64)}}, RaceCheck, "", []string{"", "no barrier orders it"}},
		{checkedRun{entry: "one_word", block: [3]int{64}, buffers: []buffer{written(1)}}, RaceCheck, "st.shared.u32", []string{"write after write", "thread [0 0 0]", "thread [32 0 0]"}},
		{checkedRun{entry: "no_warp_barrier", block: [3]int{32}, buffers: []buffer{written(32)}}, RaceCheck, "ld.shared.u32", []string{"read after write"}},
		{checkedRun{entry: "unwritten_shared", block: [3]int{32}, buffers: []buffer{written(32)}}, InitCheck, "ld.shared.u32", []string{"uninitialised shared memory", "tile_us+124", "thread [31 0 0]"}},
		{checkedRun{entry: "shared_too_far", block: [3]int{32}, buffers: []buffer{written(1)}}, MemCheck, "st.shared.u32", []string{"out of bounds", "thread [31 0 0]", "past the end of tile_sf"}},
		{checkedRun{entry: "into_next_variable", block: [3]int{32}, buffers: []buffer{written(1)}}, MemCheck, "st.shared.u32", []string{"out of bounds", "thread [31 0 0]", "past the end of tile_a"}},
		{checkedRun{entry: "divergent_barrier", block: [3]int{32}, buffers: []buffer{written(1)}}, SyncCheck, "bar.sync", []string{"divergent barrier", "0xffff0000"}},
		{checkedRun{entry: "odd_barrier", block: [3]int{64}, buffers: []buffer{written(1)}}, SyncCheck, "bar.sync", []string{"40"}},
		{checkedRun{entry: "missing_warp", block: [3]int{64}, buffers: []buffer{written(1)}}, SyncCheck, "bar.sync", []string{"deadlock"}},
		{checkedRun{entry: "wrong_mask", block: [3]int{32}, buffers: []buffer{written(32)}}, SyncCheck, "shfl.sync.idx.b32", []string{"mask"}},
		{checkedRun{entry: "exited_lane", block: [3]int{32}, buffers: []buffer{written(1)}}, SyncCheck, "bar.warp.sync", []string{"exited"}},
		{checkedRun{entry: "copy_not_waited", block: [3]int{32}, buffers: []buffer{written(128)}}, RaceCheck, "ld.shared.u32", []string{"asynchronous copy", "has not waited"}},
		{checkedRun{entry: "copy_without_barrier", block: [3]int{64}, buffers: []buffer{written(256)}}, RaceCheck, "", []string{"no barrier orders it", "tile_cb"}},
		{checkedRun{entry: "copy_waits_too_little", block: [3]int{32}, buffers: []buffer{written(256)}}, RaceCheck, "ld.shared.u32", []string{"asynchronous copy", "tile_cw+512"}},
		{checkedRun{entry: "half_waits", block: [3]int{32}, buffers: []buffer{written(128)}}, RaceCheck, "ld.shared.u32", []string{"asynchronous copy", "tile_hw+256", "thread [16 0 0]"}},
		{checkedRun{entry: "shuffle_for_barrier", block: [3]int{32}, buffers: []buffer{written(32)}}, RaceCheck, "ld.shared.u32", []string{"read after write", "tile_sb"}},
		{checkedRun{entry: "divides_by_zero", block: [3]int{32}, buffers: []buffer{written(1)}}, MathCheck, "", []string{"division by zero", "thread [0 0 0]"}},
		{checkedRun{entry: "unset_register", block: [3]int{32}, buffers: []buffer{written(32)}}, InitCheck, "st.global.u32", []string{"undefined register", "%r3", "thread [16 0 0]"}},
		{checkedRun{entry: "unset_local", block: [3]int{32}, buffers: []buffer{written(32)}}, InitCheck, "ld.local.u32", []string{"uninitialised local memory"}},
		{checkedRun{entry: "local_too_far", block: [3]int{32}, buffers: []buffer{written(1)}}, MemCheck, "st.local.u32", []string{"out of bounds", "the thread has 16 bytes of local memory", "offset 0x50"}},
		{checkedRun{entry: "misaligned_row", block: [3]int{32}, buffers: []buffer{written(1)}}, MemCheck, "ldmatrix.sync.aligned.m8n8.x4.shared.b16", []string{"misaligned", "want a multiple of 16"}},
		{checkedRun{entry: "atomic_too_far", block: [3]int{32}, buffers: []buffer{written(31)}}, MemCheck, "red.global.add.u32", []string{"out of bounds", "0 bytes past the end of the allocation of 124 bytes", "thread [31 0 0]"}},
		{checkedRun{entry: "copy_too_far", block: [3]int{32}, buffers: []buffer{written(124)}}, MemCheck, "cp.async.cg.shared.global", []string{"out of bounds", "0 bytes past the end of the allocation of 496 bytes", "thread [31 0 0]"}},
		{checkedRun{entry: "atomic_and_store", block: [3]int{64}, buffers: []buffer{written(1)}}, RaceCheck, "atom.shared.add.u32", []string{"read after write", "count_as+0", "thread [32 0 0]", "the access of thread [0 0 0]"}},
		{checkedRun{entry: "some_warps_wait", block: [3]int{96}, buffers: []buffer{written(1)}}, RaceCheck, "ld.shared.u32", []string{"read after write", "tile_sw", "thread [64 0 0]", "the access of thread [0 0 0]"}},
		{checkedRun{entry: "copy_over_read", block: [3]int{64}, buffers: []buffer{written(256)}}, RaceCheck, "", []string{"no barrier orders it", "tile_co", "the access of thread [32 0 0]"}},
		{checkedRun{entry: "unset_address", block: [3]int{32}, buffers: []buffer{written(1)}}, InitCheck, "st.shared.u32", []string{"undefined register", "%r4", "thread [0 0 0]"}},
		{checkedRun{entry: "unset_guard", block: [3]int{32}, buffers: []buffer{written(1)}}, InitCheck, "st.global.u32", []string{"undefined register", "%p2", "thread [0 0 0]"}},
		{checkedRun{entry: "unset_exit", block: [3]int{32}, buffers: []buffer{written(1)}}, InitCheck, "exit", []string{"undefined register", "%p1", "thread [0 0 0]"}},
		{checkedRun{entry: "unset_factor", block: [3]int{32}, buffers: []buffer{written(1)}}, InitCheck, "mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32", []string{"undefined register", "%r3"}},
		{checkedRun{entry: "two_counts", block: [3]int{64}, buffers: []buffer{written(1)}}, SyncCheck, "bar.sync", []string{"barrier 1 is for 64 threads here, and for 96", "thread [32 0 0]"}},
		{checkedRun{entry: "two_places", block: [3]int{32}, buffers: []buffer{written(1)}}, SyncCheck, "shfl.sync.idx.b32", []string{"deadlock", "warp 0 lanes 0xffff0000", "warp 0 lanes 0x0000ffff", "waits for lanes 0xffffffff"}},
		{checkedRun{entry: "two_blocks", grid: 2, block: [3]int{32}, buffers: []buffer{written(32)}}, RaceCheck, "st.global.u32", []string{"two blocks write", "0 bytes into the allocation of 128 bytes"}},
	} {
		t.Run(c.run.entry, func(t *testing.T) {
			list, _, err := launchChecked(t, "faults.ptx", c.run)
			if err != nil && c.check != SyncCheck {
				t.Errorf("the launch ended with: %v", err)
			}
			if len(list) == 0 {
				t.Fatalf("nothing was found (launch: %v)", err)
			}
			missed := markedLines(t, c.run.entry)
			for _, f := range list {
				if f.Check != c.check || c.instr != "" && f.Instr != c.instr || f.Kernel != c.run.entry {
					t.Errorf("unexpected: %s", f)
				}
				if _, ok := missed[f.Line]; !ok {
					t.Errorf("line %d of faults.ptx is not marked: %s", f.Line, f)
				}
				missed[f.Line] = false
				if noAddress := f.Check == SyncCheck || f.Check == MathCheck || strings.Contains(f.What, "undefined register") || strings.Contains(f.What, "null pointer"); f.Addr == 0 && !noAddress {
					t.Errorf("no address: %s", f)
				}
				for _, w := range c.want {
					if !strings.Contains(f.String(), w) {
						t.Errorf("%q is not in: %s", w, f)
					}
				}
			}
			for line, is := range missed {
				if is {
					t.Errorf("the fault of line %d was not found", line)
				}
			}
		})
	}
}

// markedLines are the lines of an entry point of faults.ptx that end with the mark of a fault, each with true.
func markedLines(t *testing.T, entry string) map[int]bool {
	t.Helper()
	text, err := os.ReadFile("testdata/faults.ptx")
	if err != nil {
		t.Fatal(err)
	}
	marked := map[int]bool{}
	inside := false
	for i, line := range strings.Split(string(text), "\n") {
		if strings.HasPrefix(line, ".visible .entry ") {
			inside = line == ".visible .entry "+entry+"("
		}
		if inside && strings.HasSuffix(line, "// fault") {
			marked[i+1] = true
		}
	}
	return marked
}

// TestCorrectKernels proves that the checks are silent where nothing is wrong, and leave the results alone.
func TestCorrectKernels(t *testing.T) {
	for _, c := range []struct {
		run  checkedRun
		want func(i int) uint32 // of the first buffer
	}{
		{checkedRun{entry: "reduction", grid: 3, block: [3]int{256}, buffers: []buffer{{words: 3}, written(768)}}, func(i int) uint32 { return uint32(256*256*i + 255*128) }},
		{checkedRun{entry: "transpose", block: [3]int{32, 8}, buffers: []buffer{{words: 1024}, written(1024)}}, func(i int) uint32 { return uint32(i%32*32 + i/32) }},
		{checkedRun{entry: "async_pipeline", block: [3]int{64}, buffers: []buffer{{words: 512}, written(512)}}, func(i int) uint32 { return uint32(i ^ 128) }},
		{checkedRun{entry: "producer_consumer", block: [3]int{64}, buffers: []buffer{{words: 32}}}, func(i int) uint32 { return uint32(i ^ 1) }},
		{checkedRun{entry: "warp_exchange", block: [3]int{64}, buffers: []buffer{written(1)}}, func(int) uint32 { return 63 * 32 }},
		{checkedRun{entry: "histogram", grid: 5, block: [3]int{256}, buffers: []buffer{written(8)}}, func(i int) uint32 { return uint32(i + 5*32) }},
		{checkedRun{entry: "long_divergence", block: [3]int{64}, buffers: []buffer{{words: 64}}}, func(i int) uint32 { return uint32(20000 * (i%8 + 1)) }},
		{checkedRun{entry: "decided_guard", block: [3]int{64}, buffers: []buffer{{words: 64}}}, func(i int) uint32 { return uint32(i) }},
		{checkedRun{entry: "matrix_tile", block: [3]int{32}, buffers: []buffer{{words: 32}}}, func(int) uint32 { return 32 }},
		{checkedRun{entry: "two_pairs", block: [3]int{128}, buffers: []buffer{{words: 128}}}, func(i int) uint32 { return uint32(i ^ 63) }},
		{checkedRun{entry: "local_array", block: [3]int{64}, buffers: []buffer{{words: 64}}}, func(i int) uint32 { return [4]uint32{10, 11, uint32(i), uint32(i)}[i%4] }},
	} {
		t.Run(c.run.entry, func(t *testing.T) {
			list, out, err := launchChecked(t, "correct.ptx", c.run)
			if err != nil {
				t.Error(err)
			}
			for _, f := range list {
				t.Errorf("found: %s", f)
			}
			for i, got := range out[0] {
				if want := c.want(i); got != want {
					t.Fatalf("word %d is %d, want %d", i, got, want)
				}
			}
		})
	}
}

// TestFindingsDoNotEndALaunch runs a kernel of which most threads are at fault, and finds the work of the others done.
func TestFindingsDoNotEndALaunch(t *testing.T) {
	list, out, err := launchChecked(t, "faults.ptx", checkedRun{entry: "stores", block: [3]int{256}, buffers: []buffer{written(100)}})
	if err != nil {
		t.Fatal(err)
	}
	if len(list) != 1 || list[0].Count != 5 { // the warps of threads 96 to 255
		t.Errorf("found %v, want one finding of 5 warps", list)
	}
	if !slices.Equal(out[0][90:], []uint32{90, 91, 92, 93, 94, 95, 96, 97, 98, 99}) {
		t.Errorf("the last words are %v", out[0][90:])
	}
}

func TestLeaks(t *testing.T) {
	chip, err := ChipNamed("a100")
	if err != nil {
		t.Fatal(err)
	}
	g := New(chip, Options{Sanitize: true})
	defer g.Close()
	a, err := g.Alloc(100)
	if err != nil {
		t.Fatal(err)
	}
	b, err := g.Alloc(24)
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Free(a); err != nil {
		t.Fatal(err)
	}
	list := g.Leaks()
	if len(list) != 1 || list[0].Addr != b || !strings.Contains(list[0].String(), "24 bytes") {
		t.Errorf("leaks: %v", list)
	}
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
	if found, _ := g.Findings(); len(found) != 1 || found[0].What != list[0].What {
		t.Errorf("after Close: %v, want %v", found, list)
	}
}
