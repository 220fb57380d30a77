package ref

import (
	"cmp"
	"slices"

	"palladio/kernels"
)

// rows calls f for each index (o, n) with the row of the extent that it names, NoIndex included.
func rows(k kernels.Kernel, index tensor, batched bool, outer, count, extent int, f func(o, n, row int)) error {
	for o := range outer {
		for n := range count {
			p := n
			if batched {
				p += o * count
			}
			row := int(index.at(p))
			if row < kernels.NoIndex || row >= extent {
				return kernels.IndexError(k, p, row, extent)
			}
			f(o, n, row)
		}
	}
	return nil
}

func gather(k kernels.Gather) (kernels.Exec, error) {
	return runChecked(k, func(t []tensor) error {
		index, src, out := t[0], t[1], t[2]
		return rows(k, index, k.Batched, k.Outer, k.Count, k.Extent, func(o, n, row int) {
			for i := range k.Inner {
				to := (o*k.Count+n)*k.Inner + i
				if row == kernels.NoIndex {
					out.set(to, 0)
					continue
				}
				copyElem(out, to, src, (o*k.Extent+row)*k.Inner+i)
			}
		})
	})
}

func scatterAdd(k kernels.ScatterAdd) (kernels.Exec, error) {
	return runChecked(k, func(t []tensor) error {
		index, src, out := t[0], t[1], t[2]
		sum := make([]float64, out.len())
		for i := range sum {
			if k.Into {
				sum[i] = out.at(i)
			}
		}
		err := rows(k, index, k.Batched, k.Outer, k.Count, k.Extent, func(o, n, row int) {
			for i := range k.Inner {
				if row != kernels.NoIndex {
					sum[(o*k.Extent+row)*k.Inner+i] += src.at((o*k.Count+n)*k.Inner + i)
				}
			}
		})
		for i, v := range sum {
			out.set(i, v)
		}
		return err
	})
}

func oneHot(k kernels.OneHot) (kernels.Exec, error) {
	return runChecked(k, func(t []tensor) error {
		return rows(k, t[0], false, 1, k.Count, k.Classes, func(_, n, row int) {
			for c := range k.Classes {
				v := k.Off
				if c == row {
					v = k.On
				}
				t[1].set(n*k.Classes+c, v)
			}
		})
	})
}

// order is the position of each element of a row once sorted.
func order(in tensor, row, cols int, descending bool) []int {
	idx := make([]int, cols)
	for i := range idx {
		idx[i] = i
	}
	slices.SortStableFunc(idx, func(a, b int) int {
		c := compare(in, row*cols+a, row*cols+b)
		if descending {
			return -c
		}
		return c
	})
	return idx
}

// compare orders two elements: NaNs are equal to each other and greater than all else.
func compare(in tensor, i, j int) int {
	if in.typ == kernels.I64 { // float64 does not hold them all
		x := kernels.Slice[int64](in.arg)
		return cmp.Compare(x[i], x[j])
	}
	a, b := in.at(i), in.at(j)
	switch {
	case a != a && b != b:
		return 0
	case a != a:
		return 1
	case b != b:
		return -1
	}
	return cmp.Compare(a, b)
}

func sort(k kernels.Sort) (kernels.Exec, error) {
	return run(k, func(t []tensor) { sorted(t, k.Rows, k.Cols, k.Cols, k.Descending) })
}

func topK(k kernels.TopK) (kernels.Exec, error) {
	return run(k, func(t []tensor) { sorted(t, k.Rows, k.Cols, k.K, !k.Smallest) })
}

// sorted writes the first n elements of each sorted row, and their positions.
func sorted(t []tensor, rows, cols, n int, descending bool) {
	in, values, indices := t[0], t[1], t[2]
	for r := range rows {
		for j, i := range order(in, r, cols, descending)[:n] {
			copyElem(values, r*n+j, in, r*cols+i)
			indices.set(r*n+j, float64(i))
		}
	}
}
