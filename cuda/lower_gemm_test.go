package cuda

import (
	"fmt"
	"testing"

	"palladio/fallback/ref"
	"palladio/kernels"
	"palladio/kernels/devicetest"
)

// gemmForced is a device that computes products with a given tile and number of parts.
type gemmForced struct {
	*Device
	tile   gemmTile
	splits int
	most   int // matrices in one launch
}

func (d gemmForced) Prepare(k kernels.Kernel) (kernels.Exec, error) {
	var programs [2]*Program
	for i, align := range []int{wide, 1} {
		l := &lowering{Limits: d.info.limits(), align: align}
		g := l.newGEMMCall(foldBatch(k.(kernels.GEMM)))
		l.tileCall(g, []gemmTile{d.tile}, []int{d.splits})
		programs[i] = gemmProgram(g, d.most)
	}
	return d.preparePrograms(k, programs[0], programs[1])
}

// TestGEMMTiles runs every tile kernel, with each transposition, past its edges, every other with split sums.
func TestGEMMTiles(t *testing.T) {
	for kind, tiles := range gemmTiles {
		for _, tile := range tiles {
			t.Run(kind+" "+tile.String(), func(t *testing.T) {
				d := open(t, "sim:h100")
				for trans := range 4 {
					splits := 1 + trans%2
					g := gemmOf(kind, tile.m+24, tile.n+40, 4*tile.k*splits+8, trans&1 != 0, trans&2 != 0)
					g.Bias, g.Act.Op = true, kernels.ReLU
					if trans >= 2 {
						g.Residual, g.Act.Op = true, kernels.SiLU
					}
					c := kernels.Case{Name: fmt.Sprintf("%s in %d", g, splits), Kernel: g}
					if res := devicetest.Run(gemmForced{d, tile, splits, 65535}, ref.New(), c); !res.Passed() {
						t.Error(res)
					}
				}
			})
		}
	}
}

// gemmOf is a product of a type or tf32.
func gemmOf(kind string, m, n, k int, transA, transB bool) kernels.GEMM {
	types := map[string]kernels.DType{"f32": kernels.F32, "tf32": kernels.F32, "f64": kernels.F64, "f16": kernels.F16, "bf16": kernels.BF16}
	g := kernels.NewGEMM(types[kind], 1, m, n, k, transA, transB)
	g.TF32 = kind == "tf32"
	return g
}

// TestGEMMChoice holds the choice of kernels to what is meant: large tiles for large products, parts where tiles are few, and kernels of
// their own for skinny products.
func TestGEMMChoice(t *testing.T) {
	h100 := Limits{Capability: 90, SMs: 132, SharedBlock: 227 << 10}
	small := Limits{Capability: 89, SMs: 128, SharedBlock: 99 << 10}
	for _, c := range []struct {
		on      Limits
		align   int
		k       kernels.GEMM
		entry   string
		split   bool
		threads int
	}{
		{h100, 16, gemmOf("bf16", 8192, 8192, 8192, false, false), "gemm_bf16_128x256_nn", false, 256},
		{small, 16, gemmOf("bf16", 8192, 8192, 8192, false, true), "gemm_bf16_128x128_nt", false, 128},
		{h100, 2, gemmOf("bf16", 8192, 8192, 8192, true, false), "gemm_align_2", true, 32},
		{h100, 2, gemmOf("bf16", 100, 100, 100, true, false), "gemm_bf16_64x64_tn", false, 128},
		{h100, 16, gemmOf("f32", 4096, 4096, 4096, false, false), "gemm_f32_128x128", false, 256},
		{h100, 16, gemmOf("tf32", 4096, 4096, 4096, true, true), "gemm_tf32_128x256_tt", false, 256},
		{h100, 16, gemmOf("f16", 128, 128, 8192, false, false), "", true, 0},
		{h100, 16, gemmOf("f32", 1, 4096, 4096, false, true), "gemm_f32_dots1", false, 128},
		{h100, 16, gemmOf("f32", 8, 4096, 4096, false, false), "gemm_f32_sweep8", true, 128},
		{h100, 16, gemmOf("bf16", 4096, 5, 4096, false, false), "gemm_bf16_dots8", false, 128},
	} {
		p, err := Lower(c.k, c.on, c.align)
		if err != nil {
			t.Fatal(err)
		}
		l := p.Launches[0]
		if c.entry != "" && l.Entry != c.entry || c.threads != 0 && l.Block.X != c.threads || (len(p.Launches) > 1) != c.split {
			t.Errorf("%s: %s with %d threads in %d launches, want %s with %d, split %v", c.k, l.Entry, l.Block.X, len(p.Launches), c.entry, c.threads, c.split)
		}
	}
}

// TestGEMMBatchInParts runs a batch in several launches, as one of more matrices than a grid is deep: with operands copied for their alignment, with
// split sums, and with one matrix for all.
func TestGEMMBatchInParts(t *testing.T) {
	for _, c := range []struct {
		kind   string
		tile   int
		shared bool
	}{{"f32", 2, false}, {"f64", 1, true}, {"bf16", 1, false}, {"f16", 1, true}, {"tf32", 1, true}} {
		for _, splits := range []int{1, 3} {
			k := gemmOf(c.kind, 20, 33, 500, false, true)
			k.Batch, k.Bias, k.Residual, k.Beta = 7, true, true, 0.5
			k.LDC, k.StrideC = k.LDC+2, 20*(k.LDC+2)+1
			k.LDA, k.StrideA, k.StrideB = 503, 20*503+1, k.StrideB+3
			if c.shared {
				k.StrideB = 0
			}
			d := gemmForced{open(t, "sim:h100"), gemmTiles[c.kind][c.tile], splits, 3}
			if res := devicetest.Run(d, ref.New(), kernels.Case{Name: k.String(), Kernel: k}); !res.Passed() {
				t.Error(res)
			}
		}
	}
}
