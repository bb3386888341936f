package queues

import (
	"errors"
	"fmt"
)

// HoldBounds are the upper bounds, in seconds, of the first buckets of Facts.Holds; the last bucket has what waited longer.
var HoldBounds = [...]int64{15, 30, 45, 60, 75, 90}

// Facts is what was counted, of a day, a queue, an agent or of any passages together. It is plain numbers and adds up (Merge), so that
// a store may keep it by day, queue and agent, sum it in SQL, and hand the sums to the reports. Times are seconds.
type Facts struct {
	Offered int64 // passages: all below down to EndedOtherwise together (see Check)

	Waiting int64 // the open ones: keep no roll-up of these
	Talking int64

	Abandoned    int64 // not answered, by outcome
	TimedOut     int64
	Emptied      int64
	Keyed        int64
	Dumped       int64
	Incompatible int64
	Lost         int64
	Withdrawn    int64

	CompletedByAgent    int64 // answered and over, by final event
	CompletedByCaller   int64
	Transferred         int64 // TRANSFER, as old versions of Asterisk write it
	BlindTransferred    int64
	AttendedTransferred int64
	EndedOtherwise      int64 // LostEvent, and what does not end talks in a sound log

	Held        int64    // waited by callers who were connected
	LongestHeld int64    // the longest of these
	Holds       [7]int64 // how many of these waited within each of HoldBounds, and longer; not cumulative
	Rung        int64    // an agent's telephone rang for them
	Talked      int64
	Forsaken    int64 // waited by callers who were not answered
	LongestLeft int64 // the longest of these

	NoAnswers  int64 // telephones of agents that rang in vain
	NoAnswerMS int64 // milliseconds these rang
}

// Add counts a passage, without the telephones that rang in vain: those count for their own agents (AddItem).
func (f *Facts) Add(p *Passage) {
	f.AddItem(&Item{Outcome: p.Outcome, End: p.End, Wait: p.Wait, Ring: p.Ring, Talk: p.Talk})
}

// AddItem counts a passage or a telephone that rang in vain.
func (f *Facts) AddItem(m *Item) {
	if m.NoAnswer {
		f.NoAnswers++
		f.NoAnswerMS += m.Millis
		return
	}
	f.Offered++
	switch m.Outcome {
	case Waiting:
		f.Waiting++
		return
	case Talking:
		f.Talking++
		f.held(m)
		return
	case Answered:
		*f.ending(m.End)++
		f.Talked += m.Talk
		f.held(m)
		return
	case Abandoned:
		f.Abandoned++
	case TimedOut:
		f.TimedOut++
	case Emptied:
		f.Emptied++
	case Keyed:
		f.Keyed++
	case Dumped:
		f.Dumped++
	case Incompatible:
		f.Incompatible++
	case Lost:
		f.Lost++
	case Withdrawn:
		f.Withdrawn++
	}
	f.Forsaken += m.Wait
	f.LongestLeft = max(f.LongestLeft, m.Wait)
}

// held counts how somebody waited who was connected.
func (f *Facts) held(m *Item) {
	f.Held += m.Wait
	f.LongestHeld = max(f.LongestHeld, m.Wait)
	f.Rung += m.Ring
	f.Holds[HoldBucket(m.Wait)]++
}

// HoldBucket is the number of the bucket of Facts.Holds for a waiting time in seconds.
func HoldBucket(seconds int64) int {
	for i, bound := range HoldBounds {
		if seconds <= bound {
			return i
		}
	}
	return len(HoldBounds)
}

func (f *Facts) ending(event string) *int64 {
	switch event {
	case "COMPLETEAGENT":
		return &f.CompletedByAgent
	case "COMPLETECALLER":
		return &f.CompletedByCaller
	case "TRANSFER":
		return &f.Transferred
	case "BLINDTRANSFER":
		return &f.BlindTransferred
	case "ATTENDEDTRANSFER":
		return &f.AttendedTransferred
	default:
		return &f.EndedOtherwise
	}
}

// Merge adds other facts.
func (f *Facts) Merge(g *Facts) {
	f.Offered += g.Offered
	f.Waiting += g.Waiting
	f.Talking += g.Talking
	f.Abandoned += g.Abandoned
	f.TimedOut += g.TimedOut
	f.Emptied += g.Emptied
	f.Keyed += g.Keyed
	f.Dumped += g.Dumped
	f.Incompatible += g.Incompatible
	f.Lost += g.Lost
	f.Withdrawn += g.Withdrawn
	f.CompletedByAgent += g.CompletedByAgent
	f.CompletedByCaller += g.CompletedByCaller
	f.Transferred += g.Transferred
	f.BlindTransferred += g.BlindTransferred
	f.AttendedTransferred += g.AttendedTransferred
	f.EndedOtherwise += g.EndedOtherwise
	f.Held += g.Held
	f.LongestHeld = max(f.LongestHeld, g.LongestHeld)
	for i := range f.Holds {
		f.Holds[i] += g.Holds[i]
	}
	f.Rung += g.Rung
	f.Talked += g.Talked
	f.Forsaken += g.Forsaken
	f.LongestLeft = max(f.LongestLeft, g.LongestLeft)
	f.NoAnswers += g.NoAnswers
	f.NoAnswerMS += g.NoAnswerMS
}

// Answered is how many were answered and are over.
func (f *Facts) Answered() int64 {
	return f.CompletedByAgent + f.CompletedByCaller + f.Transferred + f.BlindTransferred + f.AttendedTransferred + f.EndedOtherwise
}

// Connected is how many were answered, those included that are still talking.
func (f *Facts) Connected() int64 { return f.Answered() + f.Talking }

// Unanswered is how many ended without an agent, for any reason.
func (f *Facts) Unanswered() int64 {
	return f.Abandoned + f.TimedOut + f.Emptied + f.Keyed + f.Dumped + f.Incompatible + f.Lost + f.Withdrawn
}

// ErrCount is that facts do not add up: there is a mistake in what was stored, or here.
var ErrCount = errors.New("queue figures do not add up")

// Check proves that every passage has ended in exactly one way or is still open, and that all who were connected are in one bucket.
func (f *Facts) Check() error {
	if sum := f.Connected() + f.Unanswered() + f.Waiting; f.Offered != sum {
		return fmt.Errorf("%w: %d entered, but %d answered + %d unanswered + %d talking + %d waiting are %d",
			ErrCount, f.Offered, f.Answered(), f.Unanswered(), f.Talking, f.Waiting, sum)
	}
	buckets := int64(0)
	for _, n := range f.Holds {
		buckets += n
	}
	if buckets != f.Connected() {
		return fmt.Errorf("%w: %d were connected, but %d are in the hold times", ErrCount, f.Connected(), buckets)
	}
	return nil
}
