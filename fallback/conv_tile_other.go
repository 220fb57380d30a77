//go:build !amd64

package fallback

// convTilesAt chooses the micro-kernels of a level.
func convTilesAt(Level) *convTiles { return portableTiles }

// winogradAt chooses the transforms of a level; nil where it has none.
func winogradAt(Level) *winogradKernels { return nil }

// depthwiseAt chooses the kernels of depthwise convolution of a level.
func depthwiseAt(Level) *depthwiseKernels { return portableDepthwise }
