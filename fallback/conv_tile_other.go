//go:build !amd64

package fallback

// convTilesAt chooses the micro-kernels of a level.
func convTilesAt(Level) *convTiles { return portableTiles }
