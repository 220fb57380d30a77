package data

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/google/renameio/v2"
)

// CacheDir is where fetched files are kept: $PALLADIO_CACHE, or the user's cache folder.
func CacheDir() (string, error) {
	if d := os.Getenv("PALLADIO_CACHE"); d != "" {
		return d, nil
	}
	d, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("no cache folder: set PALLADIO_CACHE: %w", err)
	}
	return filepath.Join(d, "palladio"), nil
}

// sumFile is the SHA-256 of a file in hexadecimal.
func sumFile(file string) (string, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// verify says whether a file has the given SHA-256.
func verify(file, sum string) error {
	got, err := sumFile(file)
	if err != nil {
		return err
	}
	if got != sum {
		return fmt.Errorf("%s: sha256 is %s, want %s", file, got, sum)
	}
	return nil
}

// download brings url to file. An earlier partial download (file.part) is continued where the server allows it; the file appears under its name only
// when it is whole and its SHA-256 is right. progress, if not nil, hears the bytes so far and the total (-1 if unknown).
func download(ctx context.Context, url, sum, file string, progress func(done, total int64)) error {
	part := file + ".part"
	f, err := os.OpenFile(part, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := fetchInto(ctx, url, f, progress); err != nil {
		return fmt.Errorf("download %s: %w", url, err)
	}
	if err := verify(part, sum); err != nil {
		os.Remove(part) // a wrong file cannot be continued
		return fmt.Errorf("download %s: %w", url, err)
	}
	return errors.Join(f.Sync(), os.Rename(part, file))
}

// stall is how long a download may receive nothing before it is given up.
const stall = 30 * time.Second

func fetchInto(ctx context.Context, url string, f *os.File, progress func(done, total int64)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	watchdog := time.AfterFunc(stall, cancel)
	defer watchdog.Stop()

	have, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	if have > 0 {
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-", have))
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	switch {
	case resp.StatusCode == http.StatusPartialContent:
	case resp.StatusCode == http.StatusRequestedRangeNotSatisfiable && have > 0:
		return nil // the part is already whole; the checksum decides
	case resp.StatusCode == http.StatusOK:
		have = 0
		if err := f.Truncate(0); err != nil {
			return err
		}
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return err
		}
	default:
		return fmt.Errorf("server answers %s", resp.Status)
	}
	total := int64(-1)
	if resp.ContentLength >= 0 {
		total = have + resp.ContentLength
	}
	buf := make([]byte, 1<<17)
	for {
		n, err := resp.Body.Read(buf)
		watchdog.Reset(stall)
		if _, werr := f.Write(buf[:n]); werr != nil {
			return werr
		}
		have += int64(n)
		if progress != nil && n > 0 {
			progress(have, total)
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// copyFile puts a copy of src at dst, whole or not at all.
func copyFile(src, dst string) error {
	in, err := os.Open(src)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := renameio.NewPendingFile(dst, renameio.WithPermissions(0o644))
	if err != nil {
		return err
	}
	defer out.Cleanup()
	if _, err := io.Copy(out, in); err != nil {
		return fmt.Errorf("%s: %w", dst, err)
	}
	return out.CloseAtomicallyReplace()
}
