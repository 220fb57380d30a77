// Command palladio is the command line of the engine: one file a verb, no logic of its own.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
)

// The exit statuses.
const (
	exitFailed      = 1
	exitUsage       = 2
	exitInterrupted = 130
)

// The checks of arguments; like cobra's own, but a failure is a usage error.
func noArgs(c *cobra.Command, args []string) error { return usage(cobra.NoArgs(c, args)) }
func exactArgs(n int) cobra.PositionalArgs         { return wrapArgs(cobra.ExactArgs(n)) }
func minArgs(n int) cobra.PositionalArgs           { return wrapArgs(cobra.MinimumNArgs(n)) }
func wrapArgs(f cobra.PositionalArgs) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		err := f(c, args)
		if err != nil && len(c.ValidArgs) > 0 {
			err = fmt.Errorf("%w: want %s", err, strings.Join(c.ValidArgs, ", "))
		}
		return usage(err)
	}
}

// group makes c a command that only holds others: called alone it prints its help, called with an unknown one it fails.
func group(c *cobra.Command, verbs ...*cobra.Command) *cobra.Command {
	c.AddCommand(verbs...)
	c.Args = cobra.ArbitraryArgs // else cobra answers an unknown command itself, as no usage error
	c.SuggestionsMinimumDistance = 2
	c.RunE = func(c *cobra.Command, args []string) error {
		if len(args) == 0 {
			return c.Help()
		}
		if near := c.SuggestionsFor(args[0]); len(near) > 0 {
			return usage(fmt.Errorf("%s: no command %q: did you mean %s?", c.CommandPath(), args[0], strings.Join(near, " or ")))
		}
		var names []string
		for _, v := range c.Commands() {
			names = append(names, v.Name())
		}
		return usage(fmt.Errorf("%s: no command %q: want %s", c.CommandPath(), args[0], strings.Join(names, ", ")))
	}
	return c
}

// usage marks an error, if it is one, as caused by the caller's arguments.
func usage(err error) error {
	if err == nil {
		return nil
	}
	return usageError{err}
}

// deviceError is the usage error of a device that cannot be opened: of --device, or, where that is not given, of what the environment says.
func deviceError(flag string, err error) error {
	if flag != "" {
		err = fmt.Errorf("--device: %w", err)
	}
	return usage(err)
}

// usageError marks an error that the caller's arguments caused.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func main() { os.Exit(run(os.Args[1:])) }

func run(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	root := newRoot()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	switch {
	case err == nil:
		return 0
	case ctx.Err() != nil && errors.Is(err, context.Canceled):
		fmt.Fprintln(os.Stderr, "interrupted")
		return exitInterrupted
	}
	fmt.Fprintln(os.Stderr, "palladio:", err)
	if r := new(revival); errors.As(err, r) {
		fmt.Fprintln(os.Stderr, "palladio:", r.start(os.Stderr, args)) // comes back only where it fails
	}
	if errors.As(err, new(usageError)) {
		return exitUsage
	}
	return exitFailed
}

func newRoot() *cobra.Command {
	root := group(&cobra.Command{
		Use:           "palladio",
		Short:         "GPU-accelerated compute and architecture search",
		SilenceUsage:  true,
		SilenceErrors: true,
	})
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return usageError{fmt.Errorf("%w (see %s --help)", err, c.CommandPath())}
	})
	root.AddCommand( // a line a verb
		newData(),
		newSearch(),
		newDevices(),
		newCheck(),
		newProfile(),
		newHW(),
		newBench(),
		newTrain(),
	)
	return root
}
