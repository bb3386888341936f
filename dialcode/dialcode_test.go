package dialcode_test

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"talktime/dialcode"
)

func TestCountry(t *testing.T) {
	t.Parallel()
	for number, want := range map[string]string{
		"":                 "",
		"+":                "",
		"0":                "",
		"00":               "",
		"4930123456":       "49",
		"+4930123456":      "49",
		"004930123456":     "49",
		"030123456":        "", // of another town
		"0900123456":       "",
		"2345":             "", // an extension
		"493012":           "", // six digits
		"4930123":          "49",
		"+493012":          "", // too short to be abroad
		"0049301":          "",
		"+12125550100":     "1",
		"18765550100":      "1",
		"+79161234567":     "7",
		"77011234567":      "7",
		"+2348031234567":   "234",
		"+20212345678":     "20",
		"+211912345678":    "211",
		"+35312345678":     "353",
		"+420123456789":    "420",
		"+4212123456":      "421",
		"+423123456":       "423",
		"+442071234567":    "44",
		"+59899123000":     "598",
		"+5511912345678":   "55",
		"+6581234567":      "65",
		"+67012345678":     "670",
		"+85212345678":     "852",
		"+8613812345678":   "86",
		"+881612345678":    "881",
		"+882123456789":    "882",
		"+97912345678":     "979",
		"+99212345678":     "992",
		"+390612345":       "39",
		"+2101234567":      "", // no code
		"+4222222222":      "",
		"+9991234567":      "",
		"*4930123456":      "",
		"#0049301234567":   "",
		"+2348031234567#":  "234", // what stands behind does not hide it
		"00234*8031234567": "234",
		"0000493012345":    "",
		"++4930123456":     "",
	} {
		if got := dialcode.Country(number); got != want {
			t.Errorf("Country(%q) = %q, want %q", number, got, want)
		}
	}
}

func TestAbroad(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ home, number, want string }{
		{"", "+4930123456", "49"},
		{"49", "+4930123456", ""},
		{"49", "004930123456", ""},
		{"49", "+4420712345", "44"},
		{"49", "01149301234", ""}, // Torgau, not the code of a country
		{"1", "2125550100", "212"},
		{"1", "12125550100", ""},
		{"1", "0114930123456", "49"},
		{"1", "0112125550100", "212"},
		{"1", "+12125550100", ""},
	} {
		if got := dialcode.Abroad(c.home)(c.number); got != c.want {
			t.Errorf("Abroad(%q)(%q) = %q, want %q", c.home, c.number, got, c.want)
		}
	}
}

// TestCodes: there are as many as the ITU has assigned, and none begins another, so that the longest is the only one.
func TestCodes(t *testing.T) {
	t.Parallel()
	codes := dialcode.Codes()
	if len(codes) != 216 {
		t.Errorf("there are %d codes", len(codes))
	}
	for i, code := range codes {
		if !dialcode.Valid(code) {
			t.Errorf("%s is not valid", code)
		}
		if i > 0 && strings.HasPrefix(code, codes[i-1]) {
			t.Errorf("%s begins %s", codes[i-1], code)
		}
		if got := dialcode.Country("+" + code + "1234567"); got != code {
			t.Errorf("a number of %s is in %q", code, got)
		}
	}
	for _, none := range []string{"", "0", "4", "21", "42", "35", "999", "1234", "+49", "4 ", " "} {
		if dialcode.Valid(none) {
			t.Errorf("%q is valid", none)
		}
	}
}

// TestAnyText: whatever is dialled has a code or none, and + and 00 mean the same.
func TestAnyText(t *testing.T) {
	t.Parallel()
	codes := dialcode.Codes()
	rapid.Check(t, func(t *rapid.T) {
		number := rapid.StringMatching(`[0-9+*#]{0,20}`).Draw(t, "number")
		if code := dialcode.Country(number); code != "" && !slices.Contains(codes, code) {
			t.Fatalf("Country(%q) = %q", number, code)
		}
		digits := rapid.StringMatching(`[0-9]{0,20}`).Draw(t, "digits")
		if a, b := dialcode.Country("+"+digits), dialcode.Country("00"+digits); a != b {
			t.Fatalf("+%s is in %q, 00%s in %q", digits, a, digits, b)
		}
	})
}
