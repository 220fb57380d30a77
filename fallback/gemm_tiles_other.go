//go:build !amd64

package fallback

// The kernels of each level.
var (
	sgemmLevels = [...]*gemmKernels[float32]{Generic: genericKernels[float32]()}
	dgemmLevels = [...]*gemmKernels[float64]{Generic: genericKernels[float64]()}
)
