package main

import (
	"fmt"
	"os"
	"time"

	"github.com/mattn/go-isatty"
)

// progressLine is one line on the terminal that changes; without a terminal it shows nothing.
type progressLine struct {
	terminal bool
	began    time.Time
	last     time.Time
}

func newProgressLine() *progressLine {
	return &progressLine{terminal: isatty.IsTerminal(os.Stderr.Fd()), began: time.Now()}
}

// show replaces the line.
func (p *progressLine) show(s string) {
	if p.terminal {
		fmt.Fprintf(os.Stderr, "\r%s\x1b[K", s)
	}
}

// count shows how far work of the given number of steps is, how fast it goes and how long it will take, ten times a second at most.
func (p *progressLine) count(done, all int, what string) {
	if !p.terminal || time.Since(p.last) < 100*time.Millisecond {
		return
	}
	p.last = time.Now()
	p.show(progressText(done, all, what, time.Since(p.began)))
}

func progressText(done, all int, what string, spent time.Duration) string {
	s := fmt.Sprintf("%d of %d %s", done, all, what)
	if done > 0 {
		left := time.Duration(float64(spent) / float64(done) * float64(all-done))
		s += fmt.Sprintf(", %.0f a second, %s left", float64(done)/max(spent.Seconds(), 1e-9), left.Round(time.Second))
	}
	return s
}

// end clears the line.
func (p *progressLine) end() { p.show("") }
