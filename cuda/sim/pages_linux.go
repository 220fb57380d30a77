package sim

import "golang.org/x/sys/unix"

// mapPages reserves zeroed pages that take up memory once they are touched.
func mapPages(n int) ([]byte, error) {
	return unix.Mmap(-1, 0, n, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE|unix.MAP_NORESERVE)
}

func unmapPages(b []byte) error { return unix.Munmap(b) }
