package queues

import (
	"cmp"
	"slices"
)

// Waits counts how long callers waited, second by second: with it the service level is known for any number of seconds, and exactly,
// of many days together too. The zero value has counted nobody.
type Waits struct {
	steps []WaitStep // in the order of their seconds
}

// WaitStep is how many waited for that many seconds.
type WaitStep struct{ Seconds, Connected, Unanswered int64 }

// AddItem counts a passage; one that still waits and a telephone that rang in vain do not count.
func (w *Waits) AddItem(m *Item) {
	switch {
	case m.NoAnswer || m.Outcome == Waiting:
	case m.Outcome == Answered || m.Outcome == Talking:
		w.add(WaitStep{m.Wait, 1, 0})
	default:
		w.add(WaitStep{m.Wait, 0, 1})
	}
}

func (w *Waits) add(s WaitStep) {
	if n := s.Seconds; n >= 0 && n < int64(len(w.steps)) && w.steps[n].Seconds == n { // up to here somebody waited for every number of seconds
		w.steps[n].Connected += s.Connected
		w.steps[n].Unanswered += s.Unanswered
		return
	}
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
