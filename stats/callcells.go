package stats

import (
	"cmp"
	"encoding/binary"
	"slices"

	"talktime/money"
)

// callCell is where calls are counted together.
type callCell struct {
	quarter int64 // of an hour, since 1970; 0 in what is counted by the day
	key     Key
}

// callCells counts calls of a day for a roll-up.
type callCells struct {
	quarters bool
	key      func(*Call) Key
	all      map[callCell]*Figures
}

func newCallCells(quarters bool, key func(*Call) Key) *callCells {
	return &callCells{quarters: quarters, key: key, all: make(map[callCell]*Figures)}
}

const quarterSeconds = 15 * 60

// AddCall implements CallCounter.
func (c *callCells) AddCall(call *Call) {
	at := callCell{key: c.key(call)}
	if c.quarters {
		at.quarter = floor(call.Start, quarterSeconds)
	}
	c.at(at).addCall(call)
}

func (c *callCells) at(at callCell) *Figures {
	f, ok := c.all[at]
	if !ok {
		f = &Figures{}
		c.all[at] = f
	}
	return f
}

func floor(n, unit int64) int64 {
	if n%unit < 0 {
		return n/unit - 1
	}
	return n / unit
}

func (k Key) compare(o Key) int {
	return cmp.Or(cmp.Compare(k.ID, o.ID), cmp.Compare(k.Text, o.Text), cmp.Compare(k.Name, o.Name))
}

// AppendTo implements CallCounter.
func (c *callCells) AppendTo(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(len(c.all)))
	var last int64
	for _, at := range c.sorted() {
		f := c.all[at]
		b = binary.AppendVarint(b, at.quarter-last)
		last = at.quarter
		b = binary.AppendVarint(b, at.key.ID)
		b = appendText(b, at.key.Text)
		b = appendText(b, at.key.Name)
		for _, n := range []int64{f.Attempts, f.Answered, f.Reached, f.Seconds, f.PDDCalls, f.PDDSum, int64(len(f.Sums))} {
			b = binary.AppendVarint(b, n)
		}
		for _, s := range f.Sums {
			b = appendText(b, s.Currency)
			b = binary.AppendVarint(b, int64(s.Revenue))
			b = binary.AppendVarint(b, int64(s.Cost))
		}
	}
	return b
}

func (c *callCells) sorted() []callCell {
	all := make([]callCell, 0, len(c.all))
	for at := range c.all {
		all = append(all, at)
	}
	slices.SortFunc(all, func(a, b callCell) int { return cmp.Or(cmp.Compare(a.quarter, b.quarter), a.key.compare(b.key)) })
	return all
}

// cellReader reads what AppendTo wrote; its first failure stays.
type cellReader struct {
	b   []byte
	err error
}

func (r *cellReader) number() int64 {
	n, used := binary.Varint(r.b)
	if used <= 0 {
		r.err, r.b = errCells, nil
		return 0
	}
	r.b = r.b[used:]
	return n
}

func (r *cellReader) text() string {
	text, rest, err := readText(r.b)
	if err != nil {
		r.err, r.b = errCells, nil
		return ""
	}
	r.b = rest
	return string(text)
}

// MergeFrom implements CallCounter.
func (c *callCells) MergeFrom(b []byte) error {
	n, b, err := readUvarint(b)
	if err != nil {
		return err
	}
	r := cellReader{b: b}
	var quarter int64
	for ; n > 0 && r.err == nil; n-- {
		quarter += r.number()
		at := callCell{quarter: quarter, key: Key{ID: r.number(), Text: r.text(), Name: r.text()}}
		f := Figures{Attempts: r.number(), Answered: r.number(), Reached: r.number(), Seconds: r.number(), PDDCalls: r.number(), PDDSum: r.number()}
		for sums := r.number(); sums > 0 && r.err == nil; sums-- {
			f.pay(Sum{r.text(), money.Amount(r.number()), money.Amount(r.number())})
		}
		if r.err == nil {
			c.at(at).Merge(&f)
		}
	}
	if r.err == nil && len(r.b) > 0 {
		r.err = errCells
	}
	return r.err
}
