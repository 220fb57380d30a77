package sim

import (
	"strings"

	"palladio/cuda/sim/ptx"
)

// modifiersOf lists what may follow an opcode in an instruction's name beside types. A modifier that is not there makes the instruction an unknown one: to
// pass over it would be to compute something else. A word that ends with :: stands for all that begin with it; * is anything, for what has no effect here.
var modifiersOf = func() map[string][]string {
	const (
		rounding   = " rn rz rm rp"
		spaces     = " global shared shared::cta shared::cluster local const param param::entry param::func"
		caches     = " ca cg cs lu cv wb wt nc L1:: L2::"
		order      = " weak volatile relaxed acquire release acq_rel mmio cta cluster gpu sys"
		comparison = " eq ne lt le gt ge lo ls hi hs equ neu ltu leu gtu geu num nan and or xor ftz"
		matrices   = "sync aligned m8n8 x1 x2 x4 trans shared shared::cta"
		barrier    = "sync arrive red popc and or warp cta cluster aligned wait relaxed acquire release"
		atomics    = "add min max inc dec and or xor exch cas noftz L2::" + order + spaces
	)
	lists := map[string]string{
		"add": "cc sat ftz" + rounding, "sub": "cc sat ftz" + rounding, "mul": "lo hi wide sat ftz" + rounding,
		"mad": "lo hi wide cc sat ftz" + rounding, "fma": "sat ftz relu" + rounding,
		"mul24": "lo hi", "mad24": "lo hi sat", "div": "full approx ftz" + rounding, "rem": "",
		"abs": "ftz", "neg": "ftz", "min": "relu NaN xorsign abs ftz", "max": "relu NaN xorsign abs ftz", "sad": "",
		"addc": "cc", "subc": "cc", "madc": "lo hi cc", "dp2a": "lo hi", "dp4a": "",
		"and": "", "or": "", "xor": "", "not": "", "cnot": "", "shl": "", "shr": "", "lop3": "and or", "shf": "l r clamp wrap",
		"bfe": "", "bfi": "", "bfind": "shiftamt", "brev": "", "clz": "", "popc": "", "fns": "",
		"prmt": "f4e b4e rc8 ecl ecr rc16", "bmsk": "clamp wrap", "szext": "clamp wrap",
		"setp": comparison, "set": comparison, "selp": "", "slct": "ftz",
		"testp": "finite infinite number notanumber normal subnormal", "copysign": "",
		"rcp": "approx ftz" + rounding, "sqrt": "approx ftz" + rounding, "rsqrt": "approx ftz", "sin": "approx ftz",
		"cos": "approx ftz", "lg2": "approx ftz", "ex2": "approx ftz", "tanh": "approx",
		"cvt":       "rna rni rzi rmi rpi ftz sat satfinite relu pack" + rounding,
		"mma":       "sync aligned row col satfinite and xor popc", // and the shape
		"movmatrix": "sync aligned m8n8 trans", "ldmatrix": matrices, "stmatrix": matrices,
		"mov": "", "cvta": "to" + spaces, "isspacep": spaces, "mapa": spaces,
		"ld": "v2 v4 v8 unified" + order + spaces + caches, "ldu": "v2 v4 global", "st": "v2 v4 v8" + order + spaces + caches,
		"atom": atomics, "red": atomics, "cp": "*", // copyAsync tells its forms apart
		"bra": "uni", "brx": "idx uni", "call": "uni", "ret": "uni", "exit": "", "trap": "", "brkpt": "",
		"nanosleep": "", "pmevent": "mask", "prefetch": "*", "prefetchu": "*", "discard": "*", "applypriority": "*", "setmaxnreg": "*",
		"griddepcontrol": "*", "createpolicy": "*", "membar": "*", "fence": "*", "bar": barrier, "barrier": barrier,
		"shfl": "sync up down bfly idx", "vote": "sync all any uni ballot", "match": "sync all any",
		"redux": "sync add min max and or xor", "activemask": "", "elect": "sync",
	}
	m := map[string][]string{}
	for op, list := range lists {
		m[op] = strings.Fields(list)
	}
	return m
}()

// knownModifiers says whether all modifiers of an instruction are ones of its opcode.
func knownModifiers(in *ptx.Instr) bool {
	for _, m := range in.Mods {
		if !knownModifier(in.Op, m) {
			return false
		}
	}
	return true
}

func knownModifier(op, m string) bool {
	for _, word := range modifiersOf[op] {
		if word == m || word == "*" || strings.HasSuffix(word, "::") && strings.HasPrefix(m, word) {
			return true
		}
	}
	if op == "mma" {
		_, _, _, ok := matrixShape(m)
		return ok
	}
	return false
}
