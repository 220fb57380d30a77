//go:build !amd64

package fallback

func streamLoops32(Level) *[4]streamFn[float32] { return nil }
func streamLoops64(Level) *[4]streamFn[float64] { return nil }
