//go:build !amd64

package sim

func haveAVX2() bool { return false }

func assembly() []assemblyLane { return nil }

func assemblyComparison(class, name string) compareOp { return nil }

func assemblyMatrices() map[string]multiOp { return nil }

// What follows is never called: useAVX2 is false.

func measureWideAVX2(e *extent, addr, a *[lanes]uint64, k, lo, span, size uint64) {}

func measureNarrowAVX2(e *extent, addr *[lanes]uint64, a *reg, k uint32, lo, span, size uint64) {}

func blend32AVX2(d, old *reg, mask uint32) {}

func blend64AVX2(d, old *[lanes]uint64, mask uint32) {}

func gatherWideAVX2(addr, a *[lanes]uint64, other uint64, mask uint32) {}

func gatherNarrowAVX2(addr *[lanes]uint64, a *reg, other uint64, k, mask uint32) {}

func eq32AVX2(a, b *reg) uint32 { return 0 }
