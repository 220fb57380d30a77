//go:build unix

package main

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// become replaces this process by a new run of the same program. What the driver holds goes with the old one.
func become(args, env []string) error {
	path := "/proc/self/exe" // the program even where its file was replaced meanwhile
	if _, err := os.Stat(path); err != nil {
		if path, err = os.Executable(); err != nil {
			return err
		}
	}
	closeGPUs()
	return syscall.Exec(path, append([]string{os.Args[0]}, args...), env)
}

// closeGPUs has the GPUs' device files closed with the old program. The driver opens them so itself as far as is known; one that stayed open would keep the lost
// context alive.
func closeGPUs() {
	open, _ := filepath.Glob("/proc/self/fd/*")
	for _, path := range open {
		if to, err := os.Readlink(path); err == nil && strings.HasPrefix(to, "/dev/nvidia") {
			if fd, err := strconv.Atoi(filepath.Base(path)); err == nil {
				syscall.CloseOnExec(fd)
			}
		}
	}
}
