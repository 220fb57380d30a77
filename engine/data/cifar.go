package data

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"
)

// The CIFAR binary format (Krizhevsky 2009, https://www.cs.toronto.edu/~kriz/cifar.html): records of one label byte (CIFAR-10) or a coarse and a
// fine label byte (CIFAR-100), then 3 planes of 32×32 bytes.
const (
	cifarSide   = 32
	cifarPixels = 3 * cifarSide * cifarSide
)

var cifar10Classes = []string{"airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"}

// appendCIFAR reads the records of one file into s. labelBytes is 1 (CIFAR-10) or 2 (CIFAR-100, of which the fine label is kept).
func (s *Images) appendCIFAR(r io.Reader, name string, labelBytes int) error {
	rec := make([]byte, labelBytes+cifarPixels)
	for i := 0; ; i++ {
		if _, err := io.ReadFull(r, rec); err == io.EOF {
			return nil
		} else if err != nil {
			return fmt.Errorf("%s: record %d of %d bytes: %w", name, i, len(rec), truncated(err))
		}
		label := int32(rec[labelBytes-1])
		if int(label) >= len(s.Classes) {
			return fmt.Errorf("%s: record %d has label %d, want 0 to %d", name, i, label, len(s.Classes)-1)
		}
		if len(s.Pix) > maxBytes {
			return fmt.Errorf("%s: more than %d bytes of pixels", name, maxBytes)
		}
		s.Labels = append(s.Labels, label)
		planes := rec[labelBytes:]
		const n = cifarSide * cifarSide
		for p := range n {
			s.Pix = append(s.Pix, planes[p], planes[n+p], planes[2*n+p])
		}
		s.N++
	}
}

// readCIFAR reads the training and the test images of a CIFAR binary archive (tar, gzipped or plain).
func readCIFAR(file string, hundred bool) (train, test *Images, err error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	r, err := maybeGzip(f)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", file, err)
	}
	name, classes, labelBytes := "cifar10", cifar10Classes, 1
	if hundred {
		name, classes, labelBytes = "cifar100", numbered(100), 2
	}
	train = &Images{Name: name + " train", H: cifarSide, W: cifarSide, C: 3, Classes: slices.Clone(classes)}
	test = &Images{Name: name + " test", H: cifarSide, W: cifarSide, C: 3, Classes: train.Classes}
	for t := tar.NewReader(r); ; {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", file, err)
		}
		switch base := path.Base(h.Name); {
		case base == "fine_label_names.txt":
			text, err := io.ReadAll(io.LimitReader(t, 1<<16))
			if err != nil {
				return nil, nil, fmt.Errorf("%s: %s: %w", file, base, err)
			}
			if names := strings.Fields(string(text)); len(names) == len(classes) {
				copy(train.Classes, names)
			}
		case !strings.HasSuffix(base, ".bin"):
		case strings.HasPrefix(base, "test"):
			err = test.appendCIFAR(t, file+": "+base, labelBytes)
		default:
			err = train.appendCIFAR(t, file+": "+base, labelBytes)
		}
		if err != nil {
			return nil, nil, err
		}
	}
	return train, test, errors.Join(train.check(), test.check())
}
