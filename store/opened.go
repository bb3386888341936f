package store

import (
	"sync"
	"time"

	"talktime/models"
)

// maxOpened bounds how many calls are remembered. It is far above what one process has at once.
const maxOpened = 65536

// opened are calls that this process has made and not looked at since, as their rows have them: whoever settles one
// need only lock its row and see that nobody else has written to it.
type opened struct {
	mu    sync.Mutex
	calls map[string]models.Call // by CallID
}

func (o *opened) remember(calls []models.Call) {
	if len(calls) == 0 {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.calls == nil || len(o.calls) > maxOpened {
		o.calls = make(map[string]models.Call)
	}
	for _, c := range calls {
		o.calls[c.CallID] = c
	}
}

// take forgets those of the calls that are known, and returns them and the others.
func (o *opened) take(ids []string) (known map[string]models.Call, others []string) {
	known, others = make(map[string]models.Call, len(ids)), make([]string, 0, len(ids))
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, id := range ids {
		if c, ok := o.calls[id]; ok {
			known[id] = c
			delete(o.calls, id)
		} else if _, twice := known[id]; !twice {
			others = append(others, id)
		}
	}
	return known, others
}

// asStored is a time as it comes back from the database.
func asStored(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }
