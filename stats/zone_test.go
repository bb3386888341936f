package stats_test

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"talktime/stats"
)

const zoneFile = "zone_id,country,region,prefix\n811,Fiji,Suva,679331\n812,Fiji,Suva,679330\n840,Fiji,Mobile,+6797\n840,Fiji,Mobile,6799\n" +
	"5101,New Zealand,Napier,646\n5100,New Zealand,,64\n" + `7,Trinidad & Tobago,"Port of Spain, east",1868` + "\r\n"

// TestZones reads a file of zones.
func TestZones(t *testing.T) {
	t.Parallel()
	z, err := stats.ReadZones(strings.NewReader("\ufeff"+zoneFile), nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := z.Countries(), []string{"Fiji", "New Zealand", "Trinidad & Tobago"}; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	want := map[string]map[string][]int64{
		"Fiji":        {"Fiji Suva": {811, 812}, "Fiji Mobile": {840}},
		"New Zealand": {"New Zealand": {5100}, "New Zealand Napier": {5101}},
	}
	if got := z.Regions([]string{"FIJI", "new zealand", "Atlantis", "Fiji"}); !reflect.DeepEqual(got, want) {
		t.Errorf("%v", got)
	}
	if got := z.Regions([]string{"Atlantis"}); len(got) != 0 {
		t.Errorf("%v", got)
	}
}

// TestZoneMistakes are told all at once, with their lines.
func TestZoneMistakes(t *testing.T) {
	t.Parallel()
	for text, says := range map[string][]string{
		"":                                {"there is no zone in it"},
		"zone_id,country,region,prefix\n": {"there is no zone in it"},
		"1,Fiji,Suva":                     {"line 1: there are 3 columns"},
		"zone_id,country,region,prefix\nx,Fiji,Suva,679\n0,Fiji,Suva,679\n1,,Suva,679\n1,Fiji,Suva,67a\n1,Fiji,Suva,\n": {
			`line 2: zone_id "x"`, `line 3: zone_id "0"`, "line 4: country", `line 5: prefix "67a"`, `line 6: prefix ""`,
		},
		"1,Fiji,Suva,679\n2,Fiji,Nadi,679\n":       {"line 2: prefix 679 is in line 1 already"},
		"1,Fiji,Suva,6791\n1,Fiji,Nadi,6792\n":     {"line 2: zone 1 is Fiji Nadi here, and Fiji Suva further up"},
		"1,Fiji,\"Su\nva,679\n":                    {"line 2"},
		"1,Fi\tji,Suva,679\n":                      {"line 1: country"},
		strings.Repeat("x,Fiji,Suva,679\n", 1000):  {"line 20"},
		"1," + strings.Repeat("x", 81) + ",,679\n": {"line 1: country"},
		"1,Fiji,Suva,1234567890123456\n":           {`line 1: prefix "1234567890123456" must have 1 to 15 digits`},
	} {
		_, err := stats.ReadZones(strings.NewReader(text), nil)
		if err == nil {
			t.Errorf("%.60q is taken", text)
			continue
		}
		for _, s := range says {
			if !strings.Contains(err.Error(), s) {
				t.Errorf("%.60q: %v lacks %q", text, err, s)
			}
		}
		if strings.Contains(err.Error(), "line 21") {
			t.Errorf("%.60q: too many mistakes are told", text)
		}
	}
}

// TestBuiltInZones: one for each country.
func TestBuiltInZones(t *testing.T) {
	t.Parallel()
	z := stats.BuiltInZones([]string{"00"})
	countries := z.Countries()
	if len(countries) < 200 || !slices.IsSorted(countries) {
		t.Errorf("%d countries", len(countries))
	}
	seen := make(map[int64]string)
	for country, regions := range z.Regions(countries) {
		if len(regions) != 1 || len(regions[country]) != 1 {
			t.Fatalf("%s: %v", country, regions)
		}
		id := regions[country][0]
		if seen[id] != "" {
			t.Errorf("%s and %s are both %d", seen[id], country, id)
		}
		seen[id] = country
	}
	for id, country := range map[int64]string{1: "United States", 49: "Germany", 679: "Fiji", 7: "Russia", 1809: "Dominican Republic"} {
		if seen[id] != country {
			t.Errorf("zone %d is %s of %d", id, seen[id], len(slices.Collect(maps.Keys(seen))))
		}
	}
}
