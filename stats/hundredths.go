package stats

import "strconv"

// Hundredths is a figure with two decimals: 937 is 9.37. None is below 0.
type Hundredths int64

// minutes are seconds in minutes, rounded half away from zero.
func minutes(seconds int64) Hundredths { return Hundredths(ratio(seconds*100, 60)) }

// percentage is what part is of whole, rounded half away from zero; 0 of nothing.
func percentage(part, whole int64) Hundredths { return Hundredths(ratio(part*100*100, whole)) }

// ratio is a / b, rounded half away from zero; neither is below 0. It is 0 where b is.
func ratio(a, b int64) int64 {
	if b == 0 {
		return 0
	}
	return (2*a + b) / (2 * b)
}

// String writes one decimal or two: 0.0, 62.5, 9.37.
func (h Hundredths) String() string {
	b := strconv.AppendInt(nil, int64(h)/100, 10)
	tenths, rest := int64(h)%100/10, int64(h)%10
	b = append(b, '.', '0'+byte(tenths)) //nolint:gosec // a digit
	if rest != 0 {
		b = append(b, '0'+byte(rest)) //nolint:gosec // a digit
	}
	return string(b)
}

// MarshalJSON implements json.Marshaler.
func (h Hundredths) MarshalJSON() ([]byte, error) { return []byte(h.String()), nil }
