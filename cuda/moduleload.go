//go:build gpu && cgo

package cuda

import (
	"errors"
	"log/slog"

	"palladio/cuda/driver"
)

// moduleCache loads modules, from files where they were compiled before.
type moduleCache struct{ files *cubinFiles }

func newModuleCache(about Info, version int) *moduleCache {
	return &moduleCache{newCubinFiles(about, version)}
}

// load makes a module of PTX text in a context.
func (c *moduleCache) load(context driver.Handle, name, text string) (driver.Handle, error) {
	if image := c.files.read(name, text); image != nil {
		m, err := driver.LoadModule(context, image)
		if err == nil {
			return m, nil
		}
		slog.Warn("a kept compilation does not load and is made anew", "module", name, "error", err)
		c.files.remove(name, text)
	}
	image, err := driver.Compile(context, name, text)
	var e *driver.Error
	if errors.As(err, &e) && e.Code == driver.NotSupported { // a driver without the linker's functions compiles when it loads
		return driver.LoadModule(context, []byte(text))
	}
	if err != nil {
		return 0, err
	}
	m, err := driver.LoadModule(context, image)
	if err != nil { // a driver that is told to (CUDA_FORCE_PTX_JIT) takes PTX only
		return driver.LoadModule(context, []byte(text))
	}
	c.files.write(name, text, image)
	return m, nil
}
