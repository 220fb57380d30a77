//go:build !unix

package ledger

import (
	"fmt"
	"os"
	"sync"
)

// lockFile takes a lock within this process, and holds the file open, which on Windows keeps others from deleting it.
func lockFile(path string) (release func() error, err error) {
	locks.Lock()
	defer locks.Unlock()
	if locks.paths[path] {
		return nil, fmt.Errorf("%w (it holds %s)", ErrClaimed, path)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o666)
	if err != nil {
		return nil, err
	}
	locks.paths[path] = true
	return func() error {
		locks.Lock()
		defer locks.Unlock()
		delete(locks.paths, path)
		return f.Close()
	}, nil
}

var locks = struct {
	sync.Mutex
	paths map[string]bool
}{paths: map[string]bool{}}
