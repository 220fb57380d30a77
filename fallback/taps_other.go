//go:build !amd64

package fallback

func newTapPasses(Level) tapPasses { return genericTapPasses() }
