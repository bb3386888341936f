package billing_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"talktime/billing"
	"talktime/models"
	"talktime/money"
)

// openCalls lists a desk's open calls as a database does, by its clock.
type openCalls struct {
	*desk
	claimed map[int64]bool // by another process
	fail    error
	onClaim func()
}

func (o openCalls) OpenCalls(_ context.Context, after int64, limit int) ([]billing.OpenCall, error) {
	o.store.mu.Lock()
	defer o.store.mu.Unlock()
	var found []billing.OpenCall
	for _, c := range o.store.calls {
		if c.State == models.CallOpen && c.ID > after {
			found = append(found, billing.OpenCall{Call: clone(c), OverdueBy: o.clock.Sub(c.Due)})
		}
	}
	slices.SortFunc(found, func(a, b billing.OpenCall) int { return cmp.Compare(a.ID, b.ID) })
	return found[:min(limit, len(found))], o.fail
}

func (o openCalls) ClaimCall(_ context.Context, id int64, _ time.Duration) (bool, error) {
	if o.onClaim != nil {
		o.onClaim()
	}
	return !o.claimed[id], nil
}

func (o openCalls) NextCalls(context.Context, []models.Call) (map[string]time.Time, error) {
	return nil, nil
}

// rows is a CDR database.
type rows struct {
	found map[string]models.Evidence
	err   error
}

func (r rows) Evidence(context.Context, []models.Call, map[string]time.Time) (map[string]models.Evidence, error) {
	return r.found, r.err
}
func (rows) Name() string { return "DB1" }

// channels is a live channel list.
type channels struct {
	live map[string]bool
	err  error
}

func (c channels) Live(context.Context) (map[string]bool, error) { return c.live, c.err }

func (d *desk) reconciler() *billing.Reconciler {
	return &billing.Reconciler{Service: d.Service, Calls: openCalls{desk: d}, Logger: slog.New(slog.DiscardHandler)}
}

func TestReconcile(t *testing.T) {
	t.Parallel()
	const id = "10.0.0.5/1795212652.0"
	ended := models.Evidence{Source: "reducer", Over: true}
	row := map[string]models.Evidence{id: cdr("ANSWER", n(12))}
	unreachable := errors.New("no route to host")
	late := func(d *desk) { d.wait(161) } // 40 s of ringing, 60 s of talk, 60 s of grace
	for name, c := range map[string]struct {
		prepare func(*desk)
		edit    func(*billing.Reconciler)
		all     bool
		want    models.CallState
		seconds int64
		problem string
	}{
		"a call within its limit":                       {func(d *desk) { d.wait(100) }, nil, false, models.CallOpen, 0, ""},
		"within its grace":                              {func(d *desk) { d.wait(160) }, nil, false, models.CallOpen, 0, ""},
		"past it, nobody knows":                         {late, nil, false, models.CallUnreconciled, 0, ""},
		"past it, but the channel is up":                {late, live("1795212652.0"), false, models.CallOpen, 0, ""},
		"past it, and the channel is not up":            {late, live("1795212652.1"), false, models.CallUnreconciled, 0, ""},
		"past it, and nobody can say what is up":        {late, func(r *billing.Reconciler) { r.Live = channels{nil, unreachable} }, false, models.CallOpen, 0, "live channels: no route to host"},
		"past it, with rows":                            {late, cdrs(rows{row, nil}), false, models.CallSettled, 12, ""},
		"rows of a call within its limit: it has ended": {nil, cdrs(rows{row, nil}), false, models.CallSettled, 12, ""},
		"rows, but the channel is up":                   {nil, func(r *billing.Reconciler) { cdrs(rows{row, nil})(r); live("1795212652.0")(r) }, false, models.CallOpen, 0, ""},
		"rows that say nobody answered":                 {nil, cdrs(rows{map[string]models.Evidence{id: cdr("NOANSWER", nil)}, nil}), false, models.CallReleased, 0, ""},
		"the database cannot be reached":                {late, cdrs(rows{nil, unreachable}), false, models.CallOpen, 0, "CDR database DB1: no route to host"},
		"one database is away, the other has rows":      {late, cdrs(rows{nil, unreachable}, rows{row, nil}), false, models.CallSettled, 12, "CDR database DB1"},
		"two databases have rows: the first":            {late, cdrs(rows{row, nil}, rows{map[string]models.Evidence{id: cdr("ANSWER", n(99))}, nil}), false, models.CallSettled, 12, ""},
		"proven ended, nobody knows the talk: it waits": {func(d *desk) { d.settle(id, ended) }, nil, false, models.CallOpen, 0, ""},
		"proven ended a minute ago":                     {func(d *desk) { d.settle(id, ended); d.wait(61) }, nil, false, models.CallUnreconciled, 0, ""},
		"the caller's leg left a note":                  {func(d *desk) { d.settle(id, redirected(0, 7)); late(d) }, cdrs(rows{row, nil}), false, models.CallSettled, 12, ""},
		"a note is all there is":                        {func(d *desk) { d.settle(id, redirected(0, 7)); late(d) }, nil, false, models.CallSettled, 7, ""},
		"another process has it":                        {late, claimedElsewhere, false, models.CallOpen, 0, ""},
		"the operator's word, within the limit":         {nil, nil, true, models.CallUnreconciled, 0, ""},
		"the operator's word, although it is up":        {nil, live("1795212652.0"), true, models.CallUnreconciled, 0, ""},
		"the operator's word, with rows":                {nil, cdrs(rows{row, nil}), true, models.CallSettled, 12, ""},
		"the operator's word, the database away":        {nil, cdrs(rows{nil, unreachable}), true, models.CallUnreconciled, 0, "DB1"},
		"the operator's word counts above a claim":      {nil, claimedElsewhere, true, models.CallUnreconciled, 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t)
			d.authorize(id, abroad)
			if c.prepare != nil {
				c.prepare(d)
			}
			r := d.reconciler()
			if c.edit != nil {
				c.edit(r)
			}
			report, err := r.Run(t.Context(), c.all)
			if err != nil {
				t.Fatal(err)
			}
			call := d.call(id)
			if call.State != c.want || call.Seconds != c.seconds {
				t.Errorf("%s with %d s, want %s with %d; report %+v", call.State, call.Seconds, c.want, c.seconds, report)
			}
			by := map[bool]string{false: "reconciler", true: "operator"}[c.all]
			if call.State != models.CallOpen && call.SettledBy != by {
				t.Errorf("settled by %q, want %q", call.SettledBy, by)
			}
			if problems := strings.Join(report.Problems, "; "); c.problem == "" != (problems == "") || !strings.Contains(problems, c.problem) {
				t.Errorf("problems %q, want %q", problems, c.problem)
			}
			counted := map[models.CallState]int{
				models.CallOpen: report.Left, models.CallSettled: report.Settled, models.CallReleased: report.Released,
				models.CallUnreconciled: report.Unreconciled,
			}
			if report.Open != 1 || counted[c.want] != 1 {
				t.Errorf("report %+v", report)
			}
			held := int64(0)
			if c.want == models.CallOpen {
				held = 60
			}
			d.money(180-c.seconds, held)
		})
	}
}

func live(uniqueIDs ...string) func(*billing.Reconciler) {
	return func(r *billing.Reconciler) {
		set := map[string]bool{}
		for _, id := range uniqueIDs {
			set[id] = true
		}
		r.Live = channels{set, nil}
	}
}

func cdrs(sources ...rows) func(*billing.Reconciler) {
	return func(r *billing.Reconciler) {
		for _, s := range sources {
			r.CDRs = append(r.CDRs, s)
		}
	}
}

func claimedElsewhere(r *billing.Reconciler) {
	o := r.Calls.(openCalls)
	o.claimed = map[int64]bool{}
	for _, c := range o.store.calls {
		o.claimed[c.ID] = true
	}
	r.Calls = o
}

func TestReconcileGoesThroughAllPages(t *testing.T) {
	t.Parallel()
	d := newDesk(t, with(func(p *billing.Policy) { p.MaxCallSeconds = 1 }))
	d.topUp("marta", 2000)
	for i := range 1203 {
		d.authorize(fmt.Sprint("pbx-1.", i), abroad)
	}
	d.wait(200)
	report, err := d.reconciler().Run(t.Context(), false)
	want := billing.ReconcileReport{Open: 1203, Unreconciled: 1203}
	if diff := gocmp.Diff(want, report); err != nil || diff != "" {
		t.Errorf("%v (-want +got)\n%s", err, diff)
	}
}

func TestReconcileStopsWhenItsDatabaseIsAway(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	r := d.reconciler()
	r.Calls = openCalls{desk: d, fail: models.ErrUnavailable}
	if _, err := r.Run(t.Context(), false); !errors.Is(err, models.ErrUnavailable) {
		t.Error(err)
	}
}

// TestReconcileNeverGivesUpANewerCallOfTheChannel: between the look at a call and its settlement the channel may have
// gone on to another one.
func TestReconcileNeverGivesUpANewerCallOfTheChannel(t *testing.T) {
	t.Parallel()
	for _, all := range []bool{false, true} {
		d := newDesk(t)
		d.authorize("pbx-1.1", abroad)
		d.wait(200)
		r := d.reconciler()
		r.Calls = openCalls{desk: d, onClaim: sync.OnceFunc(func() {
			d.settle("pbx-1.1", answered("reducer", 5000))
			d.wait(1)
			d.authorize("pbx-1.1", joelCLID)
		})}
		if _, err := r.Run(t.Context(), all); err != nil {
			t.Fatal(err)
		}
		if call := d.call("pbx-1.1#2"); call.State != models.CallOpen {
			t.Errorf("the new call is %s", call.State)
		}
		d.money(175, 60)
	}
}

// TestTheOperatorsWordIsAboutCallsThatAreOpenNow, and not about those that begin while it is carried out.
func TestTheOperatorsWordIsAboutCallsThatAreOpenNow(t *testing.T) {
	t.Parallel()
	d := newDesk(t, with(func(p *billing.Policy) { p.MaxCallSeconds = 1 }))
	d.topUp("marta", 1000)
	for i := range 501 {
		d.authorize(fmt.Sprint("pbx-1.", i), abroad)
	}
	r := d.reconciler()
	begun := 0
	r.Calls = openCalls{desk: d, onClaim: func() {
		if begun++; begun < 100 {
			d.wait(0.01)
			d.authorize(fmt.Sprint("pbx-2.", begun), abroad)
		}
	}}
	report, err := r.Run(t.Context(), true)
	if err != nil || report.Unreconciled != 501 || d.call("pbx-2.1").State != models.CallOpen {
		t.Errorf("%+v, %v; a new call is %s", report, err, d.call("pbx-2.1").State)
	}
}

// TestReconcileTwiceAtOnce: passes of two processes at once charge once.
func TestReconcileTwiceAtOnce(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for i := range 3 {
		d.authorize(fmt.Sprint("pbx-1.", i), abroad)
	}
	d.wait(200)
	row := map[string]models.Evidence{"pbx-1.0": cdr("ANSWER", n(5)), "pbx-1.1": cdr("ANSWER", n(6)), "pbx-1.2": cdr("ANSWER", n(7))}
	done := make(chan error)
	for range 4 {
		go func() {
			r := d.reconciler()
			cdrs(rows{row, nil})(r)
			_, err := r.Run(t.Context(), false)
			done <- err
		}()
	}
	for range 4 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	d.money(180-18, 0)
}

func TestCallIDs(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ peer, unique, want string }{
		{"10.0.0.5", "1795212652.0", "10.0.0.5/1795212652.0"},
		{"10.0.0.5", "pbx-1795212652.0", "pbx-1795212652.0"},
		{"fe80::1", "1795212652.0", "fe80::1/1795212652.0"},
	} {
		id := billing.QualifiedID(c.peer, c.unique)
		if id != c.want || billing.UniqueID(id) != c.unique || billing.UniqueID(id+"#2") != c.unique || billing.ChannelOf(id+"#2") != id {
			t.Errorf("%s from %s: %s, unique %s", c.unique, c.peer, id, billing.UniqueID(id))
		}
	}
}

func TestAuditReportFindsEveryWrongCall(t *testing.T) {
	t.Parallel()
	good := models.Call{CallID: "x", State: models.CallSettled, Rate: models.SecondRate(), Seconds: 10, Charge: 10 * money.Unit, Shortfall: 4 * money.Unit}
	for name, c := range map[string]struct {
		edit                         func(*models.Call)
		customer, revenue, shortfall money.Amount
		posted                       int64
		clean                        bool
	}{
		"a good one":                      {nil, -6, 10, -4, 1, true},
		"charge and seconds differ":       {func(c *models.Call) { c.Seconds = 11 }, -6, 10, -4, 1, false},
		"another rate":                    {func(c *models.Call) { c.Rate.PerMinute++ }, -6, 10, -4, 1, false},
		"not posted":                      {nil, 0, 0, 0, 0, false},
		"posted twice":                    {nil, -12, 20, -8, 2, false},
		"customer paid less":              {nil, -5, 10, -4, 1, false},
		"revenue is short":                {nil, -6, 9, -4, 1, false},
		"shortfall is not what it was":    {nil, -6, 10, -3, 1, false},
		"a shortfall above the charge":    {func(c *models.Call) { c.Shortfall = 12 * money.Unit }, 2, 10, -12, 1, false},
		"released, but charged":           {func(c *models.Call) { c.State = models.CallReleased }, -6, 10, -4, 1, false},
		"settled, but holding":            {func(c *models.Call) { c.Holds = []models.HoldPart{{AccountID: 1, Amount: 1}} }, -6, 10, -4, 1, false},
		"unreconciled, and nothing moved": {func(c *models.Call) { c.State, c.Charge, c.Shortfall = models.CallUnreconciled, 0, 0 }, 0, 0, 0, 0, true},
		"unreconciled, but charged":       {func(c *models.Call) { c.State = models.CallUnreconciled }, -6, 10, -4, 1, false},
		"free of charge":                  {func(c *models.Call) { c.Rate.PerMinute, c.Charge, c.Shortfall = 0, 0, 0 }, 0, 0, 0, 0, true},
		"free of charge, but posted":      {func(c *models.Call) { c.Rate.PerMinute, c.Charge, c.Shortfall = 0, 0, 0 }, 0, 0, 0, 1, false},
	} {
		call := good
		if c.edit != nil {
			c.edit(&call)
		}
		var report billing.AuditReport
		report.CheckCall(call, c.customer*money.Unit, c.revenue*money.Unit, c.shortfall*money.Unit, c.posted)
		if report.Clean() != c.clean {
			t.Errorf("%s: differences %q", name, report.Differences)
		}
	}
}
