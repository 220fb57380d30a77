package report

import (
	"fmt"
	"html"
	"html/template"
	"strings"

	"palladio/engine/search"
)

// Measures of the drawn network, in SVG units.
const (
	boxWidth, boxHeight, boxGap = 150, 52, 26
	perRow                      = 5
	rowHeight                   = 104
	groupPad                    = 10
)

// drawNetwork draws the layers as a chain of boxes, left to right in rows; layers of a group stand on a common ground.
func drawNetwork(d search.Drawing) template.HTML {
	boxes := len(d.Layers) + 1
	rows := (boxes + perRow - 1) / perRow
	w := perRow*boxWidth + (perRow-1)*boxGap + 2*groupPad
	h := rows*rowHeight + 8
	var b strings.Builder
	fmt.Fprintf(&b, `<svg class="network" viewBox="0 0 %d %d" style="max-width:%dpx" role="img" aria-label="the winner's layers">`, w, h, w)
	at := func(i int) (x, y int) { return groupPad + i%perRow*(boxWidth+boxGap), i/perRow*rowHeight + 26 }
	for i, l := range d.Layers { // grounds first
		if l.Group == 0 {
			continue
		}
		x, y := at(i + 1)
		fromLeft, width := x-groupPad, boxWidth+2*groupPad
		if i > 0 && d.Layers[i-1].Group == l.Group && (i+1)%perRow != 0 {
			fromLeft, width = x-boxGap-1, boxWidth+boxGap+groupPad+1
		}
		fmt.Fprintf(&b, `<rect class="ground" x="%d" y="%d" width="%d" height="%d"/>`, fromLeft, y-20, width, boxHeight+30)
		if i == 0 || d.Layers[i-1].Group != l.Group {
			fmt.Fprintf(&b, `<text class="stage" x="%d" y="%d">stage %d</text>`, x-4, y-7, l.Group)
		}
	}
	for i := range boxes - 1 {
		arrow(&b, i, at)
	}
	for i := range boxes {
		x, y := at(i)
		kind, label, under, more := "input", "input", d.Input, ""
		if i > 0 {
			l := d.Layers[i-1]
			kind, label, under = l.Kind, l.Label, l.Output
			if l.Params > 0 {
				more = fmt.Sprintf("%s parameters, %s multiply-adds", number(float64(l.Params)), number(float64(l.MACs)))
			}
		}
		fmt.Fprintf(&b, `<g class="box k-%s"><title>%s</title><rect x="%d" y="%d" width="%d" height="%d" rx="7"/><text class="label" x="%d" y="%d">%s</text><text class="shape" x="%d" y="%d">%s</text></g>`,
			html.EscapeString(kind), html.EscapeString(strings.TrimSuffix(label+": "+more, ": ")), x, y, boxWidth, boxHeight,
			x+boxWidth/2, y+22, html.EscapeString(label), x+boxWidth/2, y+40, html.EscapeString(under))
	}
	b.WriteString("</svg>")
	return template.HTML(b.String())
}

// arrow joins box i and the next, around the corner at the end of a row.
func arrow(b *strings.Builder, i int, at func(int) (int, int)) {
	x, y := at(i)
	nx, ny := at(i + 1)
	if ny == y {
		mid := y + boxHeight/2
		fmt.Fprintf(b, `<path class="arrow" d="M%d %dH%d"/><path class="head" d="M%d %dl-6 -4v8z"/>`, x+boxWidth, mid, nx-5, nx-1, mid)
		return
	}
	lane := y + boxHeight + 14
	fmt.Fprintf(b, `<path class="arrow" d="M%d %dV%dH%dV%d"/><path class="head" d="M%d %dl-4 -6h8z"/>`,
		x+boxWidth/2, y+boxHeight, lane, nx+boxWidth/2, ny-5, nx+boxWidth/2, ny-1)
}
