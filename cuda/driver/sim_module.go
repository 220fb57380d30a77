//go:build gpu && cgo

package driver

/*
#include "cuda.h"
*/
import "C"

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"regexp"
	"strconv"
	"sync"
	"sync/atomic"
	"unsafe"

	"palladio/cuda/sim"
)

// simModule is a loaded module.
type simModule struct {
	c      *simContext
	m      *sim.Module
	mu     sync.Mutex
	loaded map[string]uintptr // handles of its functions
}

func (m *simModule) owner() *simContext { return m.c }

// simFunction is an entry point.
type simFunction struct {
	c       *simContext
	entry   *sim.Entry
	dynamic atomic.Int64 // most dynamic shared memory of a launch
}

func (f *simFunction) owner() *simContext { return f.c }

//export simModuleLoadData
func simModuleLoadData(p *C.CUmodule, image unsafe.Pointer) C.CUresult {
	return simModuleLoadDataEx(p, image, 0, nil, nil)
}

//export simModuleLoadDataEx
func simModuleLoadDataEx(p *C.CUmodule, image unsafe.Pointer, n C.uint, options *C.CUjit_option, values *unsafe.Pointer) C.CUresult {
	c, r := ready()
	if r == success {
		r = c.forbidden(false)
	}
	if r != success {
		return r
	}
	if image == nil {
		return C.CUDA_ERROR_INVALID_VALUE
	}
	log := errorLog(n, options, values)
	m, r, err := c.load(C.GoString((*C.char)(image)))
	if err != nil {
		log.write(err.Error())
		return r
	}
	log.close()
	return give(unsafe.Pointer(p), c.own(m))
}

// load makes a module of PTX, or of what simLinkComplete made of PTX.
func (c *simContext) load(text string) (*simModule, C.CUresult, error) {
	if t, ok := bytes.CutPrefix([]byte(text), []byte(cubinMagic)); ok {
		text = string(t)
	}
	if err := c.dev.checkVersion(text); err != nil {
		return nil, C.CUDA_ERROR_UNSUPPORTED_PTX_VERSION, err
	}
	m, err := c.dev.gpu.Load("module", text)
	if err != nil {
		return nil, C.CUDA_ERROR_INVALID_PTX, err
	}
	return &simModule{c: c, m: m, loaded: map[string]uintptr{}}, success, nil
}

var ptxVersion = regexp.MustCompile(`(?m)^\s*\.version\s+(\d+)\.(\d+)`)

// checkVersion refuses PTX that is newer than the driver, as a real one does.
func (g *SimulatedGPU) checkVersion(text string) error {
	v := ptxVersion.FindStringSubmatch(text)
	if v == nil {
		return nil // the parser says what is wrong
	}
	major, _ := strconv.Atoi(v[1])
	minor, _ := strconv.Atoi(v[2])
	if most := NewestPTX(g.version); 10*major+minor > most {
		return fmt.Errorf("the module is PTX %d.%d, the driver takes up to %d.%d", major, minor, most/10, most%10)
	}
	return nil
}

// jitLog is the buffer that the caller gives for the compiler's errors.
type jitLog struct {
	buffer []byte
	used   *uintptr // the option's value, which tells how much of the buffer is filled
}

func errorLog(n C.uint, options *C.CUjit_option, values *unsafe.Pointer) (log jitLog) {
	if n == 0 {
		return log
	}
	var buffer unsafe.Pointer
	vs := unsafe.Slice((*uintptr)(unsafe.Pointer(values)), int(n))
	for i, o := range unsafe.Slice(options, int(n)) {
		switch o {
		case C.CU_JIT_ERROR_LOG_BUFFER:
			buffer = *(*unsafe.Pointer)(unsafe.Pointer(&vs[i]))
		case C.CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES:
			log.used = &vs[i]
		}
	}
	if buffer != nil && log.used != nil {
		log.buffer = unsafe.Slice((*byte)(buffer), *log.used)
	}
	log.close()
	return log
}

// write puts text and a 0 into the log.
func (l *jitLog) write(text string) {
	if len(l.buffer) > 0 {
		n := copy(l.buffer[:len(l.buffer)-1], text)
		l.buffer[n] = 0
		l.buffer = l.buffer[:n]
	}
	l.close()
}

// close tells how much is written; a driver does so until the link state is destroyed, so the options must live as long.
func (l *jitLog) close() {
	if l.used != nil {
		*l.used = uintptr(len(l.buffer))
	}
}

//export simModuleUnload
func simModuleUnload(h C.CUmodule) C.CUresult {
	m, r := resolve[*simModule](unsafe.Pointer(h))
	if r != success {
		return r
	}
	m.c.wait()
	for _, f := range m.loaded {
		m.c.disown(f)
	}
	m.c.disown(uintptr(unsafe.Pointer(h)))
	return copyError(m.m.Unload())
}

//export simModuleGetFunction
func simModuleGetFunction(p *C.CUfunction, h C.CUmodule, name *C.char) C.CUresult {
	m, r := resolve[*simModule](unsafe.Pointer(h))
	if r != success {
		return r
	}
	s := C.GoString(name)
	m.mu.Lock()
	defer m.mu.Unlock()
	f := m.loaded[s]
	if f == 0 {
		e, err := m.m.Entry(s)
		if err != nil {
			noteFinding(NotFound, err)
			return C.CUDA_ERROR_NOT_FOUND
		}
		fn := &simFunction{c: m.c, entry: e}
		fn.dynamic.Store(int64(staticShared - e.SharedStatic()))
		f = m.c.own(fn)
		m.loaded[s] = f
	}
	return give(unsafe.Pointer(p), f)
}

//export simFuncGetAttribute
func simFuncGetAttribute(v *C.int, a C.CUfunction_attribute, h C.CUfunction) C.CUresult {
	f, r := resolve[*simFunction](unsafe.Pointer(h))
	if r != success {
		return r
	}
	switch a {
	case C.CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK:
		if *v = C.int(f.entry.MaxThreads()); *v == 0 {
			*v = 1024
		}
	case C.CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES:
		*v = C.int(f.entry.SharedStatic())
	case C.CU_FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES:
		*v = C.int(f.entry.LocalBytes())
	case C.CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES:
		*v = C.int(f.dynamic.Load())
	case C.CU_FUNC_ATTRIBUTE_BINARY_VERSION, C.CU_FUNC_ATTRIBUTE_PTX_VERSION:
		*v = C.int(f.c.dev.chip.Capability)
	default:
		*v = 0
	}
	return success
}

//export simFuncSetAttribute
func simFuncSetAttribute(h C.CUfunction, a C.CUfunction_attribute, v C.int) C.CUresult {
	f, r := resolve[*simFunction](unsafe.Pointer(h))
	if r != success {
		return r
	}
	if a == C.CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES {
		if int(v) < 0 || int(v)+f.entry.SharedStatic() > f.c.dev.chip.SharedBlock {
			return C.CUDA_ERROR_INVALID_VALUE
		}
		f.dynamic.Store(int64(v))
	}
	return success
}

//export simFuncSetCacheConfig
func simFuncSetCacheConfig(C.CUfunction, C.CUfunc_cache) C.CUresult { return success }

//export simFuncSetSharedMemConfig
func simFuncSetSharedMemConfig(C.CUfunction, C.CUsharedconfig) C.CUresult { return success }

//export simOccupancyMaxActiveBlocksPerMultiprocessor
func simOccupancyMaxActiveBlocksPerMultiprocessor(n *C.int, h C.CUfunction, threads C.int, shared C.size_t) C.CUresult {
	f, r := resolve[*simFunction](unsafe.Pointer(h))
	if r != success {
		return r
	}
	o, err := f.c.dev.chip.Occupancy(0, f.entry.SharedStatic()+int(shared), int(threads)) // the simulator assigns no registers
	if err != nil {
		return copyError(err)
	}
	*n = C.int(o.Blocks)
	return success
}

//export simOccupancyMaxActiveBlocksPerMultiprocessorWithFlags
func simOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(n *C.int, h C.CUfunction, threads C.int, shared C.size_t, _ C.uint) C.CUresult {
	return simOccupancyMaxActiveBlocksPerMultiprocessor(n, h, threads, shared)
}

//export simLaunchKernel
func simLaunchKernel(h C.CUfunction, gx, gy, gz, bx, by, bz, shared C.uint, hs C.CUstream, params, extra *unsafe.Pointer) C.CUresult {
	s, r := streamOf(hs)
	if r != success {
		return r
	}
	f, r := resolve[*simFunction](unsafe.Pointer(h))
	if r != success {
		return r
	}
	switch {
	case extra != nil:
		return C.CUDA_ERROR_NOT_SUPPORTED
	case int64(shared) > f.dynamic.Load():
		noteFinding(1, fmt.Errorf("%s asks for %d bytes of dynamic shared memory, its attribute allows %d", f.entry.Name(), shared, f.dynamic.Load()))
		return C.CUDA_ERROR_INVALID_VALUE
	}
	config := sim.Config{Grid: [3]int{int(gx), int(gy), int(gz)}, Block: [3]int{int(bx), int(by), int(bz)}, Shared: int(shared)}
	for i := range 3 {
		if config.Grid[i] < 1 || config.Block[i] < 1 || config.Threads() > f.c.dev.chip.ThreadsBlock {
			return C.CUDA_ERROR_INVALID_VALUE
		}
	}
	args := f.args(params)
	run := func() error {
		if err := burn(f.entry.Name()); err != nil {
			return err
		}
		if s != nil && f.c.dev.timed.Load() {
			r, err := f.c.dev.gpu.LaunchProfiled(f.c.ctx, f.entry, config, args)
			if err == nil {
				s.clock += r.Profile.Timing.Seconds
			}
			return err
		}
		_, err := f.c.dev.gpu.Launch(f.c.ctx, f.entry, config, args)
		return err
	}
	if s == nil {
		c, r := idle()
		if r != success {
			return r
		}
		if err := run(); err != nil {
			c.spoil(err)
		}
		return success
	}
	s.submit(run)
	return success
}

// args reads the parameters: a pointer each, to a value of the declared size, into cells of 8 bytes.
func (f *simFunction) args(params *unsafe.Pointer) []uint64 {
	n := f.entry.Params()
	if n == 0 {
		return nil
	}
	var args []uint64
	for i, p := range unsafe.Slice(params, n) {
		value := unsafe.Slice((*byte)(p), f.entry.ParamBytes(i))
		for len(value) > 0 {
			var cell [8]byte
			value = value[copy(cell[:], value):]
			args = append(args, binary.LittleEndian.Uint64(cell[:]))
		}
	}
	return args
}

// cubinMagic begins what the simulated linker makes: the PTX itself.
const cubinMagic = "palladio simulated cubin\n"

// simLink is a linker's state.
type simLink struct {
	c     *simContext
	text  []byte
	log   jitLog
	image unsafe.Pointer // what simLinkComplete gave
}

func (l *simLink) owner() *simContext { return l.c }

//export simLinkCreate
func simLinkCreate(n C.uint, options *C.CUjit_option, values *unsafe.Pointer, p *C.CUlinkState) C.CUresult {
	c, r := ready()
	if r != success {
		return r
	}
	return give(unsafe.Pointer(p), c.own(&simLink{c: c, log: errorLog(n, options, values)}))
}

//export simLinkAddData
func simLinkAddData(h C.CUlinkState, t C.CUjitInputType, data unsafe.Pointer, n C.size_t, name *C.char, options C.uint, option *C.CUjit_option, values *unsafe.Pointer) C.CUresult {
	l, r := resolve[*simLink](unsafe.Pointer(h))
	if r != success {
		return r
	}
	if t != C.CU_JIT_INPUT_PTX || l.text != nil {
		return C.CUDA_ERROR_NOT_SUPPORTED
	}
	l.text = bytes.TrimRight(bytes.Clone(hostBytes(data, n)), "\x00")
	m, r, err := l.c.load(string(l.text))
	if err != nil {
		l.log.write(err.Error())
		return r
	}
	return copyError(m.m.Unload())
}

//export simLinkComplete
func simLinkComplete(h C.CUlinkState, image *unsafe.Pointer, n *C.size_t) C.CUresult {
	l, r := resolve[*simLink](unsafe.Pointer(h))
	if r != success {
		return r
	}
	if l.text == nil {
		return C.CUDA_ERROR_INVALID_VALUE
	}
	if l.image == nil {
		l.image = C.CBytes(append([]byte(cubinMagic), l.text...))
	}
	*image, *n = l.image, C.size_t(len(cubinMagic)+len(l.text))
	return success
}

//export simLinkDestroy
func simLinkDestroy(h C.CUlinkState) C.CUresult {
	l, r := resolve[*simLink](unsafe.Pointer(h))
	if r != success {
		return r
	}
	C.free(l.image)
	l.log.close()
	l.c.disown(uintptr(unsafe.Pointer(h)))
	return success
}

//export simDriverGetVersion
func simDriverGetVersion(v *C.int) C.CUresult {
	c := currentSim()
	if c == nil {
		return C.CUDA_ERROR_INVALID_CONTEXT
	}
	*v = C.int(c.dev.version)
	return success
}
