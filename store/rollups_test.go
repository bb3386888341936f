package store_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"talktime/models"
	"talktime/money"
	"talktime/stats"
	"talktime/store"
	"talktime/store/storetest"
)

// TestOwnCallsAreRolledUp: figures of our own calls, money included, are the same from roll-ups as from the calls, also after one
// came late.
func TestOwnCallsAreRolledUp(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, database storetest.Database) {
		zone := berlin(t) // whose clocks are put back on 25 October
		database.Config.Location = zone
		d := newOwnDesk(t, database)
		users := []int64{0, d.user("ines", "2104"), d.user("ana", "2105")}
		random := rand.New(rand.NewPCG(1, 2))
		first := time.Date(2026, 10, 22, 0, 0, 0, 0, zone)
		var calls []models.Call
		for range 500 {
			calls = append(calls, d.call(first.Add(time.Duration(random.Int64N(int64(120*time.Hour)))), func(c *models.Call) {
				c.UserID, c.Number, c.BuyCost = users[random.IntN(3)], []string{"4930123456", "59899000001", "12025550123", "x"}[random.IntN(4)], money.Amount(random.Int64N(1e9))
				c.Cause, c.Rate.Prefix = random.IntN(20), []string{"", "49", "598"}[random.IntN(3)]
				if random.IntN(3) == 0 {
					c.State, c.Status, c.Seconds = models.CallReleased, "BUSY", 0
				}
			}))
		}
		d.keeps(calls...)
		for i := range 100 {
			d.imports(int64(i), first.Add(time.Duration(random.Int64N(int64(120*time.Hour)))), users[random.IntN(3)], false)
		}

		source := d.store.OwnRecords(zone)
		now := func() time.Time { return time.Date(2026, 10, 28, 12, 0, 0, 0, zone) }
		service := func(rollUps stats.RollUps) *stats.Service {
			return stats.New(stats.Options{Sources: []stats.Source{source}, RollUps: rollUps, Calls: d.store, Location: zone, Now: now, Limit: time.Minute})
		}
		raw, rolled := service(nil), service(d.store)
		roller := &stats.Roller{
			Source: source, Kinds: func(ctx context.Context) ([]stats.Kind, error) { return raw.Kinds(ctx, source) }, Calls: d.store, CallKinds: raw.CallKinds(),
			Keeper: d.store, Location: zone, Now: now, Holder: "test",
		}
		rolls := func(want int) {
			t.Helper()
			pass, err := roller.Look(t.Context())
			if err != nil || len(pass.Counted) != want {
				t.Fatalf("%d days are counted, want %d: %v", len(pass.Counted), want, err)
			}
			verified, err := roller.Verify(t.Context(), 0, stats.DayAt(now()), func(d stats.Difference) error { return fmt.Errorf("%s %s: %s", d.Day, d.Kind, d.Cause) })
			if err != nil || verified.Days != 6 {
				t.Fatalf("%d days are verified: %v", verified.Days, err)
			}
		}
		agree := func() {
			t.Helper()
			for _, of := range []stats.Dimension{stats.OfNone, stats.OfUser, stats.OfCountry, stats.OfDestination, stats.OfCarrier, stats.OfCause} {
				q := stats.Query{From: first.AddDate(0, 0, 1), To: first.AddDate(0, 0, 5), By: stats.ByDay, Of: of, Location: zone}
				want, err := raw.Summary(t.Context(), q)
				if err != nil || want.Origin != stats.FromRaw || want.Total.Attempts == 0 {
					t.Fatalf("%s: %d calls from %s, %v", of, want.Total.Attempts, want.Origin, err)
				}
				got, err := rolled.Summary(t.Context(), q)
				if err != nil || got.Origin != stats.FromRollUps {
					t.Fatalf("%s: from %s, %v", of, got.Origin, err)
				}
				got.Origin = want.Origin
				if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b time.Time) bool { return a.Equal(b) })); diff != "" {
					t.Errorf("%s: %s", of, diff)
				}
			}
			month := stats.Range{From: first.AddDate(0, 0, 1), To: first.AddDate(0, 0, 5)}
			want, err := raw.CallStat(t.Context(), month)
			got, also := rolled.CallStat(t.Context(), month)
			if err := errors.Join(err, also); err != nil || len(want.Extensions) == 0 || got.Origin != stats.FromRollUps {
				t.Fatalf("%d extensions from %s, %v", len(want.Extensions), got.Origin, err)
			}
			if diff := cmp.Diff(want.Extensions, got.Extensions); diff != "" {
				t.Error(diff)
			}
		}
		rolls(6) // the first five days have calls, and the sixth has none
		agree()
		d.keeps(d.call(first.Add(50*time.Hour), func(c *models.Call) { c.UserID = users[1] })) // it ended days later
		roller = &stats.Roller{
			Source: roller.Source, Kinds: roller.Kinds, Calls: d.store, CallKinds: roller.CallKinds, Keeper: d.store, Location: zone, Now: now, Holder: "another",
		}
		rolls(3)
		agree()

		// What is imported of a day long past counts at once, although nobody looks at that day again so soon.
		imported(t, d.store, store.CDRImport{}, cdrLine(first.Add(60*time.Hour), "77.1", "2105", "4930555111"))
		days := stats.Range{From: first.AddDate(0, 0, 1), To: first.AddDate(0, 0, 5)}
		want, err := raw.CallStat(t.Context(), days)
		got, also := rolled.CallStat(t.Context(), days)
		if err := errors.Join(err, also); err != nil || got.Origin != stats.FromBoth {
			t.Fatalf("from %s, %v", got.Origin, err)
		}
		if diff := cmp.Diff(want.Extensions, got.Extensions); diff != "" {
			t.Error(diff)
		}
	})
}

// TestRollUpsHaveTheirTime as searches have: a server that does not answer keeps nobody longer.
func TestRollUpsHaveTheirTime(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, database storetest.Database) {
		s := database.Migrated(t)
		if ours, err := s.Claim(t.Context(), "pbx", "test", time.Minute); err != nil || !ours {
			t.Fatal(ours, err)
		}
		for day := range stats.Day(40) {
			if err := s.Keep(t.Context(), "pbx", "test", stats.KeptDay{Day: day}, []stats.Counted{{Kind: "all", Data: make([]byte, 3000)}}); err != nil {
				t.Fatal(err)
			}
		}
		load := func(s *store.Store, ctx context.Context, each func() error) error {
			return s.Load(ctx, "pbx", "all", "", 0, 40, func(stats.Day, []byte) error { return each() })
		}
		ctx, cancel := context.WithCancel(t.Context())
		n := 0
		err := load(s, ctx, func() error {
			if n++; n == 3 {
				cancel()
			}
			return nil
		})
		if !errors.Is(err, context.Canceled) || n != 3 {
			t.Errorf("after the third day somebody went away: %d days, %v", n, err)
		}
		stop := errors.New("stop")
		if err := load(s, t.Context(), func() error { return stop }); !errors.Is(err, stop) {
			t.Errorf("who asked stopped: %v", err)
		}
		var under []context.CancelFunc
		begun := make(chan bool)
		for range store.MaxSearches {
			ctx, cancel := context.WithCancel(t.Context())
			under = append(under, cancel)
			go func() { _ = load(s, ctx, func() error { begun <- true; <-ctx.Done(); return ctx.Err() }) }()
			<-begun
		}
		short, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		if err := load(s, short, func() error { return nil }); !errors.Is(err, models.ErrSearches) {
			t.Errorf("others are at it: %v", err)
		}
		for _, cancel := range under {
			cancel()
		}
		if err := load(s, t.Context(), func() error { return nil }); err != nil {
			t.Errorf("they have gone: %v", err)
		}
	})
}
