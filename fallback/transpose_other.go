//go:build !amd64

package fallback

func transposeTiles(Level, int) []transposeTile { return nil }
