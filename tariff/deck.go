package tariff

import (
	"cmp"
	"math"
	"math/bits"
	"slices"
	"sort"
	"strings"
	"time"

	"talktime/models"
)

// Deck is one version of a rate deck, ready to find the rate of a number in. It never changes, so that any number of calls
// may look into it at once.
//
// The prefixes are sorted as packed keys, see packed. What begins a number is then found from its nearest neighbour below:
// that is the longest prefix of the number, or one of the prefixes that begin the neighbour is.
type Deck struct {
	zone     *time.Location
	prefixes []prefixOf       // each once, in order; one more at the end
	rates    []deckRow        // by prefix, and of each prefix the ones that go first
	bucket   bucket           // by the first three digits
	fine     [1 << 12]*bucket // by the next three, where many prefixes have the same first ones
}

// prefixOf is a prefix of some rates.
type prefixOf struct {
	key   uint64
	outer int // the longest other prefix that begins it, or -1
	row   int // its first rate; it has those before that of the next prefix
}

// bucket has, for three digits of a packed key, the first prefix with these or more. The prefixes with those digits end where
// the next ones begin.
type bucket [1<<bucketBits + 1]int

const (
	bucketBits = 3 * digitBits
	bucketMask = 1<<bucketBits - 1
	fineAbove  = 1024 // prefixes in a bucket; a search among fewer costs less than the memory for a finer one
)

// newBucket sorts the prefixes from low to high into buckets, by the three digits that are shift bits above the lowest.
func (d *Deck) newBucket(low, high, shift int) *bucket {
	var b bucket
	for digits := range b {
		b[digits] = low + sort.Search(high-low, func(i int) bool { return int(d.prefixes[low+i].key>>shift&bucketMask) >= digits })
	}
	return &b
}

// deckRow is a DeckRate with its instants as Unix times in seconds.
type deckRow struct {
	from, to int64
	models.Window

	rate models.Rate
}

// digitBits is how much of a packed key a digit takes.
const digitBits = 4

// packed is the beginning of a number as one integer, the first digit uppermost, so that integers are in the order of the
// numbers, and what begins another has the same upper bits. No digit is 0: that says that there are no more. A leading +
// does not count. ok is false for anything that is neither digit nor * nor #.
func packed(number string) (key uint64, ok bool) {
	number = strings.TrimPrefix(number, "+")
	shift := 64
	for i := 0; i < len(number) && shift > 0; i++ {
		shift -= digitBits
		switch c := number[i]; {
		case '0' <= c && c <= '9':
			key |= uint64(c-'0'+1) << shift
		case c == '*':
			key |= 11 << shift
		case c == '#':
			key |= 12 << shift
		default:
			return 0, false
		}
	}
	return key, true
}

// begins reports whether a packed prefix begins a packed number.
func begins(prefix, number uint64) bool {
	free := bits.TrailingZeros64(prefix) / digitBits * digitBits // the digits that the prefix does not have
	return number&(math.MaxUint64<<free) == prefix
}

// NewDeck makes a Deck of rates, whose hours are those of a zone. Of the rates of a prefix that hold at the same time, one
// for certain days or hours goes before one for all, then the one that began later, then the earlier of the list. A rate
// that is not valid is models.ErrInvalid.
func NewDeck(rates []models.DeckRate, zone *time.Location) (*Deck, error) {
	type keyed struct {
		key uint64
		row deckRow
	}
	all := make([]keyed, len(rates))
	for i, r := range rates {
		if err := r.Validate(); err != nil {
			return nil, err
		}
		key, _ := packed(r.Prefix)
		row := deckRow{rate: r.Rate, from: math.MinInt64, to: math.MaxInt64, Window: models.Window{Days: r.Days, Start: r.Start, End: r.End}}
		if !r.From.IsZero() {
			row.from = ceilUnix(r.From)
		}
		if !r.To.IsZero() {
			row.to = ceilUnix(r.To)
		}
		all[i] = keyed{key, row}
	}
	slices.SortStableFunc(all, func(a, b keyed) int {
		return cmp.Or(cmp.Compare(a.key, b.key), a.row.width()-b.row.width(), cmp.Compare(b.row.from, a.row.from))
	})
	d := &Deck{zone: zone, rates: make([]deckRow, len(all))}
	for i, one := range all {
		d.rates[i] = one.row
		if n := len(d.prefixes); n == 0 || d.prefixes[n-1].key != one.key {
			outer := n - 1
			for outer >= 0 && !begins(d.prefixes[outer].key, one.key) {
				outer = d.prefixes[outer].outer
			}
			d.prefixes = append(d.prefixes, prefixOf{one.key, outer, i})
		}
	}
	n := len(d.prefixes)
	d.prefixes = append(d.prefixes, prefixOf{row: len(all)})
	d.bucket = *d.newBucket(0, n, 64-bucketBits)
	for i := range d.fine {
		if low, high := d.bucket[i], d.bucket[i+1]; high-low > fineAbove {
			d.fine[i] = d.newBucket(low, high, 64-2*bucketBits)
		}
	}
	return d, nil
}

// ceilUnix is the first whole second that is not before t. Calls are rated by whole seconds.
func ceilUnix(t time.Time) int64 {
	s := t.Unix()
	if t.Nanosecond() > 0 {
		s++
	}
	return s
}

// Len is how many rates the deck has.
func (d *Deck) Len() int { return len(d.rates) }

// Find returns the rate of a number at an instant: of the longest prefix that has a rate then. False when no prefix has.
// It allocates nothing.
func (d *Deck) Find(number string, at time.Time) (models.Rate, bool) {
	if rate := d.find(number, at); rate != nil {
		return *rate, true
	}
	return models.Rate{}, false
}

// find returns nil when there is none. Nobody may change what it returns.
func (d *Deck) find(number string, at time.Time) *models.Rate {
	key, ok := packed(number)
	if !ok {
		return nil
	}
	digits := key >> (64 - bucketBits)
	low, high := d.bucket[digits], d.bucket[digits+1]
	if fine := d.fine[digits]; fine != nil {
		digits = key >> (64 - 2*bucketBits) & bucketMask
		low, high = fine[digits], fine[digits+1]
	}
	for low < high { // the first prefix above the number
		if middle := (low + high) / 2; d.prefixes[middle].key <= key {
			low = middle + 1
		} else {
			high = middle
		}
	}
	for i := low - 1; i >= 0; i = d.prefixes[i].outer {
		if !begins(d.prefixes[i].key, key) {
			continue
		}
		for n := d.prefixes[i].row; n < d.prefixes[i+1].row; n++ {
			if d.rates[n].holds(at, d.zone) {
				return &d.rates[n].rate
			}
		}
	}
	return nil
}

// width is 1 for a rate for all days and hours, else 0.
func (r *deckRow) width() int {
	if r.Days == 0 && r.Start == r.End {
		return 1
	}
	return 0
}

// holds reports whether a rate is for an instant.
func (r *deckRow) holds(at time.Time, zone *time.Location) bool {
	second := at.Unix()
	if second < r.from || second >= r.to {
		return false
	}
	if r.Days == 0 && r.Start == r.End {
		return true
	}
	return r.Covers(at.In(zone))
}
