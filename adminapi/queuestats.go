package adminapi

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strings"

	"talktime/adminapi/callcenter"
	"talktime/adminapi/callstat"
	"talktime/queues"
	"talktime/queues/live"
	"talktime/queues/reports"
)

// LiveQueues has the picture of all queues as they are now. It is live.Pictures.
type LiveQueues interface {
	// Now is as good as new for two seconds, and shared: it must not be changed.
	Now(ctx context.Context) (*live.Picture, error)
}

// callCenterPage is the end of the paths at which the statistics of queues are, as clients of the original know them.
const callCenterPage = "/rest/index.php"

// callCenterRealm is what these clients, and people with a browser, are asked to log in to.
const callCenterRealm = `Basic realm="Call Center Stats"`

// callCenterPaths are these paths.
var callCenterPaths = []string{"/stats" + callCenterPage, "/qstats" + callCenterPage, callCenterPage}

// callCenter reports whether the route is one of the statistics of queues, whose refusals are written as their clients know them.
func (route Route) callCenter() bool { return slices.Contains(callCenterPaths, route.Path) }

// callCenter reports whether the request is to one of these, also with a method that they do not know.
func (r *request) callCenter() bool {
	return r.route.callCenter() || r.route.Path == "" && r.api.Queues != nil && slices.Contains(callCenterPaths, r.Request.URL.Path)
}

// failCallCenter writes a failure as clients of the statistics of queues know it.
func (r *request) failCallCenter(f failure) {
	what := cmp.Or(f.detail, f.message, strings.ToLower(http.StatusText(f.status)))
	if f.status == http.StatusUnauthorized {
		what = "authentication required"
		r.Header("WWW-Authenticate", callCenterRealm)
	}
	r.writeJSON(f.status, typeJSON+"; charset=utf-8", callstat.Error{Error: what})
}

// callCenter answers as Asternic Call Center Stats did, each in his turn, but for what many ask for every few seconds and is there already.
func callCenter(r *request) error {
	if r.Query("entity") == "realtime" {
		return answerCallCenter(r)
	}
	return statistics(answerCallCenter)(r)
}

func answerCallCenter(r *request) error {
	who, err := r.queueScope()
	if err != nil {
		return err
	}
	a, err := callcenter.API{
		Service: r.api.Queues, Realtime: r.api.realtime, Location: r.api.Location, Now: r.api.Now, Who: who,
		Base: strings.TrimSuffix(r.route.Path, callCenterPage),
	}.Get(r.ctx(), r.Request.URL.RawQuery)
	if err != nil {
		return err
	}
	r.Header("Content-Type", typeJSON+"; charset=utf-8")
	if a.Away {
		r.Header("X-Realtime", "unavailable")
	}
	r.Status(a.Status)
	if r.Request.Method == http.MethodHead {
		r.Writer.WriteHeaderNow()
		return nil
	}
	_, err = a.WriteTo(r.Writer)
	if err != nil {
		r.api.log.Info("nobody waits for the statistics any more", "request_id", r.GetString(keyRequestID), "err", err)
	}
	return nil
}

// queueScope is what whoever asks may see of the statistics of queues: programs that are for statistics, and administrators, all of it;
// other people what they were granted.
func (r *request) queueScope() (reports.Scope, error) {
	if r.who.has(ScopeStatistics) && !r.who.bound() {
		return reports.Scope{All: true}, nil
	}
	if r.who.user == nil || r.api.Grants == nil {
		return reports.Scope{}, nil
	}
	grants, err := r.api.Grants.UserGrants(r.ctx(), r.who.user.ID)
	who := reports.Scope{Queues: grants.Queues, Agents: slices.Clone(grants.Agents)}
	for i, agent := range who.Agents {
		who.Agents[i] = queues.AgentKey(agent)
	}
	return who, err
}
