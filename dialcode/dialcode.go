// Package dialcode tells of a number to which country it leads: the calling codes of ITU-T E.164, without any database.
package dialcode

import (
	"slices"
	"strings"
)

// shortest is how many digits a number in another country has at least, its calling code included.
const shortest = 7

// longest is how many digits a calling code has at most.
const longest = 3

// zones are the calling codes by their first digit or digits: what stands behind a zone completes a code. The codes of services
// that belong to no country (freephone, satellites, premium) are among them: whoever is charged for them wants to know.
var zones = map[string]string{ //nolint:gochecknoglobals // a table that nobody changes
	"":   "1 7",
	"2":  "0 7",
	"21": "1 2 3 6 8",
	"22": "0 1 2 3 4 5 6 7 8 9",
	"23": "0 1 2 3 4 5 6 7 8 9",
	"24": "0 1 2 3 4 5 6 7 8 9",
	"25": "0 1 2 3 4 5 6 7 8",
	"26": "0 1 2 3 4 5 6 7 8 9",
	"29": "0 1 7 8 9",
	"3":  "0 1 2 3 4 6 9",
	"35": "0 1 2 3 4 5 6 7 8 9",
	"37": "0 1 2 3 4 5 6 7 8 9",
	"38": "0 1 2 3 5 6 7 9",
	"4":  "0 1 3 4 5 6 7 8 9",
	"42": "0 1 3",
	"5":  "1 2 3 4 5 6 7 8",
	"50": "0 1 2 3 4 5 6 7 8 9",
	"59": "0 1 2 3 4 5 6 7 8 9",
	"6":  "0 1 2 3 4 5 6",
	"67": "0 2 3 4 5 6 7 8 9",
	"68": "0 1 2 3 5 6 7 8 9",
	"69": "0 1 2",
	"8":  "1 2 4 6",
	"80": "0 8",
	"85": "0 2 3 5 6",
	"87": "0 8",
	"88": "0 1 2 3 6 8",
	"9":  "0 1 2 3 4 5 8",
	"96": "0 1 2 3 4 5 6 7 8",
	"97": "0 1 2 3 4 5 6 7 9",
	"99": "2 3 4 5 6 8",
}

// Codes returns all calling codes, in the order of their digits. Countries that share one, such as those of +1 and of +7, are one.
func Codes() []string {
	var codes []string
	for zone, ends := range zones {
		for end := range strings.FieldsSeq(ends) {
			codes = append(codes, zone+end)
		}
	}
	slices.Sort(codes)
	return codes
}

// Valid reports whether a text is a calling code.
func Valid(code string) bool {
	if code == "" || len(code) > longest {
		return false
	}
	return slices.Contains(strings.Fields(zones[code[:len(code)-1]]), code[len(code)-1:])
}

// Country is the calling code of a number as it is dialled, with or without + or 00 before it. It is empty for one that is at
// home: that begins with another 0, has fewer than 7 digits, or with no code at all.
func Country(number string) string {
	international := strings.TrimPrefix(number, "+")
	if international == number {
		international = strings.TrimPrefix(number, "00")
	}
	digits := 0
	for i := range len(international) {
		if international[i] >= '0' && international[i] <= '9' {
			digits++
		}
	}
	if digits < shortest {
		return ""
	}
	for n := min(longest, len(international)); n > 0; n-- { // no code begins another
		if Valid(international[:n]) {
			return international[:n]
		}
	}
	return ""
}

// Abroad is Country for whoever is in the country with a calling code: its own numbers are at home too. In that of code 1, 011
// stands before numbers in others. Without a home it is Country.
func Abroad(home string) func(number string) string {
	return func(number string) string {
		if home == "1" && strings.HasPrefix(number, "011") {
			number = "00" + strings.TrimPrefix(number, "011")
		}
		code := Country(number)
		if code == home {
			return ""
		}
		return code
	}
}
