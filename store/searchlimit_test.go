package store_test

import (
	"context"
	"errors"
	"math"
	"slices"
	"testing"
	"time"

	"talktime/billing"
	"talktime/models"
	"talktime/money"
	"talktime/store"
	"talktime/store/storetest"
)

// endless is a SELECT that no database lives to finish.
const endless = "SELECT COUNT(*) FROM users a, users b, users c, users d, users e"

// TestSearchesEnd: by themselves when they take too long, or when the request has no time left.
func TestSearchesEnd(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, d storetest.Database) {
		d.Config.SearchTime = 100 * time.Millisecond
		short := d.Migrated(t)
		crowd(t, short, 1000)
		long := d.Open(t, func(c *store.Config) { c.SearchTime = time.Hour })
		for range 2 * store.MaxSearches { // no connection suffers
			if _, err := short.Find(t.Context(), endless); !errors.Is(err, models.ErrSlowSearch) {
				t.Errorf("%v", err)
			}
			if found, err := short.Find(t.Context(), "SELECT id FROM users WHERE id > ? ORDER BY id DESC LIMIT 2", 7); !slices.Equal(found, []int64{1000, 999}) || err != nil {
				t.Errorf("%v, %v", found, err)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		if _, err := long.Find(ctx, endless); !errors.Is(err, models.ErrSlowSearch) {
			t.Errorf("%v", err)
		}
		if found, err := long.Find(t.Context(), "SELECT id FROM users WHERE id = 0"); len(found) != 0 || err != nil {
			t.Errorf("%v, %v", found, err)
		}
		if d.Server == nil {
			return
		}
		var running int
		err := d.SQL(t).QueryRowContext(t.Context(), "SELECT COUNT(*) FROM information_schema.processlist WHERE command = 'Query' AND db = ? AND info LIKE '%users e%' AND id <> connection_id()", d.Config.Name).Scan(&running)
		if running != 0 || err != nil {
			t.Errorf("%d go on, %v", running, err)
		}
	})
}

// TestSearchesLeaveRoom: calls go on while searches have taken all there is for them.
func TestSearchesLeaveRoom(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, d storetest.Database) {
		d.Config.SearchTime = time.Hour
		if d.Server != nil {
			d.Config.SearchTime = 3 * time.Second // a server's go on though their clients have left
		}
		s := d.Migrated(t)
		crowd(t, s, 1000)
		members(t, s, 1, 1000*money.Unit)
		service := billing.New(billing.Options{Store: s, Policy: policy(2), Lanes: s.Lanes()})
		defer service.Close()

		leaving, leave := context.WithCancel(t.Context())
		defer leave()
		ended := make(chan error)
		const clients = store.MaxSearches + 3
		for range clients {
			go func() {
				_, err := s.Find(leaving, endless)
				ended <- err
			}()
		}
		for s.Searching() < store.MaxSearches {
			time.Sleep(time.Millisecond)
		}
		impatient, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		if _, err := s.Find(impatient, "SELECT 1"); !errors.Is(err, models.ErrSearches) {
			t.Errorf("one more: %v", err)
		}
		if _, err := service.Authorize(t.Context(), request("5000", "pbx-1.x")); err != nil {
			t.Errorf("a call meanwhile: %v", err)
		}
		if _, err := service.Settle(t.Context(), oneSecond("5000", "pbx-1.x")); err != nil {
			t.Errorf("its end: %v", err)
		}
		if list, err := s.ListUsers(t.Context(), models.ListRequest{Number: 1, Size: 2}); len(list.Items) != 2 || err != nil {
			t.Errorf("a plain list meanwhile: %v", err)
		}
		if n := s.Searching(); n != store.MaxSearches {
			t.Errorf("%d searches are at it", n)
		}
		leave()
		for range clients {
			if err := <-ended; err == nil {
				t.Error("an endless search ended well")
			}
		}
		if found, err := s.Find(t.Context(), "SELECT 7"); !slices.Equal(found, []int64{7}) || err != nil {
			t.Errorf("afterwards: %v, %v", found, err)
		}
	})
}

// TestFarPages: numbers of pages and offsets do not overflow.
func TestFarPages(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, d storetest.Database) {
		s := d.Migrated(t)
		crowd(t, s, 3)
		for _, page := range []int{1, 2, models.MaxPage + 1, 1 << 53, 92233720368547758, 92233720368547759, math.MaxInt} {
			for query, want := range map[string]int{"": 3, `{"limit":9007199254740992}`: 3, `{"offset":9007199254740992}`: 0, `{"limit":9007199254740992,"offset":9007199254740992}`: 0} {
				if page > 1 {
					want = 0
				}
				list, err := s.ListUsers(t.Context(), models.ListRequest{Query: query, Number: page, Size: 100})
				if err != nil || len(list.Items) != want {
					t.Errorf("page %d of %q: %d users, %v", page, query, len(list.Items), err)
				}
			}
		}
	})
}
