package folder_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"palladio/engine/search"
	"palladio/engine/search/folder"
	"palladio/engine/search/ledger"
)

var ctx = context.Background()

const study = `study: zdt
problem: {kind: zdt1, dimensions: 3, steps: 3}
objectives: [{minimise: f1}, {minimise: f2}]
strategy: [{name: nsga2, population: 6}, random]
budget: {trials: 40}
lag: 3
early_stopping: {rule: median, from: 1, peers: 2}
`

func begin(t *testing.T, dir, source string) (*folder.Folder, error) {
	t.Helper()
	f, err := search.ReadFile("zdt.yaml", []byte(source), search.Overrides{})
	if err != nil {
		t.Fatal(err)
	}
	return folder.Begin(ctx, dir, "zdt.yaml", f)
}

func TestStudyInAFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "runs", "zdt")
	s, err := begin(t, dir, study)
	if err != nil {
		t.Fatal(err)
	}
	part, stop := context.WithCancel(ctx)
	_, err = s.Run(part, search.RunOptions{Workers: 2, Watch: func(e search.Event) {
		if e.Status.Finished == 15 {
			stop()
		}
	}})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("interrupted: got %v", err)
	}
	if page := writeReport(t, s); !strings.Contains(page, "The study is not finished") || !strings.Contains(page, "palladio search resume "+dir) {
		t.Error("the report of an interrupted study does not say how to go on")
	}
	s.Close()

	if s, err = folder.Open(ctx, dir, 0, 0); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	st, err := s.Run(ctx, search.RunOptions{Workers: 2})
	if err != nil || st.Finished != 40 || st.Inherited < 15 {
		t.Fatalf("resumed: %+v, %v", st, err)
	}
	page := writeReport(t, s)
	for _, want := range []string{"40 trials", "The front", "Hypervolume", "Learning curves", "nsga2", "data-trial=\"39\"", "<svg", "study: zdt"} {
		if !strings.Contains(page, want) {
			t.Errorf("the report lacks %q", want)
		}
	}
	checkExport(t, s, st)
	checkList(t, dir)
}

// writeReport writes the report and checks that it is one whole page that fetches nothing.
func writeReport(t *testing.T, s *folder.Folder) string {
	t.Helper()
	path, err := s.WriteReport(ctx)
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, fetches := range []string{"src=", "href=", "@import", "url(", "http:", "https:", "fetch("} {
		if strings.Contains(string(b), fetches) {
			t.Errorf("the page may fetch something: it holds %q", fetches)
		}
	}
	if !bytes.HasSuffix(bytes.TrimSpace(b), []byte("</html>")) {
		t.Error("the page is not whole")
	}
	if strings.Contains(string(b), "NaN") || strings.Contains(string(b), "Inf") || strings.Contains(string(b), "ZgotmplZ") {
		t.Error("the page holds a number that is none, or text that the template refused")
	}
	return string(b)
}

func checkExport(t *testing.T, s *folder.Folder, st search.Status) {
	t.Helper()
	dir, files, err := s.Export(ctx, -1, "")
	if err != nil || len(files) != 1 {
		t.Fatalf("exported %v, %v", files, err)
	}
	b, err := os.ReadFile(filepath.Join(dir, files[0]))
	var got struct {
		Trial   int
		Metrics map[string]float64
	}
	if err != nil || json.Unmarshal(b, &got) != nil || got.Trial != st.Winner.Number || got.Metrics["f1"] != st.Winner.Metrics["f1"] {
		t.Errorf("exported %s, want trial %+v (%v)", b, st.Winner, err)
	}
	if _, _, err := s.Export(ctx, 99, ""); err == nil || !strings.Contains(err.Error(), "trials 0 to 39") {
		t.Errorf("trial 99: got %v", err)
	}
	trials, err := s.Trials(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, tr := range trials {
		if tr.State == ledger.Stopped {
			if _, _, err := s.Export(ctx, tr.Number, ""); err == nil || !strings.Contains(err.Error(), "is stopped") {
				t.Errorf("a stopped trial: got %v", err)
			}
			return
		}
	}
	t.Error("no trial was stopped early: the test shows less than it should")
}

func checkList(t *testing.T, dir string) {
	t.Helper()
	root := filepath.Dir(dir)
	if err := os.MkdirAll(filepath.Join(root, "broken"), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "broken", "study.db"), bytes.Repeat([]byte("no ledger "), 100), 0o666); err != nil {
		t.Fatal(err)
	}
	found, err := folder.List(ctx, root)
	if err != nil || len(found) != 2 || found[0].Error == "" || found[1].Name != "zdt" || found[1].Trials[ledger.Complete] == 0 {
		t.Errorf("listed %+v, %v", found, err)
	}
	if found, err := folder.List(ctx, filepath.Join(root, "none")); err != nil || len(found) != 0 {
		t.Errorf("a folder that is not there: %v, %v", found, err)
	}
}

func TestFoldersHoldOneStudy(t *testing.T) {
	dir := t.TempDir()
	s, err := begin(t, dir, study)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Run(ctx, search.RunOptions{Workers: 1}); err != nil {
		t.Fatal(err)
	}
	s.Close()
	if _, err := begin(t, dir, strings.Replace(study, "study: zdt", "study: other", 1)); err == nil || !strings.Contains(err.Error(), `holds the study "zdt", not "other"`) {
		t.Errorf("got %v", err)
	}
	if _, err := folder.Open(ctx, t.TempDir(), 0, 0); err == nil || !strings.Contains(err.Error(), "holds no study") {
		t.Errorf("an empty folder: got %v", err)
	}
}
