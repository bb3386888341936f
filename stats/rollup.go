package stats

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"
)

// Dated is a source whose days can be told apart: what it says of a day changes when the records of that day do.
type Dated interface {
	Source
	// Days hands out for each day from (included) to to (excluded) of which there are records some text of up to 200 bytes, never
	// empty, that is another one as soon as a record of the day comes, goes or changes. It reads an index, not every record.
	Days(ctx context.Context, from, to Day) (map[Day]string, error)
}

// Counted is what a Kind or a CallKind made of a day.
type Counted struct {
	Kind, Rule string
	Data       []byte // as the counter wrote it
}

// KeptDay is a day of which all kinds are kept.
type KeptDay struct {
	Day       Day
	Signature string // of what it was counted from, 32 characters; empty: not all kinds are kept, or not by the same rules
	Records   int64  // that were counted
}

// Keeper keeps roll-ups for one Roller at a time of each source, who is the one that has claimed it. Its errors are ErrNotOurs when
// somebody else has claimed the source since.
type Keeper interface {
	RollUps
	// Claim makes holder the one who counts a source for as long as lease; again: longer. It is false while somebody else is.
	Claim(ctx context.Context, source, holder string, lease time.Duration) (bool, error)
	// Unclaim ends that. Whoever does not hold the source does nothing by it.
	Unclaim(ctx context.Context, source, holder string) error
	// Kept lists the days of a source, ascending, of which anything is kept, from (included) to to (excluded). rules are those of
	// all kinds by their names.
	Kept(ctx context.Context, source string, rules map[string]string, from, to Day) ([]KeptDay, error)
	// Keep replaces what is kept of a day, all of it at once or nothing.
	Keep(ctx context.Context, source, holder string, day KeptDay, counted []Counted) error
	// Forget removes everything that is kept of days.
	Forget(ctx context.Context, source, holder string, days []Day) error
	// Passed notes how many days of a source are still to be counted anew, and with well that everything went well until now.
	Passed(ctx context.Context, source, holder string, stale int, well bool) error
}

// ErrNotOurs says that somebody else counts a source.
var ErrNotOurs = errors.New("another process has begun to count this source")

// Bounds of what a Roller does at once.
const (
	settling = 2 * time.Hour   // how long a day has been over before it is counted: calls that began in it end, and their records are written
	lease    = time.Minute     // after which another process may go on with what one that died had begun
	patience = 12              // quarters of a lease without a record, after which a source is given up
	farewell = 2 * time.Second // in which the claim is given back; else it runs out
	longest  = 31              // days that are read in one go
	oldest   = 3653            // days back from today that are kept
	recently = 3               // days back that are looked at each time
	lately   = 35              // days back that are looked at every hour
)

// Roller counts whole days of a source and has them kept. Each day is counted by itself, so that it can be put together with others
// to whatever range somebody asks for; calls that go on over midnight are counted once, by the day that Once says.
//
// What is counted of a day depends on the records of the day itself and of those beside it (see lookBack). It is counted anew as soon as the
// signature of one of the three changes, of the next one only from when that is over.
type Roller struct {
	Source    Dated
	Kinds     func(context.Context) ([]Kind, error) // asked in each pass: they may depend on what the source says
	Calls     Calls                                 // where those of CallKinds come from
	CallKinds []CallKind                            // of our own calls
	Keeper    Keeper
	Location  *time.Location // of the days
	Now       func() time.Time
	Pause     time.Duration  // after each day, for whoever needs the machine more urgently
	Holder    string         // a name that nobody else has, of at most 40 characters
	Progress  func(Progress) // told of each day; nil: nobody looks

	hourly, daily time.Time // when days of lately and all days were last looked at
	kinds         []Kind
	pulse         atomic.Int64 // changes as long as the source sends something
}

// Progress is how far a Roller is with what it has found to do.
type Progress struct {
	Days, Done int
	Records    int64 // counted until now
}

// Pass is what a Roller did.
type Pass struct {
	Ours    bool  // false: another process is at it, and nothing was done
	Counted []Day // ascending within each stretch
	Removed int   // days of which the source has nothing any more
	Records int64
}

// Look does what is due when it is asked every minute: it looks for changes of the last 3 days, every hour for those of the last 35,
// and once a day, or when it is asked first, for those of the last ten years.
func (r *Roller) Look(ctx context.Context) (Pass, error) {
	now := r.Now()
	from := r.today() - recently
	all, many := now.Sub(r.daily) >= 24*time.Hour, now.Sub(r.hourly) >= time.Hour
	switch {
	case all:
		from = 0
	case many:
		from = r.today() - lately
	}
	p, err := r.Pass(ctx, from)
	if err == nil && p.Ours {
		if all || many {
			r.hourly = now
		}
		if all {
			r.daily = now
		}
	}
	return p, err
}

// Pass counts the days from a first one on that are not kept or have changed, the newest first, and removes those of which the source
// has nothing any more. What was counted until an error came stays.
func (r *Roller) Pass(ctx context.Context, from Day) (p Pass, err error) {
	err = r.holding(ctx, &p.Ours, func(ctx context.Context) error {
		plan, err := r.plan(ctx, from)
		if err != nil {
			return err
		}
		if err = r.Keeper.Forget(ctx, r.Source.Name(), r.Holder, plan.gone); err != nil {
			return err
		}
		p.Removed = len(plan.gone)
		return r.carryOut(ctx, plan, plan.stale, &p)
	})
	return p, err
}

// Rebuild forgets what is kept of the days from (included) to to (excluded), and counts them again.
func (r *Roller) Rebuild(ctx context.Context, from, to Day) (p Pass, err error) {
	err = r.holding(ctx, &p.Ours, func(ctx context.Context) error {
		if _, err := r.Source.Days(ctx, r.last(), r.today()); err != nil { // nothing is forgotten that cannot be counted
			return err
		}
		kept, err := r.kept(ctx, from, to)
		if err != nil {
			return err
		}
		days := make([]Day, len(kept))
		for i, k := range kept {
			days[i] = k.Day
		}
		if err := r.Keeper.Forget(ctx, r.Source.Name(), r.Holder, days); err != nil {
			return err
		}
		plan, err := r.plan(ctx, from)
		if err != nil {
			return err
		}
		end, _ := slices.BinarySearch(plan.stale, to)
		return r.carryOut(ctx, plan, plan.stale[:end], &p)
	})
	return p, err
}

// Difference is a day of which something else is kept than its records say now.
type Difference struct {
	Day   Day
	Kind  string
	Stale bool // the records are not those any more from which the day was counted: it will be counted anew
	Cause string
}

// Verified is what Verify looked at.
type Verified struct {
	Ours    bool // false: another process counts the source, and nothing was looked at
	Days    int  // that are kept
	Records int64
}

// Verify counts every kept day from (included) to to (excluded) again, and hands out what differs from what is kept. It changes nothing.
func (r *Roller) Verify(ctx context.Context, from, to Day, differs func(Difference) error) (v Verified, err error) {
	err = r.holding(ctx, &v.Ours, func(ctx context.Context) error { return r.verify(ctx, from, to, &v, differs) })
	return v, err
}

func (r *Roller) verify(ctx context.Context, from, to Day, v *Verified, differs func(Difference) error) error {
	plan, err := r.plan(ctx, from)
	if err != nil {
		return err
	}
	kept, err := r.kept(ctx, from, to)
	if err != nil {
		return err
	}
	var days []Day
	signatures := make(map[Day]string)
	for _, k := range kept {
		if k.Signature != "" {
			days, signatures[k.Day] = append(days, k.Day), k.Signature
		}
	}
	p := Progress{Days: len(days)}
	for _, run := range runs(days) {
		err := r.count(ctx, run, func(day Day, counted []Counted, records int64) error {
			v.Days, v.Records = v.Days+1, v.Records+records
			for _, c := range counted {
				cause, err := r.compare(ctx, day, c)
				if err != nil {
					return err
				}
				if cause != "" {
					if err := differs(Difference{day, c.Kind, signatures[day] != plan.signature(day), cause}); err != nil {
						return err
					}
				}
			}
			p.Done, p.Records = v.Days, v.Records
			r.tell(p)
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// compare says in words in what a day differs from what is kept of it.
func (r *Roller) compare(ctx context.Context, day Day, c Counted) (cause string, err error) {
	var data []byte
	there := false
	err = r.Keeper.Load(ctx, r.Source.Name(), c.Kind, c.Rule, day, day+1, func(_ Day, piece []byte) error {
		data, there = append(data, piece...), true
		return nil
	})
	switch {
	case err != nil:
		return "", err
	case !there:
		return "nothing is kept", nil
	case string(data) == string(c.Data):
		return "", nil
	}
	was, err := r.rewritten(c.Kind, data)
	if err != nil {
		return "what is kept cannot be read", nil //nolint:nilerr // that is the finding
	}
	is, err := r.rewritten(c.Kind, c.Data)
	if err == nil && string(was) != string(is) {
		cause = "the records give other figures"
	}
	return cause, err
}

// rewritten reads what a counter wrote, and writes it anew.
func (r *Roller) rewritten(kind string, data []byte) ([]byte, error) {
	for _, k := range r.kinds {
		if k.Name == kind {
			c := k.New()
			err := c.MergeFrom(data)
			return c.AppendTo(nil), err
		}
	}
	for _, k := range r.CallKinds {
		if k.Name == kind {
			c := k.New()
			err := c.MergeFrom(data)
			return c.AppendTo(nil), err
		}
	}
	return nil, fmt.Errorf("there is no kind %q", kind)
}

func (r *Roller) today() Day { return DayAt(r.Now().In(r.Location)) }

// last is the newest day that can be counted.
func (r *Roller) last() Day {
	now := r.Now()
	day := r.today() - 1
	for now.Before(r.end(day).Add(settling)) {
		day--
	}
	return day
}

func (r *Roller) begin(d Day) time.Time { return d.Begin(r.Location) }
func (r *Roller) end(d Day) time.Time   { return r.begin(d + 1) }

func (r *Roller) rules() map[string]string {
	rules := make(map[string]string)
	for _, k := range r.kinds {
		rules[k.Name] = k.Rule
	}
	for _, k := range r.CallKinds {
		rules[k.Name] = k.Rule
	}
	return rules
}

func (r *Roller) kept(ctx context.Context, from, to Day) ([]KeptDay, error) {
	return r.Keeper.Kept(ctx, r.Source.Name(), r.rules(), from, to)
}

// plan is what is to be done about a source.
type plan struct {
	there map[Day]string // what the source says of its days
	last  Day
	stale []Day // ascending
	gone  []Day
}

// signature is that of everything from which a day is counted. The day after it may say which of its calls were answered, but
// changes all the time until it is over.
func (p plan) signature(d Day) string {
	next := "not over"
	if d < p.last {
		next = p.there[d+1]
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q %q", p.there[d-1], p.there[d], next))
	return hex.EncodeToString(sum[:16])
}

// plan finds the days from a first one on that are to be counted. A day without records is kept like another one, unless there is
// none before it: whoever asks for a month need not look then whether its Sundays are really empty.
func (r *Roller) plan(ctx context.Context, from Day) (p plan, err error) {
	p.last = r.last()
	first := max(from, r.today()-oldest)
	if p.there, err = r.Source.Days(ctx, first-1, p.last+1); err != nil {
		return p, err
	}
	kept, err := r.kept(ctx, min(from, first-1), p.last+oldest)
	if err != nil {
		return p, err
	}
	signatures := make(map[Day]string, len(kept))
	before := p.there[first-1] != ""
	for _, k := range kept {
		signatures[k.Day] = k.Signature
		before = before || k.Day == first-1
	}
	for d := first; d <= p.last; d++ {
		before = before || p.there[d] != ""
		if before && signatures[d] != p.signature(d) {
			p.stale = append(p.stale, d)
		}
		if before {
			delete(signatures, d)
		}
	}
	for _, k := range kept { // those that are left
		if _, left := signatures[k.Day]; left && k.Day >= from {
			p.gone = append(p.gone, k.Day)
		}
	}
	return p, nil
}

// runs are stretches of days, ascending, none longer than what is read in one go; the newest stretch comes first.
func runs(days []Day) (all [][]Day) {
	for i, d := range days {
		if i == 0 || d != days[i-1]+1 || len(all[len(all)-1]) == longest {
			all = append(all, nil)
		}
		all[len(all)-1] = append(all[len(all)-1], d)
	}
	slices.Reverse(all)
	return all
}

func (r *Roller) tell(p Progress) {
	if r.Progress != nil {
		r.Progress(p)
	}
}

// carryOut counts days of a plan and has them kept.
func (r *Roller) carryOut(ctx context.Context, plan plan, days []Day, p *Pass) error {
	told := Progress{Days: len(days)}
	r.tell(told)
	var err error
	for _, run := range runs(days) {
		err = r.count(ctx, run, func(day Day, counted []Counted, records int64) error {
			if err := r.Keeper.Keep(ctx, r.Source.Name(), r.Holder, KeptDay{day, plan.signature(day), records}, counted); err != nil {
				return err
			}
			p.Counted, p.Records = append(p.Counted, day), p.Records+records
			told.Done, told.Records = len(p.Counted), p.Records
			r.tell(told)
			return pause(ctx, r.Pause)
		})
		if err != nil {
			break
		}
	}
	if ctx.Err() != nil {
		return err
	}
	return errors.Join(err, r.Keeper.Passed(ctx, r.Source.Name(), r.Holder, len(plan.stale)-len(p.Counted), err == nil))
}

func pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// holding does something while nobody else works at the source. It stops when somebody does all the same.
func (r *Roller) holding(ctx context.Context, ours *bool, do func(context.Context) error) (err error) {
	name := r.Source.Name()
	if *ours, err = r.Keeper.Claim(ctx, name, r.Holder, lease); err != nil || !*ours {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.watch(ctx, cancel)
	}()
	if r.kinds, err = r.Kinds(ctx); err == nil {
		err = do(ctx)
	}
	if cause := context.Cause(ctx); cause != nil && err != nil {
		err = cause
	}
	cancel(nil)
	<-done
	leaving, stop := context.WithTimeout(context.WithoutCancel(ctx), farewell)
	defer stop()
	return errors.Join(err, r.Keeper.Unclaim(leaving, name, r.Holder))
}

// watch keeps the source claimed, and gives up when nothing comes from it any more.
func (r *Roller) watch(ctx context.Context, cancel context.CancelCauseFunc) {
	name, seen, silent := r.Source.Name(), int64(0), 0
	for pause(ctx, lease/4) == nil {
		if held, err := r.Keeper.Claim(ctx, name, r.Holder, lease); err == nil && !held {
			cancel(ErrNotOurs)
		}
		silent++
		if now := r.pulse.Load(); now != seen {
			seen, silent = now, 0
		}
		if silent == patience {
			cancel(&SourceError{Name: name, Reason: "it does not answer"})
		}
	}
}
