// Package voucher knows what the codes of vouchers and the PINs of calling cards look like, and how likely it is to guess one.
//
// A code has 16 digits, since it is typed on a telephone: 14 that are drawn at random, and two check digits by ISO 7064
// MOD 97-10, the scheme of bank accounts (IBAN). 97 is a prime, and 10 leaves another remainder with each of the 16 places, so
// that every slip of one digit is told from a code, and every swap of two digits, neighbours or not: the remainder changes by
// (a−b)·10ⁿ or (a−b)·(10ᵐ−10ⁿ), which 97 does not divide. Of all other mistakes 96 in 97 are told. Damm's scheme would spend one
// digit less, but let pass every tenth of the other mistakes, each of which is a try.
package voucher

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"math/big"
	"strings"

	"talktime/models"
)

// Digits is how many digits a code has, of which the last two are check digits.
const Digits = 16

// Space is how many codes there are.
const Space = 100_000_000_000_000

// ErrMistyped is models.ErrNoVoucher for what cannot be a code, whoever made it: it is no try.
var ErrMistyped = fmt.Errorf("%w: a code has %d digits, and with these one is wrong or two are swapped", models.ErrNoVoucher, Digits)

// New draws a code. Random is crypto/rand.Reader, but for tests.
func New(random io.Reader) (string, error) {
	n, err := rand.Int(random, big.NewInt(Space))
	if err != nil {
		return "", fmt.Errorf("draw a code: %w", err)
	}
	return checked(fmt.Sprintf("%014d", n)), nil
}

// checked is digits with their two check digits: as a number it leaves 1 when it is divided by 97.
func checked(digits string) string {
	r := 0
	for _, c := range digits {
		r = (10*r + int(c-'0')) % 97
	}
	return fmt.Sprintf("%s%02d", digits, 98-100*r%97)
}

// Parse returns the code in what somebody typed, who may have put blanks, hyphens or points between the digits, or ErrMistyped.
func Parse(typed string) (string, error) {
	if len(typed) > 4*Digits {
		return "", ErrMistyped
	}
	code := strings.Map(func(c rune) rune {
		if c == ' ' || c == '-' || c == '.' {
			return -1
		}
		return c
	}, typed)
	if len(code) != Digits || strings.Trim(code, "0123456789") != "" || code != checked(code[:Digits-2]) {
		return "", ErrMistyped
	}
	return code, nil
}

// Hash is how a code of a kind is kept: without the secret nobody can find it by trying all codes, for which an ordinary hash
// would be fast enough. A PIN is no voucher, and a voucher no PIN.
func Hash(secret []byte, kind, code string) string {
	h := hmac.New(sha256.New, secret)
	_, _ = io.WriteString(h, kind+":"+code)
	return hex.EncodeToString(h.Sum(nil))
}

// Grouped is a code in groups of four digits, as people read it.
func Grouped(code string) string {
	var groups []string
	for len(code) > 4 {
		groups, code = append(groups, code[:4]), code[4:]
	}
	return strings.Join(append(groups, code), " ")
}
