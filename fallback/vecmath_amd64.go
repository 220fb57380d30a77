package fallback

import (
	"unsafe"

	"palladio/fallback/ref"
	"palladio/kernels"
)

// setVecmath replaces the routines that level l has in assembly.
func setVecmath(l Level, v32 *vecmath[float32], v64 *vecmath[float64]) {
	switch l {
	case AVX2:
		setF32AVX2(v32)
		setF64AVX2(v64)
	case AVX512:
		setF32AVX512(v32)
		setF64AVX512(v64)
	}
}

// setCommutative fills in the three forms of an operation whose operands may change places.
func (v *vecmath[T]) setCommutative(op kernels.EltOp, both, scalar binaryFn[T]) {
	v.binary[op] = [4]binaryFn[T]{0: both, scalarB: scalar, scalarA: swapped(scalar)}
}

// setOrdered fills in the three forms of an operation.
func (v *vecmath[T]) setOrdered(op kernels.EltOp, both, scalarRight, scalarLeft binaryFn[T]) {
	v.binary[op] = [4]binaryFn[T]{0: both, scalarB: scalarRight, scalarA: scalarLeft}
}

// setMirrored derives an operation from the one with its operands exchanged.
func (v *vecmath[T]) setMirrored(op, of kernels.EltOp) {
	f := v.binary[of]
	v.binary[op] = [4]binaryFn[T]{0: swapped(f[0]), scalarB: swapped(f[scalarA]), scalarA: swapped(f[scalarB])}
}

func swapped[T real](f binaryFn[T]) binaryFn[T] {
	return func(dst, a, b *T, n int) { f(dst, b, a, n) }
}

// patched1 runs a routine that stops before elements it cannot do, and does those one by one.
func patched1(op kernels.EltOp, lanes int, f func(dst, a *float32, n int) int) unaryFn[float32] {
	return func(dst, a *float32, n int) {
		for {
			k := f(dst, a, n)
			if k == n {
				return
			}
			dst, a, n = next(dst, k), next(a, k), n-k
			k = min(lanes, n)
			d, x := vector(dst, k), vector(a, k)
			for i := range d {
				d[i] = float32(ref.Apply(op, float64(x[i]), 0, 0))
			}
			if n -= k; n == 0 {
				return
			}
			dst, a = next(dst, k), next(a, k)
		}
	}
}

// patched2 is patched1 for two operands, of which some may be scalars.
func patched2(op kernels.EltOp, lanes int, s scalars, f func(dst, a, b *float32, n int) int) binaryFn[float32] {
	sa, sb := s&scalarA != 0, s&scalarB != 0
	return func(dst, a, b *float32, n int) {
		skip := func(k int) {
			dst = next(dst, k)
			if !sa {
				a = next(a, k)
			}
			if !sb {
				b = next(b, k)
			}
			n -= k
		}
		for {
			if k := f(dst, a, b, n); k == n {
				return
			} else {
				skip(k)
			}
			k := min(lanes, n)
			for i := range k {
				vector(dst, k)[i] = float32(ref.Apply(op, float64(source(a, i, sa)), float64(source(b, i, sb)), 0))
			}
			if k == n {
				return
			}
			skip(k)
		}
	}
}

// streamed copies past the caches: whole vectors by f once dst is aligned, the ends plainly.
func streamed[T real](bytes int, f unaryFn[T]) unaryFn[T] {
	return func(dst, a *T, n int) {
		size := int(unsafe.Sizeof(*dst))
		if uintptr(unsafe.Pointer(dst))%uintptr(size) != 0 {
			copy(vector(dst, n), vector(a, n))
			return
		}
		head := min(n, int(-uintptr(unsafe.Pointer(dst))&uintptr(bytes-1))/size)
		body := (n - head) / (bytes / size) * (bytes / size)
		copy(vector(dst, head), vector(a, head))
		f(next(dst, head), next(a, head), body)
		if tail := n - head - body; tail > 0 {
			copy(vector(next(dst, head+body), tail), vector(next(a, head+body), tail))
		}
	}
}

func setF32AVX2(v *vecmath[float32]) {
	v.unary[kernels.Neg] = negF32AVX2
	v.unary[kernels.Abs] = absF32AVX2
	v.unary[kernels.Sign] = signumF32AVX2
	v.unary[kernels.Square] = squareF32AVX2
	v.unary[kernels.Cube] = cubeF32AVX2
	v.unary[kernels.Sqrt] = sqrtF32AVX2
	v.unary[kernels.Rsqrt] = rsqrtF32AVX2
	v.unary[kernels.Recip] = recipF32AVX2
	v.unary[kernels.Floor] = floorF32AVX2
	v.unary[kernels.Ceil] = ceilF32AVX2
	v.unary[kernels.Round] = roundF32AVX2
	v.unary[kernels.ReLU] = reluF32AVX2
	v.unary[kernels.HardSwish] = hardSwishF32AVX2
	v.unary[kernels.Not] = notF32AVX2
	v.unary[kernels.Exp] = expF32AVX2
	v.unary[kernels.Exp2] = exp2F32AVX2
	v.unary[kernels.Expm1] = expm1F32AVX2
	v.unary[kernels.Log] = logF32AVX2
	v.unary[kernels.Log2] = log2F32AVX2
	v.unary[kernels.Log1p] = log1pF32AVX2
	v.unary[kernels.Tanh] = tanhF32AVX2
	v.unary[kernels.Erf] = erfF32AVX2
	v.unary[kernels.Sigmoid] = sigmoidF32AVX2
	v.unary[kernels.Softplus] = softplusF32AVX2
	v.unary[kernels.GELU] = geluF32AVX2
	v.unary[kernels.GELUTanh] = geluTanhF32AVX2
	v.unary[kernels.SiLU] = siluF32AVX2
	v.unary[kernels.Sin] = patched1(kernels.Sin, 8, sinF32AVX2)
	v.unary[kernels.Cos] = patched1(kernels.Cos, 8, cosF32AVX2)
	v.unary[kernels.Tan] = patched1(kernels.Tan, 8, tanF32AVX2)
	v.setCommutative(kernels.Add, addF32AVX2, addSF32AVX2)
	v.setOrdered(kernels.Sub, subF32AVX2, subSF32AVX2, subRF32AVX2)
	v.setCommutative(kernels.Mul, mulF32AVX2, mulSF32AVX2)
	v.setOrdered(kernels.Div, divF32AVX2, divSF32AVX2, divRF32AVX2)
	v.setCommutative(kernels.Max, maxF32AVX2, maxSF32AVX2)
	v.setCommutative(kernels.Min, minF32AVX2, minSF32AVX2)
	v.setOrdered(kernels.Lt, ltF32AVX2, ltSF32AVX2, ltRF32AVX2)
	v.setOrdered(kernels.Le, leF32AVX2, leSF32AVX2, leRF32AVX2)
	v.setCommutative(kernels.Eq, eqF32AVX2, eqSF32AVX2)
	v.setCommutative(kernels.Ne, neF32AVX2, neSF32AVX2)
	v.setCommutative(kernels.And, andF32AVX2, andSF32AVX2)
	v.setCommutative(kernels.Or, orF32AVX2, orSF32AVX2)
	v.setMirrored(kernels.Gt, kernels.Lt)
	v.setMirrored(kernels.Ge, kernels.Le)
	v.setOrdered(kernels.Pow, patched2(kernels.Pow, 8, 0, powF32AVX2),
		patched2(kernels.Pow, 8, scalarB, powSF32AVX2), patched2(kernels.Pow, 8, scalarA, powRF32AVX2))
	v.ternary[kernels.FMA] = [8]ternaryFn[float32]{0: fmaF32AVX2, scalarB: fmaSF32AVX2, scalarC: fmaTF32AVX2, scalarB | scalarC: fmaSTF32AVX2,
		scalarA: swapped3(fmaSF32AVX2), scalarA | scalarC: swapped3(fmaSTF32AVX2)}
	v.ternary[kernels.Select] = [8]ternaryFn[float32]{0: chooseF32AVX2, scalarB: chooseSF32AVX2, scalarC: chooseTF32AVX2, scalarB | scalarC: chooseSTF32AVX2}
	v.ternary[kernels.Clamp] = [8]ternaryFn[float32]{0: clampF32AVX2, scalarB | scalarC: clampSTF32AVX2}
	v.fill, v.reluGrad = fillF32AVX2, reluGradF32AVX2
	v.streamCopy, v.fence = streamed(32, streamCopyF32AVX2), fenceStores
	v.rowSum, v.rowSumAbs, v.rowSumSq, v.rowProd = rowSumF32AVX2, rowSumAbsF32AVX2, rowSumSqF32AVX2, rowProdF32AVX2
	v.rowMax, v.rowMin, v.rowDot, v.rowSqDev = rowMaxF32AVX2, rowMinF32AVX2, rowDotF32AVX2, rowSqDevF32AVX2
	v.rowExpSum = rowExpSumF32AVX2
}

func setF32AVX512(v *vecmath[float32]) {
	v.unary[kernels.Neg] = negF32AVX512
	v.unary[kernels.Abs] = absF32AVX512
	v.unary[kernels.Sign] = signumF32AVX512
	v.unary[kernels.Square] = squareF32AVX512
	v.unary[kernels.Cube] = cubeF32AVX512
	v.unary[kernels.Sqrt] = sqrtF32AVX512
	v.unary[kernels.Rsqrt] = rsqrtF32AVX512
	v.unary[kernels.Recip] = recipF32AVX512
	v.unary[kernels.Floor] = floorF32AVX512
	v.unary[kernels.Ceil] = ceilF32AVX512
	v.unary[kernels.Round] = roundF32AVX512
	v.unary[kernels.ReLU] = reluF32AVX512
	v.unary[kernels.HardSwish] = hardSwishF32AVX512
	v.unary[kernels.Not] = notF32AVX512
	v.unary[kernels.Exp] = expF32AVX512
	v.unary[kernels.Exp2] = exp2F32AVX512
	v.unary[kernels.Expm1] = expm1F32AVX512
	v.unary[kernels.Log] = logF32AVX512
	v.unary[kernels.Log2] = log2F32AVX512
	v.unary[kernels.Log1p] = log1pF32AVX512
	v.unary[kernels.Tanh] = tanhF32AVX512
	v.unary[kernels.Erf] = erfF32AVX512
	v.unary[kernels.Sigmoid] = sigmoidF32AVX512
	v.unary[kernels.Softplus] = softplusF32AVX512
	v.unary[kernels.GELU] = geluF32AVX512
	v.unary[kernels.GELUTanh] = geluTanhF32AVX512
	v.unary[kernels.SiLU] = siluF32AVX512
	v.unary[kernels.Sin] = patched1(kernels.Sin, 16, sinF32AVX512)
	v.unary[kernels.Cos] = patched1(kernels.Cos, 16, cosF32AVX512)
	v.unary[kernels.Tan] = patched1(kernels.Tan, 16, tanF32AVX512)
	v.setCommutative(kernels.Add, addF32AVX512, addSF32AVX512)
	v.setOrdered(kernels.Sub, subF32AVX512, subSF32AVX512, subRF32AVX512)
	v.setCommutative(kernels.Mul, mulF32AVX512, mulSF32AVX512)
	v.setOrdered(kernels.Div, divF32AVX512, divSF32AVX512, divRF32AVX512)
	v.setCommutative(kernels.Max, maxF32AVX512, maxSF32AVX512)
	v.setCommutative(kernels.Min, minF32AVX512, minSF32AVX512)
	v.setOrdered(kernels.Lt, ltF32AVX512, ltSF32AVX512, ltRF32AVX512)
	v.setOrdered(kernels.Le, leF32AVX512, leSF32AVX512, leRF32AVX512)
	v.setCommutative(kernels.Eq, eqF32AVX512, eqSF32AVX512)
	v.setCommutative(kernels.Ne, neF32AVX512, neSF32AVX512)
	v.setCommutative(kernels.And, andF32AVX512, andSF32AVX512)
	v.setCommutative(kernels.Or, orF32AVX512, orSF32AVX512)
	v.setMirrored(kernels.Gt, kernels.Lt)
	v.setMirrored(kernels.Ge, kernels.Le)
	v.setOrdered(kernels.Pow, patched2(kernels.Pow, 16, 0, powF32AVX512),
		patched2(kernels.Pow, 16, scalarB, powSF32AVX512), patched2(kernels.Pow, 16, scalarA, powRF32AVX512))
	v.ternary[kernels.FMA] = [8]ternaryFn[float32]{0: fmaF32AVX512, scalarB: fmaSF32AVX512, scalarC: fmaTF32AVX512, scalarB | scalarC: fmaSTF32AVX512,
		scalarA: swapped3(fmaSF32AVX512), scalarA | scalarC: swapped3(fmaSTF32AVX512)}
	v.ternary[kernels.Select] = [8]ternaryFn[float32]{0: chooseF32AVX512, scalarB: chooseSF32AVX512, scalarC: chooseTF32AVX512, scalarB | scalarC: chooseSTF32AVX512}
	v.ternary[kernels.Clamp] = [8]ternaryFn[float32]{0: clampF32AVX512, scalarB | scalarC: clampSTF32AVX512}
	v.fill, v.reluGrad = fillF32AVX512, reluGradF32AVX512
	v.streamCopy, v.fence = streamed(64, streamCopyF32AVX512), fenceStores
	v.rowSum, v.rowSumAbs, v.rowSumSq, v.rowProd = rowSumF32AVX512, rowSumAbsF32AVX512, rowSumSqF32AVX512, rowProdF32AVX512
	v.rowMax, v.rowMin, v.rowDot, v.rowSqDev = rowMaxF32AVX512, rowMinF32AVX512, rowDotF32AVX512, rowSqDevF32AVX512
	v.rowExpSum = rowExpSumF32AVX512
}

func setF64AVX2(v *vecmath[float64]) {
	v.unary[kernels.Neg] = negF64AVX2
	v.unary[kernels.Abs] = absF64AVX2
	v.unary[kernels.Sign] = signumF64AVX2
	v.unary[kernels.Square] = squareF64AVX2
	v.unary[kernels.Cube] = cubeF64AVX2
	v.unary[kernels.Sqrt] = sqrtF64AVX2
	v.unary[kernels.Rsqrt] = rsqrtF64AVX2
	v.unary[kernels.Recip] = recipF64AVX2
	v.unary[kernels.Floor] = floorF64AVX2
	v.unary[kernels.Ceil] = ceilF64AVX2
	v.unary[kernels.Round] = roundF64AVX2
	v.unary[kernels.ReLU] = reluF64AVX2
	v.unary[kernels.HardSwish] = hardSwishF64AVX2
	v.unary[kernels.Not] = notF64AVX2
	v.setCommutative(kernels.Add, addF64AVX2, addSF64AVX2)
	v.setOrdered(kernels.Sub, subF64AVX2, subSF64AVX2, subRF64AVX2)
	v.setCommutative(kernels.Mul, mulF64AVX2, mulSF64AVX2)
	v.setOrdered(kernels.Div, divF64AVX2, divSF64AVX2, divRF64AVX2)
	v.setCommutative(kernels.Max, maxF64AVX2, maxSF64AVX2)
	v.setCommutative(kernels.Min, minF64AVX2, minSF64AVX2)
	v.setOrdered(kernels.Lt, ltF64AVX2, ltSF64AVX2, ltRF64AVX2)
	v.setOrdered(kernels.Le, leF64AVX2, leSF64AVX2, leRF64AVX2)
	v.setCommutative(kernels.Eq, eqF64AVX2, eqSF64AVX2)
	v.setCommutative(kernels.Ne, neF64AVX2, neSF64AVX2)
	v.setCommutative(kernels.And, andF64AVX2, andSF64AVX2)
	v.setCommutative(kernels.Or, orF64AVX2, orSF64AVX2)
	v.setMirrored(kernels.Gt, kernels.Lt)
	v.setMirrored(kernels.Ge, kernels.Le)
	v.ternary[kernels.FMA] = [8]ternaryFn[float64]{0: fmaF64AVX2, scalarB: fmaSF64AVX2, scalarC: fmaTF64AVX2, scalarB | scalarC: fmaSTF64AVX2,
		scalarA: swapped3(fmaSF64AVX2), scalarA | scalarC: swapped3(fmaSTF64AVX2)}
	v.ternary[kernels.Select] = [8]ternaryFn[float64]{0: chooseF64AVX2, scalarB: chooseSF64AVX2, scalarC: chooseTF64AVX2, scalarB | scalarC: chooseSTF64AVX2}
	v.ternary[kernels.Clamp] = [8]ternaryFn[float64]{0: clampF64AVX2, scalarB | scalarC: clampSTF64AVX2}
	v.fill, v.reluGrad = fillF64AVX2, reluGradF64AVX2
	v.streamCopy, v.fence = streamed(32, streamCopyF64AVX2), fenceStores
	v.rowSum, v.rowSumAbs, v.rowSumSq, v.rowProd = rowSumF64AVX2, rowSumAbsF64AVX2, rowSumSqF64AVX2, rowProdF64AVX2
	v.rowMax, v.rowMin, v.rowDot, v.rowSqDev = rowMaxF64AVX2, rowMinF64AVX2, rowDotF64AVX2, rowSqDevF64AVX2
}

func setF64AVX512(v *vecmath[float64]) {
	v.unary[kernels.Neg] = negF64AVX512
	v.unary[kernels.Abs] = absF64AVX512
	v.unary[kernels.Sign] = signumF64AVX512
	v.unary[kernels.Square] = squareF64AVX512
	v.unary[kernels.Cube] = cubeF64AVX512
	v.unary[kernels.Sqrt] = sqrtF64AVX512
	v.unary[kernels.Rsqrt] = rsqrtF64AVX512
	v.unary[kernels.Recip] = recipF64AVX512
	v.unary[kernels.Floor] = floorF64AVX512
	v.unary[kernels.Ceil] = ceilF64AVX512
	v.unary[kernels.Round] = roundF64AVX512
	v.unary[kernels.ReLU] = reluF64AVX512
	v.unary[kernels.HardSwish] = hardSwishF64AVX512
	v.unary[kernels.Not] = notF64AVX512
	v.setCommutative(kernels.Add, addF64AVX512, addSF64AVX512)
	v.setOrdered(kernels.Sub, subF64AVX512, subSF64AVX512, subRF64AVX512)
	v.setCommutative(kernels.Mul, mulF64AVX512, mulSF64AVX512)
	v.setOrdered(kernels.Div, divF64AVX512, divSF64AVX512, divRF64AVX512)
	v.setCommutative(kernels.Max, maxF64AVX512, maxSF64AVX512)
	v.setCommutative(kernels.Min, minF64AVX512, minSF64AVX512)
	v.setOrdered(kernels.Lt, ltF64AVX512, ltSF64AVX512, ltRF64AVX512)
	v.setOrdered(kernels.Le, leF64AVX512, leSF64AVX512, leRF64AVX512)
	v.setCommutative(kernels.Eq, eqF64AVX512, eqSF64AVX512)
	v.setCommutative(kernels.Ne, neF64AVX512, neSF64AVX512)
	v.setCommutative(kernels.And, andF64AVX512, andSF64AVX512)
	v.setCommutative(kernels.Or, orF64AVX512, orSF64AVX512)
	v.setMirrored(kernels.Gt, kernels.Lt)
	v.setMirrored(kernels.Ge, kernels.Le)
	v.ternary[kernels.FMA] = [8]ternaryFn[float64]{0: fmaF64AVX512, scalarB: fmaSF64AVX512, scalarC: fmaTF64AVX512, scalarB | scalarC: fmaSTF64AVX512,
		scalarA: swapped3(fmaSF64AVX512), scalarA | scalarC: swapped3(fmaSTF64AVX512)}
	v.ternary[kernels.Select] = [8]ternaryFn[float64]{0: chooseF64AVX512, scalarB: chooseSF64AVX512, scalarC: chooseTF64AVX512, scalarB | scalarC: chooseSTF64AVX512}
	v.ternary[kernels.Clamp] = [8]ternaryFn[float64]{0: clampF64AVX512, scalarB | scalarC: clampSTF64AVX512}
	v.fill, v.reluGrad = fillF64AVX512, reluGradF64AVX512
	v.streamCopy, v.fence = streamed(64, streamCopyF64AVX512), fenceStores
	v.rowSum, v.rowSumAbs, v.rowSumSq, v.rowProd = rowSumF64AVX512, rowSumAbsF64AVX512, rowSumSqF64AVX512, rowProdF64AVX512
	v.rowMax, v.rowMin, v.rowDot, v.rowSqDev = rowMaxF64AVX512, rowMinF64AVX512, rowDotF64AVX512, rowSqDevF64AVX512
}

// swapped3 exchanges the first two operands.
func swapped3[T real](f ternaryFn[T]) ternaryFn[T] {
	return func(dst, a, b, c *T, n int) { f(dst, b, a, c, n) }
}
