package stats

import (
	"bytes"
	"hash/maphash"
	"math"
	"regexp"
	"regexp/syntax"
	"unicode/utf8"
)

// Direction is which way a call went, as the site sees it.
type Direction uint8

// The directions.
const (
	Inbound  Direction = iota // from outside, wherever it went
	Outbound                  // from inside to outside
	Internal                  // from inside to inside
)

const directionCount = 3

// String is the word for it: inbound, outbound, internal.
func (d Direction) String() string {
	return [directionCount]string{"inbound", "outbound", "internal"}[d]
}

// Inside says who belongs to the site: numbers that match Extensions, unless the channel is a trunk. Users of ours belong to it anyway.
type Inside struct {
	Extensions *regexp.Regexp // nil: none
	Trunks     *regexp.Regexp // of names of channels up to their last -, as PJSIP/trunk-: what follows differs for each call; nil: none
}

func (i Inside) rule() string {
	text := func(r *regexp.Regexp) string {
		if r == nil {
			return ""
		}
		return r.String()
	}
	return text(i.Extensions) + "\n" + text(i.Trunks)
}

// fields are what a direction is told from. Names of channels are long, and seldom asked for.
func (i Inside) fields() Fields {
	if i.Trunks == nil {
		return FieldSrc | FieldCNum | FieldDst
	}
	return FieldSrc | FieldCNum | FieldDst | FieldChannel | FieldDstChannel
}

// directions tells directions of many records, for one goroutine. What a number or a channel is, it finds out once.
type directions struct {
	Inside

	numbers, channels known
}

func newDirections(i Inside) *directions {
	return &directions{Inside: i, numbers: known{longest: longestMatch(i.Extensions)}, channels: known{longest: longestMatch(i.Trunks)}}
}

// of is the direction of a record. The calling number is that of the extension where the record has one.
func (d *directions) of(r *Record) Direction {
	caller := r.CNum
	if len(caller) == 0 {
		caller = r.Src
	}
	if !r.Own && !d.inside(caller, r.Channel) {
		return Inbound
	}
	if r.OwnCallee || d.inside(r.Dst, r.DstChannel) {
		return Internal
	}
	return Outbound
}

func (d *directions) inside(number, channel []byte) bool {
	if !d.numbers.matches(d.Extensions, number) {
		return false
	}
	if i := bytes.LastIndexByte(channel, '-'); i >= 0 {
		channel = channel[:i+1]
	}
	return !d.channels.matches(d.Trunks, channel)
}

// known remembers which of the texts that came last match an expression. It has a place for each by its hash.
type known struct {
	longest int // bytes that a text can have that matches: most numbers are longer than any extension
	seed    maphash.Seed
	places  []knownText
}

// knownText is one of them; longer ones are not remembered.
type knownText struct {
	text    [30]byte
	length  int8 // 0: none is here
	matches bool
}

// maxKnown is how many are remembered, a power of two.
const maxKnown = 1 << 12

func (k *known) matches(e *regexp.Regexp, text []byte) bool {
	if e == nil || len(text) == 0 || len(text) > k.longest {
		return false
	}
	if k.places == nil {
		k.places, k.seed = make([]knownText, maxKnown), maphash.MakeSeed()
	}
	place := &k.places[maphash.Bytes(k.seed, text)%maxKnown]
	if len(text) > len(place.text) {
		return e.Match(text)
	}
	if string(place.text[:place.length]) != string(text) {
		place.matches, place.length = e.Match(text), int8(copy(place.text[:], text)) //nolint:gosec // not longer than that
	}
	return place.matches
}

// longestMatch is how many bytes a text can have at most that an expression matches from its begin to its end; without a bound where
// it may match a part.
func longestMatch(e *regexp.Regexp) int {
	if e == nil {
		return 0
	}
	parsed, err := syntax.Parse(e.String(), syntax.Perl)
	if err != nil || parsed.Op != syntax.OpConcat || parsed.Sub[0].Op != syntax.OpBeginText || parsed.Sub[len(parsed.Sub)-1].Op != syntax.OpEndText {
		return math.MaxInt
	}
	return longestOf(parsed)
}

func longestOf(e *syntax.Regexp) int {
	switch e.Op {
	case syntax.OpEmptyMatch, syntax.OpBeginText, syntax.OpEndText:
		return 0
	case syntax.OpLiteral:
		return utf8.UTFMax * len(e.Rune)
	case syntax.OpCharClass, syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		if n := len(e.Rune); n > 0 && e.Rune[n-1] < utf8.RuneSelf {
			return 1
		}
		return utf8.UTFMax
	case syntax.OpCapture, syntax.OpQuest:
		return longestOf(e.Sub[0])
	case syntax.OpRepeat:
		if one := longestOf(e.Sub[0]); e.Max >= 0 && one <= math.MaxInt16 {
			return e.Max * one
		}
	case syntax.OpConcat, syntax.OpAlternate:
		sum := 0
		for _, sub := range e.Sub { // of alternatives more than need be
			one := longestOf(sub)
			if one > math.MaxInt16 {
				return math.MaxInt
			}
			sum += one
		}
		return sum
	default: // it may go on for ever, or is none that settings have
	}
	return math.MaxInt
}
