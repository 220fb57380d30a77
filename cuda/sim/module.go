package sim

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"palladio/cuda/sim/ptx"
)

// Module is PTX that is loaded on a GPU, with its variables in the GPU's memory.
type Module struct {
	gpu      *GPU
	name     string
	ptx      *ptx.Module
	unloaded atomic.Bool

	vars    map[*ptx.Var]*allocation // .global and .const variables
	handles map[*ptx.Func]uint64     // values of pointers to functions

	mu      sync.Mutex
	entries map[string]*Entry
}

// Entry is an entry point, ready to launch.
type Entry struct {
	module *Module
	prog   *program
}

// handleBase is where pointers to functions begin: no memory is there.
const handleBase = 0x5300_0000_0000

// Load parses PTX and places its variables. name is for messages.
func (g *GPU) Load(name, text string) (*Module, error) {
	p, err := ptx.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("module %s: %w", name, err)
	}
	if p.AddressSize != 64 {
		return nil, fmt.Errorf("module %s: addresses of %d bits: want .address_size 64", name, p.AddressSize)
	}
	m := &Module{gpu: g, name: name, ptx: p, vars: map[*ptx.Var]*allocation{}, handles: map[*ptx.Func]uint64{}, entries: map[string]*Entry{}}
	for i, f := range p.Funcs {
		m.handles[f] = handleBase + 16*uint64(i+1)
	}
	if err := m.place(); err != nil {
		m.free()
		return nil, fmt.Errorf("module %s: %w", name, err)
	}
	return m, nil
}

// place allocates and initialises the variables in global and constant memory.
func (m *Module) place() error {
	vars := slices.Clone(m.ptx.Vars)
	for _, f := range m.ptx.Funcs {
		vars = append(vars, f.Vars...)
	}
	vars = slices.DeleteFunc(vars, func(v *ptx.Var) bool { return v.Space != ptx.Global && v.Space != ptx.Const })
	for _, v := range vars {
		if v.Linkage == ptx.Extern {
			return fmt.Errorf("PTX line %d: variable %s is external, and there is no other module to find it in", v.Line, v.Name)
		}
		if v.Align > addressUnit {
			return fmt.Errorf("PTX line %d: variable %s wants an alignment of %d: at most %d", v.Line, v.Name, v.Align, addressUnit)
		}
		a, err := m.gpu.allocate(v.Size, v.Name)
		if err != nil {
			return fmt.Errorf("PTX line %d: variable %s: %w", v.Line, v.Name, err)
		}
		a.readOnly = v.Space == ptx.Const
		copy(a.data, v.Init)
		m.vars[v] = a
	}
	for _, v := range vars {
		if err := m.relocate(v); err != nil {
			return fmt.Errorf("PTX line %d: variable %s: %w", v.Line, v.Name, err)
		}
	}
	return nil
}

// relocate writes the addresses in a variable's initial value.
func (m *Module) relocate(v *ptx.Var) error {
	data := m.vars[v].data
	for _, r := range v.Relocs {
		var at uint64
		switch {
		case r.Func != nil:
			at = m.handles[r.Func]
		case m.vars[r.Var] != nil:
			at = m.vars[r.Var].addr
		default:
			return fmt.Errorf("its initial value has the address of %s, which is not in global or constant memory", r.Var.Name)
		}
		var b [8]byte
		binary.LittleEndian.PutUint64(b[:], (at+uint64(r.Add))>>r.Shift)
		if r.Offset < 0 || r.Offset+int(r.Size) > len(data) || r.Size > 8 {
			return fmt.Errorf("its initial value has an address at byte %d of %d", r.Offset, len(data))
		}
		copy(data[r.Offset:r.Offset+int(r.Size)], b[:])
	}
	return nil
}

// Unload frees the module's variables. Its entry points cannot be launched any more.
func (m *Module) Unload() error {
	m.gpu.running.Lock()
	defer m.gpu.running.Unlock()
	if m.unloaded.Swap(true) {
		return fmt.Errorf("module %s is unloaded already", m.name)
	}
	return m.free()
}

func (m *Module) free() error {
	m.gpu.mu.Lock()
	defer m.gpu.mu.Unlock()
	var first error
	for _, a := range m.vars {
		if i, ok := m.gpu.index(a.addr); ok && m.gpu.live[i] == a {
			if err := m.gpu.drop(i); err != nil && first == nil {
				first = err
			}
		}
	}
	return first
}

// Name is the name that the module was loaded under.
func (m *Module) Name() string { return m.name }

// Entries lists the names of the entry points.
func (m *Module) Entries() []string {
	var names []string
	for _, f := range m.ptx.Entries() {
		if f.Defined {
			names = append(names, f.Name)
		}
	}
	return names
}

// Global finds a variable of the module: its address and its bytes.
func (m *Module) Global(name string) (addr uint64, bytes int, err error) {
	var names []string
	for v, a := range m.vars {
		if v.Name == name {
			return a.addr, int(a.size), nil
		}
		names = append(names, v.Name)
	}
	return 0, 0, fmt.Errorf("module %s has no variable %s: %s", m.name, name, suggest(name, names))
}

// Entry decodes an entry point, once. The error lists every instruction that is unknown.
func (m *Module) Entry(name string) (*Entry, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if e := m.entries[name]; e != nil {
		return e, nil
	}
	f := m.ptx.Func(name)
	if f == nil || !f.Entry || !f.Defined {
		return nil, fmt.Errorf("module %s has no entry point %s: %s", m.name, name, suggest(name, m.Entries()))
	}
	p, err := decode(m, f)
	if err != nil {
		return nil, fmt.Errorf("module %s: kernel %s: %w", m.name, name, err)
	}
	e := &Entry{m, p}
	m.entries[name] = e
	return e, nil
}

// Name is the entry point's name.
func (e *Entry) Name() string { return e.prog.name }

// Params is the number of parameters.
func (e *Entry) Params() int { return len(e.prog.params) }

// ParamBytes is the size of parameter i.
func (e *Entry) ParamBytes(i int) int { return int(e.prog.params[i].size) }

// SharedStatic is the bytes of shared memory that the kernel's own variables take.
func (e *Entry) SharedStatic() int { return e.prog.sharedBytes() }

// LocalBytes is the bytes of local memory of a thread.
func (e *Entry) LocalBytes() int { return e.prog.localBytes() }

// MaxThreads is the most threads that a block may have by .maxntid; 0 when it is not said.
func (e *Entry) MaxThreads() int { return e.prog.maxThreads }

// suggest names what was perhaps meant.
func suggest(name string, all []string) string {
	if len(all) == 0 {
		return "it has none"
	}
	score := map[string]int{}
	for _, s := range all {
		score[s] = distance(name, s)
	}
	best := slices.SortedFunc(maps.Keys(score), func(a, b string) int {
		if d := score[a] - score[b]; d != 0 {
			return d
		}
		return strings.Compare(a, b)
	})
	if len(best) > 8 {
		return "want " + strings.Join(best[:8], ", ") + fmt.Sprintf(" or one of %d others", len(best)-8)
	}
	return "want one of " + strings.Join(best, ", ")
}

// distance is the number of bytes to insert, delete or replace to make b of a (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			d := diagonal
			if a[i] != b[j] {
				d++
			}
			diagonal = row[j+1]
			row[j+1] = min(d, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
