package sim

import "github.com/klauspost/cpuid/v2"

// haveAVX2 says whether the CPU has what the assembly uses.
func haveAVX2() bool { return cpuid.CPU.Supports(cpuid.AVX2, cpuid.FMA3, cpuid.F16C) }

// assembly lists the operations that are there in assembly.
func assembly() []assemblyLane {
	return []assemblyLane{
		{"add.f32 add.rn.f32", "nnn", addF32AVX2},
		{"sub.f32 sub.rn.f32", "nnn", subF32AVX2},
		{"mul.f32 mul.rn.f32", "nnn", mulF32AVX2},
		{"div.rn.f32", "nnn", divF32AVX2},
		{"fma.rn.f32 mad.rn.f32", "nnnn", fmaF32AVX2},
		{"min.f32", "nnn", minF32AVX2},
		{"max.f32", "nnn", maxF32AVX2},
		{"add.f64 add.rn.f64", "www", addF64AVX2},
		{"sub.f64 sub.rn.f64", "www", subF64AVX2},
		{"mul.f64 mul.rn.f64", "www", mulF64AVX2},
		{"div.rn.f64", "www", divF64AVX2},
		{"fma.rn.f64 mad.rn.f64", "wwww", fmaF64AVX2},
		{"add.s32 add.u32", "nnn", add32AVX2},
		{"sub.s32 sub.u32", "nnn", sub32AVX2},
		{"mul.lo.s32 mul.lo.u32", "nnn", mul32AVX2},
		{"mad.lo.s32 mad.lo.u32", "nnnn", mad32AVX2},
		{"and.b32", "nnn", and32AVX2},
		{"or.b32", "nnn", or32AVX2},
		{"xor.b32", "nnn", xor32AVX2},
		{"shl.b32", "nnn", shl32AVX2},
		{"shr.u32 shr.b32", "nnn", shrU32AVX2},
		{"shr.s32", "nnn", shrS32AVX2},
		{"min.s32", "nnn", minS32AVX2},
		{"max.s32", "nnn", maxS32AVX2},
		{"min.u32", "nnn", minU32AVX2},
		{"max.u32", "nnn", maxU32AVX2},
		{"add.s64 add.u64", "www", add64AVX2},
		{"sub.s64 sub.u64", "www", sub64AVX2},
		{"mul.lo.s64 mul.lo.u64", "www", mul64AVX2},
		{"mad.lo.s64 mad.lo.u64", "wwww", mad64AVX2},
		{"and.b64", "www", and64AVX2},
		{"or.b64", "www", or64AVX2},
		{"xor.b64", "www", xor64AVX2},
		{"shl.b64", "wwn", shl64AVX2},
		{"shr.u64 shr.b64", "wwn", shrU64AVX2},
		{"shr.s64", "wwn", shrS64AVX2},
		{"mul.wide.u32", "wnn", mulWideU32AVX2},
		{"mul.wide.s32", "wnn", mulWideS32AVX2},
		{"mad.wide.u32", "wnnw", madWideU32AVX2},
		{"mad.wide.s32", "wnnw", madWideS32AVX2},
		{"selp.b32 selp.u32 selp.s32 selp.f32", "nnnp", select32AVX2},
		{"selp.b64 selp.u64 selp.s64 selp.f64", "wwwp", select64AVX2},
		{"cvt.u64.u32 cvt.s64.u32", "wn", u32To64AVX2},
		{"cvt.s64.s32 cvt.u64.s32", "wn", s32To64AVX2},
		{"cvt.u32.u64 cvt.s32.s64 cvt.u32.s64 cvt.s32.u64", "nw", low32AVX2},
		{"cvt.rn.f32.s32", "nn", s32ToF32AVX2},
		{"cvt.f32.f16", "nn", f16ToF32AVX2},
		{"cvt.f32.bf16", "nn", bf16ToF32AVX2},
		{"cvt.rn.f16.f32", "nn", f32ToF16AVX2},
		{"cvt.rn.bf16.f32", "nn", f32ToBF16AVX2},
	}
}

// assemblyComparison is the comparison of a class of numbers: u, s or f of 32 bits, or u64, s64, f64.
func assemblyComparison(class, name string) compareOp {
	type comparisons struct{ eq, lt, le, neu compareOp }
	c := map[string]comparisons{
		"u":   {eq: eq32AVX2, lt: ltU32AVX2},
		"s":   {eq: eq32AVX2, lt: ltS32AVX2},
		"u64": {eq: eq64AVX2, lt: ltU64AVX2},
		"s64": {eq: eq64AVX2, lt: ltS64AVX2},
		"f":   {eqF32AVX2, ltF32AVX2, leF32AVX2, neF32AVX2},
		"f64": {eqF64AVX2, ltF64AVX2, leF64AVX2, neF64AVX2},
	}[class]
	if c.le == nil { // integers: what is not less is greater or equal
		eq, lt := c.eq, c.lt
		c.le = func(a, b *reg) uint32 { return ^lt(b, a) }
		if name == "ne" {
			return func(a, b *reg) uint32 { return ^eq(a, b) }
		}
	}
	switch name {
	case "eq":
		return c.eq
	case "neu":
		return c.neu
	case "lt":
		return c.lt
	case "le":
		return c.le
	case "gt":
		lt := c.lt
		return func(a, b *reg) uint32 { return lt(b, a) }
	case "ge":
		le := c.le
		return func(a, b *reg) uint32 { return le(b, a) }
	}
	return nil
}

// assemblyMatrices is the matrix products that there are in assembly.
func assemblyMatrices() map[string]multiOp {
	return map[string]multiOp{
		"mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32":    func(r []*reg) { mmaF16K8AVX2(&r[0]) },
		"mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32":   func(r []*reg) { mmaF16K16AVX2(&r[0]) },
		"mma.sync.aligned.m16n8k8.row.col.f32.bf16.bf16.f32":  func(r []*reg) { mmaBF16K8AVX2(&r[0]) },
		"mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32": func(r []*reg) { mmaBF16K16AVX2(&r[0]) },
		"mma.sync.aligned.m16n8k4.row.col.f32.tf32.tf32.f32":  func(r []*reg) { mmaTF32K4AVX2(&r[0]) },
		"mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32":  func(r []*reg) { mmaTF32K8AVX2(&r[0]) },
	}
}
