package stats

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Set is a set of texts of which most are telephone numbers or unique ids of Asterisk: these take eight bytes each in memory, and
// about four once they are written down. The zero value is an empty set.
type Set struct {
	keys []uint64            // of texts that are a key and nothing else
	rest map[string][]uint64 // by what stands before the key
	// tidy is how many of keys, from the first on, are sorted and differ.
	tidy int
}

// A key is a telephone number (its digits behind a 1, behind a 2 where it began with +) or a unique id (the highest bit, then
// seconds and counter).
const (
	maxDigits   = 18
	counterBits = 28
	secondBits  = 35
	isUniqueID  = 1 << 63
)

// Add puts a text into the set.
func (s *Set) Add(text []byte) {
	if key, ok := keyOf(text); ok {
		s.keys = append(s.keys, key)
		if len(s.keys) > 2*s.tidy+1024 {
			s.sort()
		}
		return
	}
	var prefix []byte
	var key uint64
	if i := bytes.LastIndexByte(text, '-'); i >= 0 {
		if k, ok := keyOf(text[i+1:]); ok && k&isUniqueID != 0 {
			prefix, key = text[:i+1], k
		}
	}
	if prefix == nil {
		prefix = text
	}
	if s.rest == nil {
		s.rest = make(map[string][]uint64)
	}
	list := s.rest[string(prefix)]
	if n := len(list); n == 0 || list[n-1] != key {
		s.rest[string(prefix)] = append(list, key)
	}
}

// keyOf is the key of a number or a unique id. Every key stands for one text alone.
func keyOf(text []byte) (uint64, bool) {
	digits, key := text, uint64(1)
	if len(text) > 0 && text[0] == '+' {
		digits, key = text[1:], 2
	}
	for i, c := range digits {
		switch {
		case c >= '0' && c <= '9' && i < maxDigits:
			key = 10*key + uint64(c-'0')
		case c == '.' && len(digits) == len(text):
			return uniqueKey(text[:i], text[i+1:])
		default:
			return 0, false
		}
	}
	return key, len(digits) > 0
}

func uniqueKey(second, counter []byte) (uint64, bool) {
	s, ok := plainNumber(second)
	c, well := plainNumber(counter)
	if !ok || !well || s >= 1<<secondBits || c >= 1<<counterBits {
		return 0, false
	}
	return isUniqueID | s<<counterBits | c, true
}

// plainNumber reads digits without leading zeros.
func plainNumber(digits []byte) (n uint64, ok bool) {
	if len(digits) == 0 || len(digits) > maxDigits || digits[0] == '0' && len(digits) > 1 {
		return 0, false
	}
	for _, c := range digits {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = 10*n + uint64(c-'0')
	}
	return n, true
}

// sort sorts and compacts the keys.
func (s *Set) sort() {
	if s.tidy == len(s.keys) {
		return
	}
	if !slices.IsSorted(s.keys) {
		slices.Sort(s.keys)
	}
	s.keys = slices.Compact(s.keys)
	s.tidy = len(s.keys)
}

// Len is how many texts the set has.
func (s *Set) Len() int {
	s.sort()
	n := len(s.keys)
	for prefix, keys := range s.rest {
		keys = tidied(keys)
		s.rest[prefix] = keys
		n += len(keys)
	}
	return n
}

func tidied(keys []uint64) []uint64 {
	if !slices.IsSorted(keys) {
		slices.Sort(keys)
	}
	return slices.Compact(keys)
}

// Merge puts everything of another set into this one.
func (s *Set) Merge(o *Set) {
	s.keys = append(s.keys, o.keys...)
	for prefix, keys := range o.rest {
		if s.rest == nil {
			s.rest = make(map[string][]uint64)
		}
		s.rest[prefix] = append(s.rest[prefix], keys...)
	}
}

// AppendTo writes the set behind b.
func (s *Set) AppendTo(b []byte) []byte {
	s.sort()
	b = appendKeys(b, s.keys)
	b = binary.AppendUvarint(b, uint64(len(s.rest)))
	for _, prefix := range slices.Sorted(maps.Keys(s.rest)) {
		b = binary.AppendUvarint(b, uint64(len(prefix)))
		b = append(b, prefix...)
		b = appendKeys(b, tidied(s.rest[prefix]))
	}
	return b
}

// appendKeys writes sorted keys as what each has more than the one before. Of unique ids the second and the counter, which grow
// together, are written apart: together they would take twice the room.
func appendKeys(b []byte, keys []uint64) []byte {
	b = binary.AppendUvarint(b, uint64(len(keys)))
	split, _ := slices.BinarySearch(keys, isUniqueID)
	b = binary.AppendUvarint(b, uint64(split))
	var last uint64
	for _, key := range keys[:split] {
		b = binary.AppendUvarint(b, key-last)
		last = key
	}
	var second, counter uint64
	for _, key := range keys[split:] {
		s, c := key&^isUniqueID>>counterBits, key&(1<<counterBits-1)
		b = binary.AppendUvarint(b, s-second)
		b = binary.AppendVarint(b, int64(c)-int64(counter))
		second, counter = s, c
	}
	return b
}

var errCells = errors.New("a roll-up cannot be read")

// MergeFrom puts what AppendTo wrote into the set, and returns what stands behind it.
func (s *Set) MergeFrom(b []byte) (rest []byte, err error) {
	if s.keys, b, err = mergeKeys(s.keys, b); err != nil {
		return nil, err
	}
	prefixes, b, err := readUvarint(b)
	for ; err == nil && prefixes > 0; prefixes-- {
		var prefix []byte
		if prefix, b, err = readText(b); err != nil {
			break
		}
		if s.rest == nil {
			s.rest = make(map[string][]uint64)
		}
		name := strings.Clone(string(prefix))
		s.rest[name], b, err = mergeKeys(s.rest[name], b)
	}
	return b, err
}

func mergeKeys(keys []uint64, b []byte) ([]uint64, []byte, error) {
	n, b, err := readUvarint(b)
	if err != nil {
		return keys, nil, err
	}
	split, b, err := readUvarint(b)
	if err != nil || split > n || n > uint64(len(b)) {
		return keys, nil, fmt.Errorf("%w: a set of %d has %d bytes", errCells, n, len(b))
	}
	keys = slices.Grow(keys, int(n)) //nolint:gosec // no more than there are bytes
	var last, key uint64
	for range split {
		if key, b, err = readUvarint(b); err != nil {
			return keys, nil, err
		}
		last += key
		keys = append(keys, last)
	}
	var second, counter uint64
	for range n - split {
		if key, b, err = readUvarint(b); err != nil {
			return keys, nil, err
		}
		more, used := binary.Varint(b)
		if used <= 0 {
			return keys, nil, errCells
		}
		b = b[used:]
		second += key
		counter += uint64(more) //nolint:gosec // wraps on purpose: it was a difference
		keys = append(keys, isUniqueID|second<<counterBits|counter&(1<<counterBits-1))
	}
	return keys, b, nil
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
