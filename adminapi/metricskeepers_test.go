package adminapi_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"talktime/adminapi"
	"talktime/models"
	"talktime/store/storetest"
)

// someKeepers are those that were seen.
type someKeepers struct {
	all []models.Keeper
	err error
}

func (k someKeepers) Keepers(context.Context) ([]models.Keeper, error) { return k.all, k.err }

// TestKeeperMetrics: what became of slices, by who extends calls. Who has ended counts until another one has his name.
func TestKeeperMetrics(t *testing.T) {
	t.Parallel()
	figures := func(n int64) models.KeeperFigures {
		return models.KeeperFigures{
			Calls: n, Away: n + 1, Placed: n + 2, Refused: n + 3, Short: n + 4, Late: n + 5, Released: n + 6, Cut: n + 7, Adopted: n + 8, Warned: n + 9,
			Latency: []int64{n, 0, 0, 0, 2, 0, 0, 0, 0, 0, 3}, LatencySum: 20e6,
		}
	}
	s := newSite(t, storetest.SQLite(t))
	s.start(func(d *adminapi.Deps) {
		d.Keepers = someKeepers{all: []models.Keeper{
			{ID: 1, Name: "a:1", Figures: figures(10)},
			{ID: 2, Name: "a:1", Gone: true, Figures: figures(1000)},
			{ID: 3, Name: "b:1", Gone: true, Figures: figures(20)},
			{ID: 4, Name: "c:1", Figures: figures(30)},
			{ID: 5, Name: "c:1", Figures: models.KeeperFigures{Calls: 1}},
			{ID: 6, Name: "d:1"},
		}}
	})
	got := s.anonymous().get("/metrics").is(http.StatusOK).metrics()
	for name, want := range map[string]float64{
		`talktime_kept_calls{keeper="a:1"}`: 10, `talktime_kept_calls{keeper="b:1"}`: 20, `talktime_kept_calls{keeper="c:1"}`: 31, `talktime_kept_calls{keeper="d:1"}`: 0,
		`talktime_keeper_away{keeper="a:1"}`: 11, `talktime_slices_total{keeper="a:1",result="placed"}`: 12, `talktime_slices_total{keeper="a:1",result="refused"}`: 13,
		`talktime_slices_total{keeper="a:1",result="short"}`: 14, `talktime_slices_total{keeper="a:1",result="late"}`: 15, `talktime_slices_total{keeper="a:1",result="released"}`: 16,
		`talktime_calls_cut_total{keeper="a:1"}`: 17, `talktime_calls_adopted_total{keeper="a:1"}`: 18, `talktime_callers_warned_total{keeper="a:1"}`: 19,
		`talktime_slice_seconds_bucket{keeper="a:1",le="0.005"}`: 10, `talktime_slice_seconds_bucket{keeper="a:1",le="0.05"}`: 10, `talktime_slice_seconds_bucket{keeper="a:1",le="0.1"}`: 12,
		`talktime_slice_seconds_bucket{keeper="a:1",le="5"}`: 12, `talktime_slice_seconds_bucket{keeper="a:1",le="+Inf"}`: 15, `talktime_slice_seconds_count{keeper="a:1"}`: 15,
		`talktime_slice_seconds_sum{keeper="a:1"}`: 20, `talktime_slice_seconds_bucket{keeper="d:1",le="5"}`: 0,
	} {
		if value, ok := got[name]; !ok || value != want {
			t.Errorf("%s is %v, want %v", name, value, want)
		}
	}
}

// TestNoKeepers: nothing is shown of those that are not there, and figures without them are as if the database were away.
func TestNoKeepers(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		keepers someKeepers
		up      float64
	}{{someKeepers{}, 1}, {someKeepers{err: models.ErrUnavailable}, 0}} {
		s := newSite(t, storetest.SQLite(t))
		s.start(func(d *adminapi.Deps) { d.Keepers = tt.keepers })
		got := s.anonymous().get("/metrics").is(http.StatusOK).metrics()
		if got["talktime_database_up"] != tt.up {
			t.Errorf("the database is up: %v, want %v", got["talktime_database_up"], tt.up)
		}
		for name := range got {
			if strings.Contains(name, "keeper") {
				t.Errorf("%s without a keeper", name)
			}
		}
	}
}
