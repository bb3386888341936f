package adminapi_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"talktime/adminapi"
	"talktime/models"
	"talktime/queues"
	"talktime/queues/reports"
	"talktime/store/storetest"
)

// hidden are words by which those are known whom somebody must not know of.
type hidden []string

func (h hidden) check(t *testing.T, a answer) {
	t.Helper()
	for _, word := range h {
		if strings.Contains(a.body, word) {
			t.Errorf("%s: %s is told: %s", a.what, word, a.body)
		}
	}
}

// entities are questions about everything.
func entities() []string {
	all := []string{
		"queues", "agents", "search", "search&start=2027-01-01", "realtime", "search&queue=support", "search&agent=Ben", "realtime&queues=support", "realtime&queues=ALL",
		"call/1812528928.11", "call/b.1", "call/c.1", "call/d.1", "call/e.1", "call/f.1", "call/g.1", "call/h.1", "call/i.1", "call/y.1", "reports/unanswered_calls_detail", "reports/distribution_by_queue",
	}
	for _, name := range []string{"detail", "by_queue", "by_agent", "by_url", "by_did", "by_holdtime", "by_event"} {
		all = append(all, "reports/answered_calls_"+name, "reports/answered_calls_"+name+"&queue=support", "reports/answered_calls_"+name+"&agent=Ben&queue=ALL")
	}
	for id := range 12 {
		all = append(all, fmt.Sprintf("queues/%d", id), fmt.Sprintf("agents/%d", id))
	}
	return all
}

// TestCallCenterRights: whoever is no administrator sees what he was granted, in everything.
func TestCallCenterRights(t *testing.T) {
	onCentres(t, func(t *testing.T, s *site, room *switchroom) {
		room.snapshot = wednesdayNow()
		for name, grants := range map[string]models.Grants{
			"seller": {Queues: []string{"sales"}}, "bens": {Agents: []string{"Ben"}}, "both": {Queues: []string{"support"}, Agents: []string{"SIP/204"}}, "none": {}, "lost": {Queues: []string{"nothing"}},
		} {
			u := s.user(models.NewUser{Username: name})
			if _, err := s.store.ChangeGrants(t.Context(), u.ID, func(models.Grants) models.Grants { return grants }, "test"); err != nil {
				t.Fatal(err)
			}
		}
		q, a := idsOf(s, s.admin)
		const (
			noCall   = `{"totalpages":"0","currpage":"1","totalrecords":"0","data":[]}`
			allQueue = `{"queue_id":"-1","queue":"ALL","queue_name":"ALL"}`
			allAgent = `{"agent_id":"-1","agent":"ALL","agent_name":"ALL"}`
		)
		ask := func(name string, want map[string]string, words hidden) {
			t.Helper()
			c := s.basicClient(name, secret)
			for _, entity := range entities() {
				words.check(t, c.get(statsPath+entity))
			}
			for entity, body := range want {
				c.get(statsPath+entity).says(http.StatusOK, body)
			}
		}

		// One queue. Of a call that went on to another one there is what happened in it.
		partD := strings.NewReplacer(`"overflow":"2"`, `"overflow":"1"`, "09:22:31", "09:20:30", "COMPLETEAGENT", "EXITWITHTIMEOUT", "Ben", "NONE", `"queue":"support"`, `"queue":"sales"`, `"queue_name":"support"`, `"queue_name":"Sales"`,
			`"waitTime":"91"`, `"waitTime":"30"`, `"talkTime":"30"`, `"talkTime":"0"`, `"combinedWaitTime":"121"`, `"combinedWaitTime":"30"`, `"totalDuration":"151"`, `"totalDuration":"30"`).Replace(callD)
		partI := strings.NewReplacer(`"overflow":"2"`, `"overflow":"1"`, "10:03:35", "10:01:05", "COMPLETECALLER", "ATTENDEDTRANSFER", "Ben", "Iva Moss", `"queue":"support"`, `"queue":"sales"`, `"queue_name":"support"`, `"queue_name":"Sales"`,
			`"waitTime":"90"`, `"waitTime":"5"`, `"talkTime":"120"`, `"talkTime":"60"`, `"combinedWaitTime":"95"`, `"combinedWaitTime":"5"`, `"totalDuration":"215"`, `"totalDuration":"65"`).Replace(callI)
		ask("seller", map[string]string{
			"queues": `{"data":[` + allQueue + `,{"queue_id":"` + q["sales"] + `","queue":"sales","queue_name":"Sales"}]}`, "queues/" + q["sales"]: `{"data":[{"queue_id":"` + q["sales"] + `","queue":"sales","queue_name":"Sales"}]}`,
			"queues/-1":                     `{"data":[` + allQueue + `]}`,
			"agents":                        `{"data":[` + allAgent + `,{"agent_id":"` + a["Ben"] + `","agent":"Ben","agent_name":"Ben"},{"agent_id":"` + a["Iva Moss"] + `","agent":"Iva Moss","agent_name":"Iva Moss"}]}`,
			"reports/answered_calls_detail": rows(rowY, rowA, rowB, rowI), "reports/answered_calls_by_queue": rows(`{"Queue":"Sales","Received":"4","% Calls":"100.00"}`),
			"reports/answered_calls_by_agent": rows(`{"Agent":"Iva Moss","Received":"4","% Calls":"100.00","Talk Time":"415","% Talk Time":"100.00","Avg Talk Time":"103.75","Hold Time":"52","Avg Hold Time":"13.00"}`),
			"reports/answered_calls_by_url":   rows(`{"URL":"","Received":"3","% Calls":"75.00"}`, `{"URL":"crm-7","Received":"1","% Calls":"25.00"}`),
			"reports/answered_calls_by_did":   rows(`{"DID":"","Received":"3","% Calls":"75.00"}`, `{"DID":"5550100","Received":"1","% Calls":"25.00"}`),
			"reports/answered_calls_by_event": rows(`{"Event":"ATTENDEDTRANSFER","Received":"1","% Calls":"25.00"}`, `{"Event":"COMPLETEAGENT","Received":"2","% Calls":"50.00"}`, `{"Event":"COMPLETECALLER","Received":"1","% Calls":"25.00"}`),
			"reports/distribution_by_queue":   rows(`{"Queue":"Sales","Received":"6","% Calls":"100.00","Answered":"4","% Answered":"66.67","Unanswered":"2","% Unanswered":"33.33","Abandoned":"1","% Abandoned":"16.67","Avg Talk Time":"103.75","Avg Hold Time":"13.00"}`),
			"search":                          rows(callA, callB, partD, callE, partI), "search&queue=support": rows(), "search&agent=Ben": rows(), "search&talktime=120,120": rows(),
			"search&rows=2&page=2":                        strings.Replace(rows(partD, callE), `"page":"1","total":"1","records":"2"`, `"page":"2","total":"3","records":"5"`, 1),
			"reports/answered_calls_detail&queue=support": rows(), "reports/answered_calls_detail&queue=support,sales": rows(rowY, rowA, rowB, rowI),
			"call/c.1": noCall, "call/f.1": noCall, "call/h.1": noCall, "realtime&queues=support": `{"waiting calls":{},"summary":{"queue":{}},"agents":{}}`,
		}, hidden{"support", "5550179", "5550182", "5550183"})
		s.basicClient("seller", secret).get(statsPath+"queues/"+q["support"]).says(http.StatusNotFound, `{"data":[]}`)
		s.basicClient("seller", secret).get(statsPath+"agents/"+a["SIP/204"]).says(http.StatusNotFound, `{"data":[]}`)
		if got := s.basicClient("seller", secret).get(statsPath + "call/d.1"); !strings.Contains(got.body, `"totalrecords":"2"`) {
			t.Errorf("%s", got.body)
		}
		if got := s.basicClient("seller", secret).get(statsPath + "realtime"); !strings.Contains(got.body, `"sales":{"Waiting":"2"`) {
			t.Errorf("%s", got.body)
		}

		// One agent.
		ask("bens", map[string]string{
			"agents": `{"data":[` + allAgent + `,{"agent_id":"` + a["Ben"] + `","agent":"Ben","agent_name":"Ben"}]}`, "agents/" + a["Ben"]: `{"data":[{"agent_id":"` + a["Ben"] + `","agent":"Ben","agent_name":"Ben"}]}`,
			"reports/answered_calls_detail": rows(rowD, rowJ), "reports/answered_calls_by_queue": rows(`{"Queue":"support","Received":"2","% Calls":"100.00"}`),
			"reports/answered_calls_by_event": rows(`{"Event":"COMPLETEAGENT","Received":"1","% Calls":"50.00"}`, `{"Event":"COMPLETECALLER","Received":"1","% Calls":"50.00"}`),
			"reports/unanswered_calls_detail": rows(), "reports/answered_calls_detail&agent=Iva+Moss": rows(),
			"call/b.1": noCall, "call/c.1": noCall, "call/e.1": noCall, "call/g.1": noCall,
		}, hidden{"Iva", "SIP/204", "5550178", "5550179", "5550181", "5550182", "5550187"})
		s.basicClient("bens", secret).get(statsPath+"agents/"+a["Iva Moss"]).says(http.StatusNotFound, `{"data":[]}`)

		// A queue and an agent: what that agent did in that queue.
		ask("both", map[string]string{
			"reports/answered_calls_detail": rows(rowC), "reports/answered_calls_by_holdtime&secondsstart=40000": rows(), "search": rows(callC),
			"reports/answered_calls_by_agent": rows(`{"Agent":"SIP/204","Received":"1","% Calls":"100.00","Talk Time":"30","% Talk Time":"100.00","Avg Talk Time":"30.00","Hold Time":"16","Avg Hold Time":"16.00"}`),
			"call/d.1":                        noCall, "call/i.1": noCall,
		}, hidden{"ales", "Iva", "Ben", "5550178", "5550180"})

		// Nothing, and what there is not.
		for _, name := range []string{"none", "lost"} {
			want := map[string]string{
				"queues": `{"data":[` + allQueue + `]}`, "search": rows(), "search&start=2027-01-01": rows(), "call/b.1": noCall, "realtime": `{"waiting calls":{},"summary":{"queue":{}},"agents":{}}`,
			}
			for _, report := range []string{"answered_calls_detail", "answered_calls_by_queue", "answered_calls_by_agent", "answered_calls_by_url", "answered_calls_by_did", "answered_calls_by_holdtime", "answered_calls_by_event", "unanswered_calls_detail", "distribution_by_queue"} {
				want["reports/"+report] = rows()
			}
			want["agents"] = `{"data":[` + allAgent + `]}`
			ask(name, want, hidden{"ales", "support", "55501", "Iva", "Ben", "SIP"})
		}

		// What is hidden looks like what there is not.
		c := s.basicClient("seller", secret)
		for _, pair := range [][2]string{
			{"reports/answered_calls_detail&queue=support", "reports/answered_calls_detail&queue=nothing"},
			{"search&queue=support", "search&queue=nothing"},
			{"call/c.1", "call/x.1"},
			{"queues/" + q["support"], "queues/999"},
			{"realtime&queues=support", "realtime&queues=nothing"},
			{"search&uniqueid=c.1", "search&uniqueid=x.1"},
			{"search&agent=SIP/204", "search&agent=nobody"},
		} {
			one, other := c.get(statsPath+pair[0]), c.get(statsPath+pair[1])
			if one.status != other.status || one.body != other.body {
				t.Errorf("%s: %d %s\n%s: %d %s", pair[0], one.status, one.body, pair[1], other.status, other.body)
			}
		}

		// Grants that change count at once; whoever becomes an administrator sees all.
		s.admin.do(http.MethodPut, "/api/users/none/grants", `{"queues":["support"],"agents":[],"accounts":[]}`).is(http.StatusOK)
		s.basicClient("none", secret).get(statsPath+"reports/answered_calls_by_queue").says(http.StatusOK, rows(`{"Queue":"support","Received":"3","% Calls":"100.00"}`))
		s.admin.patch("/api/users/none", `{"admin":true}`).is(http.StatusOK)
		s.basicClient("none", secret).get(statsPath+"reports/answered_calls_detail").says(http.StatusOK, rows(rowY, rowA, rowB, rowC, rowD, rowI, rowJ))
	})
}

// TestCallCenterAccess: who may ask at all, and in which way.
func TestCallCenterAccess(t *testing.T) {
	onCentres(t, func(t *testing.T, s *site, room *switchroom) {
		for _, path := range []string{"/stats/rest/index.php", "/qstats/rest/index.php", "/rest/index.php"} {
			refused := func(c *client) {
				t.Helper()
				a := c.get(path + "?entity=queues")
				a.says(http.StatusUnauthorized, `{"error":"authentication required"}`)
				if got := a.header.Get("WWW-Authenticate"); got != `Basic realm="Call Center Stats"` {
					t.Errorf("WWW-Authenticate: %s", got)
				}
				if got := a.header.Get("Content-Type"); got != "application/json; charset=utf-8" || a.header.Get("Cache-Control") != "no-store" {
					t.Errorf("%v", a.header)
				}
			}
			refused(s.anonymous())
			refused(s.basicClient("admin", "wrong77"))
			refused(s.basicClient("nobody", secret))
			odd := s.anonymous()
			for _, header := range []string{"Basic", "Basic !", "Bearer", "Bearer x", "Digest x", "Basic " + strings.Repeat("A", 5000)} {
				odd.header.Set("Authorization", header)
				refused(odd)
			}
			browser := s.anonymous()
			browser.header.Set("Accept", "text/html")
			refused(browser)
			s.basicClient("admin", secret).get(path + "?entity=queues").is(http.StatusOK)
			s.admin.get(path + "?entity=queues").is(http.StatusOK)

			for _, method := range []string{"POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"} {
				a := s.basicClient("admin", secret).send(method, path+"?entity=queues", "", "")
				a.says(http.StatusMethodNotAllowed, `{"error":"method not allowed"}`)
				if got := a.header.Get("Allow"); got != "GET, HEAD" {
					t.Errorf("%s: Allow: %s", method, got)
				}
			}
			for _, entity := range []string{"queues", "reports/answered_calls_detail", "realtime"} {
				if a := s.admin.send(http.MethodHead, path+"?entity="+entity, "", "").is(http.StatusOK); a.body != "" || a.header.Get("Content-Type") != "application/json; charset=utf-8" {
					t.Errorf("%q %v", a.body, a.header)
				}
			}
			s.admin.send(http.MethodHead, path+"?entity=x", "", "").is(http.StatusNotFound)
			for _, query := range []string{"?entity=queues;x=1", "?entity=queues&x=%zz", "?%", "?entity=search&start=%"} {
				if a := s.admin.get(path + query).is(http.StatusBadRequest); !strings.HasPrefix(a.body, `{"error":"the query of the address cannot be read`) {
					t.Errorf("%s", a.body)
				}
			}
		}
		for _, path := range []string{"/stats/rest/", "/stats/rest/index.php/", "/stats/rest/index.php5", "/x/rest/index.php", "/stats"} {
			s.admin.get(path).is(http.StatusNotFound)
		}
		s.admin.get(statsPath+"x").says(http.StatusNotFound, `{"error":"unknown entity"}`)
		s.admin.get("/stats/rest/index.php").says(http.StatusNotFound, `{"error":"unknown entity"}`)
		s.admin.get(statsPath+"reports/x").says(http.StatusNotFound, `{"error":"unknown report"}`)

		// Programs.
		token := func(body string) *client {
			c := s.anonymous()
			c.header.Set("Authorization", "Bearer "+s.admin.post("/api/tokens", body).is(http.StatusCreated).object()["token"].(string))
			return c
		}
		s.user(models.NewUser{Username: "marta", CLID: "555000204"})
		token(`{"name":"statistics","scopes":["statistics"]}`).get(statsPath+"reports/answered_calls_detail").says(http.StatusOK, rows(rowY, rowA, rowB, rowC, rowD, rowI, rowJ))
		token(`{"name":"other","scopes":["read","cdr","users","money","admin"]}`).get(statsPath+"queues").says(http.StatusForbidden, `{"error":"Forbidden"}`)
		if a := token(`{"name":"bound","scopes":["statistics"],"account":"2"}`).get(statsPath + "queues").is(http.StatusForbidden); !strings.HasPrefix(a.body, `{"error":"Forbidden: this token is bound`) {
			t.Errorf("%s", a.body)
		}
		// Whoever is logged in sees what he was granted: nothing.
		s.login("marta").get(statsPath+"search").says(http.StatusOK, rows())

		// Wrong passwords count as elsewhere, by the clock of the database.
		room.now.set(time.Now())
		for n := range 10 {
			s.basicClient("marta", fmt.Sprint("wrong", n)).get(statsPath + "queues").is(http.StatusUnauthorized)
		}
		if a := s.basicClient("marta", secret).get(statsPath + "queues").is(http.StatusTooManyRequests); !strings.HasPrefix(a.body, `{"error":"too many`) || a.header.Get("Retry-After") == "" {
			t.Errorf("%s", a.body)
		}
		s.anonymous().form("/login", "username=marta&password="+secret).is(http.StatusTooManyRequests)

		// Without the statistics there are no such paths.
		s.start(func(d *adminapi.Deps) { d.Queues, d.LiveQueues = nil, nil })
		s.anonymous().get(statsPath + "queues").is(http.StatusNotFound)
	})
}

// crowded is a log of so many answered calls, or one that is away.
type crowded struct {
	reports.Keeper

	calls int
	err   error
}

func (c crowded) QueueNames(ctx context.Context) ([]queues.Name, error) {
	if c.err != nil {
		return nil, c.err
	}
	return []queues.Name{{ID: 1, Key: "sales", Shown: "Sales"}, {ID: 1, Agent: true, Key: "Iva", Shown: "Iva"}}, ctx.Err()
}

func (c crowded) QueueDetails(_ context.Context, from, _ int64, _, _ []int32, each func(*queues.Detail) error) error {
	for i := range c.calls {
		d := queues.Detail{Item: queues.Item{At: from + int64(i), Queue: 1, Agent: 1, Outcome: queues.Answered, End: "COMPLETEAGENT"}, CallID: fmt.Sprint(i), Caller: "\"<\xff"}
		if err := each(&d); err != nil {
			return err
		}
	}
	return nil
}

func (c crowded) QueueCall(context.Context, string) ([]byte, error) { return nil, c.err }

// TestCallCenterBounds: a list of 100,000 is sent whole, one of more is refused, and a store that is away is said to be.
func TestCallCenterBounds(t *testing.T) {
	s := newSite(t, storetest.SQLite(t))
	start := func(k crowded) *client {
		s.start(callCentre(t, &switchroom{keeper: k}))
		s.admin = s.login("admin")
		return s.admin
	}
	a := start(crowded{calls: 100_000}).get(statsPath + "reports/answered_calls_detail").is(http.StatusOK)
	decoder := json.NewDecoder(strings.NewReader(a.body))
	decoder.DisallowUnknownFields()
	var list struct {
		Page, Total, Records string
		Rows                 []map[string]string
	}
	if err := decoder.Decode(&list); err != nil || list.Total != "1" || list.Records != "100000" || len(list.Rows) != 100_000 || list.Rows[99_999]["uniqueid"] != "99999" || list.Rows[5]["callerid"] != "\"<\ufffd" {
		t.Errorf("%d rows of %s, %v", len(list.Rows), list.Records, err)
	}
	if _, err := decoder.Token(); err != io.EOF {
		t.Errorf("more comes behind the end: %v", err)
	}
	start(crowded{calls: 100_001}).get(statsPath+"reports/answered_calls_detail").says(http.StatusBadRequest, `{"error":"narrow the range"}`)
	s.admin.get(statsPath + "reports/answered_calls_detail&rows=1000&page=101").into(&list) // in pages there may be any number
	if list.Page != "101" || list.Total != "101" || list.Records != "100001" || len(list.Rows) != 1 || list.Rows[0]["uniqueid"] != "100000" {
		t.Errorf("page %s of %s has %d rows of %s", list.Page, list.Total, len(list.Rows), list.Records)
	}
	c := start(crowded{err: models.ErrUnavailable})
	for _, entity := range []string{"queues", "agents/1", "reports/answered_calls_detail", "reports/answered_calls_by_url", "search", "call/1.1", "realtime"} {
		if a := c.get(statsPath + entity).is(http.StatusServiceUnavailable); !strings.HasPrefix(a.body, `{"error":"`) || a.header.Get("Retry-After") == "" {
			t.Errorf("%s: %s", entity, a.body)
		}
	}
	c.get(statsPath + "reports").is(http.StatusOK)
	if got := slices.Collect(strings.Lines(s.log.String())); len(got) == 0 {
		t.Error("nothing is in the log")
	}
}

// TestCallCenterTurns: whoever asks for much waits for his turn, and nobody waits for how the queues are now.
func TestCallCenterTurns(t *testing.T) {
	t.Parallel()
	s := newSite(t, storetest.SQLite(t))
	k := stalled{Keeper: s.store, entered: make(chan struct{}, 100), open: make(chan struct{})}
	s.start(callCentre(t, &switchroom{keeper: k}))
	s.admin = s.login("admin")
	var wait sync.WaitGroup
	for range 5 {
		wait.Go(func() { s.admin.get(statsPath+"search").says(http.StatusOK, rows()) })
	}
	<-k.entered
	<-k.entered
	for range 20 {
		s.admin.get(statsPath + "realtime").is(http.StatusOK)
	}
	select {
	case <-k.entered:
		t.Error("three of one user's questions are under way")
	default:
	}
	close(k.open)
	wait.Wait()
}

// stalled is a log in which nothing is found until it is opened.
type stalled struct {
	reports.Keeper

	entered, open chan struct{}
}

func (k stalled) QueueCalls(ctx context.Context, _ queues.Wanted, _ func(string, []byte) error) error {
	k.entered <- struct{}{}
	select {
	case <-k.open:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
