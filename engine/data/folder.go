package data

import (
	"fmt"
	"image"
	_ "image/jpeg" // registers the decoder
	_ "image/png"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/image/draw"
)

// ReadFolder reads a folder with one sub-folder of PNG or JPEG files a class. Images are scaled (Catmull-Rom) to height × width;
// 0, 0 stands for the size of the first image. channels is 1 (grey) or 3 (RGB).
func ReadFolder(dir string, height, width, channels int) (*Images, error) {
	if channels != 1 && channels != 3 {
		return nil, fmt.Errorf("%s: %d channels: want 1 (grey) or 3 (RGB)", dir, channels)
	}
	if height < 0 || width < 0 || height > maxSide || width > maxSide || (height == 0) != (width == 0) {
		return nil, fmt.Errorf("%s: scaling to %d×%d: want sides of 1 to %d, or 0×0", dir, height, width, maxSide)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	s := &Images{Name: dir, H: height, W: width, C: channels}
	for _, e := range entries {
		if !e.IsDir() || strings.HasPrefix(e.Name(), ".") {
			continue
		}
		s.Classes = append(s.Classes, e.Name())
		if err := s.appendClass(filepath.Join(dir, e.Name()), int32(len(s.Classes)-1)); err != nil {
			return nil, err
		}
	}
	if len(s.Classes) == 0 {
		return nil, fmt.Errorf("%s: no sub-folders: want one folder of images a class", dir)
	}
	return s, s.check()
}

func (s *Images) appendClass(dir string, label int32) error {
	return filepath.WalkDir(dir, func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		switch strings.ToLower(filepath.Ext(file)) {
		case ".png", ".jpg", ".jpeg":
		default:
			return nil
		}
		img, err := decodeImage(file)
		if err != nil {
			return err
		}
		if s.H == 0 && s.W == 0 {
			s.H, s.W = img.Bounds().Dy(), img.Bounds().Dx()
		}
		if s.N > 0 && len(s.Pix) > maxBytes {
			return fmt.Errorf("%s: more than %d bytes of pixels: give a smaller size", s.Name, maxBytes)
		}
		s.Pix = append(s.Pix, Pixels(img, s.H, s.W, s.C)...)
		s.Labels = append(s.Labels, label)
		s.N++
		return nil
	})
}

// decodeImage reads one image, having looked at its size first.
func decodeImage(file string) (image.Image, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	cfg, _, err := image.DecodeConfig(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if cfg.Width < 1 || cfg.Height < 1 || cfg.Width > maxSide || cfg.Height > maxSide {
		return nil, fmt.Errorf("%s: image of %d×%d, want sides of 1 to %d", file, cfg.Width, cfg.Height, maxSide)
	}
	if _, err := f.Seek(0, 0); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	img, _, err := image.Decode(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return img, nil
}

// Pixels scales an image to h × w (Catmull-Rom, with antialiasing when it shrinks) and lays it out as [h, w, c]; c is 1 or 3.
func Pixels(img image.Image, h, w, c int) []uint8 {
	rect := image.Rect(0, 0, w, h)
	scale := func(dst draw.Image) {
		if img.Bounds().Dx() == w && img.Bounds().Dy() == h {
			draw.Draw(dst, rect, img, img.Bounds().Min, draw.Src)
			return
		}
		draw.CatmullRom.Scale(dst, rect, img, img.Bounds(), draw.Src, nil)
	}
	if c == 1 {
		grey := image.NewGray(rect)
		scale(grey)
		return grey.Pix
	}
	rgba := image.NewRGBA(rect)
	scale(rgba)
	out := make([]uint8, 0, h*w*3)
	for i := 0; i < len(rgba.Pix); i += 4 {
		out = append(out, rgba.Pix[i:i+3]...)
	}
	return out
}
