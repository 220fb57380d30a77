package ptx

// Type is a fundamental or operand type.
type Type uint8

// The types.
const (
	NoType Type = iota
	Pred
	B1
	B8
	B16
	B32
	B64
	B128
	U4
	U8
	U16
	U32
	U64
	S4
	S8
	S16
	S32
	S64
	F16
	F16x2
	BF16
	BF16x2
	TF32
	F32
	F64
	U16x2
	S16x2
	E4M3
	E5M2
	E4M3x2
	E5M2x2
	F32x2
	TexRef
	SurfRef
	SamplerRef
	numTypes
)

var typeNames = [numTypes]string{
	NoType: "none", Pred: "pred", B1: "b1", B8: "b8", B16: "b16", B32: "b32", B64: "b64", B128: "b128",
	U4: "u4", U8: "u8", U16: "u16", U32: "u32", U64: "u64", S4: "s4", S8: "s8", S16: "s16", S32: "s32", S64: "s64",
	F16: "f16", F16x2: "f16x2", BF16: "bf16", BF16x2: "bf16x2", TF32: "tf32", F32: "f32", F64: "f64",
	U16x2: "u16x2", S16x2: "s16x2", E4M3: "e4m3", E5M2: "e5m2", E4M3x2: "e4m3x2", E5M2x2: "e5m2x2", F32x2: "f32x2",
	TexRef: "texref", SurfRef: "surfref", SamplerRef: "samplerref",
}

var typesByName = func() map[string]Type {
	m := make(map[string]Type, numTypes)
	for t := Pred; t < numTypes; t++ {
		m[typeNames[t]] = t
	}
	return m
}()

// String is the name without its dot.
func (t Type) String() string { return typeNames[t] }

// Bits is the width; 1 for a predicate, 0 for NoType.
func (t Type) Bits() int {
	switch t {
	case Pred, B1:
		return 1
	case U4, S4:
		return 4
	case B8, U8, S8, E4M3, E5M2:
		return 8
	case B16, U16, S16, F16, BF16, E4M3x2, E5M2x2:
		return 16
	case B32, U32, S32, F32, TF32, F16x2, BF16x2, U16x2, S16x2:
		return 32
	case B64, U64, S64, F64, F32x2, TexRef, SurfRef, SamplerRef:
		return 64
	case B128:
		return 128
	}
	return 0
}

// Size is the bytes in memory.
func (t Type) Size() int { return (t.Bits() + 7) / 8 }

// Signed says whether it is a signed integer.
func (t Type) Signed() bool {
	return t == S4 || t == S8 || t == S16 || t == S32 || t == S64 || t == S16x2
}

// Float says whether it is a floating-point type.
func (t Type) Float() bool {
	return t >= F16 && t <= F64 || t >= E4M3 && t <= F32x2
}

var spaceNames = map[string]Space{
	"global": Global, "shared": Shared, "shared::cta": Shared, "shared::cluster": Shared, "local": Local, "const": Const,
	"param": Param, "param::entry": Param, "param::func": Param,
}

// String is the name without its dot.
func (s Space) String() string {
	return [...]string{"generic", "global", "shared", "local", "const", "param"}[s]
}
