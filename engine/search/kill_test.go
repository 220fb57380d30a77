//go:build unix

package search_test

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"palladio/engine/search"
	"palladio/engine/search/ledger"
)

// The kill test runs a study in a child process and kills it with SIGKILL at random moments, many times over.
const (
	childEnv = "PALLADIO_KILL_TEST_DIR"
	kills    = 50
)

var killYAML = strings.NewReplacer("steps: 3", "steps: 3, delay_ms: 4", "trials: 60", "trials: 400", "study: zdt", "study: kill").Replace(studyYAML)

// child runs the study in dir until it is done or killed, and prints a line for each trial once it is durable.
func child(dir string) {
	fail := func(err error) {
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	f, err := search.ReadFile("kill.yaml", []byte(killYAML), search.Overrides{})
	fail(err)
	l, err := ledger.OpenSQLite(dir + "/study.db")
	fail(err)
	s, err := f.Study(ctx, l, "", nil)
	fail(err)
	s.MaxAttempts = 1000 // the trials are not to blame
	fmt.Println("up")
	_, err = s.Run(ctx, l, search.RunOptions{Workers: 3, Watch: func(e search.Event) {
		if e.Kind == search.Ended {
			fmt.Println("ended", e.Trial.Number, e.Trial.State, e.Trial.Metrics)
		}
	}})
	fail(err)
	os.Exit(0)
}

// TestKilledStudyLosesNothing kills a study 50 times. No finished trial may be lost, changed or done twice, and the study must end as one
// that was never killed.
func TestKilledStudyLosesNothing(t *testing.T) {
	s, l := begin(t, killYAML, t.TempDir())
	if _, err := s.Run(ctx, l, search.RunOptions{Workers: 4}); err != nil {
		t.Fatal(err)
	}
	want := essence(t, l, "kill")

	dir := t.TempDir()
	r := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 1))
	ended := map[string]string{} // trial: how it ended, as the child said
	for n := 0; n < kills; {
		killed, lines := runChild(t, dir, time.Duration(r.IntN(60_000))*time.Microsecond)
		for _, line := range lines {
			number, how, _ := strings.Cut(line, " ")
			if before, again := ended[number]; again {
				t.Fatalf("kill %d: trial %s ended twice: %s, then %s", n, number, before, how)
			}
			ended[number] = how
		}
		checkLedger(t, dir, ended)
		if killed {
			n++
		}
		if len(ended) == 400 {
			t.Fatalf("the study was done after %d kills: give it more trials", n)
		}
	}
	t.Logf("%d of 400 trials had ended after %d kills", len(ended), kills)

	s, l = begin(t, killYAML, dir)
	s.MaxAttempts = 1000
	if _, err := s.Run(ctx, l, search.RunOptions{Workers: 4}); err != nil {
		t.Fatal(err)
	}
	same(t, "after kills", essence(t, l, "kill"), want)
	checkLedger(t, dir, ended)
}

// runChild starts the child, kills it after a delay once it is up, and returns what it said.
func runChild(t *testing.T, dir string, delay time.Duration) (killed bool, lines []string) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+dir)
	var complaints strings.Builder
	cmd.Stderr = &complaints
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	up := make(chan struct{})
	var reading sync.WaitGroup
	reading.Go(func() {
		lines = collect(out, up)
	})
	select {
	case <-up:
	case <-time.After(time.Minute):
		t.Error("the child did not come up")
	}
	time.Sleep(delay)
	_ = cmd.Process.Signal(syscall.SIGKILL)
	reading.Wait()
	err = cmd.Wait()
	if complaints.Len() > 0 {
		t.Fatalf("the child complained: %s", complaints.String())
	}
	return err != nil, lines
}

func collect(out io.Reader, up chan struct{}) (lines []string) {
	in, open := bufio.NewScanner(out), false
	for in.Scan() {
		if line, ok := strings.CutPrefix(in.Text(), "ended "); ok {
			lines = append(lines, line)
		} else if in.Text() == "up" {
			close(up)
			open = true
		}
	}
	if !open {
		close(up) // it died before
	}
	return lines
}

// checkLedger wants every trial that was said to have ended to be in the ledger as said, answered by exactly one attempt.
func checkLedger(t *testing.T, dir string, ended map[string]string) {
	t.Helper()
	l, err := ledger.ReadSQLite(dir + "/study.db")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ts, err := l.Trials(ctx, "kill")
	if err != nil && len(ended) > 0 {
		t.Fatal(err)
	}
	if len(ts) < len(ended) {
		t.Fatalf("%d trials in the ledger, %d have ended", len(ts), len(ended))
	}
	for _, tr := range ts {
		how, said := ended[fmt.Sprint(tr.Number)]
		if now := fmt.Sprint(tr.State, " ", tr.Metrics); said && now != how {
			t.Fatalf("trial %d ended as %q and is now %q", tr.Number, how, now)
		}
		answers := 0
		as, err := l.Attempts(ctx, "kill", tr.Number)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range as {
			if a.Outcome == ledger.Answered {
				answers++
			}
		}
		if tr.State.Final() != (answers == 1) {
			t.Fatalf("trial %d is %s with %d answers", tr.Number, tr.State, answers)
		}
	}
}

func TestMain(m *testing.M) {
	if dir := os.Getenv(childEnv); dir != "" {
		child(dir)
	}
	os.Exit(m.Run())
}
