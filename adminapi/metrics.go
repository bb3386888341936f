package adminapi

import (
	"context"
	"errors"
	"net/http"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"talktime/models"
	"talktime/money"
)

// Figures is what the metrics say of the site as a whole.
type Figures interface {
	Figures(context.Context) (models.Figures, error)
}

const (
	figuresLife    = 10 * time.Second // however often somebody asks, the database is asked no more than this
	figuresTimeout = 3 * time.Second
)

// metrics are the numbers for a Prometheus server.
type metrics struct {
	registry *prometheus.Registry
	handler  http.Handler
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
	inFlight prometheus.Gauge
	logins   *prometheus.CounterVec
	site     *siteFigures
}

func newMetrics(version string) *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "talktime_http_requests_total", Help: "Requests that were answered, by method, route and class of the status; cut: the answer was broken off.",
		}, []string{"method", "route", "status"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "talktime_http_request_duration_seconds", Help: "How long requests took, by method and route.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
		}, []string{"method", "route"}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{Name: "talktime_http_requests_in_flight", Help: "Requests that are being answered."}),
		logins: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "talktime_logins_total", Help: "Passwords that were checked, by result: ok, failed, limited (too many before it), error.",
		}, []string{"result"}),
		site: &siteFigures{},
	}
	for _, result := range []string{loginOK, loginFailed, loginLimited, loginError} {
		m.logins.WithLabelValues(result)
	}
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "talktime_build_info", Help: "1; the labels say what runs.", ConstLabels: prometheus.Labels{"version": version, "goversion": runtime.Version()},
	})
	build.Set(1)
	m.registry.MustRegister(m.requests, m.duration, m.inFlight, m.logins, build, m.site,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m.handler = promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 8})
	return m
}

// Results of logins.
const (
	loginOK      = "ok"
	loginFailed  = "failed"
	loginLimited = "limited"
	loginError   = "error"
)

// login counts a password that was checked.
func (m *metrics) login(err error) {
	result := loginOK
	var f failure
	switch {
	case err == nil:
	case !errors.As(err, &f):
		result = loginError
	case f.status == http.StatusUnauthorized:
		result = loginFailed
	default:
		result = loginLimited
	}
	m.logins.WithLabelValues(result).Inc()
}

// measure counts a request. What a client makes up, such as a path of nobody, gets no name of its own.
func (a *api) measure(c *gin.Context) {
	start, cut := a.Now(), true
	a.metrics.inFlight.Inc()
	defer func() {
		a.metrics.inFlight.Dec()
		method, route, status := c.Request.Method, c.FullPath(), strconv.Itoa(c.Writer.Status()/100)+"xx"
		if !slices.Contains([]string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}, method) {
			method = "other"
		}
		if route == "" {
			route = "none"
		}
		if cut {
			status = "cut"
		}
		a.metrics.requests.WithLabelValues(method, route, status).Inc()
		a.metrics.duration.WithLabelValues(method, route).Observe(a.Now().Sub(start).Seconds())
	}()
	c.Next()
	cut = false
}

func showMetrics(r *request) error {
	m := r.api.metrics
	if r.api.Figures != nil {
		m.site.refresh(r.ctx(), r.api.Figures, r.api.Keepers, r.api.Now())
	}
	m.handler.ServeHTTP(r.Writer, r.Request)
	return nil
}

// siteFigures shows what the database said last.
type siteFigures struct {
	refreshing sync.Mutex // whoever waits for it finds figures that are new

	mu      sync.Mutex
	asked   time.Time // zero: never
	up      bool
	figures models.Figures
	keepers []models.Keeper
}

// refresh asks the database, unless somebody has a moment ago. A client that goes away does not break off what others
// wait for.
func (s *siteFigures) refresh(ctx context.Context, from Figures, kept Keepers, now time.Time) {
	s.refreshing.Lock()
	defer s.refreshing.Unlock()
	if !s.asked.IsZero() && now.Sub(s.asked) < figuresLife {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), figuresTimeout)
	defer cancel()
	figures, err := from.Figures(ctx)
	var keepers []models.Keeper
	if err == nil && kept != nil {
		keepers, err = kept.Keepers(ctx)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked, s.up, s.figures, s.keepers = now, err == nil, figures, keepers
}

func siteDesc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("talktime_"+name, help, labels, nil)
}

// Describe implements prometheus.Collector. Nothing is promised: what the database does not say is left out.
func (s *siteFigures) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (s *siteFigures) Collect(to chan<- prometheus.Metric) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.asked.IsZero() {
		return
	}
	gauge := func(value float64, name, help string) {
		to <- prometheus.MustNewConstMetric(siteDesc(name, help), prometheus.GaugeValue, value)
	}
	up := 0.0
	if s.up {
		up = 1
	}
	gauge(up, "database_up", "1 when the database answered, else 0 and the figures from it are missing.")
	if !s.up {
		return
	}
	f := s.figures
	gauge(float64(f.Schema), "schema_version", "Version of the tables.")
	gauge(f.Skew.Seconds(), "clock_skew_seconds", "How far our clock is ahead of the database's.")
	gauge(float64(f.Users), "users", "Users that exist.")
	gauge(float64(f.OpenCalls), "calls_open", "Calls in progress, which hold money or may.")
	gauge(float64(f.Unreconciled), "calls_unreconciled", "Calls that ended without anybody knowing how long they lasted.")
	gauge(float64(f.Disputed), "calls_disputed", "Calls of which evidence claims a longer talk than was charged.")
	gauge(f.OldestOpen.Seconds(), "call_oldest_open_seconds", "How long ago the oldest open call was permitted; 0 when none is open.")
	gauge(float64(f.Provisions), "nodemanager_waiting", "What the node manager is still to be told of SIM cards, counted up to 10,000.")
	gauge(float64(f.ProvisionsFailing), "nodemanager_failing", "How much of that failed at least once.")
	gauge(float64(f.ProvisionsGivenUp), "nodemanager_given_up", "How much of that was given up.")
	gauge(float64(f.Notices), "notices_waiting", "Deliveries of notices, by webhook or mail, that are to come, counted up to 10,000.")
	gauge(float64(f.NoticesFailing), "notices_failing", "How many of those failed at least once.")
	gauge(float64(f.NoticesGivenUp), "notices_given_up", "Deliveries that were given up, in the 90 days for which notices are kept.")
	instant := func(at time.Time, name, help string) {
		if !at.IsZero() {
			gauge(float64(at.UnixMilli())/1000, name, help)
		}
	}
	instant(f.LastCall, "call_last_timestamp_seconds", "When the newest call was permitted.")
	instant(f.NextRefill, "refill_next_timestamp_seconds", "When the next refill of a group is due; past when it is late.")
	s.queueLog(to, &f.Queues)
	showKeepers(to, s.keepers)
	for _, r := range f.RollUps {
		of := func(value float64, name, help string) {
			to <- prometheus.MustNewConstMetric(siteDesc(name, help, "source"), prometheus.GaugeValue, value, r.Source)
		}
		of(float64(r.Days), "rollup_days", "Days of a source of calls of which it is kept what was counted.")
		of(float64(r.Stale), "rollup_days_stale", "Days that were found to be counted anew and are not yet.")
		if !r.Passed.IsZero() {
			of(float64(r.Passed.UnixMilli())/1000, "rollup_passed_timestamp_seconds", "When the days of a source were last looked at, and none was left to be counted anew.")
		}
	}
	if len(f.Held) == 0 {
		f.Held = map[string]money.Amount{models.SEC: 0}
	}
	held := siteDesc("money_held", "Money that calls in progress hold, in units of the currency.", "currency")
	for currency, amount := range f.Held {
		to <- prometheus.MustNewConstMetric(held, prometheus.GaugeValue, float64(amount)/float64(money.Unit), currency)
	}
}

// queueLog shows how far the queue_log was read. Nothing is shown as long as none was.
func (s *siteFigures) queueLog(to chan<- prometheus.Metric, f *models.QueueFigures) {
	if f.Files == 0 {
		return
	}
	show := func(kind prometheus.ValueType, value float64, name, help string) {
		to <- prometheus.MustNewConstMetric(siteDesc("queue_log_"+name, help), kind, value)
	}
	show(prometheus.GaugeValue, float64(f.Behind()), "lag_bytes", "Bytes of the queue_log that were there when it was last looked at and are not read yet; rows at most, where it is a table.")
	if !f.LastRead.IsZero() {
		show(prometheus.GaugeValue, max(s.asked.Sub(f.LastRead).Seconds(), 0), "lag_seconds", "How long ago the queue_log was last read to its end; it grows when the log is away, or cannot be read.")
	}
	if !f.LastEvent.IsZero() {
		show(prometheus.GaugeValue, float64(f.LastEvent.UnixMilli())/1000, "last_event_timestamp_seconds", "Time of the latest event of the queue_log.")
	}
	show(prometheus.CounterValue, float64(f.Lines), "lines_total", "Lines of the queue_log that were read.")
	show(prometheus.CounterValue, float64(f.BadLines), "malformed_total", "How many of these were none of a queue_log.")
	show(prometheus.CounterValue, float64(f.LostBytes), "lost_bytes_total", "Bytes of the queue_log that were gone before they were read, at least so many.")
	show(prometheus.GaugeValue, float64(f.OpenCalls), "calls_open", "Calls of the queue_log that wait or talk.")
	show(prometheus.GaugeValue, float64(f.Unpacked), "days_unpacked", "Days of the queue_log that are over and not packed, counted up to 60.")
}
