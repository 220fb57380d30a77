//go:build !gpu || !cgo

package driver

import "fmt"

// Built says whether this build can load the driver.
const Built = false

// Open says that this build has no driver.
func Open() error {
	return fmt.Errorf("%w: this build has no GPU support: build with make, or with cgo, the tag gpu and the flags that make sets", ErrNoDriver)
}
