package bench

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// contender runs workloads: ours at some level, or a rival.
type contender interface {
	name() string
	// measure spends about budget on w and returns the median seconds of one call and the mean of |output|. An error that wraps
	// errNotOffered says that the contender has no such operation.
	measure(ctx context.Context, w workload, budget time.Duration) (seconds, checksum float64, err error)
	close() error
}

var errNotOffered = errors.New("not offered")

// errRivalAbsent is wrapped by startPeer's error where the rival is not installed or does not start.
var errRivalAbsent = errors.New("not there")

// peer is a rival in its own process; bench/peers/protocol.h describes the conversation.
type peer struct {
	label   string
	version string
	cmd     *exec.Cmd
	in      io.WriteCloser
	out     *bufio.Reader
}

// peerSpec says how to start a rival.
type peerSpec struct {
	argv []string // a program, and scripts beside the rivals' sources
	path bool     // the program is found by PATH, else in the folder of the built rivals
	env  []string
	pin  bool // whether to pin it to one processor when it gets one thread, because it has no such setting of its own
}

// peerSpecs are the rivals by label.
var peerSpecs = map[string]peerSpec{
	"openblas":         {argv: []string{"openblas"}},
	"openblas-haswell": {argv: []string{"openblas"}, env: []string{"OPENBLAS_CORETYPE=Haswell"}},
	"onednn":           {argv: []string{"onednn"}},
	"onnxruntime":      {argv: []string{"venv/bin/python", "ort_peer.py"}},
	"jax":              {argv: []string{"venv/bin/python", "jax_peer.py"}, pin: true},
	"pytorch":          {argv: []string{"/usr/bin/python3", "torch_peer.py"}},
	torchGPU:           {argv: []string{"python3", "torch_gpu_peer.py"}, path: true},
	torchCompiled:      {argv: []string{"python3", "torch_gpu_peer.py"}, path: true, env: []string{"PEER_COMPILE=1"}},
}

// remedy says what the rival needs.
func (s peerSpec) remedy() string {
	if s.path {
		return "python3 needs a PyTorch that sees the GPU"
	}
	return "make peers installs it"
}

// startPeer starts a rival on some number of threads, or on the GPU that is measured.
func (o *Options) startPeer(ctx context.Context, label string, threads int) (*peer, error) {
	s := peerSpecs[label]
	argv := append([]string{}, s.argv...)
	if !s.path && !filepath.IsAbs(argv[0]) {
		argv[0] = filepath.Join(o.PeersDir, argv[0])
	}
	for i := 1; i < len(argv); i++ {
		argv[i] = filepath.Join(o.Scripts, argv[i])
	}
	if s.pin && threads == 1 {
		argv = append([]string{"taskset", "-c", "0"}, argv...)
	}
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	for _, e := range os.Environ() {
		if !strings.HasPrefix(e, "OPENBLAS_CORETYPE=") { // it would handicap the rival
			cmd.Env = append(cmd.Env, e)
		}
	}
	for _, v := range []string{"OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "PEER_THREADS"} {
		cmd.Env = append(cmd.Env, fmt.Sprintf("%s=%d", v, threads))
	}
	if o.Device != nil {
		cmd.Env = append(cmd.Env, "PEER_GPU="+strings.TrimPrefix(o.Device.Name(), "cuda:"))
	}
	cmd.Env = append(cmd.Env, s.env...)
	cmd.Stderr = io.Discard
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("rival %s: %w: %w (%s)", label, errRivalAbsent, err, s.remedy())
	}
	p := &peer{label: label, cmd: cmd, in: in, out: bufio.NewReader(out)}
	line, err := p.out.ReadString('\n')
	version, ok := strings.CutPrefix(strings.TrimSpace(line), "ready ")
	if err != nil || !ok {
		p.close()
		return nil, fmt.Errorf("rival %s: %w: it does not start (%s)", label, errRivalAbsent, s.remedy())
	}
	p.version = version
	return p, nil
}

func (p *peer) name() string { return p.label }

func (p *peer) measure(_ context.Context, w workload, budget time.Duration) (seconds, checksum float64, err error) {
	if _, err := fmt.Fprintf(p.in, "%s %g\n", w.request(), budget.Seconds()); err != nil {
		return 0, 0, fmt.Errorf("rival %s: %w", p.label, err)
	}
	line, err := p.out.ReadString('\n')
	if err != nil {
		return 0, 0, fmt.Errorf("rival %s ended at %q: %w", p.label, w.request(), err)
	}
	if reason, no := strings.CutPrefix(line, "no: "); no {
		return 0, 0, fmt.Errorf("rival %s: %s: %w", p.label, strings.TrimSpace(reason), errNotOffered)
	}
	if _, err := fmt.Sscanf(line, "ok %g %g", &seconds, &checksum); err != nil {
		return 0, 0, fmt.Errorf("rival %s answers %q: %w", p.label, line, err)
	}
	return seconds, checksum, nil
}

func (p *peer) close() error {
	p.in.Close()
	return p.cmd.Wait()
}
