//go:build !unix

package main

import "errors"

// become is for the systems that builds with NVIDIA's driver are for.
func become([]string, []string) error { return errors.ErrUnsupported }
