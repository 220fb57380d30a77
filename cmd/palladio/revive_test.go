//go:build unix && gpu && cgo

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"palladio/cuda"
	"palladio/cuda/driver"
	"palladio/engine/search/folder"
	"palladio/engine/search/ledger"
)

// envPlant makes this test's program palladio itself, with a simulated GPU that this process loses for good at the n-th launch. It says at which, process by process:
// "900 0" leaves the second one alone, and what comes after the last number is as that.
const envPlant = "PALLADIO_TEST_PLANT"

func TestMain(m *testing.M) {
	plant := strings.Fields(os.Getenv(envPlant))
	if len(plant) == 0 {
		os.Exit(m.Run())
	}
	times, _, _ := strings.Cut(os.Getenv(envRevived), " ")
	number, _ := strconv.Atoi(times)
	launches, err := strconv.Atoi(plant[min(number, len(plant)-1)])
	if err != nil {
		panic(err)
	}
	driver.FailAfter(launches)
	os.Exit(run(os.Args[1:]))
}

// planted runs palladio in an own process.
func planted(t *testing.T, plant string, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	c := exec.Command(os.Args[0], args...)
	c.Env = append(os.Environ(), envPlant+"="+plant)
	var out, complaints strings.Builder
	c.Stdout, c.Stderr = &out, &complaints
	err = c.Run()
	return out.String(), complaints.String(), err
}

const reviveStudy = `
study: revive
seed: 3
problem: {kind: image-classification, data: fashion10k, train: 64, validate: 32, epochs: 1, batch: 32, rate: 0.01, machine: this}
space:
  resolution: {ordered: [12]}
  stem: {int: [4, 4], step: 4}
  activation: {choice: [relu, silu]}
  stages:
    length: [1, 1]
    list:
      record:
        block: {choice: [plain]}
        depth: {int: [1, 1]}
        width: {int: [8, 16], step: 8}
        kernel: {ordered: [3, 5]}
        expansion: {int: [1, 1]}
objectives: [{maximise: accuracy}, {minimise: params}]
strategy: random
budget: {trials: 5}
lag: 2
`

// studied reads how a study's trials ended.
func studied(t *testing.T, dir string) (trials []ledger.Trial, attempts [][]ledger.Attempt, essence string) {
	t.Helper()
	s, err := folder.Open(context.Background(), dir, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if trials, err = s.Trials(context.Background()); err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, tr := range trials {
		_, as, err := s.Trial(context.Background(), tr.Number)
		if err != nil {
			t.Fatal(err)
		}
		attempts = append(attempts, as)
		delete(tr.Metrics, "latency_us") // rests on peaks that each study measures when it begins
		metrics, err := json.Marshal(tr.Metrics)
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, fmt.Sprintf("%d %s %s %s", tr.Number, tr.State, tr.Candidate, metrics))
	}
	for _, tr := range s.Front(trials) {
		lines = append(lines, fmt.Sprint("front ", tr.Number))
	}
	return trials, attempts, strings.Join(lines, "\n")
}

// TestSearchSurvivesLostGPU loses the GPU for good in the middle of a study, twice: palladio goes on in new processes and ends with the study that nothing disturbed.
func TestSearchSurvivesLostGPU(t *testing.T) {
	t.Setenv(cuda.EnvCache, t.TempDir())
	t.Setenv(cuda.EnvDevice, "")
	t.Setenv(cuda.EnvTimeout, "")
	t.Chdir(t.TempDir())
	if err := os.WriteFile("study.yaml", []byte(reviveStudy), 0o666); err != nil {
		t.Fatal(err)
	}
	args := []string{"search", "run", "study.yaml", "--device", "cuda:sim", "--workers", "2"}
	if _, complaints, err := planted(t, "0", append(args, "--out", "calm")...); err != nil || complaints != "" {
		t.Fatalf("undisturbed: %v\n%s", err, complaints)
	}
	_, _, want := studied(t, "calm")
	out, complaints, err := planted(t, "150 100 0", append(args, "--out", "lost")...)
	if err != nil {
		t.Fatalf("%v\n%s\n%s", err, out, complaints)
	}
	for _, want := range []string{"CUDA_ERROR_ILLEGAL_ADDRESS", "only a new process can use this GPU again", "a new process goes on with the work (1 of at most"} {
		if !strings.Contains(complaints, want) {
			t.Errorf("no %q in:\n%s", want, complaints)
		}
	}
	if n := strings.Count(complaints, "a new process goes on"); n != 2 {
		t.Errorf("%d new processes, want 2:\n%s", n, complaints)
	}
	_, attempts, got := studied(t, "lost")
	if got != want {
		t.Errorf("the study ended as\n%s\nundisturbed it ends as\n%s", got, want)
	}
	lost := 0
	for n, as := range attempts {
		answers := 0
		for _, a := range as {
			switch a.Outcome {
			case ledger.Answered:
				answers++
			case ledger.Lost:
				lost++
			}
		}
		if answers != 1 {
			t.Errorf("trial %d was answered %d times", n, answers)
		}
	}
	if lost < 2 {
		t.Errorf("%d attempts were lost with their process, want at least 2", lost)
	}
}

// TestRevivalEnds gives up where each new process loses the GPU at once. A trial that was there five times has failed; the next one is no longer blamed.
func TestRevivalEnds(t *testing.T) {
	t.Setenv(cuda.EnvCache, t.TempDir())
	t.Chdir(t.TempDir())
	if err := os.WriteFile("study.yaml", []byte(strings.Replace(reviveStudy, "lag: 2", "lag: 1", 1)), 0o666); err != nil {
		t.Fatal(err)
	}
	out, complaints, err := planted(t, "1", "search", "run", "study.yaml", "--device", "cuda:sim")
	if err == nil || !strings.Contains(complaints, "5 new processes in a row have lost the GPU without finishing anything, the first after: study revive: trial 0: engine: ") ||
		strings.Count(complaints, "a new process goes on") != maxRevivals {
		t.Errorf("%v\n%s\n%s", err, out, complaints)
	}
	trials, attempts, _ := studied(t, filepath.Join("runs", "revive"))
	if len(trials) != 2 || !strings.Contains(trials[0].Error, "lost 5 times together with its process") || trials[1].State.Final() || attempts[1][0].Result != nil {
		t.Errorf("the trials ended as %+v", trials)
	}
}

// TestTrainingSurvivesLostGPU goes on from the checkpoint, to the same weights; without a checkpoint the error says what to do.
func TestTrainingSurvivesLostGPU(t *testing.T) {
	t.Setenv(cuda.EnvCache, t.TempDir())
	t.Chdir(t.TempDir())
	args := []string{"train", "simplenet", "--genome", "4 p 8", "--size", "12", "--images", "64", "--batch", "32", "--epochs", "2", "--device", "cuda:sim", "--rate", "0.01", "--json"}
	weights := func(plant, name string, extra ...string) ([]byte, string, error) {
		_, complaints, err := planted(t, plant, append(append(args, "--out", name), extra...)...)
		b, _ := os.ReadFile(name)
		return b, complaints, err
	}
	want, complaints, err := weights("0", "calm.safetensors", "--checkpoint", "calm.checkpoint")
	if err != nil {
		t.Fatalf("%v\n%s", err, complaints)
	}
	got, complaints, err := weights("250 0", "lost.safetensors", "--checkpoint", "lost.checkpoint")
	if err != nil || !strings.Contains(complaints, "a new process goes on") {
		t.Fatalf("%v\n%s", err, complaints)
	}
	if string(got) != string(want) {
		t.Error("the weights are not those of a training that nothing disturbed")
	}
	_, complaints, err = weights("250 0", "none.safetensors")
	if err == nil || !strings.Contains(complaints, "with --checkpoint FILE it goes on by itself") {
		t.Errorf("without a checkpoint: %v\n%s", err, complaints)
	}
}

// TestDivergedLoss stops a training in half precision whose loss is no number any more, with an error that says what to do.
func TestDivergedLoss(t *testing.T) {
	t.Setenv(cuda.EnvCache, t.TempDir())
	t.Chdir(t.TempDir())
	_, complaints, err := planted(t, "0", "train", "simplenet", "--genome", "4 p 8", "--size", "8", "--images", "64", "--batch", "16", "--epochs", "1", "--device", "cuda:sim",
		"--precision", "f16", "--rate", "1e30", "--decay", "0", "--out", "weights.safetensors", "--checkpoint", "checkpoint")
	if err == nil || !strings.Contains(complaints, "the loss is NaN at step 2 (epoch 1): lower the learning rate or clip the gradients") {
		t.Errorf("%v\n%s", err, complaints)
	}
	if files, _ := os.ReadDir("."); len(files) > 0 {
		t.Errorf("weights of such a training are kept: %v", files)
	}
}
