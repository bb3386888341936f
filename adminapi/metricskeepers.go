package adminapi

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"talktime/models"
)

// Keepers are the processes that extend calls while the phones talk.
type Keepers interface {
	// Keepers are those that were seen within the last minute.
	Keepers(context.Context) ([]models.Keeper, error)
}

// keptFigures are the figures of keepers by their names. One that has ended is left out as soon as another one has its name, which begins anew.
func keptFigures(keepers []models.Keeper) map[string]models.KeeperFigures {
	living := map[string]bool{}
	for _, k := range keepers {
		living[k.Name] = living[k.Name] || !k.Gone
	}
	of := map[string]models.KeeperFigures{}
	for _, k := range keepers {
		if living[k.Name] != k.Gone {
			of[k.Name] = addFigures(of[k.Name], k.Figures)
		}
	}
	return of
}

func addFigures(a, b models.KeeperFigures) models.KeeperFigures {
	latency := make([]int64, max(len(a.Latency), len(b.Latency)))
	for i := range latency {
		for _, of := range [][]int64{a.Latency, b.Latency} {
			if i < len(of) {
				latency[i] += of[i]
			}
		}
	}
	return models.KeeperFigures{
		Calls: a.Calls + b.Calls, Away: a.Away + b.Away, Placed: a.Placed + b.Placed, Refused: a.Refused + b.Refused, Short: a.Short + b.Short,
		Late: a.Late + b.Late, Released: a.Released + b.Released, Cut: a.Cut + b.Cut, Adopted: a.Adopted + b.Adopted, Warned: a.Warned + b.Warned,
		Latency: latency, LatencySum: a.LatencySum + b.LatencySum,
	}
}

// showKeepers shows what became of calls that are held in slices.
func showKeepers(to chan<- prometheus.Metric, keepers []models.Keeper) {
	show := func(kind prometheus.ValueType, name, help string) func(keeper string, value int64) {
		desc := siteDesc(name, help, "keeper")
		return func(keeper string, value int64) {
			to <- prometheus.MustNewConstMetric(desc, kind, float64(value), keeper)
		}
	}
	calls := show(prometheus.GaugeValue, "kept_calls", "Calls that a process extends while they go on, as it said last; of one that died, for a minute.")
	away := show(prometheus.GaugeValue, "keeper_away", "Asterisks whose new calls it holds whole: away, a right is missing, or nobody has called since it is connected.")
	cut := show(prometheus.CounterValue, "calls_cut_total", "Calls that it ended while they went on.")
	adopted := show(prometheus.CounterValue, "calls_adopted_total", "Calls that it took over from another one, or found after a restart.")
	warned := show(prometheus.CounterValue, "callers_warned_total", "Callers who were told that their call is about to end.")
	slices := siteDesc("slices_total", "Slices by which calls were to be extended, by result: placed, refused (by Asterisk), short (no money or no time for another), "+
		"late (placed, when the one before was over or nearly), released (committed and never placed).", "keeper", "result")
	latency := siteDesc("slice_seconds", "How long it took from the moment at which a slice was due until Asterisk had taken it.", "keeper")
	for keeper, f := range keptFigures(keepers) {
		calls(keeper, f.Calls)
		away(keeper, f.Away)
		cut(keeper, f.Cut)
		adopted(keeper, f.Adopted)
		warned(keeper, f.Warned)
		for result, n := range map[string]int64{"placed": f.Placed, "refused": f.Refused, "short": f.Short, "late": f.Late, "released": f.Released} {
			to <- prometheus.MustNewConstMetric(slices, prometheus.CounterValue, float64(n), keeper, result)
		}
		buckets, count := map[float64]uint64{}, uint64(0)
		for _, bound := range models.LatencyBounds() {
			if len(f.Latency) > 0 {
				count, f.Latency = count+whole(f.Latency[0]), f.Latency[1:]
			}
			buckets[bound.Seconds()] = count
		}
		for _, n := range f.Latency { // longer
			count += whole(n)
		}
		to <- prometheus.MustNewConstHistogram(latency, count, (time.Duration(f.LatencySum) * time.Microsecond).Seconds(), buckets, keeper)
	}
}

// whole is a count as Prometheus has it.
func whole(n int64) uint64 { return uint64(max(n, 0)) }
