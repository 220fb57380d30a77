package hw

import (
	"fmt"
	"io"
	"math"
	"slices"
	"text/tabwriter"
)

// Comparison holds a figure of a model against a reference figure.
type Comparison struct {
	Model     string  `json:"model"`
	What      string  `json:"what"`
	Unit      string  `json:"unit"`
	Reference float64 `json:"reference"`
	Predicted float64 `json:"predicted"`
	Tolerance float64 `json:"tolerance,omitempty"` // of the relative error; 0 is a figure that is only shown
	Source    string  `json:"source"`              // of the reference
	Note      string  `json:"note,omitempty"`
}

// Error is the relative error of the prediction, positive where it is too large.
func (c Comparison) Error() float64 { return c.Predicted/c.Reference - 1 }

// OK says whether the prediction is within its tolerance, or has none.
func (c Comparison) OK() bool { return c.Tolerance == 0 || math.Abs(c.Error()) <= c.Tolerance }

// Missed counts the comparisons that are beyond their tolerance.
func Missed(list []Comparison) int {
	n := 0
	for _, c := range list {
		if !c.OK() {
			n++
		}
	}
	return n
}

// PrintComparisons writes a line a comparison, and for each model the median of its absolute errors.
func PrintComparisons(w io.Writer, list []Comparison) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "model\tfigure\treference\tpredicted\terror\tallowed\tsource of the reference")
	var models []string
	errs := map[string][]float64{}
	for _, c := range list {
		allowed := "-"
		if c.Tolerance > 0 {
			allowed = fmt.Sprintf("%.0f %%", 100*c.Tolerance)
			if !c.OK() {
				allowed += " MISSED"
			}
		}
		source := c.Source
		if c.Note != "" {
			source += "; " + c.Note
		}
		fmt.Fprintf(t, "%s\t%s\t%.4g %s\t%.4g\t%+.1f %%\t%s\t%s\n", c.Model, c.What, c.Reference, c.Unit, c.Predicted, 100*c.Error(), allowed, source)
		if !slices.Contains(models, c.Model) {
			models = append(models, c.Model)
		}
		errs[c.Model] = append(errs[c.Model], math.Abs(c.Error()))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, m := range models {
		e := errs[m]
		slices.Sort(e)
		if _, err := fmt.Fprintf(w, "%s: %d figures, median error %.1f %%, worst %.1f %%\n", m, len(e), 100*median(e), 100*e[len(e)-1]); err != nil {
			return err
		}
	}
	return nil
}

// median of sorted numbers.
func median(x []float64) float64 {
	n := len(x)
	return (x[(n-1)/2] + x[n/2]) / 2
}
