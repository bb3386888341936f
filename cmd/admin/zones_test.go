package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestZonesSetting: a file of zones is read at the start, and what is wrong with it is told with its name and lines.
func TestZonesSetting(t *testing.T) {
	t.Parallel()
	if zones, err := readZones("", nil); zones != nil || err != nil {
		t.Errorf("%v, %v", zones, err)
	}
	name := filepath.Join(t.TempDir(), "zones.csv")
	if _, err := readZones(name, nil); err == nil || !strings.HasPrefix(err.Error(), "TALKTIME_ZONES: open "+name) {
		t.Error(err)
	}
	for text, says := range map[string]string{
		"zone_id,country,region,prefix\n811,Fiji,Suva,679331\n": "", "811,Fiji,Suva,679331\n812,Fiji,Suva\n": "TALKTIME_ZONES: " + name + ": line 2: there are 3 columns",
	} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		zones, err := readZones(name, nil)
		if says == "" && (err != nil || len(zones.Countries()) != 1) || says != "" && (err == nil || !strings.HasPrefix(err.Error(), says)) {
			t.Errorf("%q: %v, %v", text, zones, err)
		}
	}
}
