package data

import (
	"fmt"
	"image"
	"math/rand/v2"

	"golang.org/x/image/draw"
)

// Augment says how training images are varied. The zero value changes nothing.
type Augment struct {
	Pad    int     // shift by up to Pad pixels each way: zero-pad on all sides, then crop back to size at random
	Flip   bool    // mirror left to right with probability one half
	Cutout int     // blank a square of this side at a random place (DeVries & Taylor 2017); it may hang over the edge
	Mixup  float64 // mix each batch with its reverse, the share drawn from Beta(Mixup, Mixup) (Zhang et al. 2018); 0 is off
}

func (a Augment) validate(h, w int) error {
	if a.Pad < 0 || a.Pad >= min(h, w) {
		return fmt.Errorf("augment: pad %d: want 0 to %d for images of %d×%d", a.Pad, min(h, w)-1, h, w)
	}
	if a.Cutout < 0 || a.Cutout > 2*max(h, w) {
		return fmt.Errorf("augment: cutout %d: want 0 to %d", a.Cutout, 2*max(h, w))
	}
	if !(a.Mixup >= 0 && a.Mixup <= 100) {
		return fmt.Errorf("augment: mixup %v: want 0 to 100", a.Mixup)
	}
	return nil
}

// scale turns a byte of channel c into a normalised float: scale[c][byte] = (byte/255 - mean) / std.
type scale [][256]float32

func newScale(channels int, mean, std []float32) (scale, error) {
	if len(mean) != channels || len(std) != channels {
		return nil, fmt.Errorf("normalise: %d means and %d deviations for %d channels", len(mean), len(std), channels)
	}
	s := make(scale, channels)
	for c := range s {
		if !(std[c] > 0) {
			return nil, fmt.Errorf("normalise: deviation %v of channel %d: want above 0", std[c], c)
		}
		for b := range s[c] {
			s[c][b] = (float32(b)/255 - mean[c]) / std[c]
		}
	}
	return s, nil
}

// write puts image src, varied by a with random numbers from r, into dst, both [h, w, c].
func (a Augment) write(dst []float32, src []uint8, h, w int, s scale, r *rand.Rand) {
	var dy, dx int
	if a.Pad > 0 {
		dy, dx = r.IntN(2*a.Pad+1)-a.Pad, r.IntN(2*a.Pad+1)-a.Pad
	}
	flip := a.Flip && r.IntN(2) == 1
	if len(s) == 1 && !flip {
		shiftGrey(dst, src, h, w, dy, dx, &s[0])
	} else {
		shift(dst, src, h, w, dy, dx, flip, s)
	}
	if a.Cutout > 0 {
		a.cut(dst, h, w, len(s), r)
	}
}

// shift writes dst[y, x] = src[y+dy, x+dx], or the normalised zero outside src, mirrored if flip.
func shift(dst []float32, src []uint8, h, w, dy, dx int, flip bool, s scale) {
	c := len(s)
	for y := range h {
		for x := range w {
			sy, sx := y+dy, x+dx
			if flip {
				sx = w - 1 - x + dx
			}
			o := (y*w + x) * c
			if sy < 0 || sy >= h || sx < 0 || sx >= w {
				for k := range c {
					dst[o+k] = s[k][0]
				}
				continue
			}
			i := (sy*w + sx) * c
			for k := range c {
				dst[o+k] = s[k][src[i+k]]
			}
		}
	}
}

// shiftGrey is shift for one channel, unmirrored, without a test a pixel.
func shiftGrey(dst []float32, src []uint8, h, w, dy, dx int, lut *[256]float32) {
	lo, hi := max(0, -dx), min(w, w-dx)
	for y := range h {
		row := dst[y*w : (y+1)*w]
		if sy := y + dy; sy >= 0 && sy < h {
			for x, b := range src[sy*w+lo+dx : sy*w+hi+dx] {
				row[lo+x] = lut[b]
			}
			for x := range lo {
				row[x] = lut[0]
			}
			for x := hi; x < w; x++ {
				row[x] = lut[0]
			}
			continue
		}
		for x := range row {
			row[x] = lut[0]
		}
	}
}

// cut blanks a square to 0, which after normalisation is the mean.
func (a Augment) cut(dst []float32, h, w, c int, r *rand.Rand) {
	y0, x0 := r.IntN(h)-a.Cutout/2, r.IntN(w)-a.Cutout/2
	for y := max(y0, 0); y < min(y0+a.Cutout, h); y++ {
		lo, hi := max(x0, 0), min(x0+a.Cutout, w)
		if lo < hi {
			clear(dst[(y*w+lo)*c : (y*w+hi)*c])
		}
	}
}

// Resize scales every image to h × w (Catmull-Rom, with antialiasing when it shrinks).
func (s *Images) Resize(h, w int) (*Images, error) {
	if h < 1 || w < 1 || h > maxSide || w > maxSide {
		return nil, fmt.Errorf("%s: resize to %d×%d: want sides of 1 to %d", s.Name, h, w, maxSide)
	}
	if s.C != 1 && s.C != 3 {
		return nil, fmt.Errorf("%s: resize of %d channels: want 1 or 3", s.Name, s.C)
	}
	if h == s.H && w == s.W {
		return s, nil
	}
	out := *s
	out.H, out.W = h, w
	out.Pix = make([]uint8, 0, s.N*h*w*s.C)
	for i := range s.N {
		out.Pix = append(out.Pix, Pixels(s.picture(i), h, w, s.C)...)
	}
	return &out, nil
}

// picture sees image i as an image.Image.
func (s *Images) picture(i int) image.Image {
	rect := image.Rect(0, 0, s.W, s.H)
	pix := s.Image(i)
	if s.C == 1 {
		return &image.Gray{Pix: pix, Stride: s.W, Rect: rect}
	}
	rgba := image.NewRGBA(rect)
	for p := range s.H * s.W {
		copy(rgba.Pix[4*p:], pix[s.C*p:s.C*p+3])
		rgba.Pix[4*p+3] = 255
	}
	return rgba
}

// Sheet draws the first rows × columns images of the set side by side, each magnified by an integer.
func (s *Images) Sheet(rows, columns, magnify int) image.Image {
	rows = min(rows, (s.N+columns-1)/columns)
	const gap = 2
	ch, cw := s.H*magnify+gap, s.W*magnify+gap
	sheet := image.NewRGBA(image.Rect(0, 0, columns*cw+gap, rows*ch+gap))
	draw.Draw(sheet, sheet.Bounds(), image.White, image.Point{}, draw.Src)
	for i := range min(rows*columns, s.N) {
		x, y := gap+i%columns*cw, gap+i/columns*ch
		img := s.picture(i)
		draw.NearestNeighbor.Scale(sheet, image.Rect(x, y, x+s.W*magnify, y+s.H*magnify), img, img.Bounds(), draw.Src, nil)
	}
	return sheet
}
