//go:build !amd64

package fallback

// setVecmath does nothing: there is no assembly for this architecture.
func setVecmath(Level, *vecmath[float32], *vecmath[float64]) {}
