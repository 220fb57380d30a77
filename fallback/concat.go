package fallback

import "palladio/kernels"

// concatExec is a call of Concat: rows of bytes are laid side by side.
type concatExec struct {
	pool  *pool
	k     kernels.Concat
	sizes []int // bytes of a row of each part
	row   int   // bytes of a row of the output
	bytes int   // of the whole output
	args  []kernels.Arg
}

func (d *Device) prepareConcat(k kernels.Concat) (kernels.Exec, error) {
	e := &concatExec{pool: d.pool, k: k, sizes: make([]int, len(k.Parts))}
	for j, p := range k.Parts {
		e.sizes[j] = p * k.Inner * k.Type.Size()
		e.row += e.sizes[j]
	}
	e.bytes = e.row * k.Outer
	return e, nil
}

// Workspace is none.
func (e *concatExec) Workspace() int { return 0 }

// Run copies every part to its place. Parts of the work are ranges of the output's bytes, so that few long rows split as well as
// many short ones.
func (e *concatExec) Run(args []kernels.Arg, _ kernels.Arg) error {
	e.args = args
	e.pool.inParts((e.bytes+movePartBytes-1)/movePartBytes, 2*e.bytes, e)
	e.args = nil
	return nil
}

func (e *concatExec) part(i, _ int) {
	lo, hi := i*movePartBytes, min((i+1)*movePartBytes, e.bytes)
	out := e.args[len(e.sizes)].Host
	row, at := lo/e.row, lo%e.row
	j := 0
	for at >= e.sizes[j] { // find the part that holds the first byte
		at -= e.sizes[j]
		j++
	}
	for lo < hi {
		n := min(e.sizes[j]-at, hi-lo)
		src := e.args[j].Host[row*e.sizes[j]+at:]
		if n <= 16 {
			for b := range n {
				out[lo+b] = src[b]
			}
		} else {
			copy(out[lo:lo+n], src)
		}
		lo += n
		at = 0
		if j++; j == len(e.sizes) {
			j = 0
			row++
		}
	}
}
