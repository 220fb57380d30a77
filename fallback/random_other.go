//go:build !amd64

package fallback

func newDraws(Level) draws { return genericDraws() }
