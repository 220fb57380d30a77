//go:build !amd64

package fallback

func newOptimRules(Level) optimRules[float32] { return genericOptimRules[float32]() }
