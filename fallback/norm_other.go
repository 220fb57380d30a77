//go:build !amd64

package fallback

func newNormPasses(Level) normPasses { return genericNormPasses() }
