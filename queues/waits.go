package queues

import (
	"cmp"
	"encoding/binary"
	"errors"
	"slices"
)

// Waits counts how long callers waited, second by second: with it the service level is known for any number of seconds, and exactly,
// of many days together too. The zero value has counted nobody.
type Waits struct {
	steps []WaitStep // in the order of their seconds
}

// WaitStep is how many waited for that many seconds.
type WaitStep struct{ Seconds, Connected, Unanswered int64 }

// Add counts a passage; one that still waits does not count.
func (w *Waits) Add(p *Passage) {
	switch {
	case p.Connected != 0:
		w.add(WaitStep{p.Wait, 1, 0})
	case p.Outcome != Waiting:
		w.add(WaitStep{p.Wait, 0, 1})
	}
}

func (w *Waits) add(s WaitStep) {
	i, there := slices.BinarySearchFunc(w.steps, s.Seconds, func(s WaitStep, seconds int64) int { return cmp.Compare(s.Seconds, seconds) })
	if !there {
		w.steps = slices.Insert(w.steps, i, WaitStep{Seconds: s.Seconds})
	}
	w.steps[i].Connected += s.Connected
	w.steps[i].Unanswered += s.Unanswered
}

// Merge adds what others counted.
func (w *Waits) Merge(other *Waits) {
	for _, s := range other.steps {
		w.add(s)
	}
}

// Steps are the seconds for which anybody waited, ascending. They are for reading.
func (w *Waits) Steps() []WaitStep { return w.steps }

// Within is how many were connected, and how many left, within some seconds.
func (w *Waits) Within(seconds int64) (connected, unanswered int64) {
	for _, s := range w.steps {
		if s.Seconds <= seconds {
			connected += s.Connected
			unanswered += s.Unanswered
		}
	}
	return connected, unanswered
}

// Total is how many were connected, and how many left.
func (w *Waits) Total() (connected, unanswered int64) { return w.Within(1 << 62) }

// ServiceLevel is the percentage of those offered (connected or gone) who were connected within some seconds.
func (w *Waits) ServiceLevel(seconds int64) string {
	within, _ := w.Within(seconds)
	connected, unanswered := w.Total()
	return Percent(within, connected+unanswered)
}

// Percentile is the seconds within which that percentage (1 to 100) of those connected were: the shortest such time. 0 of nobody.
func (w *Waits) Percentile(percent int64) int64 {
	connected, _ := w.Total()
	need := (connected*percent + 99) / 100
	sum := int64(0)
	for _, s := range w.steps {
		if sum += s.Connected; s.Connected > 0 && sum >= need {
			return s.Seconds
		}
	}
	return 0
}

// AppendTo writes the counts down; MergeFrom counts them again.
func (w *Waits) AppendTo(b []byte) []byte {
	before := int64(0)
	for _, s := range w.steps {
		b = binary.AppendVarint(b, s.Seconds-before)
		b = binary.AppendVarint(b, s.Connected)
		b = binary.AppendVarint(b, s.Unanswered)
		before = s.Seconds
	}
	return b
}

// ErrWaits is that bytes are not what AppendTo wrote.
var ErrWaits = errors.New("not waiting times as they are written down")

// MergeFrom adds what AppendTo wrote. On an error nothing has been added.
func (w *Waits) MergeFrom(b []byte) error {
	var read Waits
	for seconds := int64(-1); len(b) > 0; {
		var s [3]int64
		for i := range s {
			n := 0
			if s[i], n = binary.Varint(b); n <= 0 || s[i] < 0 || s[i] > 1<<53 {
				return ErrWaits
			}
			b = b[n:]
		}
		switch {
		case seconds < 0:
			seconds = s[0]
		case s[0] == 0 || seconds > 1<<53:
			return ErrWaits
		default:
			seconds += s[0]
		}
		read.steps = append(read.steps, WaitStep{seconds, s[1], s[2]})
	}
	w.Merge(&read)
	return nil
}
