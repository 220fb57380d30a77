package vision

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"strconv"
	"time"

	"gorgonia.org/gorgonia"

	"palladio/engine"
	"palladio/engine/data"
	"palladio/engine/nn"
	"palladio/engine/op"
)

// FitOptions say how a classifier is trained.
type FitOptions struct {
	Epochs         int
	Batch          int
	Rule           nn.Rule // the optimiser
	Rate           float64 // highest learning rate
	Schedule       string  // of nn.ScheduleNames, over all the steps
	LabelSmoothing float64
	Clip           float64 // largest global norm of the gradients; 0: any
	Average        float64 // decay a step of the moving average of the weights, which is evaluated in their place; 0: none
	Augment        data.Augment
	Seed           uint64
	Precision      engine.Numerics // of the training steps; MixedF16 scales the loss
	Machine        []engine.Option // device, threads, profile
	// Checkpoint is a file that holds the state of the training after each epoch. With Resume, a training whose file is there goes on from it.
	Checkpoint string
	Resume     bool
	// Finished is given the machine of the training steps before it is closed, for its plan and its profile.
	Finished func(*engine.Machine) error
	// OnEpoch hears of every finished epoch and of the parameters that were evaluated. ErrStop ends the training in good order, any other
	// error is Fit's.
	OnEpoch func(Epoch, *nn.Params) error
}

// ErrStop is what OnEpoch returns to end a training early.
var ErrStop = errors.New("stop training")

// Epoch is the account of one epoch.
type Epoch struct {
	Epoch    int           `json:"epoch"` // from 1
	Loss     float64       `json:"loss"`  // mean over the training batches
	Accuracy float64       `json:"accuracy"`
	HeldLoss float64       `json:"held_loss"`
	Time     time.Duration `json:"time_ns"` // of training, without the evaluation
	Images   float64       `json:"images_per_second"`
}

// Fit trains net on a set and evaluates it on held-out images after every epoch. It returns the accounts of the epochs and the evaluated
// parameters: params, which are trained in place, or their moving average.
func Fit(ctx context.Context, net nn.Module, params *nn.Params, train, held *data.Images, o FitOptions) ([]Epoch, *nn.Params, error) {
	f, err := newTrainer(net, params, train, o)
	if err != nil {
		return nil, nil, err
	}
	defer f.vm.Close()
	mean, std := f.loader.Normalisation()
	ev, err := NewEvaluator(net, params, held, mean, std, o.Machine...)
	if err != nil {
		return nil, nil, err
	}
	defer ev.Close()
	var epochs []Epoch
	best := params
	if o.Average > 0 && f.first > 0 { // a resumed training may have nothing left to do
		if best, err = f.opt.Averaged(); err != nil {
			return nil, nil, err
		}
	}
	for e := f.first; e < o.Epochs; e++ {
		ep, err := f.epoch(ctx, e)
		if err != nil {
			return epochs, best, err
		}
		if o.Average > 0 {
			if best, err = f.opt.Averaged(); err != nil {
				return epochs, best, err
			}
		}
		if ep.Accuracy, ep.HeldLoss, err = ev.Evaluate(ctx, best); err != nil {
			return epochs, best, err
		}
		epochs = append(epochs, ep)
		if err := f.save(o.Checkpoint, params, ep.Epoch); err != nil {
			return epochs, best, err
		}
		if o.OnEpoch != nil {
			if err := o.OnEpoch(ep, best); errors.Is(err, ErrStop) {
				break
			} else if err != nil {
				return epochs, best, err
			}
		}
	}
	if o.Finished != nil {
		return epochs, best, o.Finished(f.vm)
	}
	return epochs, best, nil
}

// trainer is the compiled training step.
type trainer struct {
	loader   *data.Loader
	schedule nn.Schedule
	opt      *nn.Optimizer
	vm       *engine.Machine
	mixed    bool
	halves   bool // activations are F16, and the loss is scaled

	x      []float32 // the graph's inputs, filled in place
	y, y2  []int32
	lambda []float32
	cost   gorgonia.Value
	step   int
	first  int // epoch
}

func newTrainer(net nn.Module, params *nn.Params, train *data.Images, o FitOptions) (*trainer, error) {
	if o.Epochs < 1 {
		return nil, fmt.Errorf("fit: %d epochs: want at least 1", o.Epochs)
	}
	if !(o.Rate > 0) {
		return nil, fmt.Errorf("fit: learning rate %v: want above 0", o.Rate)
	}
	loader, err := data.NewLoader(train, data.LoaderOptions{Batch: o.Batch, Shuffle: true, Seed: o.Seed, DropLast: true, Augment: o.Augment})
	if err != nil {
		return nil, err
	}
	f := &trainer{loader: loader, mixed: o.Augment.Mixup > 0, halves: o.Precision == engine.MixedF16}
	if f.schedule, err = nn.NamedSchedule(o.Schedule, o.Rate, o.Epochs*loader.Batches()); err != nil {
		return nil, err
	}
	b := params.Build(gorgonia.NewGraph())
	x := b.Input("x", o.Batch, train.H, train.W, train.C)
	y := b.Labels("y", o.Batch)
	f.x, f.y = x.Value().Data().([]float32), y.Value().Data().([]int32)
	logits := net.Forward(b, x)
	if err := checkLogits(b, logits, len(train.Classes)); err != nil {
		return nil, err
	}
	loss := op.CrossEntropyOptions{Smoothing: o.LabelSmoothing}
	var cost *gorgonia.Node
	if f.mixed {
		y2, lambda := b.Labels("y2", o.Batch), b.Input("lambda", o.Batch)
		f.y2, f.lambda = y2.Value().Data().([]int32), lambda.Value().Data().([]float32)
		cost = b.MixupCrossEntropy(logits, y, y2, lambda, loss)
	} else {
		cost = b.CrossEntropy(logits, y, loss)
	}
	if b.Err() != nil {
		return nil, b.Err()
	}
	read := gorgonia.Read(cost, &f.cost)
	var opts []nn.OptimizerOption
	if o.Clip > 0 {
		opts = append(opts, nn.ClipNorm(o.Clip))
	}
	if o.Average > 0 {
		opts = append(opts, nn.Average(o.Average))
	}
	if f.halves {
		opts = append(opts, nn.ScaleLoss())
	}
	if f.opt, err = nn.NewOptimizer(b, cost, o.Rule, opts...); err != nil {
		return nil, err
	}
	f.vm = engine.New(b.Graph(), append([]engine.Option{engine.WithUpdate(f.opt), engine.Outputs(read), engine.Seed(o.Seed), engine.Precision(o.Precision), engine.Resident()}, o.Machine...)...)
	if o.Resume {
		err = f.resume(o.Checkpoint, params)
	}
	return f, err
}

// metaEpochs is the entry of a checkpoint that counts the finished epochs.
const metaEpochs = "epochs"

// save writes the state after so many epochs.
func (f *trainer) save(file string, params *nn.Params, epochs int) error {
	if file == "" {
		return nil
	}
	return nn.SaveCheckpoint(file, params, f.opt, map[string]string{metaEpochs: strconv.Itoa(epochs)})
}

// resume reads the state, if there is one.
func (f *trainer) resume(file string, params *nn.Params) error {
	meta, err := nn.LoadCheckpoint(file, params, f.opt)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if f.first, err = strconv.Atoi(meta[metaEpochs]); err != nil {
		return fmt.Errorf("resume from %s: it does not say how many epochs it has had", file)
	}
	f.step = f.first * f.loader.Batches()
	f.vm.SetStep(uint64(f.step))
	return nil
}

// checkLogits says whether a network ends in one logit a class.
func checkLogits(b *nn.Builder, logits *gorgonia.Node, classes int) error {
	if b.Err() != nil {
		return b.Err()
	}
	if s := logits.Shape(); s.Dims() != 2 || s[1] != classes {
		return fmt.Errorf("fit: the network's output is %v: want one row an image of %d logits, one a class", s, classes)
	}
	return nil
}

// epoch trains on every batch of epoch e.
func (f *trainer) epoch(ctx context.Context, e int) (Epoch, error) {
	start := time.Now()
	var loss float64
	images := 0
	for b, err := range f.loader.Epoch(ctx, e) {
		if err != nil {
			return Epoch{}, err
		}
		copy(f.x, b.X)
		copy(f.y, b.Y)
		if f.mixed {
			copy(f.y2, b.Y2)
			for i := range f.lambda {
				f.lambda[i] = b.Lambda
			}
		}
		f.opt.Step(f.schedule(f.step))
		if err := f.vm.RunAll(); err != nil {
			return Epoch{}, err
		}
		f.step++
		l := float64(f.cost.Data().(float32))
		if math.IsNaN(l) || math.IsInf(l, 0) {
			return Epoch{}, f.diverged(l, e+1)
		}
		loss += l * float64(b.N)
		images += b.N
	}
	if err := f.vm.Fetch(); err != nil { // evaluation, averages and checkpoints read the weights
		return Epoch{}, err
	}
	if err := f.checkScale(e + 1); err != nil {
		return Epoch{}, err
	}
	d := time.Since(start)
	return Epoch{Epoch: e + 1, Loss: loss / float64(images), Time: d, Images: float64(images) / d.Seconds()}, nil
}

// diverged is the error of a loss that is no number.
func (f *trainer) diverged(loss float64, epoch int) error {
	advice := "lower the learning rate or clip the gradients"
	if f.halves {
		advice += "; or numbers between the layers are beyond the range of f16 (65504), which the scale of the loss cannot change: train in bf16, which has the range of f32"
	}
	return fmt.Errorf("fit: the loss is %v at step %d (epoch %d): %s", loss, f.step, epoch, advice)
}

// checkScale says where the factor of the loss has come down to 1 and the gradients are still not finite: all steps are skipped from then on.
func (f *trainer) checkScale(epoch int) error {
	if !f.halves {
		return nil
	}
	state := func(name string) float32 { return f.opt.State().Get(name).Value.Data().([]float32)[0] }
	if state("loss_scale") > 1 || state("loss_scale/steps") > 0 {
		return nil
	}
	return fmt.Errorf("fit: at step %d (epoch %d) the gradients are not finite in f16 even with the loss as it is (a factor of 1): "+
		"lower the learning rate, or train in bf16, which has the range of f32", f.step, epoch)
}
