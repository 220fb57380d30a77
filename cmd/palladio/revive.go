package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"palladio/cuda"
)

// envRevived says how many processes in a row were started for the same work, because the one before could not use its GPU any more, without finishing a part of
// it; and why the first of them was.
const envRevived = "PALLADIO_REVIVED"

// maxRevivals is the number of such processes after which the work is given up. It is as often as a trial may be lost with its process: the last one gets past a
// trial that costs the GPU each time, and gives up where the next one does so, too.
const maxRevivals = 5

// beyondRepair says whether an error is that of a GPU which only a new process can use again.
func beyondRepair(err error) bool { return errors.Is(err, cuda.ErrBeyondRepair) }

// revival is an error after which a new process with the same arguments goes on with the work, because what was done so far is on disk.
type revival struct {
	error
	progress bool     // this process has finished a part of the work
	extra    []string // arguments that let the new process go on
}

func (r revival) Unwrap() error { return r.error }

// goesOn marks an error of work that a new process goes on with, if that helps.
func goesOn(err error, progress bool, extra ...string) error {
	if !beyondRepair(err) {
		return err
	}
	return revival{err, progress, extra}
}

// start turns this process into one that goes on with the work; it returns only where that is not possible, and says why.
func (r revival) start(w io.Writer, args []string) error {
	value := os.Getenv(envRevived)
	number, why, _ := strings.Cut(value, " ")
	times, _ := strconv.Atoi(number)
	if r.progress || times < 1 {
		times = 0
		why, _, _ = strings.Cut(r.Error(), "\n")
	}
	if times >= maxRevivals {
		return fmt.Errorf("%d new processes in a row have lost the GPU without finishing anything, the first after: %s", times, why)
	}
	fmt.Fprintf(w, "palladio: a new process goes on with the work (%d of at most %d in a row that finish nothing)\n", times+1, maxRevivals)
	env := slices.DeleteFunc(os.Environ(), func(s string) bool { return strings.HasPrefix(s, envRevived+"=") })
	env = append(env, fmt.Sprintf("%s=%d %s", envRevived, times+1, why))
	return fmt.Errorf("no new process can be started (start the same command again): %w", become(append(slices.Clone(args), r.extra...), env))
}
