package queues

import (
	"encoding/binary"
	"errors"
	"slices"
)

// A packed day begins with its version, the range of time it has all items of, and what its items name, each different thing once:
//
//	version · from · to · unit of times · number of kinds, each: flags, outcome, length and text of End · number of queues, each ·
//	number of agents, each · number of origins, each: length and text of URL, the same of DID · number of items, each
//
// An item is the time since the one before, in units; its kind, queue, agent and origin by their numbers here; then wait, ring and talk, or
// of a telephone that rang in vain the milliseconds. All numbers are varints: an item of a busy day takes about nine bytes.
const dayVersion = 1

// ErrDay is that bytes are not a day as it is packed, or one of a version that is not known here.
var ErrDay = errors.New("not a packed day of a queue_log")

type dayKind struct {
	noAnswer bool
	outcome  Outcome
	end      string
}

type dayOrigin struct{ url, did string }

// AppendDay packs all items of a day, from (included) to (excluded), microseconds since 1970. It sorts them by At.
func AppendDay(b []byte, from, to int64, items []Item) []byte {
	slices.SortStableFunc(items, func(a, b Item) int {
		switch {
		case a.At < b.At:
			return -1
		case a.At > b.At:
			return 1
		default:
			return 0
		}
	})
	unit := Second
	kinds, queues, agents, origins := newDictionary[dayKind](), newDictionary[int32](), newDictionary[int32](), newDictionary[dayOrigin]()
	body := make([]byte, 0, 12*len(items))
	for i := range items {
		if (items[i].At-from)%Second != 0 {
			unit = 1
		}
	}
	last := from
	for i := range items {
		m := &items[i]
		kind, origin := dayKind{noAnswer: m.NoAnswer}, dayOrigin{}
		if !m.NoAnswer {
			kind, origin = dayKind{outcome: m.Outcome, end: m.End}, dayOrigin{m.URL, m.DID}
		}
		body = binary.AppendUvarint(body, bits64((m.At-last)/unit))
		last = m.At
		body = binary.AppendUvarint(body, kinds.number(kind))
		body = binary.AppendUvarint(body, queues.number(m.Queue))
		body = binary.AppendUvarint(body, agents.number(m.Agent))
		body = binary.AppendUvarint(body, origins.number(origin))
		if m.NoAnswer {
			body = binary.AppendUvarint(body, bits64(m.Millis))
			continue
		}
		body = binary.AppendUvarint(body, bits64(m.Wait))
		body = binary.AppendUvarint(body, bits64(m.Ring))
		body = binary.AppendUvarint(body, bits64(m.Talk))
	}

	b = append(b, dayVersion)
	for _, n := range [...]int64{from, to, unit} {
		b = binary.AppendUvarint(b, bits64(n))
	}
	text := func(s string) { b = append(binary.AppendUvarint(b, uint64(len(s))), s...) }
	b = binary.AppendUvarint(b, uint64(len(kinds.all)))
	for _, k := range kinds.all {
		flags := byte(0)
		if k.noAnswer {
			flags = 1
		}
		b = append(b, flags, byte(k.outcome))
		text(k.end)
	}
	for _, ids := range [...][]int32{queues.all, agents.all} {
		b = binary.AppendUvarint(b, uint64(len(ids)))
		for _, id := range ids {
			b = binary.AppendUvarint(b, uint64(uint32(id))) //nolint:gosec // the bits of the number
		}
	}
	b = binary.AppendUvarint(b, uint64(len(origins.all)))
	for _, o := range origins.all {
		text(o.url)
		text(o.did)
	}
	b = binary.AppendUvarint(b, uint64(len(items)))
	return append(b, body...)
}

func bits64(n int64) uint64 { return uint64(n) } //nolint:gosec // the bits of the number: a negative one comes back as it was

// dictionary numbers different things in the order in which they come.
type dictionary[T comparable] struct {
	all     []T
	numbers map[T]uint64
}

func newDictionary[T comparable]() *dictionary[T] { return &dictionary[T]{numbers: map[T]uint64{}} }

func (d *dictionary[T]) number(thing T) uint64 {
	n, there := d.numbers[thing]
	if !there {
		n = uint64(len(d.all))
		d.numbers[thing] = n
		d.all = append(d.all, thing)
	}
	return n
}

// DayRange is the range of time that a packed day has all items of, from (included) to (excluded).
func DayRange(data []byte) (from, to int64, err error) {
	r := dayReader{data: data}
	from, to, _ = r.head()
	if r.bad {
		return 0, 0, ErrDay
	}
	return from, to, nil
}

// ReadDay hands over the items of a packed day by their time. The item is valid until the next; its texts stay. Of bytes that are no
// packed day the error is ErrDay, perhaps only after some items.
func ReadDay(data []byte, each func(*Item) error) error {
	r := dayReader{data: data}
	at, _, unit := r.head()
	kinds := make([]dayKind, r.count(3))
	for i := range kinds {
		flags, outcome := r.byte(), r.byte()
		kinds[i] = dayKind{noAnswer: flags&1 != 0, outcome: Outcome(outcome), end: r.text()}
	}
	queues, agents := r.numbers(), r.numbers()
	origins := make([]dayOrigin, r.count(2))
	for i := range origins {
		origins[i] = dayOrigin{r.text(), r.text()}
	}
	var m Item
	var n [5]uint64
	for left := r.count(6); left > 0; left-- {
		r.read(n[:5])
		if n[1] >= uint64(len(kinds)) || n[2] >= uint64(len(queues)) || n[3] >= uint64(len(agents)) || n[4] >= uint64(len(origins)) {
			return ErrDay
		}
		at += int64(n[0]) * unit //nolint:gosec // the bits of the number
		k, o := &kinds[n[1]], &origins[n[4]]
		m.At, m.Queue, m.Agent = at, queues[n[2]], agents[n[3]]
		if k.noAnswer {
			r.read(n[:1])
			m = Item{At: at, Queue: m.Queue, Agent: m.Agent, NoAnswer: true, Millis: int64(n[0])} //nolint:gosec // the bits of the number
		} else {
			r.read(n[:3])
			m.NoAnswer, m.Millis, m.Outcome, m.End, m.URL, m.DID = false, 0, k.outcome, k.end, o.url, o.did
			m.Wait, m.Ring, m.Talk = int64(n[0]), int64(n[1]), int64(n[2]) //nolint:gosec // the bits of the numbers
		}
		if r.bad {
			return ErrDay
		}
		if err := each(&m); err != nil {
			return err
		}
	}
	if r.bad || r.at != len(data) {
		return ErrDay
	}
	return nil
}

// dayReader reads numbers and texts. Once it is bad it reads nothing but zeros.
type dayReader struct {
	data []byte
	at   int
	bad  bool
}

func (r *dayReader) head() (from, to, unit int64) {
	if r.byte() != dayVersion {
		r.fail()
	}
	from, to, unit = int64(r.uvarint()), int64(r.uvarint()), int64(r.uvarint()) //nolint:gosec // the bits of the number
	if unit != 1 && unit != Second {
		r.fail()
	}
	return from, to, unit
}

func (r *dayReader) fail() { r.bad, r.at = true, len(r.data) }

func (r *dayReader) byte() byte {
	if r.at >= len(r.data) {
		r.fail()
		return 0
	}
	r.at++
	return r.data[r.at-1]
}

func (r *dayReader) uvarint() uint64 {
	var n [1]uint64
	r.read(n[:])
	return n[0]
}

// read reads numbers. Most are one byte, nearly all others two.
func (r *dayReader) read(numbers []uint64) {
	data, at := r.data, r.at
	for i := range numbers {
		switch {
		case at < len(data) && data[at] < 0x80:
			numbers[i] = uint64(data[at])
			at++
		case at+1 < len(data) && data[at+1] < 0x80:
			numbers[i] = uint64(data[at]&0x7f) | uint64(data[at+1])<<7
			at += 2
		default:
			n, size := binary.Uvarint(data[at:])
			if size <= 0 {
				clear(numbers)
				r.fail()
				return
			}
			numbers[i] = n
			at += size
		}
	}
	r.at = at
}

// count reads how many things follow that have some bytes each at least: so nobody makes us ask for memory.
func (r *dayReader) count(size int) int {
	n := r.uvarint()
	if n > uint64((len(r.data)-r.at)/size) { //nolint:gosec // never negative
		r.fail()
		return 0
	}
	return int(n) //nolint:gosec // not more than there are bytes
}

func (r *dayReader) text() string {
	n := r.count(1)
	r.at += n
	return string(r.data[r.at-n : r.at])
}

func (r *dayReader) numbers() []int32 {
	ids := make([]int32, r.count(1))
	for i := range ids {
		ids[i] = int32(r.uvarint()) //nolint:gosec // the bits of the number
	}
	return ids
}
