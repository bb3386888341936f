package adminapi

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"talktime/adminapi/eventstream"
	"talktime/queues"
	"talktime/queues/live"
	"talktime/queues/reports"
	"talktime/stats"
)

// Times of streams of the live picture.
const (
	streamEvery    = time.Second
	streamBeat     = 15 * time.Second
	streamPatience = 10 * time.Second // for a reader to take what is sent
	streamCheck    = 3 * time.Second  // so often it is asked again who reads, and what he may see
	streamLife     = time.Hour        // then a browser connects anew
)

// How many streams there are at once. Each costs a connection and two goroutines.
const (
	maxStreams     = 256
	maxUserStreams = 8
)

// liveJSON is how the queues are.
type liveJSON struct {
	At     time.Time       `json:"at"`
	Since  time.Time       `json:"today_since"`
	Live   bool            `json:"live"`
	Last   *time.Time      `json:"last_live_at"`
	Why    *string         `json:"why"`
	Queues []liveQueueJSON `json:"queues"`
}

type liveQueueJSON struct {
	Queue   string           `json:"queue"`
	Name    string           `json:"name"`
	Known   bool             `json:"known"`
	Now     liveNowJSON      `json:"now"`
	Today   liveTodayJSON    `json:"today"`
	Waiting []liveCallerJSON `json:"waiting"`
	Agents  []liveAgentJSON  `json:"agents"`
}

type liveNowJSON struct {
	Waiting   int   `json:"waiting"`
	Longest   int64 `json:"longest_wait_seconds"`
	Agents    int   `json:"agents"`
	LoggedOff int   `json:"logged_off"`
	Penalised int   `json:"with_penalty"`
	Busy      int   `json:"busy"`
	Paused    int   `json:"paused"`
}

type liveTodayJSON struct {
	Answered    int64             `json:"answered"`
	Talking     int64             `json:"talking"`
	Unanswered  int64             `json:"unanswered"`
	Abandoned   int64             `json:"abandoned"`
	AbandonRate *stats.Hundredths `json:"abandon_rate" nullable:"true"`
	Wait        int64             `json:"mean_wait_seconds"`
	Talk        int64             `json:"mean_talk_seconds"`
}

type liveCallerJSON struct {
	Position int    `json:"position"`
	Number   string `json:"number"`
	Name     string `json:"name"`
	Wait     int64  `json:"wait_seconds"`
	CallID   string `json:"call_id"`
}

type liveAgentJSON struct {
	Agent    string `json:"agent"`
	Name     string `json:"name"`
	Location string `json:"location"`
	Status   string `json:"status"`
	Penalty  int    `json:"penalty"`
	Paused   bool   `json:"paused"`
	Reason   string `json:"pause_reason"`
	PauseFor int64  `json:"pause_seconds"`
	LastCall *int64 `json:"last_call_seconds"`
	From     string `json:"from_queue"`
	Caller   string `json:"caller"`
	Duration int64  `json:"call_seconds"`
}

// showLive answers with the picture of the queues now.
func showLive(r *request) error {
	who, err := r.ownScope()
	if err != nil {
		return err
	}
	picture, err := r.api.LiveQueues.Now(r.ctx())
	if err != nil {
		return err
	}
	r.answer(http.StatusOK, r.showPicture(picture.Only(who, r.askedQueues(picture))))
	return nil
}

// askedQueues are the keys of those queues of a picture that are asked for, with commas between them or repeated, by their names in the log
// or those that people know; nil: all.
func (r *request) askedQueues(p *live.Picture) []string {
	var names []string
	for _, text := range r.QueryArray("queue") {
		names = append(names, strings.Split(text, ",")...)
	}
	names = slices.DeleteFunc(names, func(name string) bool { return name == "" })
	if len(names) == 0 {
		return nil
	}
	keys := []string{}
	for i := range p.Queues {
		if q := &p.Queues[i]; slices.Contains(names, q.Key) || slices.Contains(names, q.Shown) {
			keys = append(keys, q.Key)
		}
	}
	return keys
}

func (r *request) showPicture(p *live.Picture) liveJSON {
	l := r.api.Location
	shown := liveJSON{At: p.At.In(l), Since: p.Day.In(l), Live: p.Live, Queues: make([]liveQueueJSON, len(p.Queues))}
	if !p.Live {
		shown.Why = &p.Why
		if last := p.Since.In(l); !p.Since.IsZero() {
			shown.Last = &last
		}
	}
	for i := range p.Queues {
		shown.Queues[i] = showLiveQueue(&p.Queues[i])
	}
	return shown
}

func showLiveQueue(q *live.Queue) liveQueueJSON {
	now, f := q.Counts(), &q.Today
	shown := liveQueueJSON{
		Queue: q.Key, Name: q.Shown, Known: q.Known,
		Now: liveNowJSON{
			Waiting: now.Waiting, Longest: now.LongestWait, Agents: now.Agents, LoggedOff: now.LoggedOff, Penalised: now.Penalised, Busy: now.Busy, Paused: now.Paused,
		},
		Today: liveTodayJSON{
			Answered: f.Connected(), Talking: f.Talking, Unanswered: f.Unanswered(), Abandoned: f.Abandoned, AbandonRate: ifKnown(abandonRate(f)),
			Wait: queues.Mean(f.Held, f.Connected()), Talk: queues.Mean(f.Talked, f.Answered()),
		},
		Waiting: make([]liveCallerJSON, len(q.Waiting)), Agents: make([]liveAgentJSON, len(q.Agents)),
	}
	for i, c := range q.Waiting {
		shown.Waiting[i] = liveCallerJSON{c.Position, c.Number, c.Name, c.Wait, c.ID}
	}
	for i, a := range q.Agents {
		shown.Agents[i] = liveAgentJSON{
			Agent: a.Key, Name: a.Shown, Location: a.Location, Status: string(a.Status), Penalty: a.Penalty, Paused: a.Paused, Reason: a.Reason, PauseFor: a.PausedFor,
			LastCall: ifKnown(a.LastCall, a.LastCall != live.NoCall), From: a.From, Caller: a.Caller, Duration: a.Duration,
		}
	}
	return shown
}

// abandonRate is that of queues.Facts, as a number; ok is false when nobody was answered nor left.
func abandonRate(f *queues.Facts) (rate stats.Hundredths, ok bool) {
	over := f.Connected() + f.Unanswered()
	return stats.Hundredths(queues.Mean(f.Abandoned*100*100, over)), over > 0
}

// still is the picture without what changes by itself as time goes by: of two with the same one need not be sent.
func (p liveJSON) still() liveJSON {
	p.At, p.Last = time.Time{}, nil
	p.Queues = slices.Clone(p.Queues)
	for i := range p.Queues {
		q := &p.Queues[i]
		q.Now.Longest = 0
		q.Waiting, q.Agents = slices.Clone(q.Waiting), slices.Clone(q.Agents)
		for j := range q.Waiting {
			q.Waiting[j].Wait = 0
		}
		for j := range q.Agents {
			a := &q.Agents[j]
			a.PauseFor, a.LastCall, a.Duration = 0, ifKnown(int64(0), a.LastCall != nil), 0
		}
	}
	return p
}

// streams counts those who are sent the live picture. The zero value is ready to use.
type streams struct {
	mu  sync.Mutex
	all int
	of  map[string]int
}

// enter takes a place for somebody, or says why there is none.
func (s *streams) enter(who string) (leave func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.of[who] >= maxUserStreams {
		return nil, failure{
			status: http.StatusTooManyRequests, message: "you are sent the live picture as often as anybody may be: close one of the others first", headers: map[string]string{"Retry-After": "10"},
		}
	}
	if s.all >= maxStreams {
		return nil, failure{
			status: http.StatusServiceUnavailable, message: "so many are sent the live picture that there is no place left; ask for the picture without /events instead", headers: map[string]string{"Retry-After": "30"},
		}
	}
	if s.of == nil {
		s.of = make(map[string]int)
	}
	s.all++
	s.of[who]++
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.all--
		if s.of[who]--; s.of[who] == 0 {
			delete(s.of, who)
		}
	}, nil
}

// streams reports whether the route sends for as long as somebody reads.
func (route Route) streams() bool {
	return route.Path == "/api/queues/live/events" || route.Path == "/api/pbx/calls/events"
}

// streamLive sends the picture whenever it changes.
func streamLive(r *request) error { return r.stream(r.changes()) }

// stream sends what is next, until the reader goes, must not see it any more, or the server stops.
func (r *request) stream(next func(context.Context) (*eventstream.Event, error)) error {
	if r.Request.Method == http.MethodHead {
		r.Header("Content-Type", typeEvents)
		return nil
	}
	leave, err := r.api.streams.enter(r.who.key())
	if err != nil {
		return err
	}
	defer leave()
	s := eventstream.Stream{Every: streamEvery, Beat: streamBeat, Patience: streamPatience, Stop: r.api.Stop, Next: next}
	if err := s.Serve(r.ctx(), r.Writer); err != nil && !r.Writer.Written() {
		return err
	} else if err != nil {
		r.api.log.Info("a stream of the live picture ended", "request_id", r.GetString(keyRequestID), "err", err)
	}
	return nil
}

// changes finds the picture whenever it has changed for who reads. Who that is, and what he may see, is asked again every few seconds.
func (r *request) changes() func(context.Context) (*eventstream.Event, error) {
	var (
		asked time.Time // zero: never
		who   reports.Scope
		last  []byte
		seen  *live.Picture
	)
	return func(ctx context.Context) (*eventstream.Event, error) {
		if now := r.api.Now(); asked.IsZero() || now.Before(asked) || now.Sub(asked) >= streamCheck {
			scope, err := r.stillAllowed()
			if err != nil {
				return nil, err
			}
			if !slices.Equal(scope.Queues, who.Queues) || !slices.Equal(scope.Agents, who.Agents) || scope.All != who.All {
				seen = nil
			}
			asked, who = now, scope
		}
		picture, err := r.api.LiveQueues.Now(ctx)
		if err != nil || picture == seen {
			return nil, err
		}
		seen = picture
		shown := r.showPicture(picture.Only(who, r.askedQueues(picture)))
		still, err := json.Marshal(shown.still())
		if err != nil || bytes.Equal(still, last) {
			return nil, err
		}
		last = still
		data, err := json.Marshal(shown)
		return &eventstream.Event{ID: picture.At.UnixMilli(), Name: "picture", Data: data}, err
	}
}

// stillAllowed is what whoever asked may see now; an error when that is nothing any more.
func (r *request) stillAllowed() (reports.Scope, error) {
	again, done, err := r.askAgain()
	defer done()
	if err != nil {
		return reports.Scope{}, err
	}
	return again.ownScope()
}

// askAgain finds out anew who asked, and whether he still may. done must be called when what it returns is not needed any more.
func (r *request) askAgain() (again *request, done func(), err error) {
	ctx, done := context.WithTimeout(r.ctx(), r.api.lookUpPatience())
	again = &request{Context: r.Copy(), api: r.api, route: r.route}
	again.Request = r.Request.WithContext(ctx)
	if err := r.api.identify(again); err != nil {
		return nil, done, err
	}
	if err := r.route.Access.check(again); err != nil {
		return nil, done, err
	}
	if again.who.key() != r.who.key() {
		return nil, done, again.unauthenticated()
	}
	return again, done, nil
}
