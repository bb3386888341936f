package queues

import (
	"math"
	"math/bits"
	"strconv"
)

// Percent is the percentage that part is of whole, with two decimals, half a hundredth rounded away from zero; "0" of nothing.
func Percent(part, whole int64) string { return decimal(part, 100, whole) }

// Average is sum divided by count with two decimals, half a hundredth rounded away from zero; "0" of nothing.
func Average(sum, count int64) string { return decimal(sum, 1, count) }

// Mean is sum divided by count, half rounded away from zero; 0 of nothing.
func Mean(sum, count int64) int64 { return ratio(sum, 1, count) }

// decimal is a·factor ÷ b with two decimals.
func decimal(a, factor, b int64) string {
	if b == 0 {
		return "0"
	}
	hundredths := ratio(a, factor*100, b)
	text := make([]byte, 0, 24)
	if hundredths < 0 {
		text = append(text, '-')
	}
	u := magnitude(hundredths)
	text = strconv.AppendUint(text, u/100, 10)
	text = append(text, '.', '0'+byte(u/10%10), '0'+byte(u%10))
	return string(text)
}

// ratio is a·factor ÷ b exactly, half rounded away from zero; 0 where b is 0, and the largest number where there is none so large.
func ratio(a, factor, b int64) int64 {
	if b == 0 {
		return 0
	}
	negative := (a < 0) != (b < 0)
	divisor := magnitude(b)
	high, low := bits.Mul64(magnitude(a), magnitude(factor))
	low, carry := bits.Add64(low, divisor/2, 0) // an odd divisor has no half to round up
	high += carry
	quotient := uint64(math.MaxInt64)
	if high < divisor {
		quotient, _ = bits.Div64(high, low, divisor)
		quotient = min(quotient, math.MaxInt64)
	}
	if negative {
		return -int64(quotient)
	}
	return int64(quotient)
}

func magnitude(n int64) uint64 {
	if n < 0 {
		return -uint64(n) //nolint:gosec // the absolute value, of the smallest number too
	}
	return uint64(n)
}
