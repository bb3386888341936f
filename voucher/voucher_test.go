package voucher_test

import (
	"crypto/rand"
	"errors"
	"strings"
	"testing"

	"talktime/models"
	"talktime/voucher"
)

func newCode(t *testing.T) string {
	t.Helper()
	code, err := voucher.New(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return code
}

// TestSlipsAreTold: no wrong digit and no swap of two digits makes a code of another.
func TestSlipsAreTold(t *testing.T) {
	t.Parallel()
	for range 200 {
		code := newCode(t)
		if got, err := voucher.Parse(code); err != nil || got != code {
			t.Fatalf("Parse(%q) = %q, %v", code, got, err)
		}
		for i := range code {
			for digit := range byte(10) {
				if slip := code[:i] + string('0'+digit) + code[i+1:]; slip != code {
					mistyped(t, slip)
				}
			}
			for j := range i {
				swapped := []byte(code)
				if swapped[i], swapped[j] = swapped[j], swapped[i]; string(swapped) != code {
					mistyped(t, string(swapped))
				}
			}
		}
		mistyped(t, code[1:])
		mistyped(t, code+"0")
	}
}

func mistyped(t *testing.T, typed string) {
	t.Helper()
	if got, err := voucher.Parse(typed); !errors.Is(err, voucher.ErrMistyped) || !errors.Is(err, models.ErrNoVoucher) {
		t.Fatalf("Parse(%q) = %q, %v", typed, got, err)
	}
}

// TestParse: the check digits make the number leave 1 when it is divided by 97, as 98 does, and 195 = 2·97 + 1.
func TestParse(t *testing.T) {
	t.Parallel()
	for typed, want := range map[string]string{
		"0000000000000098":            "0000000000000098",
		"0000-0000-0000-0195":         "0000000000000195",
		" 0000.0000 0000.0195 ":       "0000000000000195",
		"0000000000000001":            "", // it leaves 1, too, but check digits are 02 to 98
		"000000000000019５":            "",
		"":                            "",
		"0000000000000098#":           "",
		"-000000000000098":            "",
		strings.Repeat(" ", 70) + "0": "",
	} {
		got, err := voucher.Parse(typed)
		if (err == nil) != (want != "") || got != want {
			t.Errorf("Parse(%q) = %q, %v; want %q", typed, got, err, want)
		}
	}
}

func TestCodesAreNoSequence(t *testing.T) {
	t.Parallel()
	const many = 10_000
	seen, digits := map[string]bool{}, [voucher.Digits][10]int{}
	for range many {
		code := newCode(t)
		if seen[code] {
			t.Fatalf("%s twice", code)
		}
		seen[code] = true
		for i, c := range code {
			digits[i][c-'0']++
		}
	}
	// Each digit is as frequent as any other in all places that are drawn: 1000 of 10,000, of which 6 standard deviations are 180.
	for i := range voucher.Digits - 2 {
		for digit, n := range digits[i] {
			if n < 820 || n > 1180 {
				t.Errorf("place %d has the digit %d %d times in %d", i+1, digit, n, many)
			}
		}
	}
}

func TestHash(t *testing.T) {
	t.Parallel()
	code, secret := newCode(t), []byte("one")
	hash := voucher.Hash(secret, models.BatchVouchers, code)
	for _, other := range []string{
		voucher.Hash([]byte("two"), models.BatchVouchers, code), voucher.Hash(secret, models.BatchCards, code), voucher.Hash(secret, models.BatchVouchers, newCode(t)),
	} {
		if other == hash {
			t.Error("two hashes are the same")
		}
	}
	if len(hash) != 64 || strings.Contains(hash, code) {
		t.Errorf("hash %q", hash)
	}
	if got := voucher.Grouped("1234567890123456"); got != "1234 5678 9012 3456" {
		t.Error(got)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("0000 0000 0000 0098")
	f.Add("１")
	f.Fuzz(func(t *testing.T, typed string) {
		code, err := voucher.Parse(typed)
		if err == nil && len(code) != voucher.Digits {
			t.Errorf("%q became %q", typed, code)
		}
		if err != nil && code != "" {
			t.Errorf("%q is refused and %q", typed, code)
		}
	})
}
