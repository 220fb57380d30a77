package fallback

import (
	"fmt"
	"os"
	"strings"

	"github.com/klauspost/cpuid/v2"
)

// Description is what this machine's CPU is and how the CPU device uses it.
type Description struct {
	CPU      string   `json:"cpu"`
	Features []string `json:"features"` // those that kernels are chosen by
	Cores    int      `json:"physical_cores"`
	L1       int      `json:"l1_data_bytes"` // of a core; -1 where unknown
	L2       int      `json:"l2_bytes"`
	L3       int      `json:"l3_bytes"`
	Levels   []string `json:"levels"` // that run here, lowest first
	Level    string   `json:"level"`  // the default
	Why      string   `json:"why"`
}

// kernelFeatures are the features that some level or kernel asks for.
var kernelFeatures = []cpuid.FeatureID{
	cpuid.AVX2, cpuid.FMA3, cpuid.AVX512F, cpuid.AVX512BW, cpuid.AVX512VL, cpuid.AVX512DQ, cpuid.AVX512VNNI, cpuid.AVX512VPOPCNTDQ,
}

// Describe says what the CPU is, which level the device takes by default, and why.
func Describe() (Description, error) {
	l, err := DefaultLevel()
	if err != nil {
		return Description{}, err
	}
	c := &cpuid.CPU
	d := Description{CPU: c.BrandName, Cores: c.PhysicalCores, L1: c.Cache.L1D, L2: c.Cache.L2, L3: c.Cache.L3, Level: l.String(), Why: whyLevel(l), Features: []string{}}
	for _, f := range kernelFeatures {
		if c.Supports(f) {
			d.Features = append(d.Features, f.String())
		}
	}
	for _, l := range Levels() {
		d.Levels = append(d.Levels, l.String())
	}
	return d, nil
}

// whyLevel explains the default level.
func whyLevel(l Level) string {
	if os.Getenv(EnvLevel) != "" {
		return fmt.Sprintf("%s asks for it; this CPU supports %s", EnvLevel, Detect())
	}
	if !haveAssembly {
		return "kernels in assembly are for amd64"
	}
	needs := [...][]cpuid.FeatureID{AVX2: kernelFeatures[:2], AVX512: kernelFeatures[2:6]}
	if l == AVX512 {
		return "the CPU and its operating system support AVX-512 F, BW, VL and DQ, the highest level there is"
	}
	var missing []string
	for _, f := range needs[l+1] {
		if !cpuid.CPU.Supports(f) {
			missing = append(missing, f.String())
		}
	}
	return fmt.Sprintf("%s, the next level, needs %s", l+1, strings.Join(missing, ", "))
}
