// Package money holds amounts as whole millionths of a currency unit.
//
// It never uses floating point and never rounds silently: every operation that can lose a fraction names its
// rounding, and every operation that can leave the range of 64 bits returns [ErrOverflow].
//
//	price, _ := money.Parse("0.0125")           // 12500 millionths
//	cost, _ := money.MulDiv(price, 90, 60, money.Up)
//	fmt.Println(cost)                           // 0.01875
package money

import (
	"errors"
	"fmt"
	"math/bits"
	"strconv"
	"strings"
)

// Amount is a signed number of millionths of a currency unit. Which unit is said by what the amount belongs to.
type Amount int64

// Unit is one whole unit of a currency.
const Unit Amount = 1_000_000

// decimals is how many digits after the point one millionth has.
const decimals = 6

// Max is the largest amount.
const Max Amount = 1<<63 - 1

// ErrOverflow reports a result that does not fit into 64 bits.
var ErrOverflow = errors.New("amount is out of range")

// Rounding says what becomes of a fraction of a millionth.
type Rounding int

// The roundings that prices need.
const (
	Down    Rounding = iota // toward zero
	Up                      // away from zero
	Nearest                 // to the nearest, halves away from zero
)

// Parse reads a decimal number such as "12", "-0.5" or "3.000001". An exponent, a thousands separator, more than
// six decimals or a number out of range is an error.
func Parse(s string) (Amount, error) {
	digits, negative := strings.CutPrefix(s, "-")
	if !negative {
		digits, _ = strings.CutPrefix(s, "+")
	}
	whole, fraction, point := strings.Cut(digits, ".")
	if whole == "" || point && fraction == "" || !allDigits(whole) || !allDigits(fraction) {
		if strings.Contains(s, ",") {
			return 0, fmt.Errorf("amount %q is not a decimal number: decimals stand behind a point", s)
		}
		return 0, fmt.Errorf("amount %q is not a decimal number", s)
	}
	if len(fraction) > decimals {
		return 0, fmt.Errorf("amount %q has more than %d decimals", s, decimals)
	}
	text := whole + fraction + strings.Repeat("0", decimals-len(fraction))
	if negative {
		text = "-" + text
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("amount %q: %w", s, ErrOverflow)
	}
	return Amount(n), nil
}

func allDigits(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r < '0' || r > '9' }) < 0
}

// String prints the shortest decimal that Parse reads back as the same amount: "600", "-0.25".
func (a Amount) String() string {
	sign, u := "", uint64(a)
	if a < 0 {
		sign, u = "-", -u
	}
	whole, fraction := u/uint64(Unit), u%uint64(Unit)
	if fraction == 0 {
		return sign + strconv.FormatUint(whole, 10)
	}
	return sign + strconv.FormatUint(whole, 10) + "." + strings.TrimRight(fmt.Sprintf("%06d", fraction), "0")
}

// Whole returns the whole units, truncated toward zero.
func (a Amount) Whole() int64 { return int64(a / Unit) }

// MarshalText makes amounts decimal strings in JSON.
func (a Amount) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (a *Amount) UnmarshalText(text []byte) error {
	v, err := Parse(string(text))
	if err == nil {
		*a = v
	}
	return err
}

// Add returns a+b, or ErrOverflow.
func Add(a, b Amount) (Amount, error) {
	sum := a + b
	if (sum > a) != (b > 0) && b != 0 {
		return 0, ErrOverflow
	}
	return sum, nil
}

// MulDiv returns a×b÷c with the intermediate product in 128 bits, rounded once as r says. It returns ErrOverflow
// when the result does not fit, and an error when c is zero.
func MulDiv(a Amount, b, c int64, r Rounding) (Amount, error) {
	if c == 0 {
		return 0, errors.New("division by zero")
	}
	negative := (a < 0) != (b < 0) != (c < 0)
	ua, ub, uc := magnitude(int64(a)), magnitude(b), magnitude(c)
	hi, lo := bits.Mul64(ua, ub)
	if hi >= uc {
		return 0, ErrOverflow
	}
	quotient, rest := bits.Div64(hi, lo, uc)
	if rest > 0 && (r == Up || r == Nearest && rest >= uc-rest) {
		quotient++
		if quotient == 0 {
			return 0, ErrOverflow
		}
	}
	switch {
	case negative && quotient <= 1<<63:
		return Amount(-quotient), nil
	case !negative && quotient < 1<<63:
		return Amount(quotient), nil
	}
	return 0, ErrOverflow
}

func magnitude(v int64) uint64 {
	if v < 0 {
		return -uint64(v)
	}
	return uint64(v)
}
