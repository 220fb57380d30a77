package engine

import (
	"io"
	"log"
	"os"
	"testing"
)

func TestMain(m *testing.M) {
	log.SetOutput(io.Discard) // some of gorgonia's operators log what they compute
	os.Exit(m.Run())
}
