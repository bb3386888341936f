package midcall_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"talktime/billing"
	"talktime/models"
	"talktime/money"
)

// step is one thing that happens.
type step struct {
	after time.Duration
	what  string
	which int
	much  int64
}

func (s step) String() string { return fmt.Sprintf("%s: %s %d %d", s.after, s.what, s.which, s.much) }

func anyStep(t *rapid.T) step {
	return step{
		after: time.Duration(rapid.OneOf(rapid.IntRange(0, 300), rapid.IntRange(0, 8000)).Draw(t, "ms")) * time.Millisecond,
		what: rapid.SampledFrom([]string{
			"call", "call", "call", "call", "top up", "top up", "hang up", "callee hangs up", "block", "allow", "send on", "desert", "dial again",
			"crash", "end", "start",
			"asterisk away", "asterisk back", "database away", "database back", "slow", "quick", "deaf", "hears", "withdraw",
		}).Draw(t, "what"),
		which: rapid.IntRange(0, 5).Draw(t, "which"),
		much:  rapid.Int64Range(1, 30).Draw(t, "much"),
	}
}

func anyIncrements(t *rapid.T) models.Rate {
	return models.Rate{
		Currency: models.SEC, PerMinute: money.Amount(rapid.Int64Range(1, 300).Draw(t, "per minute")) * money.Unit,
		ConnectFee: money.Amount(rapid.Int64Range(0, 3).Draw(t, "fee")) * money.Unit,
		First:      rapid.SampledFrom([]int64{1, 1, 6, 30, 60}).Draw(t, "first"), Increment: rapid.SampledFrom([]int64{1, 1, 6, 10}).Draw(t, "increment"),
	}
}

// TestAnySchedule: whatever happens to calls, to keepers, to Asterisk and to the database, nobody goes below zero, what is charged is the price
// of what was talked, which is not more than was held, and every hold ends.
func TestAnySchedule(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		slice := rapid.SampledFrom([]int64{2, 5, 5, 10, 30}).Draw(r, "slice")
		rates := map[string]models.Rate{}
		for _, number := range []string{"1", "2", "3"} {
			rates[number] = rapid.Custom(anyIncrements).Draw(r, "rate of "+number)
		}
		steps := rapid.SliceOfN(rapid.Custom(anyStep), 1, 40).Draw(r, "steps")
		var wrong []string
		synctest.Test(t, func(t *testing.T) {
			live(t, slice, func(w *world) {
				w.rates, w.quiet = rates, true
				h := history{world: w, free: map[string]bool{}}
				for _, s := range steps {
					time.Sleep(s.after)
					h.take(s)
					h.check()
				}
				h.finish()
				wrong = h.wrong
			})
		})
		if len(wrong) > 0 {
			r.Fatalf("%q", wrong)
		}
	})
}

// history is what has happened to a world.
type history struct {
	*world
	tried   int
	calls   []string        // by unique ids of the callers
	free    map[string]bool // who was sent on while nobody could limit that
	started time.Time       // the process
	dark    bool            // Asterisk cannot be reached, or answers slowly, or is not heard
	blind   bool            // the database is away
	wrong   []string
}

func (h *history) differ(format string, values ...any) {
	h.wrong = append(h.wrong, fmt.Sprintf(format, values...))
}

func (h *history) take(s step) {
	switch s.what {
	case "call":
		h.begin(s)
	case "top up":
		_, _ = h.billing.Move(context.Background(), billing.Movement{
			Username: []string{"marta", "joel"}[s.which%2], Amount: money.Amount(s.much) * money.Unit,
			Ref: fmt.Sprint("ref", len(h.calls), time.Now().UnixNano()), Actor: "test",
		})
	case "block", "allow":
		status := map[string]models.AccountStatus{"block": models.AccountBlocked, "allow": models.AccountActive}[s.what]
		h.books.change([]int64{h.marta.ID, h.joel.ID}[s.which%2], func(a *models.Account) { a.Status = status })
	case "withdraw":
		h.mu.Lock()
		delete(h.rates, fmt.Sprint(s.which))
		h.mu.Unlock()
	case "dial again":
		if len(h.calls) > 0 {
			h.again(h.calls[s.which%len(h.calls)], s)
		}
	case "hang up", "callee hangs up", "send on", "desert":
		if len(h.calls) > 0 {
			h.touch(s.what, h.calls[s.which%len(h.calls)])
		}
	default:
		h.disturb(s)
	}
}

func (h *history) begin(s step) {
	h.tried++
	id := fmt.Sprintf("1.%d", h.tried)
	auth, err := h.ask(id, []string{marta, joel}[s.which%2], fmt.Sprint(s.which/2+1))
	if err != nil {
		return
	}
	if auth.Seconds < 1 {
		h.differ("%s was permitted for %d s", id, auth.Seconds)
	}
	h.calls = append(h.calls, id)
	time.AfterFunc(time.Duration(s.much)*200*time.Millisecond, func() { h.asterisk.answer(id) })
}

// again is what happens when a caller is sent to another place of the dialplan, which asks whether he may dial the same number.
func (h *history) again(id string, s step) {
	h.asterisk.mu.Lock()
	c := h.asterisk.channels[id]
	if c == nil || c.partner == nil || h.dark || h.blind {
		h.asterisk.mu.Unlock()
		return
	}
	h.asterisk.gone(c.part())
	number := c.number
	h.asterisk.mu.Unlock()
	h.free[id] = true
	if _, err := h.ask(id, number, h.books.call(billing.QualifiedID(peer, id)).Number); err == nil {
		time.AfterFunc(time.Duration(s.much)*100*time.Millisecond, func() { h.asterisk.answer(id) })
	}
}

func (h *history) touch(what, id string) {
	switch what {
	case "hang up":
		h.asterisk.hangup(id)
	case "callee hangs up":
		h.asterisk.mu.Lock()
		defer h.asterisk.mu.Unlock()
		if c := h.asterisk.channels[id]; c != nil && c.partner != nil {
			h.asterisk.gone(c.partner)
		}
	case "desert":
		h.asterisk.desert(id)
	case "send on":
		const takeover = 15 * time.Second
		kept := h.books.call(billing.QualifiedID(peer, id)).Keeper != 0
		if h.process == nil || time.Since(h.started) < takeover || h.dark || h.blind || !kept {
			return // the callee's limit goes with him, and nobody is there to set another
		}
		h.free[id] = true
		h.asterisk.sendOn(id)
	}
}

func (h *history) disturb(s step) {
	a := h.asterisk
	switch s.what {
	case "crash":
		if h.process != nil {
			h.crash()
		}
	case "end":
		if h.process != nil {
			h.stop()
		}
	case "start":
		if h.process == nil {
			h.process, h.started = h.launch(), time.Now()
		}
	case "asterisk away":
		a.leave()
		h.dark = true
	case "asterisk back":
		a.back()
	case "database away":
		h.books.fail(models.ErrUnavailable)
		h.blind = true
	case "database back":
		h.books.fail(nil)
		h.blind = false
	case "slow":
		late := time.Duration(s.much) * 10 * time.Millisecond
		a.breaks(func(l *link, o order, id string) bool {
			if o.action != "AbsoluteTimeout" && o.action != "Hangup" {
				return false
			}
			time.AfterFunc(late, func() {
				a.mu.Lock()
				defer a.mu.Unlock()
				a.carryOut(l, o, map[string]string{"ActionID": id})
			})
			return true
		})
		h.dark = true
	case "quick":
		a.breaks(nil)
	case "deaf":
		a.setMute(true)
		h.dark = true
	case "hears":
		a.setMute(false)
	}
}

// check looks at what must always hold.
func (h *history) check() {
	h.wrong = append(h.wrong, h.books.problems(false)...)
}

// finish lets everything come back, and looks at what has become of the calls.
func (h *history) finish() {
	a := h.asterisk
	h.books.fail(nil)
	a.breaks(nil)
	a.setMute(false)
	a.back()
	time.Sleep(45 * time.Second)
	if h.process == nil {
		h.process = h.launch()
	}
	time.Sleep(15 * time.Minute) // everybody's money is talked away
	a.mu.Lock()
	for _, c := range slices.Collect(maps.Values(a.channels)) {
		h.differ("channel %s is still there", c.id)
		a.gone(c)
	}
	a.mu.Unlock()
	time.Sleep(time.Minute)
	if f := h.process.Figures(); f.Calls != 0 {
		h.differ("%d calls are kept", f.Calls)
	}
	h.check()
	for _, u := range []models.User{h.marta, h.joel} {
		if acc := h.books.account(u.ID); acc.Held != 0 || acc.Balance < 0 {
			h.differ("%s has %s and holds %s", u.Username, acc.Balance, acc.Held)
		}
	}
	for _, id := range h.calls {
		h.charged(id)
	}
}

func (h *history) charged(id string) {
	c := h.books.call(billing.QualifiedID(peer, id))
	h.mu.Lock()
	talked, over := h.talked[id]
	h.mu.Unlock()
	if !over || c.State == models.CallOpen {
		h.differ("call %s is over %v, and %s", id, over, c.State)
		return
	}
	if talked < 0 {
		if c.Charge != 0 {
			h.differ("call %s was not answered, and charged %s", id, c.Charge)
		}
		return
	}
	cost, err := billing.Cost(c.Rate, int64(talked/time.Second))
	if err != nil || c.Charge != cost {
		h.differ("call %s of %s was charged %s, its price is %s", id, talked, c.Charge, cost)
	}
	if most := time.Duration(c.Limit)*time.Second + 300*time.Millisecond; talked > most && !h.free[id] {
		h.differ("call %s lasted %s, and %d s were held", id, talked, c.Limit)
	}
}

// TestCallsOfOneUserEndTogether: those of the same rate end within a second, when his money ends, whenever they began and whatever is paid in
// meanwhile, and nothing is left that would pay for a second of one of them.
func TestCallsOfOneUserEndTogether(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		slice := rapid.SampledFrom([]int64{2, 5, 10}).Draw(r, "slice")
		price := rapid.Int64Range(1, 2).Draw(r, "price")
		pauses := rapid.SliceOfN(rapid.IntRange(0, 4000), 2, 5).Draw(r, "ms between calls")
		ringing := rapid.SliceOfN(rapid.IntRange(0, 6000), len(pauses), len(pauses)).Draw(r, "ms of ringing")
		paid := rapid.SliceOfN(rapid.Int64Range(1, 40), 0, 3).Draw(r, "paid in")
		var wrong string
		synctest.Test(t, func(t *testing.T) {
			live(t, slice, func(w *world) {
				w.rates["1"] = second(price)
				w.topUp("marta", 27+(4*slice+40)*int64(len(pauses))*price) // what a call was given it keeps: that must not be more than its share
				var ids []string
				for i, pause := range pauses {
					time.Sleep(time.Duration(pause) * time.Millisecond)
					id := fmt.Sprintf("1.%d", i)
					w.dial(id, marta, "1")
					time.AfterFunc(time.Duration(ringing[i])*time.Millisecond, func() { w.asterisk.answer(id) })
					ids = append(ids, id)
				}
				for _, units := range paid {
					time.Sleep(4 * time.Second)
					w.topUp("marta", units)
				}
				var ends []time.Time
				for _, id := range ids {
					w.over(id)
				}
				for _, id := range ids {
					ends = append(ends, w.until[id])
				}
				apart := slices.MaxFunc(ends, time.Time.Compare).Sub(slices.MinFunc(ends, time.Time.Compare))
				left := w.books.account(w.marta.ID).Balance
				if apart > 1050*time.Millisecond || left >= money.Amount(price)*money.Unit {
					wrong = fmt.Sprintf("they ended %s apart, %s are left: %s", apart, left, ends)
				}
			})
		})
		if wrong != "" {
			r.Fatal(wrong)
		}
	})
}
