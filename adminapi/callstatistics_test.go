package adminapi_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"talktime/adminapi"
	"talktime/models"
	"talktime/stats"
	"talktime/store/storetest"
)

// switchboard is a source of records that are made as they are asked for.
type switchboard struct {
	calls  int // of each account
	broken bool
	sent   chan struct{} // is closed when the reading has ended; may be nil
}

func (*switchboard) Name() string { return "pbx" }

// Each implements stats.Source: calls of the accounts shop-7 and shop-8 in turn, one each second.
func (s *switchboard) Each(ctx context.Context, scan stats.Scan, each func(*stats.Record) error) error {
	if s.sent != nil {
		defer close(s.sent)
	}
	const start = 1_813_222_800 // 2027-06-17 09:00 UTC
	r := stats.Record{CNum: []byte("2001"), Channel: []byte("PJSIP/2001-0000001a"), DstChannel: []byte("PJSIP/trunk-0000001b"), Disposition: []byte("ANSWERED")}
	for i := range 2 * s.calls {
		r.Start, r.Duration = start+int64(i), int64(i%100)
		if at := time.Unix(r.Start, 0); at.Before(scan.From) || !at.Before(scan.To) {
			continue
		}
		r.Account = fmt.Appendf(r.Account[:0], "shop-%d", 7+i%2)
		if scan.Account != nil && !slices.Contains(scan.Account.Names, string(r.Account)) {
			continue
		}
		r.UniqueID = fmt.Appendf(r.UniqueID[:0], "%d.%d", r.Start, i)
		r.CNam = fmt.Appendf(r.CNam[:0], "Caller of %s", r.Account)
		r.Dst = fmt.Appendf(r.Dst[:0], "4930%06d", i)
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := each(&r); err != nil {
			return err
		}
	}
	if s.broken {
		return &stats.SourceError{Name: "pbx", Reason: "it does not answer"}
	}
	return nil
}

// counted is a site that counts the calls of a switchboard.
func counted(s *switchboard) func(*adminapi.Deps) {
	return func(d *adminapi.Deps) {
		now := func() time.Time { return time.Date(2027, 6, 18, 12, 0, 0, 0, time.UTC) }
		d.Stats = stats.New(stats.Options{
			Sources: []stats.Source{s}, Location: time.UTC, Now: now, Inside: stats.Inside{Extensions: regexp.MustCompile(`^[0-9]{2,5}$`)},
		})
	}
}

const allCalls = "/v2/accounts/all/call_statistics"

// shops are two accounts with calls, and marta, who owns the first.
func (s *site) shops() {
	s.marta()
	s.joel()
	s.admin.patch("/api/users/marta", `{"account_id":"shop-7"}`).is(http.StatusOK)
	s.admin.patch("/api/users/joel", `{"account_id":"shop-8"}`).is(http.StatusOK)
}

// TestCallStatisticsOfAccounts: who sees whose calls, and how he is told that he does not.
func TestCallStatisticsOfAccounts(t *testing.T) {
	onBoth(t, callStatisticsOfAccounts, counted(&switchboard{calls: 30}))
}

func callStatisticsOfAccounts(t *testing.T, s *site) {
	s.shops()
	s.admin.post("/api/groups", `{"name":"crew","day":31,"month":1,"year":2099,"count":2,"users":[2,3],"account_id":"all-shops"}`).is(http.StatusCreated)
	of := func(scopes, account string) *client {
		c := s.anonymous()
		made := s.admin.post("/api/tokens", fmt.Sprintf(`{"name":"t %s %s","scopes":[%q],"account":%q}`, scopes, account, scopes, account)).is(http.StatusCreated).object()
		c.header.Set("X-Auth-Token", made["token"].(string))
		return c
	}
	free := s.anonymous()
	made := s.admin.post("/api/tokens", `{"name":"free","scopes":["statistics"]}`).is(http.StatusCreated).object()
	free.header.Set("X-Auth-Token", made["token"].(string))
	wrong := s.anonymous()
	wrong.header.Set("X-Auth-Token", "tt_nonsense")
	shop, reads, group := of("statistics", "shop-7"), of("read", "shop-7"), of("statistics", "all-shops")
	marta := s.login("marta")
	const mine, others, everybody = "/v2/accounts/shop-7/call_statistics/", "/v2/accounts/shop-8/call_statistics/", allCalls + "/"
	for _, tt := range []struct {
		what   string
		who    *client
		path   string
		status int
		says   string // the total, or the message
	}{
		{"nobody", s.anonymous(), mine, 401, "invalid_credentials"},
		{"a wrong token", wrong, mine, 401, "invalid_credentials"},
		{"his token", shop, mine, 200, "30"},
		{"his token by his id", shop, "/v2/accounts/2/call_statistics/", 200, "30"},
		{"his token for another", shop, others, 403, "forbidden"},
		{"his token for all", shop, everybody, 403, "forbidden"},
		{"his token for nobody", shop, "/v2/accounts/nobody/call_statistics/", 403, "forbidden"},
		{"his token with another scope", reads, mine, 403, "forbidden"},
		{"the token of a group", group, "/v2/accounts/all-shops/call_statistics/", 200, "60"},
		{"the token of a group for its member", group, mine, 403, "forbidden"},
		{"a token for all", free, mine, 200, "30"},
		{"a token for all, all", free, everybody, 200, "60"},
		{"a token for all, nobody", free, "/v2/accounts/nobody/call_statistics/", 404, "bad_identifier"},
		{"an administrator", s.admin, others, 200, "30"},
		{"an administrator, all", s.admin, everybody, 200, "60"},
		{"an administrator, nobody", s.admin, "/v2/accounts/nobody/call_statistics/", 404, "bad_identifier"},
		{"a user without grants", marta, mine, 403, "forbidden"},
		{"a user without grants, all", marta, everybody, 403, "forbidden"},
	} {
		for _, rest := range []string{"daily", "countries", "countries/Fiji", "csv"} {
			a := tt.who.get(tt.path + rest).is(tt.status)
			if tt.status == http.StatusOK {
				if rest == "daily" && !strings.Contains(a.body, `"total":`+tt.says+",") || rest == "csv" && fmt.Sprint(strings.Count(a.body, "\r\n")-1) != tt.says {
					t.Errorf("%s, %s: %s", tt.what, rest, a.body)
				}
				continue
			}
			var e struct {
				Data                              struct{ Message, Cause string }
				Error, Message, Status, RequestID string
			}
			if err := json.Unmarshal([]byte(strings.Replace(a.body, "request_id", "requestid", 1)), &e); err != nil || e.Message != tt.says || e.Error != fmt.Sprint(tt.status) || e.Status != "error" ||
				e.RequestID != a.header.Get("X-Request-Id") || e.Data.Message != strings.ReplaceAll(tt.says, "_", " ") {
				t.Errorf("%s, %s: %s, %v", tt.what, rest, a.body, err)
			}
		}
	}

	// Whatever a filter says, the account stays.
	const always = `?q={"filters":[{"or":[{"name":"unanswered","op":"eq","val":0},{"name":"unanswered","op":"eq","val":1},{"name":"caller_id_name","op":"like","val":"%25"}]}]}`
	if a := shop.get(mine + "csv" + always).is(http.StatusOK); strings.Count(a.body, "Caller of shop-7") != 30 || strings.Contains(a.body, "shop-8") {
		t.Error(a.body)
	}
	if a := shop.get(mine + "daily" + always).is(http.StatusOK); !strings.Contains(a.body, `"total":30,`) {
		t.Error(a.body)
	}

	// What a user was granted, he sees under each of its names.
	s.admin.put("/api/users/marta/grants", `{"queues":[],"agents":[],"accounts":["gone","shop-8"]}`).is(http.StatusOK)
	for path, status := range map[string]int{others: 200, "/v2/accounts/3/call_statistics/": 200, mine: 403, everybody: 403, "/v2/accounts/gone/call_statistics/": 404, "/v2/accounts/x/call_statistics/": 403} {
		marta.get(path + "daily").is(status)
	}

	// Every way to show a token.
	secret := shop.header.Get("X-Auth-Token")
	for _, header := range []http.Header{{"X-Auth-Token": {secret}}, {"Authorization": {"Bearer " + secret}}, {"Authorization": {secret}}} {
		c := s.anonymous()
		c.header = header
		c.get(mine + "daily").is(http.StatusOK)
	}
	s.anonymous().get(mine + "daily?auth_token=" + secret).is(http.StatusOK)
	if strings.Contains(s.log.String(), secret) {
		t.Error("the log has a token")
	}
	if a := shop.get(mine + "daily").is(http.StatusOK); strings.Contains(a.body, secret) || a.header.Get("X-Source") != "raw" {
		t.Errorf("%s, %s", a.body, a.header)
	}
}

// TestCallStatisticsPaths: what there is not, and what is not done.
func TestCallStatisticsPaths(t *testing.T) {
	t.Parallel()
	s := newSite(t, storetest.SQLite(t), counted(&switchboard{calls: 3}))
	for _, tt := range []struct {
		method, path string
		status       int
		want         string
	}{
		{"GET", allCalls + "/yearly", 404, `{"data":{"message":"bad identifier","cause":"yearly"},"error":"404","message":"bad_identifier","status":"error","request_id":"ID"}`},
		{"GET", allCalls + "/", 404, `{"data":{"message":"bad identifier","cause":"all/call_statistics/"},"error":"404","message":"bad_identifier","status":"error","request_id":"ID"}`},
		{"GET", allCalls + "/daily/x", 404, `{"data":{"message":"bad identifier","cause":"all/call_statistics/daily/x"},"error":"404","message":"bad_identifier","status":"error","request_id":"ID"}`},
		{"GET", "/v2/accounts/all/users", 404, `{"data":{"message":"bad identifier","cause":"all/users"},"error":"404","message":"bad_identifier","status":"error","request_id":"ID"}`},
		{"POST", allCalls + "/daily", 405, `{"data":{"message":"method not allowed"},"error":"405","message":"invalid_method","status":"error","request_id":"ID"}`},
		{"DELETE", allCalls + "/csv", 405, `{"data":{"message":"method not allowed"},"error":"405","message":"invalid_method","status":"error","request_id":"ID"}`},
		{"GET", allCalls + "/countries/Atlantis&Mu", 404, `{"data":{"message":"bad identifier","cause":"Atlantis&Mu"},"error":"404","message":"bad_identifier","status":"error","request_id":"ID"}`},
		{"GET", allCalls + "/daily?q=[]", 400, `{"data":{"message":"Unable to decode data"},"error":"400","message":"bad_request","status":"error","request_id":"ID"}`},
		{"GET", allCalls + `/daily?q={"timezone":"Mars"}`, 400, `{"data":{"message":"Unable to construct query","cause":"there is no timezone \"Mars\""},"error":"400","message":"bad_request","status":"error","request_id":"ID"}`},
		{"GET", allCalls + `/csv?q={"filters":[{"name":"x","op":"eq","val":1}]}`, 400, `{"data":{"message":"Unable to construct query","cause":"there is no field \"x\""},"error":"400","message":"bad_request","status":"error","request_id":"ID"}`},
		{"GET", allCalls + "/countries/new%20zealand&fiji", 200, `{"data":{"countries":{"Fiji":{"Fiji":[679]},"New Zealand":{"New Zealand":[64]}}},"status":"success","request_id":"ID","timestamp":"AT"}`},
		{"GET", allCalls + "/countries/Trinidad%20and%20Tobago", 200, `{"data":{"countries":{"Trinidad and Tobago":{"Trinidad and Tobago":[1868]}}},"status":"success","request_id":"ID","timestamp":"AT"}`},
		{"GET", allCalls + `/hourly?q={"timezone":"Pacific/Auckland"}`, 200, `{"data":{"21:00:00 17/06/2027":{"total":6,"duration_seconds":{"max":5,"min":0,"median":2.5,"mean":2.5}}},"status":"success","request_id":"ID","timestamp":"AT"}`},
		{"HEAD", allCalls + "/csv", 200, ``},
	} {
		a := s.admin.send(tt.method, strings.NewReplacer(`{`, "%7B", `}`, "%7D", `"`, "%22", "[", "%5B", "]", "%5D").Replace(tt.path), "", "").is(tt.status)
		body := strings.Replace(strings.TrimSpace(a.body), a.header.Get("X-Request-Id"), "ID", 1)
		body = regexp.MustCompile(`"timestamp":"[0-9T:-]+Z"`).ReplaceAllString(body, `"timestamp":"AT"`)
		if body != tt.want {
			t.Errorf("%s %s:\n got %s\nwant %s", tt.method, tt.path, body, tt.want)
		}
	}
	broken := newSite(t, storetest.SQLite(t), counted(&switchboard{broken: true}))
	for _, what := range []string{"daily", "csv"} {
		if a := broken.admin.get(allCalls + "/" + what).is(http.StatusServiceUnavailable); !strings.Contains(a.body, `"message":"datastore_unreachable"`) {
			t.Error(a.body)
		}
	}
	// Where records lie is nobody's business who may see one account alone.
	broken.shops()
	bound := broken.bound("shop-7")
	for _, what := range []string{"daily", "csv"} {
		a := bound.get("/v2/accounts/shop-7/call_statistics/" + what).is(http.StatusServiceUnavailable)
		if !strings.Contains(a.body, `"message":"datastore_unreachable"`) || strings.Contains(a.body, "pbx") || strings.Contains(a.body, "does not answer") {
			t.Error(a.body)
		}
	}
}

// TestBareCallStatistics: off unless networks are named; then a bound token, or the account by name from these.
func TestBareCallStatistics(t *testing.T) {
	t.Parallel()
	s := newSite(t, storetest.SQLite(t), counted(&switchboard{calls: 30}))
	s.shops()
	s.anonymous().get("/api/v1/daily?account=shop-7").is(http.StatusNotFound)
	bound := s.bound("shop-7")
	bound.get("/api/v1/daily").is(http.StatusNotFound)

	s.start(counted(&switchboard{calls: 30}), func(d *adminapi.Deps) { d.CallStatisticsAllow = loopback })
	s.admin = s.login("admin")
	near, far := s.anonymous(), s.anonymous()
	far.header.Set("X-Forwarded-For", "203.0.113.9")
	free := s.anonymous()
	made := s.admin.post("/api/tokens", `{"name":"free","scopes":["statistics"]}`).is(http.StatusCreated).object()
	free.header.Set("X-Auth-Token", made["token"].(string))
	for _, tt := range []struct {
		what   string
		who    *client
		path   string
		status int
		says   string
	}{
		{"a token from afar", bound, "daily", 200, `"total":30,`},
		{"a token that names its account", bound, "daily?account=shop-7", 200, `"total":30,`},
		{"a token that names another", bound, "daily?account=shop-8", 403, "forbidden"},
		{"a token that is bound to nobody", free, "daily", 403, "forbidden"},
		{"a token that is bound to nobody, and an account", free, "daily?account=shop-7", 200, `"total":30,`},
		{"an account from near by", near, "monthly?account=shop-8", 200, `"total":30,`},
		{"all from near by", near, "weekly?account=all", 200, `"total":60,`},
		{"nobody's account", near, "daily?account=x", 404, "bad_identifier"},
		{"no account", near, "daily", 401, "invalid_credentials"},
		{"an account from afar", far, "daily?account=shop-7", 401, "invalid_credentials"},
		{"an administrator's cookie", s.admin, "daily", 401, "invalid_credentials"},
		{"hours", near, "hourly?account=shop-7", 200, `"09:00:00 17/06/2027":{"total":30,`},
		{"countries", near, "countries?account=shop-7", 200, `"countries":["Abkhazia"`},
		{"zones", near, "countries/Fiji&New%20Zealand?account=shop-7", 200, `{"Fiji":{"Fiji":[679]},"New Zealand"`},
		{"no such country", near, "countries/Mu?account=shop-7", 404, "bad_identifier"},
		{"a list", near, "csv?account=shop-7", 200, "Caller of shop-7"},
		{"deeper", near, "daily/x?account=shop-7", 404, "bad_identifier"},
		{"deeper still", near, "countries/a/b?account=shop-7", 404, "bad_identifier"},
	} {
		a := tt.who.get("/api/v1/" + tt.path).is(tt.status)
		if tt.what == "countries" {
			tt.says = `"countries":["`
		}
		if !strings.Contains(a.body, tt.says) {
			t.Errorf("%s: %s", tt.what, a.body)
		}
		if tt.what == "a list" && (strings.Count(a.body, "\r\n") != 31 || strings.Contains(a.body, "shop-8")) {
			t.Errorf("%s: %s", tt.what, a.body)
		}
	}
	if a := near.post("/api/v1/daily?account=shop-7", "{}"); a.status != http.StatusMethodNotAllowed || !strings.Contains(a.body, "invalid_method") {
		t.Errorf("%d %s", a.status, a.body)
	}
}

// TestLongList: a list of many calls needs no memory for them, and comes from its first line on.
func TestLongList(t *testing.T) {
	const calls = 100_000
	s := newSite(t, storetest.SQLite(t), counted(&switchboard{calls: calls / 2}))
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+allCalls+"/csv", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.AddCookie(s.admin.cookie)
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapInuse
	}
	before, most := heap(), uint64(0)
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	lines, scanner := 0, bufio.NewScanner(response.Body)
	for scanner.Scan() {
		if lines++; lines%20_000 == 0 {
			most = max(most, heap())
		}
	}
	if err := scanner.Err(); err != nil || lines != calls+1 {
		t.Errorf("%d lines, %v", lines, err)
	}
	if grown := int64(most) - int64(before); grown > 32<<20 {
		t.Errorf("the heap has grown by %d bytes", grown)
	}
}

// TestListIsCut: what cannot be ended does not look whole, and whoever goes away ends the reading.
func TestListIsCut(t *testing.T) {
	t.Parallel()
	s := newSite(t, storetest.SQLite(t), counted(&switchboard{calls: 5000, broken: true}))
	ask := func(path string) (*http.Response, context.CancelFunc) {
		t.Helper()
		ctx, cancel := context.WithCancel(t.Context())
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.AddCookie(s.admin.cookie)
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		return response, cancel
	}
	response, cancel := ask(allCalls + "/csv")
	defer cancel()
	body, err := io.ReadAll(response.Body)
	_ = response.Body.Close()
	if response.StatusCode != http.StatusOK || err == nil {
		t.Errorf("%d, %d bytes, %v: nobody can see that something is missing", response.StatusCode, len(body), err)
	}
	if !strings.Contains(s.log.String(), "a list of calls was cut off") {
		t.Error("the log does not say it")
	}
	if !regexp.MustCompile(`"msg":"request","method":"GET","path":"/v2/accounts/all/call_statistics/csv","status":200,.*"actor":"admin",.*"cut":true`).MatchString(s.log.String()) {
		t.Error("the request is not in the log")
	}
	const metric = `talktime_http_requests_total{method="GET",route="/v2/accounts/:account/call_statistics/csv",status="cut"}`
	if m := s.anonymous().get("/metrics").metrics(); m[metric] != 1 || m["talktime_http_requests_in_flight"] != 1 {
		t.Errorf("%v", m)
	}

	sent := make(chan struct{})
	s.start(counted(&switchboard{calls: 50_000_000, sent: sent}))
	s.admin = s.login("admin")
	response, cancel = ask(allCalls + "/csv")
	if _, err := bufio.NewReader(response.Body).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	cancel()
	_ = response.Body.Close()
	select {
	case <-sent:
	case <-time.After(time.Minute):
		t.Error("the reading goes on though nobody listens")
	}
}

// TestAccountsOfTheStore: account ids and ids lead to the same owner, and nobody's to none.
func TestAccountsOfTheStore(t *testing.T) {
	t.Parallel()
	s := newSite(t, storetest.SQLite(t))
	s.shops()
	for account, want := range map[string]models.Owner{"shop-7": {User: 2}, "2": {User: 2}, "shop-8": {User: 3}, "99": {}, "": {}, "all": {}} {
		if got, _ := s.store.AccountOwner(t.Context(), account); got != want {
			t.Errorf("%q: %+v, want %+v", account, got, want)
		}
	}
}
