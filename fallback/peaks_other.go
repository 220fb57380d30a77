//go:build !amd64

package fallback

// peakLoop is the register loop, and the operations of one round of it.
func peakLoop(Level) (loop func(n int), perRound float64) { return goPeak, 16 }
