package stats

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"slices"
)

// Countries counts calls by the country of the number that was called: what asrstat reports. It is a Counter.
type Countries struct {
	codes *codeTree
	by    []country // by place in codes; the first is of numbers without a code
	names map[string]int32
}

// country is what is counted of one.
type country struct {
	talk     int64 // seconds
	calls    Set   // unique ids
	answered Set   // of those
	numbers  Set   // that were called
}

func newCountries(codes *codeTree) *Countries {
	return &Countries{codes: codes, by: make([]country, 1+len(codes.codes))}
}

// Add implements Counter.
func (c *Countries) Add(r *Record) {
	if string(r.LastApp) != "Dial" || fourDigits(r.Dst) {
		return
	}
	answered := false
	switch string(r.Disposition) {
	case "ANSWERED":
		answered = true
	case "NO ANSWER", "BUSY", "FAILED":
	default:
		return
	}
	x := &c.by[c.codes.find(r.Dst)]
	x.calls.Add(r.UniqueID)
	x.numbers.Add(r.Dst)
	if answered {
		x.answered.Add(r.UniqueID)
		x.talk += r.BillSec
	}
}

// AppendTo implements Counter.
func (c *Countries) AppendTo(b []byte) []byte {
	for i := range c.by {
		x := &c.by[i]
		if x.calls.Len() == 0 {
			continue
		}
		digits := ""
		if i > 0 {
			digits = c.codes.codes[i-1].digits
		}
		b = appendText(b, digits)
		b = binary.AppendUvarint(b, uint64(x.talk)) //nolint:gosec // seconds are not below 0
		b = x.numbers.AppendTo(x.answered.AppendTo(x.calls.AppendTo(b)))
	}
	return b
}

// MergeFrom implements Counter.
func (c *Countries) MergeFrom(b []byte) error {
	r := reader{b: bytes.Clone(b)} // which the sets keep
	for r.at < len(r.b) {
		x, talk := c.of(string(r.text())), r.uvarint()
		if r.failed || x == nil || talk > maxSeconds {
			return errCells
		}
		x.talk += int64(talk)
		x.calls.read(&r)
		x.answered.read(&r)
		x.numbers.read(&r)
	}
	if r.failed {
		return errCells
	}
	return nil
}

// of is what is counted of a code; nil: there is no such code.
func (c *Countries) of(digits string) *country {
	if c.names == nil {
		c.names = map[string]int32{"": 0}
		for _, node := range c.codes.nodes {
			if node.code != 0 {
				c.names[c.codes.codes[node.code-1].digits] = node.code
			}
		}
	}
	i, ok := c.names[digits]
	if !ok {
		return nil
	}
	return &c.by[i]
}

// Country is a line of asrstat.
type Country struct {
	Code     *string    `json:"country_code"` // nil: of numbers without a code
	Country  *string    `json:"country"`
	Answered int        `json:"answered_calls"`
	Calls    int        `json:"total_calls"`
	ASR      Hundredths `json:"asr_percentage"`
	Numbers  int        `json:"unique_destinations"`
	Talk     Hundredths `json:"total_talk_minutes"`
}

// Report are the lines of the report: most calls first, then by code, numbers without one last.
func (c *Countries) Report() []Country {
	var room scratch
	lines := []Country{}
	for i := range c.by {
		x := &c.by[i]
		calls, answered := x.calls.size(&room), x.answered.size(&room)
		if calls == 0 {
			continue
		}
		line := Country{nil, nil, answered, calls, percentage(int64(answered), int64(calls)), x.numbers.size(&room), minutes(x.talk)}
		if i > 0 {
			known := c.codes.codes[i-1]
			line.Code, line.Country = &known.shown, &known.country
		}
		lines = append(lines, line)
	}
	slices.SortFunc(lines, func(a, b Country) int {
		if byCalls := cmp.Compare(b.Calls, a.Calls); byCalls != 0 || a.Code == nil || b.Code == nil {
			return cmp.Or(byCalls, nullLast(a.Code, b.Code))
		}
		return cmp.Compare(*a.Code, *b.Code)
	})
	return lines
}

func nullLast(a, b *string) int {
	switch {
	case a == nil && b != nil:
		return 1
	case a != nil && b == nil:
		return -1
	}
	return 0
}
