package stats

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"talktime/dialcode"
)

// TestBuiltInCodes: all calling codes that there are have a name, and those that are longer belong to one of them.
func TestBuiltInCodes(t *testing.T) {
	t.Parallel()
	codes := BuiltInCodes()
	for _, code := range dialcode.Codes() {
		if codes[code] == "" {
			t.Errorf("%s has no name", code)
		}
	}
	for code, country := range codes {
		if country == "" || strings.TrimSpace(country) != country {
			t.Errorf("%s is called %q", code, country)
		}
		if !dialcode.Valid(code) && dialcode.Country(code+"5550100") == "" {
			t.Errorf("%s belongs to no calling code", code)
		}
	}
	if lines := strings.Count(countryCodes, "\n") + 1; lines != len(codes) {
		t.Errorf("%d lines, %d codes", lines, len(codes))
	}
	for code, country := range map[string]string{"1": "United States", "7": "Russia", "77": "Kazakhstan", "1242": "Bahamas", "1246": "Barbados", "49": "Germany", "44": "United Kingdom", "998": "Uzbekistan"} {
		if codes[code] != country {
			t.Errorf("%s is %q", code, codes[code])
		}
	}
}

// TestLongestCode finds what the slow way finds.
func TestLongestCode(t *testing.T) {
	t.Parallel()
	codes := BuiltInCodes()
	tree := newCodeTree(codes, true, []string{"0", "00", "011"})
	for number, want := range map[string]string{
		"1": "+1", "12125550100": "+1", "+12125550100": "+1", "12425550100": "+1242", "+12425550100": "+1242", "124": "+1", "1242": "+1242",
		"79161234567": "+7", "77011234567": "+77", "+77011234567": "+77", "4930123456": "+49", "+4930123456": "+49", "004930123456": "+49", "0114930123456": "+49",
		"++4930123456": "", "+004930123456": "", "030123456": "+30", // an operator who has 0 stripped wants it so
		"": "", "+": "", "00": "", "2": "", "21": "", "s": "", "*4930": "", "49*30": "+49", "999123": "", "2104": "",
	} {
		got := ""
		if i := tree.find([]byte(number)); i > 0 {
			got = tree.codes[i-1].shown
		}
		if got != want {
			t.Errorf("%q: %q, want %q", number, got, want)
		}
	}
	plain := newCodeTree(codes, false, nil)
	for _, code := range slices.Collect(maps.Keys(codes)) {
		for _, rest := range []string{"", "0", "5", "99", "242555"} {
			number, longest := code+rest, ""
			for other := range codes {
				if strings.HasPrefix(number, other) && len(other) > len(longest) {
					longest = other
				}
			}
			if i := plain.find([]byte(number)); i == 0 || plain.codes[i-1].shown != longest || plain.codes[i-1].country != codes[longest] {
				t.Errorf("%s: %d, want %s", number, i, longest)
			}
		}
	}
}

// TestForeignCodes: those of a server's table are shown as they are stored there, and what is none of digits does not count.
func TestForeignCodes(t *testing.T) {
	t.Parallel()
	tree := newCodeTree(Codes{"+49": "Deutschland", "44": "UK", "+44": "United Kingdom", "": "nowhere", "+": "x", "abc": "y", "4 9": "z", "4930": "Berlin"}, false, nil)
	for number, want := range map[string]string{"4940": "+49 Deutschland", "+4930": "4930 Berlin", "447": "44 UK", "33": ""} {
		got := ""
		if i := tree.find([]byte(number)); i > 0 {
			got = tree.codes[i-1].shown + " " + tree.codes[i-1].country
		}
		if got != want {
			t.Errorf("%s: %q, want %q", number, got, want)
		}
	}
}

// TestRuleOfCodes: it is another one exactly when something else would be counted.
func TestRuleOfCodes(t *testing.T) {
	t.Parallel()
	base := newCodeTree(Codes{"49": "Germany", "44": "UK"}, true, []string{"00", "011"}).rule()
	for name, same := range map[string]*codeTree{
		"another name": newCodeTree(Codes{"49": "Deutschland", "44": "UK"}, true, []string{"00", "011"}), "without +": newCodeTree(Codes{"49": "Germany", "44": "UK"}, false, []string{"011", "00"}),
		"stored with +": newCodeTree(Codes{"+49": "Germany", "44": "UK"}, false, []string{"00", "011"}),
	} {
		if same.rule() != base {
			t.Errorf("%s: %q, not %q", name, same.rule(), base)
		}
	}
	for name, other := range map[string]*codeTree{
		"one more": newCodeTree(Codes{"49": "Germany", "44": "UK", "1": "US"}, true, []string{"00", "011"}), "no prefixes": newCodeTree(Codes{"49": "Germany", "44": "UK"}, true, nil),
		"others": newCodeTree(Codes{"4": "Germany", "944": "UK"}, true, []string{"00", "011"}), "another prefix": newCodeTree(Codes{"49": "Germany", "44": "UK"}, true, []string{"00"}),
	} {
		if other.rule() == base {
			t.Errorf("%s: the rule is the same", name)
		}
	}
}
