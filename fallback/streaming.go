package fallback

import (
	"unsafe"

	"palladio/kernels"
)

// streamBytes is the size from which a result is written past the caches: it would not be found there by whoever reads it next, and
// an ordinary store first reads the line that it overwrites.
const streamBytes = 24 << 20

// streaming is the part of an Exec that decides how its result is written.
type streaming struct {
	from   int  // the least number of bytes that are written past the caches
	stream bool // what was decided for the present call
}

func newStreaming() streaming { return streaming{from: streamBytes} }

// decide looks at a result that is written in rows of size bytes; 0 where rows do not matter. Streaming stores want whole,
// aligned cache lines.
func (s *streaming) decide(out kernels.Arg, size int) {
	s.stream = len(out.Host) >= s.from && len(out.Host) > 0 && size%64 == 0 && uintptr(unsafe.Pointer(unsafe.SliceData(out.Host)))%64 == 0
}

// streamFrom changes from.
func (s *streaming) streamFrom(bytes int) { s.from = bytes }
