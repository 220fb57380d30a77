package hw

import (
	"bufio"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"

	"github.com/klauspost/cpuid/v2"

	"palladio/fallback"
)

// Fingerprint says on what machine, and with what program, a result came about.
type Fingerprint struct {
	CPU      string   `json:"cpu"`
	Cores    int      `json:"cores"` // that this process may use
	Level    string   `json:"level"` // the instruction set in use
	Features []string `json:"features,omitempty"`
	MemoryMB int      `json:"memory_mb,omitempty"`
	OS       string   `json:"os"`
	Kernel   string   `json:"kernel,omitempty"` // of the operating system
	Go       string   `json:"go"`
	Revision string   `json:"revision,omitempty"` // of the program's source
	Modified bool     `json:"modified,omitempty"` // the source had changes beyond the revision
}

// TakeFingerprint describes this machine and program.
func TakeFingerprint() Fingerprint {
	f := Fingerprint{CPU: cpuName(), Cores: runtime.GOMAXPROCS(0), OS: runtime.GOOS + "/" + runtime.GOARCH, Go: runtime.Version(), MemoryMB: memoryMB()}
	if l, err := fallback.DefaultLevel(); err == nil {
		f.Level = l.String()
	}
	for _, id := range []cpuid.FeatureID{cpuid.AVX2, cpuid.FMA3, cpuid.AVX512F, cpuid.AVX512BW, cpuid.AVX512VL, cpuid.AVX512DQ, cpuid.AVX512VNNI, cpuid.AVX512VPOPCNTDQ, cpuid.AVX512BF16, cpuid.AMXTILE} {
		if cpuid.CPU.Supports(id) {
			f.Features = append(f.Features, id.String())
		}
	}
	if b, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		f.Kernel = strings.TrimSpace(string(b))
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			switch s.Key {
			case "vcs.revision":
				f.Revision = s.Value
			case "vcs.modified":
				f.Modified = s.Value == "true"
			}
		}
	}
	return f
}

func cpuName() string {
	if n := strings.TrimSpace(cpuid.CPU.BrandName); n != "" {
		return n
	}
	return runtime.GOARCH + " CPU"
}

// memoryMB is the machine's memory where the system tells, else 0.
func memoryMB() int {
	f, err := os.Open("/proc/meminfo")
	if err != nil {
		return 0
	}
	defer f.Close()
	for in := bufio.NewScanner(f); in.Scan(); {
		if rest, ok := strings.CutPrefix(in.Text(), "MemTotal:"); ok {
			kb, err := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(rest), " kB"))
			if err == nil {
				return kb / 1024
			}
		}
	}
	return 0
}
