package nn

import (
	"fmt"
	"math"
	"slices"
)

// Schedule gives the learning rate of each step, counted from 0.
type Schedule func(step int) float64

// ConstantRate is the same rate for ever.
func ConstantRate(lr float64) Schedule { return func(int) float64 { return lr } }

// StepDecay multiplies the rate by gamma every so many steps.
func StepDecay(lr float64, every int, gamma float64) Schedule {
	return func(step int) float64 { return lr * math.Pow(gamma, float64(step/max(every, 1))) }
}

// MultiStep multiplies the rate by gamma at each of the given steps.
func MultiStep(lr, gamma float64, at ...int) Schedule {
	return func(step int) float64 {
		r := lr
		for _, m := range at {
			if step >= m {
				r *= gamma
			}
		}
		return r
	}
}

// Cosine falls from high at step 0 to low at step steps-1 along half a cosine (Loshchilov and Hutter, 2017), and stays there.
func Cosine(high, low float64, steps int) Schedule {
	return func(step int) float64 {
		t := progress(step, steps)
		return low + (high-low)*(1+math.Cos(math.Pi*t))/2
	}
}

// progress is 0 at step 0 and 1 at the last of the steps.
func progress(step, steps int) float64 {
	if steps < 2 {
		return 1
	}
	return math.Min(math.Max(float64(step)/float64(steps-1), 0), 1)
}

// CosinePower is cosine power annealing (Hundt et al., sharpDARTS, 2019): with e = 1 … T, c = (1+cos(πe/T))/2 and q = p^(c+1) (q = c for p = 1), the
// rate is q scaled so that the first of the T = steps steps has high and the last has low. A larger p falls sooner. With warm-up, the first warm+1 steps rise
// evenly to high, and T is steps-warm.
func CosinePower(high, low, p float64, steps, warm int) (Schedule, error) {
	if !(p >= 1) || math.IsInf(p, 1) {
		return nil, fmt.Errorf("cosine power annealing: power %v; want 1 or more", p)
	}
	if warm < 0 || steps-warm < 1 {
		return nil, fmt.Errorf("cosine power annealing: %d steps with %d of warm-up; want at least one after the warm-up", steps, warm)
	}
	last := steps - warm
	q := func(e int) float64 {
		c := (1 + math.Cos(math.Pi*float64(e)/float64(last))) / 2
		if p == 1 {
			return c
		}
		return math.Pow(p, c+1)
	}
	top, bottom := q(1), q(last)
	return func(step int) float64 {
		if step <= warm && warm > 0 {
			return low + (high-low)*float64(step+1)/float64(warm+1)
		}
		e := min(max(step+1-warm, 1), last)
		if top == bottom {
			return high
		}
		return low + (high-low)*(q(e)-bottom)/(top-bottom)
	}, nil
}

// WarmUp rises evenly over the first steps to the rate that s starts with, and then follows s from its beginning.
func WarmUp(steps int, s Schedule) Schedule {
	return func(step int) float64 {
		if step < steps {
			return s(0) * float64(step+1) / float64(steps+1)
		}
		return s(step - steps)
	}
}

// OneCycle rises from high/25 to high over the first rise part of the steps, and falls to high/250,000 at the last one, both along half a cosine
// (Smith and Topin, 2018).
func OneCycle(high float64, steps int, rise float64) (Schedule, error) {
	if steps < 2 || !(rise > 0 && rise < 1) {
		return nil, fmt.Errorf("one-cycle: %d steps with a rise of %v; want at least 2 steps, and a part between 0 and 1", steps, rise)
	}
	start, end := high/25, high/250000
	between := func(a, b, t float64) float64 { return b + (a-b)*(1+math.Cos(math.Pi*t))/2 }
	return func(step int) float64 {
		t := progress(step, steps)
		if t < rise {
			return between(start, high, t/rise)
		}
		return between(high, end, (t-rise)/(1-rise))
	}, nil
}

// ScheduleNames lists what ParseSchedule takes.
func ScheduleNames() []string {
	return []string{"constant", "cosine", "cosine_power", "one_cycle", "step"}
}

// NamedSchedule makes a schedule of a name from ScheduleNames, for a run of so many steps: cosine ends at 0, cosine_power (power 2) at high/1000,
// one_cycle rises over 30 % of the run, step divides by ten after one half and three quarters of it.
func NamedSchedule(name string, high float64, steps int) (Schedule, error) {
	switch name {
	case "constant":
		return ConstantRate(high), nil
	case "cosine":
		return Cosine(high, 0, steps), nil
	case "cosine_power":
		return CosinePower(high, high/1000, 2, max(steps, 1), 0)
	case "one_cycle":
		return OneCycle(high, max(steps, 2), 0.3)
	case "step":
		return MultiStep(high, 0.1, steps/2, steps*3/4), nil
	}
	names := ScheduleNames()
	slices.Sort(names)
	return nil, fmt.Errorf("unknown schedule %q: want one of %v", name, names)
}
