package data

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
)

// ReadIDX reads an array of unsigned bytes in the IDX format of MNIST (LeCun et al., http://yann.lecun.com/exdb/mnist), gzipped or plain.
// name is for errors.
func ReadIDX(r io.Reader, name string) (shape []int, bytes []uint8, err error) {
	r, err = maybeGzip(r)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", name, err)
	}
	var magic [4]byte
	if _, err := io.ReadFull(r, magic[:]); err != nil {
		return nil, nil, fmt.Errorf("%s: IDX header: %w", name, truncated(err))
	}
	if magic[0] != 0 || magic[1] != 0 {
		return nil, nil, fmt.Errorf("%s: no IDX file: begins with % x, want 00 00", name, magic)
	}
	if magic[2] != 8 {
		return nil, nil, fmt.Errorf("%s: IDX element type 0x%02x: only 0x08 (unsigned bytes) is read", name, magic[2])
	}
	if magic[3] < 1 || magic[3] > 4 {
		return nil, nil, fmt.Errorf("%s: IDX array of %d axes, want 1 to 4", name, magic[3])
	}
	total := 1
	for i := range int(magic[3]) {
		var d uint32
		if err := binary.Read(r, binary.BigEndian, &d); err != nil {
			return nil, nil, fmt.Errorf("%s: IDX header: %w", name, truncated(err))
		}
		if d > 0 && total > maxBytes/int(d) {
			return nil, nil, fmt.Errorf("%s: IDX axis %d of %d makes more than %d bytes", name, i, d, maxBytes)
		}
		shape, total = append(shape, int(d)), total*int(d)
	}
	bytes, err = readExactly(r, total)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: IDX array %v: %w", name, shape, err)
	}
	return shape, bytes, nil
}

// readExactly reads n bytes and the end of the stream. It reserves memory as the bytes come, so that a header that lies costs nothing.
func readExactly(r io.Reader, n int) ([]byte, error) {
	var b bytes.Buffer
	b.Grow(min(n, 64<<20))
	got, err := io.Copy(&b, io.LimitReader(r, int64(n)))
	if err != nil {
		return nil, truncated(err)
	}
	if got < int64(n) {
		return nil, fmt.Errorf("file ends after %d of %d bytes", got, n)
	}
	var extra [1]byte
	if m, err := io.ReadFull(r, extra[:]); m > 0 {
		return nil, fmt.Errorf("bytes follow the %d that the header announces", n)
	} else if err != io.EOF {
		return nil, err // a bad gzip checksum, say
	}
	return b.Bytes(), nil
}

// truncated names the end of a file that came too early.
func truncated(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("file is cut short: %w", io.ErrUnexpectedEOF)
	}
	return err
}

// maybeGzip decompresses r if it begins like a gzip file.
func maybeGzip(r io.Reader) (io.Reader, error) {
	b := bufio.NewReaderSize(r, 1<<16)
	if head, _ := b.Peek(2); len(head) == 2 && head[0] == 0x1f && head[1] == 0x8b {
		return gzip.NewReader(b)
	}
	return b, nil
}

// idxImages joins an image array and a label array.
func idxImages(name string, images, labels io.Reader, classes []string) (*Images, error) {
	shape, pix, err := ReadIDX(images, name+" images")
	if err != nil {
		return nil, err
	}
	if len(shape) == 3 {
		shape = append(shape, 1)
	}
	if len(shape) != 4 {
		return nil, fmt.Errorf("%s images: IDX array %v, want [N, rows, columns] or [N, rows, columns, channels]", name, shape)
	}
	lshape, lab, err := ReadIDX(labels, name+" labels")
	if err != nil {
		return nil, err
	}
	if len(lshape) != 1 || lshape[0] != shape[0] {
		return nil, fmt.Errorf("%s: labels %v for images %v", name, lshape, shape)
	}
	s := &Images{Name: name, N: shape[0], H: shape[1], W: shape[2], C: shape[3], Pix: pix, Labels: make([]int32, len(lab)), Classes: classes}
	top := 0
	for i, l := range lab {
		s.Labels[i] = int32(l)
		top = max(top, int(l))
	}
	if s.Classes == nil {
		s.Classes = numbered(top + 1)
	}
	return s, s.check()
}

// idxFiles reads an image file and its label file.
func idxFiles(name, images, labels string, classes []string) (*Images, error) {
	fi, err := os.Open(images)
	if err != nil {
		return nil, err
	}
	defer fi.Close()
	fl, err := os.Open(labels)
	if err != nil {
		return nil, err
	}
	defer fl.Close()
	return idxImages(name, fi, fl, classes)
}

// numbered names n classes "0", "1", ….
func numbered(n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprint(i)
	}
	return names
}
