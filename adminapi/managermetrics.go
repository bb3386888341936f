package adminapi

import (
	"github.com/prometheus/client_golang/prometheus"

	"talktime/queues/live"
)

// managerFigures shows what the connection to Asterisk's manager interface did.
type managerFigures struct{ stats func() live.ManagerStats }

// Describe implements prometheus.Collector.
func (m managerFigures) Describe(to chan<- *prometheus.Desc) { prometheus.DescribeByCollect(m, to) }

// Collect implements prometheus.Collector.
func (m managerFigures) Collect(to chan<- prometheus.Metric) {
	s := m.stats()
	connected := 0.0
	if s.Connected {
		connected = 1
	}
	to <- prometheus.MustNewConstMetric(siteDesc("ami_connected", "1 while there is a connection to Asterisk's manager interface, else 0."), prometheus.GaugeValue, connected)
	count := func(n uint64, name, help string) {
		to <- prometheus.MustNewConstMetric(siteDesc(name, help), prometheus.CounterValue, float64(n))
	}
	count(s.Connects, "ami_connects_total", "Logins at the manager interface that succeeded.")
	count(s.Failures, "ami_connect_failures_total", "Connections to the manager interface that could not be made, or were refused at the login.")
	count(s.Losses, "ami_losses_total", "Connections to the manager interface that ended after the login.")
	count(s.Requests, "ami_requests_total", "Questions to the manager interface.")
	count(s.Events, "ami_events_total", "Events that came from the manager interface, those of lists among them.")
	count(s.Dropped, "ami_events_dropped_total", "Events that somebody who waited for them did not get, since there were too many.")
	kinds := func(name, help, label string, of map[string]uint64) {
		desc := siteDesc(name, help, label)
		for kind, n := range of {
			to <- prometheus.MustNewConstMetric(desc, prometheus.CounterValue, float64(n), kind)
		}
	}
	kinds("ami_requests_failed_total", "Questions that were not answered, by why: refused, timeout, away (there was no connection).", "why",
		map[string]uint64{"refused": s.Refused, "timeout": s.Timeouts, "away": s.Away})
	kinds("ami_protocol_errors_total", "What came from the manager interface and makes no sense, by kind.", "kind", map[string]uint64{
		"late": s.Late, "twice": s.Twice, "foreign": s.Foreign, "too_long": s.TooLong, "malformed": s.Malformed, "endless": s.Endless, "short": s.Short,
	})
}

// count is how many streams there are.
func (s *streams) count() float64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return float64(s.all)
}

// watchQueues has the metrics say what the live picture of the queues costs.
func (a *api) watchQueues() {
	if a.Manager != nil {
		a.metrics.registry.MustRegister(managerFigures{a.Manager})
	}
	if a.LiveQueues != nil {
		a.metrics.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "talktime_queue_streams", Help: "Readers who are sent the live picture of the queues.",
		}, a.streams.count))
	}
}
