package billing

import (
	"sync"

	"talktime/models"
)

// maxRecent bounds how many settled calls are remembered.
const maxRecent = 16384

// recent remembers what the callers' legs settled last. A settlement never changes, so a reducer that comes
// milliseconds later and saw the very same can be answered without the database. Two generations are kept: when
// the younger is full the older is dropped.
type recent struct {
	mu           sync.Mutex
	young, older map[string]settled
}

type settled struct {
	charge   Charge
	evidence models.Evidence
}

// same answers a reducer who saw what the caller's leg saw. A channel that was answered again since shows other values.
func (r *recent) same(res CallResult) (Charge, bool) {
	if res.Evidence.Source != SourceReducer {
		return Charge{}, false
	}
	r.mu.Lock()
	s, ok := r.young[res.CallID]
	if !ok {
		s, ok = r.older[res.CallID]
	}
	r.mu.Unlock()
	seen, known := res.Evidence, s.evidence
	if !ok || seen.DialStatus != known.DialStatus || !equal(seen.AnsweredMS, known.AnsweredMS) || !equal(seen.Answered, known.Answered) {
		return Charge{}, false
	}
	s.charge.Already = true
	return s.charge, true
}

// forget drops what is known of a channel that dials again, maybe with other values still on it.
func (r *recent) forget(callID string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.young, callID)
	delete(r.older, callID)
}

func equal(a, b *int64) bool { return a == nil && b == nil || a != nil && b != nil && *a == *b }

// remember keeps a settlement by the caller's leg of a channel's first call that was answered: ANSWEREDTIME_MS grows
// with each further call of a channel, while one that came to nothing looks like the next. Everything else is looked up.
func (r *recent) remember(res CallResult, charge Charge) {
	if charge.State != models.CallSettled || !positive(res.Evidence.AnsweredMS) || charge.Already || res.Evidence.Source != SourceCaller || charge.CallID != ChannelOf(charge.CallID) {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.young) >= maxRecent || r.young == nil {
		r.older, r.young = r.young, make(map[string]settled, 1024)
	}
	r.young[res.CallID] = settled{charge, res.Evidence}
}
