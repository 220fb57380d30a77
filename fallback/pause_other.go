//go:build !amd64

package fallback

// pause waits a moment.
func pause(n int) {
	for i := 0; i < n; i++ {
	}
}
