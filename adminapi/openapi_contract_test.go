package adminapi_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"talktime/adminapi"
	"talktime/models"
	"talktime/money"
	"talktime/store/storetest"
)

// TestContract asks for every operation of the document in every way it forbids and in some that it allows, and holds each
// answer against the document.
func TestContract(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes long; a run that is not short has it")
	}
	t.Parallel()
	t.Run("SQLite", func(t *testing.T) {
		t.Parallel()
		contract(t, storetest.SQLite(t))
	})
	t.Run("MariaDB", func(t *testing.T) {
		t.Parallel()
		contract(t, storetest.OnShared(t))
	})
}

// everybodys reports whether an operation is for everybody who is logged in.
func everybodys(o operation) bool {
	return slices.ContainsFunc(adminapi.Routes(), func(r adminapi.Route) bool { return r.Method+" "+r.Path == o.route() && r.Access.Login })
}

func contract(t *testing.T, d storetest.Database) {
	now, folder := time.Now(), t.TempDir()
	s := newSite(t, d, func(deps *adminapi.Deps) {
		var asked atomic.Int64
		deps.Now = func() time.Time { return now.Add(time.Duration(asked.Add(1)) * 10 * time.Millisecond) } // so that nobody asks too often
		deps.Asterisk = loopback
	}, withRecordingIn(t, folder), withFreePBX(t), withMemoryTrunks, withSteadyAsterisk(t))
	c := &contractor{site: s, folder: folder, spec: s.spec(), random: rand.New(rand.NewPCG(1, 2)), tokens: map[string]*client{}}
	s.marta()
	s.joel()
	c.joel = s.login("joel")
	s.user(models.NewUser{Username: "lena"}) // who is kept out soon
	s.admin.post("/api/groups", `{"name":"field-team","day":31,"month":1,"year":2099,"count":2,"users":[2],"account_id":"crm-77"}`).is(http.StatusCreated)
	c.entry = c.key("/api/balance")
	s.call("pbx-settled", "555000204", "555000205", 42)
	c.record = c.key("/api/cdr")
	s.deck("retail", models.SEC)
	s.carrier("north")
	s.keeps(wednesday...)
	for _, o := range c.spec.operations() {
		c.operation = o
		start, sent := time.Now(), c.sent
		c.everybody()
		c.paths()
		c.queries()
		c.bodies()
		t.Logf("%s: %d requests, %d ms", o.name(), c.sent-sent, time.Since(start).Milliseconds())
		if s.admin.get("/check").status != http.StatusOK {
			t.Fatalf("%s has locked the administrator out", o.name())
		}
	}
	for _, path := range slices.Sorted(maps.Keys(c.spec.root["paths"].(map[string]any))) {
		c.methods(path)
	}
	t.Logf("%d requests", c.sent)
}

// contractor asks in the place of all clients.
type contractor struct {
	*site

	spec      *spec
	random    *rand.Rand
	joel      *client
	tokens    map[string]*client // by their scopes
	entry     string             // key of a ledger entry
	record    string             // key of a settled call
	folder    string             // of recordings
	operation operation
	made      int
	sent      int
}

func (c *contractor) key(list string) string {
	c.t.Helper()
	objects := c.admin.get(list).is(http.StatusOK).objects()
	if len(objects) == 0 {
		c.t.Fatalf("nothing is in %s", list)
	}
	return fmt.Sprintf("%.0f", objects[0]["id_"])
}

// program is one whose token has these scopes.
func (c *contractor) program(scopes ...string) *client {
	c.t.Helper()
	name := strings.Join(scopes, " ")
	if c.tokens[name] == nil {
		c.tokens[name] = c.anonymous()
		c.tokens[name].header.Set("Authorization", "Bearer "+c.token(scopes...))
	}
	return c.tokens[name]
}

func (c *contractor) token(scopes ...string) string {
	c.t.Helper()
	c.made++
	_, secret, err := c.store.NewToken(c.t.Context(), models.NewToken{Name: fmt.Sprintf("t%d", c.made), Scopes: scopes}, "test")
	if err != nil {
		c.t.Fatal(err)
	}
	return secret
}

// object makes something that the operation may change or delete, and returns its path.
func (c *contractor) object() string {
	c.t.Helper()
	c.made++
	n := fmt.Sprintf("%d", c.made)
	path := c.operation.path
	switch {
	case strings.HasPrefix(path, "/api/users/{username}"):
		c.user(models.NewUser{Username: "u" + n, CLID: "7" + n, IMSI: "8" + n, Balance: 5 * money.Unit})
		return strings.Replace(path, "{username}", "u"+n, 1)
	case path == "/api/groups/{name}":
		first := time.Date(2099, 1, 31, 0, 0, 0, 0, time.UTC)
		if _, err := c.store.NewGroup(c.t.Context(), models.NewGroup{Name: "g" + n, First: first, Count: 9, Mode: models.ModeTopUp, Users: []int64{2}}, "test"); err != nil {
			c.t.Fatal(err)
		}
		return "/api/groups/g" + n
	case strings.HasPrefix(path, "/api/holds/"):
		c.site.user(models.NewUser{Username: "h" + n, CLID: "9" + n, Balance: 5 * money.Unit})
		c.call("pbx-hold"+n, "9"+n, "555000205", -1)
		call, err := c.store.ListHolds(c.t.Context(), models.ListRequest{Number: 1, Size: 1})
		if err != nil || len(call.Items) == 0 {
			c.t.Fatal("no call holds money", err)
		}
		return fmt.Sprintf("/api/holds/%d", call.Items[0].ID)
	case path == "/api/cdr/{id}" && c.operation.method != http.MethodGet: // one that was written by hand
		record, err := c.store.AddCDR(c.t.Context(), models.CDR{From: 2, Answer: time.Unix(1_700_000_000, 0), BillSec: 5}, "test")
		if err != nil {
			c.t.Fatal(err)
		}
		return fmt.Sprintf("/api/cdr/%d", record.ID)
	case strings.HasPrefix(path, "/api/calls/"), strings.HasPrefix(path, "/api/cdr/"):
		return strings.Replace(path, "{id}", c.record, 1)
	case strings.HasPrefix(path, "/api/balance/"):
		return strings.Replace(path, "{id}", c.entry, 1)
	case path == "/api/tokens/{id}":
		c.token("read")
		list, err := c.store.ListTokens(c.t.Context(), models.ListRequest{Number: 1, Size: 1, Query: `{"order_by":[{"field":"id","direction":"desc"}]}`})
		if err != nil || len(list.Items) == 0 {
			c.t.Fatal("there is no token", err)
		}
		return fmt.Sprintf("/api/tokens/%d", list.Items[0].ID)
	case path == "/api/groups/{name}/tariff", path == "/api/groups/{name}/limits":
		return strings.Replace(path, "{name}", "field-team", 1)
	case strings.HasPrefix(path, "/api/tariffs/{tariff}"):
		c.deck("t"+n, models.SEC)
		return strings.Replace(path, "{tariff}", "t"+n, 1)
	case path == "/api/rerates/{rerate}":
		f := c.noCalls(map[string]any{"tariff": "retail"})
		p, err := c.store.PreviewRerate(c.t.Context(), f, nil)
		if err == nil {
			_, err = c.store.PostRerate(c.t.Context(), "z"+n, f, p.Digest, "test", nil)
		}
		if err != nil {
			c.t.Fatal(err)
		}
		return "/api/rerates/z" + n
	case path == "/api/rates/explain", path == "/api/routes/explain":
		return path + "?user=marta&number=4930"
	case strings.HasSuffix(path, "/rest/index.php"):
		return path + "?entity=queues"
	case strings.HasPrefix(path, "/v2/accounts/{account}/"):
		return strings.NewReplacer("{account}", "all", "{list}", "Fiji", "{period}", "daily").Replace(path)
	case strings.HasPrefix(path, "/api/v1/{token}/"):
		return strings.Replace(path, "{token}", reportToken, 1)
	case strings.HasSuffix(path, "/{batch}"):
		kind := strings.TrimSuffix(strings.Split(path, "/")[2], "s")
		c.batch(models.NewBatch{Kind: kind, Name: "b" + n, Count: 2, Amount: money.Unit, Currency: models.SEC})
		return strings.Replace(path, "{batch}", "b"+n, 1)
	case strings.HasPrefix(path, "/api/webhooks/{webhook}"):
		c.webhook("w" + n)
		return strings.Replace(path, "{webhook}", "w"+n, 1)
	case strings.HasPrefix(path, "/api/carriers/{carrier}"):
		c.carrier("c" + n)
		return "/api/carriers/c" + n
	case strings.HasPrefix(path, "/api/routes/{route}"):
		c.route("7"+n, "north")
		return "/api/routes/7" + n
	case strings.HasPrefix(path, "/api/pbx/extensions/"), strings.HasPrefix(path, "/api/pbx/followme/"), strings.HasPrefix(path, "/api/pbx/changes/"), path == "/api/pbx/undo":
		c.extension("3"+n, strings.HasPrefix(path, "/api/pbx/followme/"))
		changes, err := c.store.PBXChanges(c.t.Context())
		if err != nil {
			c.t.Fatal(err)
		}
		return strings.NewReplacer("{extension}", "3"+n, "{change}", fmt.Sprint(changes[0].ID)).Replace(path)
	case strings.HasPrefix(path, "/api/pbx/trunks/{trunk}"):
		c.trunk("t" + n)
		return "/api/pbx/trunks/t" + n
	case path == "/api/pbx/recordings/{file}":
		name := "2026/03/14/q-" + n + "-1804596131.52.wav"
		file, long := filepath.Join(c.folder, name), time.Now().Add(-time.Hour)
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o700), os.WriteFile(file, []byte("RIFF"), 0o600), os.Chtimes(file, long, long)); err != nil {
			c.t.Fatal(err)
		}
		return "/api/pbx/recordings/" + name
	case strings.HasPrefix(path, "/api/pbx/channels/"), strings.HasPrefix(path, "/api/pbx/queues/"):
		return strings.NewReplacer("{channel}", "1795211573.187", "{queuename}", "sales", "{member}", "PJSIP%2F204").Replace(path)
	case strings.HasPrefix(path, "/api/queues/"):
		return strings.NewReplacer("{queue}", "1", "{agent}", "1", "{uniqueid}", "1812528928.11").Replace(path)
	case strings.Contains(path, "{"):
		c.t.Fatalf("nobody knows what %s is about", path)
	}
	return path
}

// noCalls makes the times of a re-rating some at which nobody called, so that nothing changes what it would do.
func (c *contractor) noCalls(body map[string]any) models.RerateFilter {
	f := models.RerateFilter{From: time.Date(2010, 1, 1, 0, 0, 0, 0, time.UTC), To: time.Date(2011, 1, 1, 0, 0, 0, 0, time.UTC), Version: 1}
	body["from"], body["to"] = f.From.Format(time.RFC3339), f.To.Format(time.RFC3339)
	for name, into := range map[string]*string{"tariff": &f.Tariff, "user": &f.User, "group": &f.Group, "prefix": &f.Prefix} {
		*into, _ = body[name].(string)
	}
	return f
}

// preview is the digest of a re-rating.
func (c *contractor) preview(body map[string]any) string {
	p, err := c.store.PreviewRerate(c.t.Context(), c.noCalls(body), nil)
	if err != nil {
		c.t.Fatal(err)
	}
	return p.Digest
}

// body is a valid one, with values that nobody has yet.
func (c *contractor) body(properties ...string) map[string]any {
	schema := c.operation.body()
	if schema == nil {
		return nil
	}
	c.made++
	body := c.spec.example(schema).(map[string]any)
	all, _ := schema["properties"].(map[string]any)
	for _, name := range properties {
		body[name] = c.spec.example(all[name].(map[string]any))
	}
	if _, ok := all["signal"]; ok { // it or type_ must be there
		body["signal"] = "+"
	}
	fresh := fmt.Sprintf("%d", c.made)
	for name, value := range map[string]any{"username": "n" + fresh, "name": "n" + fresh, "clid": "5" + fresh, "imsi": "6" + fresh, "account_id": "a" + fresh} {
		if _, ok := body[name]; ok {
			body[name] = value
		}
	}
	switch c.operation.name() {
	case "POST /api/pbx/originate":
		if _, ok := body["extension"]; ok { // it or channel
			delete(body, "channel")
		} else {
			body["channel"] = "PJSIP/204"
		}
	case "POST /api/pbx/queues/{queuename}/members":
		body["name"] = "Iva Moss"
	case "POST /login":
		body["username"], body["password"] = "lena", secret
	case "POST /api/voice_balance":
		body["from_user_id"] = 2
	case "POST /api/pbx/extensions":
		body["account"] = "4" + fresh
	case "POST /api/pbx/followme":
		c.extension("5"+fresh, false)
		body["grpnum"] = "5" + fresh
	case "POST /api/pbx/trunks", "PATCH /api/pbx/trunks/{trunk}": // some make sense only with others
		if _, ok := body["contact_user"]; ok {
			body["register"] = true
		}
		body["username"] = "acc"
	case "POST /api/vouchers", "POST /api/cards":
		body["name"] = "batch" + fresh
		if _, ok := body["tariff"]; ok {
			body["tariff"] = nil
		}
	case "PATCH /api/vouchers/{batch}", "PATCH /api/cards/{batch}":
		delete(body, "from") // they are serials of that very batch; TestVouchers gives some
		delete(body, "to")
	case "POST /api/vouchers/redeem":
		body["user"] = "marta"
		body["code"] = c.batch(models.NewBatch{Kind: models.BatchVouchers, Name: "r" + fresh, Count: 1, Amount: money.Unit, Currency: models.SEC})[0].Code
	case "POST /api/rerates":
		body["version"] = 1
		body["expect"] = c.preview(body)
	case "POST /api/routes":
		body["prefix"] = "8" + fresh
	case "PATCH /api/groups/{name}":
		delete(body, "date") // it is a date of that very group; TestRefillOfADate gives one
	case "PATCH /api/users":
		c.site.user(models.NewUser{Username: "q" + fresh})
		body["q"] = map[string]any{"filters": []any{map[string]any{"name": "username", "op": "eq", "val": "q" + fresh}}}
	}
	return body
}

func encoded(body map[string]any) string {
	if body == nil {
		return ""
	}
	text, err := json.Marshal(body)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// ask sends a request and holds the answer against the document.
func (c *contractor) ask(who *client, path, body, contentType string) answer {
	c.t.Helper()
	c.sent++
	if c.operation.path == "/logout" && who.cookie != nil { // its session would be gone
		fresh := c.login("joel")
		fresh.header = who.header
		who = fresh
	}
	a := who.send(c.operation.method, path, body, contentType)
	a.what = short(a.what)
	if why := c.operation.violation(a); why != "" {
		c.t.Errorf("%s: %s: %s", a.what, why, short(a.body))
	}
	return a
}

func short(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if len(s) > 400 {
		return s[:400] + "…"
	}
	return s
}

func (c *contractor) json(body string) string {
	if body == "" {
		return ""
	}
	return "application/json"
}

// everybody asks, each as he may or may not.
func (c *contractor) everybody() {
	o := c.operation
	open, scopes := o.security()
	asked := func(who *client) answer {
		body := encoded(c.body())
		if text := o.csv(); text != "" {
			return c.ask(who, c.object(), text, "text/csv")
		}
		return c.ask(who, c.object(), body, c.json(body))
	}
	admin := asked(c.admin)
	only405 := o.response(http.StatusMethodNotAllowed) != nil
	if admin.status >= 400 && !only405 {
		c.t.Errorf("%s: what the document shows is refused with %d: %s", admin.what, admin.status, admin.body)
	}
	nobody, other, lacking := asked(c.anonymous()), asked(c.joel), asked(c.anonymous())
	wrong := c.anonymous()
	wrong.header.Set("Authorization", "Bearer tt_nonsense")
	blind := []string{"/healthz", "/readyz", "/metrics", "/docs", "/docs/style.css", "/openapi.json", "/health", "/api/v1/{token}/callstat", "/api/v1/{token}/asrstat", "/api/api.php"} // they ask nobody who he is, or nobody who is near, or look at the path
	if a := asked(wrong); a.status != http.StatusUnauthorized && !slices.Contains(blind, o.path) {
		c.t.Errorf("%s: a wrong token is answered with %d", a.what, a.status)
	}
	foreign := *c.admin
	foreign.header = http.Header{"Sec-Fetch-Site": {"cross-site"}}
	if a := asked(&foreign); o.method != http.MethodGet && a.status != http.StatusForbidden {
		c.t.Errorf("%s: another site is answered with %d", a.what, a.status)
	}
	if !open {
		if len(scopes) > 0 {
			if a := asked(c.program(scopes...)); a.status >= 400 && !only405 {
				c.t.Errorf("%s: a token with %s is answered with %d: %s", a.what, scopes, a.status, a.body)
			}
			for _, scope := range scopes[1:] {
				asked(c.program(scope)) // which is not enough
			}
		}
		all := slices.DeleteFunc(models.Scopes(), func(s string) bool { return len(scopes) > 0 && s == scopes[0] })
		lacking = asked(c.program(all...))
		if nobody.status != http.StatusUnauthorized || lacking.status != http.StatusForbidden || other.status != http.StatusForbidden && !everybodys(o) {
			c.t.Errorf("%s: nobody is answered with %d, a user with %d, a token without %s with %d", o.name(), nobody.status, other.status, scopes, lacking.status)
		}
	}
}

// hostile are texts that somebody might have forgotten.
var hostile = []string{
	"", " ", "'", `"`, `\`, "' OR 1=1 --", `"; DROP TABLE users; --`, "a\nb", "a\r\nX: y", "\x00", "a\x00b", "\u2028", "\ufeff", "%00", "%", "_", "😀", "e\u0301",
	"\u202egnp.exe", "<script>", "{{.}}", "${x}", "../../etc/passwd", "/", "null", "true", "-1", "0", "1e309", "NaN", "9223372036854775808", "\U0010ffff", strings.Repeat("ü", 5000),
}

// paths asks for keys that there are not.
func (c *contractor) paths() {
	if !strings.Contains(c.operation.path, "{") {
		return
	}
	parameter := regexp.MustCompile(`\{\w+\}`)
	body := encoded(c.body())
	for _, text := range append(hostile, "nobody", "99999999999999999999", "1.5", "0x10", "\xff") {
		if strings.Trim(text, ".") == "" || strings.Contains(text, "/") {
			continue // another path
		}
		c.ask(c.admin, parameter.ReplaceAllLiteralString(c.operation.path, url.PathEscape(text)), body, c.json(body))
	}
}

// queries asks for pages and searches that make no sense.
func (c *contractor) queries() {
	names := c.operation.parameters("query")
	path := c.object()
	sign := "?"
	if strings.Contains(path, sign) {
		sign = "&"
	}
	for _, name := range names {
		texts := append([]string{"1", "2", "1001", "101", "1e3", "marta", "nobody"}, hostile...)
		c.random.Shuffle(len(texts), func(i, j int) { texts[i], texts[j] = texts[j], texts[i] })
		for _, text := range texts[:20] {
			c.ask(c.admin, path+sign+name+"="+url.QueryEscape(text), "", "")
			if c.operation.method != http.MethodGet {
				return
			}
		}
		c.ask(c.admin, path+sign+name+"[]=1&"+name+"=2&"+name, "", "")
		c.ask(c.admin, path+sign+name+"=%zz&%00=%00;;", "", "")
	}
	if !slices.Contains(names, "q") {
		return
	}
	for _, text := range []string{
		"{", "[]", "1", `"x"`, "null", "{}", `{"filters":null}`, `{"filters":{}}`, `{"filters":[1]}`, `{"filters":[{}]}`, `{"filters":[{"name":"nothing","op":"eq","val":1}]}`,
		`{"filters":[{"name":"id_","op":"sounds_like","val":1}]}`, `{"filters":[{"name":"id","op":"in","val":[1,"x",null,{},[]]}]}`, `{"filters":[{"name":"id_","op":"in","val":[]}]}`,
		`{"filters":[{"or":[]}]}`, `{"filters":[{"name":"username","op":"like","val":"%\\"}]}`, `{"filters":[{"name":"username","op":"eq","val":"\u0000"}]}`,
		`{"filters":[{"name":"id_","op":"gt","val":1e400}]}`, `{"filters":[{"name":"id_","op":"eq","val":9223372036854775808}]}`, `{"filters":[{"name":"balance","op":"lt","val":"1.0000000001"}]}`,
		`{"order_by":[{"field":"id_"},{"field":"id"},{}]}`, `{"order_by":[{"field":"id","direction":"sideways"}]}`, `{"order_by":"id"}`, `{"group_by":[{"field":"id"}]}`, `{"limit":-1}`,
		`{"limit":1e30,"offset":"x"}`, `{"limit":1,"offset":9223372036854775807}`, `{"single":true}`, `{"single":true,"limit":1}`, `{"single":true,"offset":99999}`,
		`{"filters":[{"name":"tunel","op":"any","val":1}]}`, `{"filters":[{"name":"tunel__tunel__name","op":"any","val":1}]}`, strings.Repeat(`{"filters":[`, 1000), "\xff",
	} {
		c.ask(c.admin, path+"?q="+url.QueryEscape(text), "", "")
	}
}

// refused fails the test when what the document forbids is not refused, or for another reason than that.
func (a answer) refused(why string) {
	a.t.Helper()
	if a.status < 400 || a.status == http.StatusUnauthorized || a.status == http.StatusNotFound {
		a.t.Errorf("%s: %s, and is answered with %d", a.what, why, a.status)
	}
}

// bodies sends what cannot be read, and what can with each field missing, of another type, beyond its limits, and strange.
func (c *contractor) bodies() {
	schema := c.operation.body()
	if schema == nil {
		return
	}
	if c.operation.path == "/login" {
		for range 11 { // too often
			c.ask(c.anonymous(), "/login", `{"username":"lena","password":"wrong77"}`, "application/json")
		}
	}
	path := c.object()
	named := strings.HasSuffix(path, "/u"+fmt.Sprint(c.made)) || strings.HasSuffix(path, "/g"+fmt.Sprint(c.made))
	send := func(body map[string]any) answer {
		if named { // what was there before may have another name by now
			path = c.object()
		}
		return c.ask(c.admin, path, encoded(body), "application/json")
	}
	for _, text := range []string{"", "{", "[]", "null", "1", `"x"`, "{}{}", "{\"a\":\xff}", strings.Repeat("[", 5000), `{"a":1,}`, `{"a":` + strings.Repeat("9", 5000) + "}"} {
		c.ask(c.admin, path, text, "application/json").refused("it is no object")
	}
	patient := *c.admin
	patient.header = http.Header{"Expect": {"100-continue"}} // else the connection may be closed before the answer is read
	if a := c.ask(&patient, path, `{"a":"`+strings.Repeat("x", 1<<20)+`"}`, "application/json"); a.status != http.StatusRequestEntityTooLarge {
		c.t.Errorf("%s is too long, and is answered with %d", a.what, a.status)
	}
	for _, contentType := range []string{"", "text/plain", "application/xml", "multipart/form-data; boundary=x", "application/jsonx", "application/json, text/plain", ";"} {
		if a := c.ask(c.admin, path, encoded(c.body()), contentType); a.status != http.StatusUnsupportedMediaType {
			c.t.Errorf("%s of %q is answered with %d", a.what, contentType, a.status)
		}
	}
	required, _ := schema["required"].([]any)
	for _, name := range required {
		body := c.body()
		delete(body, name.(string))
		send(body).refused("something is missing")
	}
	stranger := c.body()
	stranger["shoe_size"] = 44
	if a := send(stranger); schema["additionalProperties"] == false {
		a.refused("there is no such field")
	}
	properties, _ := schema["properties"].(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		property := properties[name].(map[string]any)
		c.values(name, property, send)
	}
	for range c.some() { // any of the fields, each as it is meant
		var some []string
		for _, name := range slices.Sorted(maps.Keys(properties)) {
			if c.random.IntN(2) == 0 {
				some = append(some, name)
			}
		}
		if a := send(c.body(some...)); a.status >= 400 && c.operation.path != "/login" { // where she is kept out by now
			c.t.Errorf("%s: what the document allows is refused with %d: %s", a.what, a.status, a.body)
		}
	}
}

// values sends one field with everything that it may be and may not be.
func (c *contractor) values(name string, property map[string]any, send func(map[string]any) answer) {
	send(c.body(name))
	with := func(v any) answer {
		body := c.body(name)
		body[name] = v
		return send(body)
	}
	for _, v := range []any{map[string]any{}, []any{}, []any{nil}, []any{[]any{}}, nil, 1.5, true, map[string]any{"add": "x"}, map[string]any{"id_": 1.0}, []any{1e300, -1.0, "x"}, "x", 7.0, -7.0} {
		a := with(v)
		if why := c.spec.invalid(property, v); why != "" && !likewise(property, v) && !c.idle(name) {
			a.refused(why)
		}
	}
	if property["minimum"] != nil || property["maximum"] != nil {
		least, most := property["minimum"].(float64), property["maximum"].(float64)
		with(least)
		with(most)
		if !c.idle(name) {
			with(least - 1).refused("it is too small")
			with(most + 1).refused("it is too large")
		}
	}
	if most, ok := property["maxLength"].(float64); ok {
		long := func(n float64) string { return fmt.Sprintf("%0*dx", int(n)-1, c.made) } // which nobody has yet
		with(long(most))
		with(strings.Repeat("ü", int(most)))
		with(long(most + 1)).refused("it is too long")
	}
	if least, ok := property["minLength"].(float64); ok {
		with(strings.Repeat("x", int(least)-1)).refused("it is too short")
	}
	if types := fmt.Sprint(property["type"]); !strings.Contains(types, "string") && property["anyOf"] == nil {
		return
	}
	for _, n := range c.random.Perm(len(hostile))[:c.some()] {
		text := hostile[n]
		if a := with(text); c.spec.invalid(property, text) != "" && !c.idle(name) {
			a.refused("it is none of those that are allowed")
		}
	}
}

// likewise reports whether a value may be taken though it is of another type: numbers in quotes and digits without.
func likewise(property map[string]any, v any) bool {
	_, isText := v.(string)
	_, isNumber := v.(float64)
	return isText || isNumber && strings.Contains(fmt.Sprint(property["type"]), "string") || property["anyOf"] != nil
}

// some is how many of many values are tried on one field: few where each that is taken costs the hash of a password.
func (c *contractor) some() int {
	switch c.operation.name() {
	case "POST /api/users", "PATCH /api/users", "PATCH /api/users/{username}", "POST /login":
		return 5
	}
	return 12
}

// idle reports whether a field is taken and does not count.
func (c *contractor) idle(name string) bool {
	return c.operation.path == "/api/balance" && name == "date" || c.operation.name() == "PATCH /api/users" && name == "tunel" || name == "next" || name == "imsi" && c.operation.path == "/check_voice_balance"
}

// methods asks for what nobody has documented.
func (c *contractor) methods(path string) {
	paths := c.spec.root["paths"].(map[string]any)
	documented := maps.Clone(paths[path].(map[string]any))
	for sibling, operations := range paths { // /routes/explain is also what /routes/{route} has methods for
		parent, name := sibling[:strings.LastIndex(sibling, "/")+1], sibling[strings.LastIndex(sibling, "/")+1:]
		if strings.HasPrefix(path, parent) && strings.HasPrefix(name, "{") && !strings.Contains(path[len(parent):], "/") {
			maps.Copy(documented, operations.(map[string]any))
		}
	}
	path = strings.Replace(path, "{token}", reportToken, 1)
	path = regexp.MustCompile(`\{\w+\}`).ReplaceAllString(path, "1")
	for _, method := range []string{"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"} {
		if documented[strings.ToLower(method)] != nil {
			continue
		}
		c.sent++
		a := c.admin.send(method, path, "", "")
		if a.status != http.StatusMethodNotAllowed || a.header.Get("Allow") == "" {
			c.t.Errorf("%s is answered with %d", a.what, a.status)
		}
	}
}
