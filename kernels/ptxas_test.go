package kernels

import (
	"regexp"
	"testing"
)

// TestRegisters finds the registers of every entry point that ships.
func TestRegisters(t *testing.T) {
	entry := regexp.MustCompile(`(?m)^\.visible \.entry (\w+)\(`)
	for _, m := range PTXModules() {
		text, err := PTX(m)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entry.FindAllStringSubmatch(text, -1) {
			for _, capability := range []int{80, 89, 90, 100} {
				if n := Registers(m, e[1], capability); n < 4 || n > 255 {
					t.Errorf("%s %s on %d: %d registers", m, e[1], capability, n)
				}
			}
		}
	}
	if n := Registers("stream/stream", "stream_copy_f32", 75); n != 0 {
		t.Errorf("for a GPU older than the table: %d registers", n)
	}
	if n := Registers("stream/stream", "nothing", 90); n != 0 {
		t.Errorf("no such entry: %d registers", n)
	}
}
