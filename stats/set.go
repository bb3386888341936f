package stats

import (
	"bytes"
	"encoding/binary"
	"errors"
	"maps"
	"math/bits"
	"slices"
)

// Set is a set of texts of which most are telephone numbers or unique ids of Asterisk: these take eight bytes each in memory, and
// about four once they are written down. The zero value is an empty set.
type Set struct {
	numbers keySet
	ids     idSet
	named   map[string]*idSet // unique ids with something before them, as a systemname and - or the address of a server and /, by that
	texts   map[string]bool   // everything else
}

// A number is kept as its digits behind a 1, or behind a 2 where it began with +; a unique id as its second and counter.
const (
	maxDigits   = 18
	counterBits = 28
	secondBits  = 35
)

// Add puts a text into the set.
func (s *Set) Add(text []byte) {
	key, what := keyOf(text)
	switch what {
	case aNumber:
		s.numbers.add(key)
	case anID:
		s.ids.add(key)
	case aText:
		if i := bytes.LastIndexAny(text, "-/"); i >= 0 {
			if key, what := keyOf(text[i+1:]); what == anID {
				s.idsBehind(text[:i+1]).add(key)
				return
			}
		}
		if !s.texts[string(text)] {
			if s.texts == nil {
				s.texts = make(map[string]bool)
			}
			s.texts[string(text)] = true
		}
	}
}

// idsBehind are the unique ids with something before them.
func (s *Set) idsBehind(name []byte) *idSet {
	ids := s.named[string(name)]
	if ids == nil {
		if s.named == nil {
			s.named = make(map[string]*idSet)
		}
		ids = new(idSet)
		s.named[string(name)] = ids
	}
	return ids
}

// kindOfText is what a text may be kept as.
type kindOfText int

const (
	aText kindOfText = iota
	aNumber
	anID
)

// keyOf is the key of a number or a unique id. Among those of its kind every key stands for one text alone.
func keyOf(text []byte) (uint64, kindOfText) {
	digits, key := text, uint64(1)
	if len(text) > 0 && text[0] == '+' {
		digits, key = text[1:], 2
	}
	for i, c := range digits {
		switch {
		case isDigit(c) && i < maxDigits:
			key = 10*key + uint64(c-'0')
		case c == '.' && len(digits) == len(text):
			return idKey(text[:i], text[i+1:])
		default:
			return 0, aText
		}
	}
	if len(digits) == 0 {
		return 0, aText
	}
	return key, aNumber
}

func idKey(second, counter []byte) (uint64, kindOfText) {
	s, ok := plainNumber(second)
	c, well := plainNumber(counter)
	if !ok || !well || s >= 1<<secondBits || c >= 1<<counterBits {
		return 0, aText
	}
	return s<<counterBits | c, anID
}

// plainNumber reads digits without leading zeros.
func plainNumber(digits []byte) (n uint64, ok bool) {
	if len(digits) == 0 || len(digits) > maxDigits || digits[0] == '0' && len(digits) > 1 {
		return 0, false
	}
	for _, c := range digits {
		if !isDigit(c) {
			return 0, false
		}
		n = 10*n + uint64(c-'0')
	}
	return n, true
}

// Len is how many texts the set has.
func (s *Set) Len() int { return s.size(new(scratch)) }

// size is Len for whoever asks many sets, one after the other, with one scratch.
func (s *Set) size(t *scratch) int {
	n := s.numbers.size(t) + s.ids.size(t) + len(s.texts)
	for _, ids := range s.named {
		n += ids.size(t)
	}
	return n
}

// Merge puts everything of another set into this one.
func (s *Set) Merge(o *Set) {
	s.numbers.keys = append(s.numbers.keys, o.numbers.keys...)
	s.ids.merge(&o.ids)
	for name, ids := range o.named {
		s.idsBehind([]byte(name)).merge(ids)
	}
	for text := range o.texts {
		if s.texts == nil {
			s.texts = make(map[string]bool)
		}
		s.texts[text] = true
	}
}

// AppendTo writes the set behind b.
func (s *Set) AppendTo(b []byte) []byte {
	b = s.ids.appendTo(s.numbers.appendTo(b))
	b = binary.AppendUvarint(b, uint64(len(s.named)))
	for _, name := range slices.Sorted(maps.Keys(s.named)) {
		b = s.named[name].appendTo(appendText(b, name))
	}
	b = binary.AppendUvarint(b, uint64(len(s.texts)))
	for _, text := range slices.Sorted(maps.Keys(s.texts)) {
		b = appendText(b, text)
	}
	return b
}

var errCells = errors.New("a roll-up cannot be read")

// MergeFrom puts what AppendTo wrote into the set, and returns what stands behind it. The set keeps b, which must not change any more.
func (s *Set) MergeFrom(b []byte) (rest []byte, err error) {
	r := reader{b: b}
	s.read(&r)
	return r.rest()
}

// read puts the next set of a reader into this one.
func (s *Set) read(r *reader) {
	s.numbers.read(r)
	s.ids.read(r)
	for named := r.uvarint(); named > 0 && !r.failed; named-- {
		s.idsBehind(r.text()).read(r)
	}
	for texts := r.uvarint(); texts > 0 && !r.failed; texts-- {
		if s.texts == nil {
			s.texts = make(map[string]bool)
		}
		s.texts[string(r.text())] = true
	}
}

// reader reads what counters wrote. Once it has failed it reads nothing any more.
type reader struct {
	b      []byte
	at     int
	failed bool
}

// rest is what has not been read; errCells when it has failed.
func (r *reader) rest() ([]byte, error) {
	if r.failed {
		return nil, errCells
	}
	return r.b[r.at:], nil
}

// uvarint reads a number, as a rule a small one.
func (r *reader) uvarint() uint64 {
	if r.at < len(r.b) && r.b[r.at] < 0x80 {
		r.at++
		return uint64(r.b[r.at-1])
	}
	return r.largeUvarint()
}

func (r *reader) largeUvarint() uint64 {
	value, behind := uvarintAt(r.b, r.at)
	if behind < 0 {
		r.fail()
		return 0
	}
	r.at = behind
	return value
}

// text reads a length and as many bytes, which are part of b.
func (r *reader) text() []byte {
	n := r.uvarint()
	if n > uint64(len(r.b)-r.at) { //nolint:gosec // not below 0
		r.fail()
		return nil
	}
	begin := r.at
	r.at += int(n) //nolint:gosec // no more than there are
	return r.b[begin:r.at]
}

func (r *reader) fail() { r.failed, r.at = true, len(r.b) }

// keySet is a set of keys.
type keySet struct {
	keys []uint64
	tidy int // how many of them, from the first on, are sorted and differ
}

func (k *keySet) add(key uint64) {
	if n := len(k.keys); n > 0 && k.keys[n-1] == key {
		return
	}
	k.keys = append(k.keys, key)
	if len(k.keys) > 2*k.tidy+1024 {
		k.sort()
	}
}

// sort sorts the keys, and leaves one of each.
func (k *keySet) sort() {
	if k.tidy == len(k.keys) {
		return
	}
	if !slices.IsSorted(k.keys) {
		slices.Sort(k.keys)
	}
	k.keys = slices.Compact(k.keys)
	k.tidy = len(k.keys)
}

func (k *keySet) size(t *scratch) int {
	if k.tidy < len(k.keys) && !slices.IsSorted(k.keys) {
		return t.distinct(k.keys)
	}
	k.sort()
	return len(k.keys)
}

// scratch is room to count in.
type scratch []uint64

// distinct is how many different keys there are. It takes a fifth of the time of sorting them.
func (t *scratch) distinct(keys []uint64) (n int) {
	width := bits.Len(uint(len(keys) + len(keys)/2))
	if len(*t) < 1<<width {
		*t = make([]uint64, 1<<width)
	}
	table := (*t)[:1<<width]
	clear(table)
	shift, last, zero := 64-width, uint64(1)<<width-1, 0
	for _, key := range keys {
		if key == 0 { // which marks what is free
			zero = 1
			continue
		}
		at := key * 0x9e3779b97f4a7c15 >> shift
		for table[at] != 0 && table[at] != key {
			at = (at + 1) & last
		}
		if table[at] == 0 {
			table[at] = key
			n++
		}
	}
	return n + zero
}

// appendTo writes what each key has more than the one before.
func (k *keySet) appendTo(b []byte) []byte {
	k.sort()
	b = binary.AppendUvarint(b, uint64(len(k.keys)))
	var last uint64
	for _, key := range k.keys {
		b = binary.AppendUvarint(b, key-last)
		last = key
	}
	return b
}

func (k *keySet) read(r *reader) {
	n := r.uvarint()
	if n > uint64(len(r.b)-r.at) { //nolint:gosec // not below 0
		r.fail()
		return
	}
	k.grow(int(n)) //nolint:gosec // no more than there are bytes
	keys, b, at := k.keys, r.b, r.at
	var key, more uint64
	for range n {
		if more, at = uvarintAt(b, at); at < 0 {
			r.fail()
			return
		}
		key += more
		keys = append(keys, key)
	}
	k.keys, r.at = keys, at
}

// grow makes room for more keys, and for those that will come then: a month is put together of thirty days.
func (k *keySet) grow(n int) {
	if cap(k.keys)-len(k.keys) < n {
		k.keys = slices.Grow(k.keys, n+2*len(k.keys))
	}
}

// idSet is a set of unique ids. Those of a day are greater than those of the days before it, but for calls that go on over midnight:
// such days need only be counted.
type idSet struct {
	keySet

	runs []idRun // ascending; none has a key of another
}

// idRun is what was written of some ids.
type idRun struct {
	first, last uint64
	n           int
	steps       []byte // from each to the next one
}

// split takes a unique id apart: its second and counter grow together, and are written apart, since together they would take twice
// the room.
func split(key uint64) (second, counter uint64) {
	return key >> counterBits, key & (1<<counterBits - 1)
}

func (i *idSet) size(t *scratch) int {
	if len(i.runs) > 0 && i.meet() {
		i.unroll()
	}
	n := i.keySet.size(t)
	for _, r := range i.runs {
		n += r.n
	}
	return n
}

// meet reports whether one of the keys may be in one of the runs.
func (i *idSet) meet() bool {
	for _, key := range i.keys {
		at, begins := slices.BinarySearchFunc(i.runs, key, func(r idRun, key uint64) int { return compareKeys(r.first, key) })
		if begins || at > 0 && key <= i.runs[at-1].last {
			return true
		}
	}
	return false
}

func compareKeys(a, b uint64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// unroll makes keys of the runs.
func (i *idSet) unroll() {
	for _, r := range i.runs {
		i.unrollOne(r)
	}
	i.runs = nil
}

// unrollOne puts the ids of a run to the keys.
func (i *idSet) unrollOne(r idRun) {
	i.grow(r.n)
	i.keys = append(i.keys, r.first)
	second, counter := split(r.first)
	var more uint64
	for at := 0; at < len(r.steps); {
		if more, at = uvarintAt(r.steps, at); at < 0 {
			return
		}
		second = (second + more) & (1<<secondBits - 1) // of what nobody wrote, too, only ids come
		if more, at = uvarintAt(r.steps, at); at < 0 {
			return
		}
		counter += more>>1 ^ -(more & 1) // as binary.AppendVarint writes what may be negative
		i.keys = append(i.keys, second<<counterBits|counter&(1<<counterBits-1))
	}
}

func (i *idSet) merge(o *idSet) {
	i.keys = append(i.keys, o.keys...)
	for _, r := range o.runs {
		i.unrollOne(r)
	}
}

func (i *idSet) appendTo(b []byte) []byte {
	i.unroll()
	i.sort()
	b = binary.AppendUvarint(b, uint64(len(i.keys)))
	if len(i.keys) == 0 {
		return b
	}
	second, counter := split(i.keys[0])
	begin, _ := split(i.keys[0])
	b = binary.AppendUvarint(binary.AppendUvarint(b, second), counter)
	var steps []byte
	for _, key := range i.keys[1:] {
		s, c := split(key)
		steps = binary.AppendUvarint(steps, s-second)
		steps = binary.AppendVarint(steps, int64(c)-int64(counter)) //nolint:gosec // both are small
		second, counter = s, c
	}
	b = binary.AppendUvarint(binary.AppendUvarint(b, second-begin), counter)
	return appendText(b, steps)
}

func (i *idSet) read(r *reader) {
	n := r.uvarint()
	if n == 0 {
		return
	}
	second, counter, seconds, last := r.uvarint(), r.uvarint(), r.uvarint(), r.uvarint()                                       // of the first; from there to the last
	run := idRun{first: second<<counterBits | counter, last: (second+seconds)<<counterBits | last, n: int(n), steps: r.text()} //nolint:gosec // see below
	if r.failed || n > uint64(len(run.steps))/2+1 || varints(run.steps) != 2*run.n-2 || run.last < run.first ||
		max(second, second+seconds) >= 1<<secondBits || max(counter, last) >= 1<<counterBits {
		r.fail()
		return
	}
	if at := len(i.runs) - 1; at >= 0 && run.first <= i.runs[at].last {
		i.unrollOne(run)
		return
	}
	if len(i.runs) == 1 {
		i.runs = slices.Grow(i.runs, 30) // of a month
	}
	i.runs = append(i.runs, run)
}

// varints is how many numbers are written in b; -1 when the last one is not whole.
func varints(b []byte) (n int) {
	if len(b) > 0 && b[len(b)-1] >= 0x80 {
		return -1
	}
	for ; len(b) >= 8; b = b[8:] {
		n += bits.OnesCount64(^binary.LittleEndian.Uint64(b) & 0x8080808080808080)
	}
	for _, c := range b {
		if c < 0x80 {
			n++
		}
	}
	return n
}

// uvarintAt is binary.Uvarint at a place in b, and the place behind it, which is negative when there is none. It takes half the time.
func uvarintAt(b []byte, at int) (value uint64, behind int) {
	for shift := 0; at < len(b) && shift < 64; shift += 7 {
		c := b[at]
		at++
		value |= uint64(c&0x7f) << shift
		if c < 0x80 {
			return value, at
		}
	}
	return 0, -1
}

func readUvarint(b []byte) (uint64, []byte, error) {
	v, used := binary.Uvarint(b)
	if used <= 0 {
		return 0, nil, errCells
	}
	return v, b[used:], nil
}

// readText reads a length and as many bytes, which are part of b.
func readText(b []byte) (text, rest []byte, err error) {
	n, b, err := readUvarint(b)
	if err != nil || n > uint64(len(b)) {
		return nil, nil, errCells
	}
	return b[:n], b[n:], nil
}

// appendText writes what readText reads.
func appendText[T ~string | ~[]byte](b []byte, text T) []byte {
	b = binary.AppendUvarint(b, uint64(len(text)))
	return append(b, text...)
}
