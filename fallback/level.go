package fallback

import (
	"fmt"
	"os"
	"strings"

	"github.com/klauspost/cpuid/v2"
)

// Level is a set of CPU features that the kernels are written for. Higher levels include the lower ones.
type Level uint8

// The levels.
const (
	Generic Level = iota // portable Go
	AVX2                 // AVX2 + FMA
	AVX512               // AVX-512 F, BW, VL, DQ (VNNI and VPOPCNTDQ are asked for where a kernel needs them)
)

var levelNames = [...]string{"generic", "avx2", "avx512"}

func (l Level) String() string { return levelNames[l] }

// ParseLevel reads a level's name.
func ParseLevel(s string) (Level, error) {
	for i, n := range levelNames {
		if s == n {
			return Level(i), nil
		}
	}
	return 0, fmt.Errorf("CPU level %q: want one of %s", s, strings.Join(levelNames[:], ", "))
}

// Detect is the highest level that this CPU and its operating system support.
func Detect() Level {
	c := &cpuid.CPU
	switch {
	case !haveAssembly || !c.Supports(cpuid.AVX2, cpuid.FMA3):
		return Generic
	case c.Supports(cpuid.AVX512F, cpuid.AVX512BW, cpuid.AVX512VL, cpuid.AVX512DQ):
		return AVX512
	}
	return AVX2
}

// Levels lists the levels that run on this machine, lowest first.
func Levels() []Level {
	var ls []Level
	for l := Generic; l <= Detect(); l++ {
		ls = append(ls, l)
	}
	return ls
}

// EnvLevel names the environment variable that lowers the default level.
const EnvLevel = "PALLADIO_CPU"

// DefaultLevel is the detected level, or the lower one that PALLADIO_CPU asks for.
func DefaultLevel() (Level, error) {
	best := Detect()
	s := os.Getenv(EnvLevel)
	if s == "" {
		return best, nil
	}
	l, err := ParseLevel(s)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", EnvLevel, err)
	}
	if l > best {
		return 0, fmt.Errorf("%s=%s: this CPU supports at most %s", EnvLevel, s, best)
	}
	return l, nil
}
