package sim

// observer watches a launch; it makes one watcher a block, which needs no locks, and merges what they saw when they are done.
type observer interface {
	block(b *block) blockObserver
}

// blockObserver watches a block. pc is an index into the code of the program.
type blockObserver interface {
	// exec is told of every instruction before it runs, and of the lanes that run it after its guard.
	exec(w *warp, pc int, mask uint32)
	// access is told of every access to memory before it happens, and gives the lanes that may go on; loads of the others read 0.
	access(w *warp, pc int, a *request) uint32
	// sync is told of everything that orders accesses.
	sync(w *warp, pc int, kind syncKind, mask uint32, id, count int)
	// badSync is told of synchronisation that the ISA leaves undefined, before anything comes of it.
	badSync(w *warp, pc int, mask uint32, what string)
	// branch is told of every conditional branch.
	branch(w *warp, pc int, taken, notTaken uint32)
	// done is told that the block has ended, or has failed.
	done()
}

// syncKind is a kind of synchronisation.
type syncKind uint8

const (
	barrierArrive  syncKind = iota // a warp's lanes arrive at barrier id of count threads
	barrierRelease                 // barrier id opens; once a block
	warpBarrier                    // bar.warp.sync
	fence                          // membar, fence
	copyCommit                     // cp.async.commit_group
	copyWait                       // cp.async.wait_group: at most count groups stay pending; wait_all: -1
)

// accessKind is what an access does.
type accessKind uint8

const (
	loadAccess accessKind = iota
	storeAccess
	atomicAccess
	copyRead  // the global side of cp.async
	copyWrite // its shared side
)

func (k accessKind) String() string {
	return [...]string{"load", "store", "atomic operation", "asynchronous copy", "asynchronous copy"}[k]
}

// request is one access of a warp instruction to one space.
type request struct {
	space space
	kind  accessKind
	size  int            // bytes of a lane, all elements of a vector together
	addr  *[lanes]uint64 // global: the address; other spaces: the offset in their window
	mask  uint32
}

// space is where an access goes, once generic addresses are resolved.
type space uint8

const (
	globalSpace space = iota
	sharedSpace
	localSpace
	constSpace
	paramSpace // of an entry point; parameters of functions lie in local memory
	genericSpace
)

func (s space) String() string {
	return [...]string{"global", "shared", "local", "constant", "parameter", "generic"}[s]
}
