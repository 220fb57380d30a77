package bench

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestValidateRoofline compares the committed results: large square products come within a fifth of the roofline.
func TestValidateRoofline(t *testing.T) {
	list, err := ValidateRoofline("results")
	if err != nil {
		t.Fatal(err)
	}
	large := 0
	for _, c := range list {
		if strings.Contains(c.What, "2048×2048×2048") {
			large++
			if e := c.Error(); e > 0.05 || e < -0.2 {
				t.Errorf("%s: error %.0f %%", c.What, 100*e)
			}
		}
	}
	if large == 0 {
		t.Error("no product of 2048 among the results")
	}
	if list, err := ValidateRoofline(filepath.Join(t.TempDir(), "none")); err != nil || len(list) != 0 {
		t.Errorf("a folder that is not there: %v, %v", list, err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "x.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ValidateRoofline(dir); err == nil || !strings.Contains(err.Error(), "x.json") {
		t.Errorf("a broken file: %v", err)
	}
}
