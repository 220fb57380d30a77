package data

import (
	"encoding/csv"
	"fmt"
	"io"
	"math"
	"strconv"
)

// Table is a numeric table with named columns.
type Table struct {
	Columns []string
	Rows    int
	Data    []float64 // [Rows, len(Columns)], NaN where a field is empty
}

// ReadCSV reads a table of numbers. With header the first row names the columns. An empty field is a missing value; text that is no number, and
// NaN or infinity spelled out, are errors with their line. name is for errors.
func ReadCSV(r io.Reader, name string, header bool) (*Table, error) {
	c := csv.NewReader(r)
	c.ReuseRecord = true
	t := &Table{}
	for {
		rec, err := c.Read()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if t.Columns == nil {
			if header {
				t.Columns = append([]string{}, rec...)
				continue
			}
			t.Columns = numbered(len(rec))
		}
		for i, f := range rec {
			v := math.NaN()
			if f != "" {
				v, err = strconv.ParseFloat(f, 64)
				if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
					line, col := c.FieldPos(i)
					return nil, fmt.Errorf("%s:%d:%d: column %s holds %q, want a finite number", name, line, col, t.Columns[i], f)
				}
			}
			t.Data = append(t.Data, v)
		}
		t.Rows++
	}
	if t.Rows == 0 {
		return nil, fmt.Errorf("%s: no rows", name)
	}
	return t, nil
}

// Images sees the table as images [height, width, channels] a row, pixel values 0 to top, with the labels in column label (its number, from 0).
func (t *Table) Images(name string, height, width, channels, label int, top float64) (*Images, error) {
	pixels := height * width * channels
	if len(t.Columns) != pixels+1 || label < 0 || label > pixels {
		return nil, fmt.Errorf("%s: %d columns: want %d pixels and a label at column 0 to %d", name, len(t.Columns), pixels, pixels)
	}
	s := &Images{Name: name, N: t.Rows, H: height, W: width, C: channels}
	classes := 0
	for i := range t.Rows {
		for j, v := range t.Data[i*(pixels+1) : (i+1)*(pixels+1)] {
			switch {
			case j == label:
				if v != math.Trunc(v) || v < 0 || v > 1e6 {
					return nil, fmt.Errorf("%s: row %d has label %v, want a whole number from 0", name, i, v)
				}
				s.Labels = append(s.Labels, int32(v))
				classes = max(classes, int(v)+1)
			case !(v >= 0 && v <= top):
				return nil, fmt.Errorf("%s: row %d, column %d holds %v, want 0 to %v", name, i, j, v, top)
			default:
				s.Pix = append(s.Pix, uint8(math.Round(v/top*255)))
			}
		}
	}
	s.Classes = numbered(classes)
	return s, s.check()
}
