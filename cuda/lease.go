package cuda

import (
	"errors"
	"sync"

	"palladio/kernels"
)

// maxIdle is the number of devices of a name that are kept when nobody uses them.
const maxIdle = 4

// maxLoaded is the number of modules and of fault messages that such a device may have: those of generated kernels would pile up.
const maxLoaded = 2048

// idle are the devices that were leased and given back: a context takes a while to make, and its modules are loaded.
var idle = struct {
	sync.Mutex
	devices map[string][]*Device
}{devices: map[string][]*Device{}}

// Lease gives a device of a name for the caller's own use until Close, which gives it back for the next one.
func Lease(name string) (kernels.Device, error) {
	idle.Lock()
	if list := idle.devices[name]; len(list) > 0 {
		d := list[len(list)-1]
		idle.devices[name] = list[:len(list)-1]
		idle.Unlock()
		return &lease{Device: d}, nil
	}
	idle.Unlock()
	d, err := Open(name)
	if err != nil {
		return nil, err
	}
	return &lease{Device: d}, nil
}

// lease is a device in use.
type lease struct {
	*Device
	once sync.Once
}

// Close gives the device back, unless something is wrong with it or memory of it is still held.
func (l *lease) Close() error {
	var err error
	l.once.Do(func() {
		d := l.Device
		err = d.Sync()
		d.mu.Lock()
		clean := err == nil && d.dead == nil && len(d.modules) <= maxLoaded && len(d.faults) <= maxLoaded
		for m := range d.blocks {
			clean = clean && m.ours
		}
		d.mu.Unlock()
		if clean {
			idle.Lock()
			defer idle.Unlock()
			if list := idle.devices[d.name]; len(list) < maxIdle {
				idle.devices[d.name] = append(list, d)
				return
			}
		}
		err = errors.Join(err, d.Close())
	})
	return err
}
