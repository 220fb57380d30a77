// Package folder keeps a study in a folder: its ledger (study.db), its trials' files (trials/), its report (report.html) and what was exported from
// it (winner/). It is what the command line's search verbs are made of.
package folder

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/renameio/v2"

	"palladio/engine/hw"
	"palladio/engine/search"
	"palladio/engine/search/ledger"
	"palladio/engine/search/report"
	"palladio/engine/search/space"
)

// The files of a study's folder.
const (
	ledgerFile = "study.db"
	reportFile = "report.html"
	trialsDir  = "trials"
	winnerDir  = "winner"
)

// Folder is a study in a folder.
type Folder struct {
	Dir   string
	Name  string
	file  *search.File
	study *search.Study
	l     *ledger.SQLite
	// Source is the study file's name, for messages.
	Source string
}

// Begin opens the folder for a study file, or makes it, and prepares the problem.
func Begin(ctx context.Context, dir, source string, f *search.File) (*Folder, error) {
	l, err := ledger.OpenSQLite(filepath.Join(dir, ledgerFile))
	if err != nil {
		return nil, err
	}
	o := &Folder{Dir: dir, Name: f.Name, file: f, l: l, Source: source}
	if err := o.onlyStudy(ctx); err != nil {
		l.Close()
		return nil, err
	}
	machine, err := json.Marshal(hw.TakeFingerprint())
	if err == nil {
		o.study, err = f.Study(ctx, l, filepath.Join(dir, trialsDir), machine)
	}
	if err != nil {
		l.Close()
		return nil, err
	}
	return o, nil
}

// onlyStudy refuses a folder that holds a study of another name.
func (o *Folder) onlyStudy(ctx context.Context) error {
	all, err := o.l.Studies(ctx)
	if err != nil {
		return err
	}
	for _, s := range all {
		if s.Name != o.Name {
			return fmt.Errorf("%s holds the study %q, not %q: give another folder (--out)", o.Dir, s.Name, o.Name)
		}
	}
	return nil
}

// Open opens an existing study for looking at, or for going on with.
func Open(ctx context.Context, dir string, trials int, seconds float64) (*Folder, error) {
	path := filepath.Join(dir, ledgerFile)
	l, err := ledger.ReadSQLite(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s holds no study (there is no %s): see palladio search list", dir, path)
	}
	if err != nil {
		return nil, err
	}
	all, err := l.Studies(ctx)
	l.Close()
	if err != nil {
		return nil, err
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s: the study was never begun: run its file again", dir)
	}
	s := all[0]
	var settings struct{ Seed uint64 }
	if err := json.Unmarshal(s.Settings, &settings); err != nil {
		return nil, fmt.Errorf("%s: settings: %w", dir, err)
	}
	f, err := search.ReadFile(s.Name+".yaml, as kept in "+path, []byte(s.Source), search.Overrides{Seed: &settings.Seed, Trials: trials, Seconds: seconds})
	if err != nil {
		return nil, err
	}
	return Begin(ctx, dir, dir, f)
}

// Close closes the ledger.
func (o *Folder) Close() error { return o.l.Close() }

// File is the study's file.
func (o *Folder) File() *search.File { return o.file }

// Run works on the study.
func (o *Folder) Run(ctx context.Context, options search.RunOptions) (search.Status, error) {
	return o.study.Run(ctx, o.l, options)
}

// Study is the study as the ledger has it.
func (o *Folder) Study(ctx context.Context) (ledger.Study, error) { return o.l.Study(ctx, o.Name) }

// Trials are the study's trials.
func (o *Folder) Trials(ctx context.Context) ([]ledger.Trial, error) {
	return o.l.Trials(ctx, o.Name)
}

// Trial is one trial with its attempts.
func (o *Folder) Trial(ctx context.Context, n int) (ledger.Trial, []ledger.Attempt, error) {
	t, err := o.l.Trial(ctx, o.Name, n)
	if err != nil {
		return t, nil, err
	}
	as, err := o.l.Attempts(ctx, o.Name, n)
	return t, as, err
}

// Front is the trials that no other dominates.
func (o *Folder) Front(trials []ledger.Trial) []ledger.Trial { return o.study.Goals.Front(trials) }

// WriteReport writes the report and returns its path.
func (o *Folder) WriteReport(ctx context.Context) (string, error) {
	in, err := o.reportInput(ctx)
	if err != nil {
		return "", err
	}
	path := filepath.Join(o.Dir, reportFile)
	return path, replace(path, func(f io.Writer) error { return report.Write(f, in) })
}

func (o *Folder) reportInput(ctx context.Context) (report.Input, error) {
	in := report.Input{
		Goals: o.study.Goals, Metrics: o.file.Problem.Metrics(), Settings: o.file.Summary(), Strategies: o.file.Strategies(), Generated: time.Now(),
		ResumeWith: "palladio search resume " + o.Dir, ExportWith: "palladio search export " + o.Dir, Describe: o.Describe,
	}
	var err error
	if in.Study, err = o.Study(ctx); err != nil {
		return in, err
	}
	if in.Trials, err = o.Trials(ctx); err != nil {
		return in, err
	}
	var kept struct {
		Machine hw.Fingerprint
		Problem *hw.Machine
	}
	if err := json.Unmarshal(in.Study.Machine, &kept); err != nil {
		return in, fmt.Errorf("the machine of study %s: %w", o.Name, err)
	}
	in.Machine = kept.Machine
	if m := kept.Problem; m != nil && m.Name != "" {
		in.PricedFor = fmt.Sprintf("roofline of %s: %.1f GFLOP/s, %.1f GB/s, %.2f µs a call (%s)", m.Name, float64(m.F32)/1e9, float64(m.Bandwidth)/1e9, float64(m.Overhead)*1e6, m.Source)
	}
	in.Complete = o.complete(in.Study, in.Trials)
	w, ok := in.Goals.Winner(in.Trials)
	d, draws := o.file.Problem.(search.Drawer)
	if !ok || !draws {
		return in, nil
	}
	c, err := o.candidate(w)
	if err != nil {
		return in, err
	}
	drawing, err := d.Draw(c)
	if err != nil {
		return in, err
	}
	in.Drawing = &drawing
	return in, nil
}

// complete says whether the budget is used up.
func (o *Folder) complete(s ledger.Study, trials []ledger.Trial) bool {
	for _, t := range trials {
		if !t.State.Final() {
			return false
		}
	}
	b := o.study.Budget
	return b.Trials > 0 && len(trials) >= b.Trials || b.Seconds > 0 && s.Seconds >= b.Seconds
}

// Describe says what a trial's candidate is, in a few words where the problem can.
func (o *Folder) Describe(t ledger.Trial) string {
	if d, ok := o.file.Problem.(search.Describer); ok {
		if c, err := o.candidate(t); err == nil {
			return d.Describe(c)
		}
	}
	return string(t.Candidate)
}

func (o *Folder) candidate(t ledger.Trial) (space.Candidate, error) {
	return o.file.Space().Parse(t.Candidate)
}

// Export writes a trial (the winner where n is negative) as JSON, with what else the problem makes of it, into a folder ("": winner/ in the study's).
// It returns the folder and the names of its files.
func (o *Folder) Export(ctx context.Context, n int, dir string) (string, []string, error) {
	trials, err := o.Trials(ctx)
	if err != nil {
		return "", nil, err
	}
	t, err := o.choose(trials, n)
	if err != nil {
		return "", nil, err
	}
	if dir == "" {
		dir = filepath.Join(o.Dir, winnerDir)
		if n >= 0 {
			dir = filepath.Join(o.Dir, fmt.Sprintf("trial-%04d-export", n))
		}
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return "", nil, err
	}
	var written []string
	if e, ok := o.file.Problem.(search.Exporter); ok {
		c, err := o.candidate(t)
		if err != nil {
			return "", nil, err
		}
		if written, err = e.Export(c, filepath.Join(o.Dir, trialsDir, fmt.Sprintf("trial-%04d", t.Number)), dir); err != nil {
			return "", nil, fmt.Errorf("export of trial %d: %w", t.Number, err)
		}
	}
	const name = "trial.json"
	err = replace(filepath.Join(dir, name), func(f io.Writer) error {
		e := json.NewEncoder(f)
		e.SetIndent("", "  ")
		return e.Encode(map[string]any{"study": o.Name, "trial": t.Number, "candidate": t.Candidate, "metrics": t.Metrics, "note": t.Note})
	})
	return dir, append(written, name), err
}

func (o *Folder) choose(trials []ledger.Trial, n int) (ledger.Trial, error) {
	if n < 0 {
		w, ok := o.study.Goals.Winner(trials)
		if !ok {
			return w, fmt.Errorf("study %s has no finished trial within its constraints yet", o.Name)
		}
		return w, nil
	}
	if n >= len(trials) {
		return ledger.Trial{}, fmt.Errorf("trial %d: study %s has the trials 0 to %d", n, o.Name, len(trials)-1)
	}
	if t := trials[n]; t.State != ledger.Complete {
		return t, fmt.Errorf("trial %d is %s: only complete trials can be exported", n, t.State)
	}
	return trials[n], nil
}

// Listed is a study found by List.
type Listed struct {
	Dir     string               `json:"dir"`
	Name    string               `json:"name"`
	Created time.Time            `json:"created"`
	Seconds float64              `json:"seconds"`
	Trials  map[ledger.State]int `json:"trials"`
	Error   string               `json:"error,omitempty"` // why it cannot be read
}

// List finds the studies in the folders of root. A study that cannot be read is listed with the reason.
func List(ctx context.Context, root string) ([]Listed, error) {
	var out []Listed
	entries, err := os.ReadDir(root)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		dir := filepath.Join(root, e.Name())
		if strings.HasPrefix(e.Name(), ".") {
			continue
		}
		l, err := ledger.ReadSQLite(filepath.Join(dir, ledgerFile))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			out = append(out, Listed{Dir: dir, Error: err.Error()})
			continue
		}
		all, err := l.Studies(ctx)
		l.Close()
		if err != nil {
			out = append(out, Listed{Dir: dir, Error: err.Error()})
		}
		for _, s := range all {
			out = append(out, Listed{Dir: dir, Name: s.Name, Created: s.Created, Seconds: s.Seconds, Trials: s.Trials})
		}
	}
	return out, nil
}

// replace writes a file whole or not at all.
func replace(path string, write func(io.Writer) error) error {
	f, err := renameio.NewPendingFile(path, renameio.WithPermissions(0o644))
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	defer f.Cleanup()
	if err := write(f); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := f.CloseAtomicallyReplace(); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}
