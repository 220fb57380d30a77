package data

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// breakingServer serves content, but closes the connection after the first 1000 bytes of a request from the start.
func breakingServer(t *testing.T, content string, ranges *[]string) *httptest.Server {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		*ranges = append(*ranges, r.Header.Get("Range"))
		if r.Header.Get("Range") == "" {
			w.Header().Set("Content-Length", "5000")
			w.Write([]byte(content[:1000]))
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		}
		http.ServeContent(w, r, "f", time.Time{}, strings.NewReader(content))
	}))
	t.Cleanup(s.Close)
	return s
}

func TestDownloadResumes(t *testing.T) {
	content := strings.Repeat("palladium", 556)[:5000]
	sum := sha256.Sum256([]byte(content))
	want := hex.EncodeToString(sum[:])
	var ranges []string
	s := breakingServer(t, content, &ranges)
	file := filepath.Join(t.TempDir(), "f")
	if err := download(context.Background(), s.URL, want, file, nil); err == nil {
		t.Fatal("a broken connection went unnoticed")
	}
	if _, err := os.Stat(file); err == nil {
		t.Fatal("half a file stands under the final name")
	}
	var last int64
	if err := download(context.Background(), s.URL, want, file, func(done, total int64) { last = done }); err != nil {
		t.Fatal(err)
	}
	if len(ranges) != 2 || ranges[1] != "bytes=1000-" || last != 5000 {
		t.Errorf("ranges %q, progress ended at %d", ranges, last)
	}
	if err := verify(file, want); err != nil {
		t.Error(err)
	}
}

func TestDownloadRefusesWrongContent(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Write([]byte("something else")) }))
	defer s.Close()
	file := filepath.Join(t.TempDir(), "f")
	err := download(context.Background(), s.URL, strings.Repeat("0", 64), file, nil)
	if err == nil || !strings.Contains(err.Error(), "sha256") {
		t.Errorf("error %v", err)
	}
	if left, _ := filepath.Glob(file + "*"); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestFetch(t *testing.T) {
	t.Setenv("PALLADIO_CACHE", t.TempDir())
	if _, err := Fetch(context.Background(), "imagenet", nil); err == nil || !strings.Contains(err.Error(), "cifar10") {
		t.Errorf("unknown name: error %v, want the names that there are", err)
	}
	dir, err := Fetch(context.Background(), "mnist", nil)
	if err != nil {
		t.Skipf("MNIST not reachable here: %v", err)
	}
	train, test, err := Open(context.Background(), "mnist", [2]int{})
	if err != nil {
		t.Fatal(err)
	}
	mean, std := train.Stats()
	if train.N != 60000 || test.N != 10000 || test.Labels[0] != 7 || mean[0] < .1306 || mean[0] > .1308 || std[0] < .308 || std[0] > .3082 {
		t.Errorf("%d + %d images, first test label %d, mean %v, deviation %v", train.N, test.N, test.Labels[0], mean, std)
	}
	// A damaged file must not be trusted blindly by a later run's reader.
	if err := os.WriteFile(filepath.Join(dir, testLabels), []byte("junk"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Open(context.Background(), "mnist", [2]int{}); err == nil {
		t.Error("a damaged cache opened")
	}
}
