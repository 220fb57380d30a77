//go:build gpu && cgo

package cuda

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/google/renameio/v2"
)

// cubinMagic begins each file of the cache; the checksum of what follows comes next.
const cubinMagic = "palladio cubin 1\n"

// cubinFiles keeps what the driver compiled from PTX: one file for each module, GPU model and driver version. Whatever is wrong with it costs a compilation
// and a warning, never more.
type cubinFiles struct {
	dir  string
	key  string // what a cubin depends on beside the PTX
	warn sync.Once
}

func newCubinFiles(about Info, driver int) *cubinFiles {
	f := &cubinFiles{key: fmt.Sprintf("%s sm_%d driver %d", about.Model, about.Capability, driver)}
	dir, err := cacheDir()
	if err != nil {
		f.complain(err)
		return f
	}
	f.dir = filepath.Join(dir, "cubin")
	return f
}

func cacheDir() (string, error) {
	if d := os.Getenv(EnvCache); d != "" {
		return d, nil
	}
	d, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("no cache folder: set %s: %w", EnvCache, err)
	}
	return filepath.Join(d, "palladio"), nil
}

// complain warns, once.
func (f *cubinFiles) complain(err error) {
	f.warn.Do(func() {
		slog.Warn("compiled kernels are not kept: set "+EnvCache+" to a folder that can be written", "error", err)
	})
}

// path is the file of a module.
func (f *cubinFiles) path(name, text string) string {
	h := sha256.Sum256([]byte(f.key + "\x00" + text))
	short := strings.Map(func(r rune) rune {
		if r == '/' || r == filepath.Separator || r == ':' {
			return '-'
		}
		return r
	}, name)
	return filepath.Join(f.dir, short[:min(len(short), 64)]+"-"+hex.EncodeToString(h[:16])+".cubin")
}

// read gives a module's cubin, nil where there is none or it is damaged.
func (f *cubinFiles) read(name, text string) []byte {
	if f.dir == "" {
		return nil
	}
	path := f.path(name, text)
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		if rest, ok := bytes.CutPrefix(b, []byte(cubinMagic)); ok && len(rest) > sha256.Size {
			sum, image := rest[:sha256.Size], rest[sha256.Size:]
			if want := sha256.Sum256(image); bytes.Equal(sum, want[:]) {
				return image
			}
		}
		err = errors.New("it is damaged")
	}
	slog.Warn("a kept compilation is made anew", "file", path, "error", err)
	f.remove(name, text)
	return nil
}

// write keeps a module's cubin.
func (f *cubinFiles) write(name, text string, image []byte) {
	if f.dir == "" {
		return
	}
	if err := os.MkdirAll(f.dir, 0o755); err != nil {
		f.complain(err)
		return
	}
	sum := sha256.Sum256(image)
	if err := renameio.WriteFile(f.path(name, text), bytes.Join([][]byte{[]byte(cubinMagic), sum[:], image}, nil), 0o644); err != nil {
		f.complain(err)
	}
}

// remove drops a file that turned out to be of no use.
func (f *cubinFiles) remove(name, text string) {
	if err := os.Remove(f.path(name, text)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		f.complain(err)
	}
}
