package adminapi_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"talktime/adminapi"
	"talktime/models"
	"talktime/money"
	"talktime/store/storetest"
)

// memoryGroups keeps groups as a store would, without dates that are due by themselves.
type memoryGroups struct {
	mu     sync.Mutex
	groups []models.Group
}

func (m *memoryGroups) find(name string) (*models.Group, error) {
	for i := range m.groups {
		if m.groups[i].Name == name {
			return &m.groups[i], nil
		}
	}
	return nil, models.ErrNotFound
}

func (m *memoryGroups) ListGroups(context.Context, models.ListRequest) (models.List[models.Group], error) {
	return models.List[models.Group]{Items: m.groups, Total: int64(len(m.groups))}, nil
}

func (m *memoryGroups) Group(_ context.Context, name string) (models.Group, error) {
	g, err := m.find(name)
	if err != nil {
		return models.Group{}, err
	}
	return *g, nil
}

func (m *memoryGroups) NewGroup(_ context.Context, n models.NewGroup, _ string) (models.Group, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, err := m.find(n.Name); err == nil {
		return models.Group{}, models.ErrConflict
	}
	g := models.Group{ID: int64(len(m.groups) + 1), Name: n.Name, Mode: n.Mode, Value: 1250 * money.Unit, AccountID: n.AccountID, Members: n.Users}
	if n.Value != nil {
		g.Value = *n.Value
	}
	for month := range n.Count {
		g.Dates = append(g.Dates, models.RefillDate{ID: int64(month + 1), Date: n.First.AddDate(0, month, 0)})
	}
	m.groups = append(m.groups, g)
	return g, nil
}

func (m *memoryGroups) ChangeGroup(_ context.Context, name string, c models.GroupChange, _ string) (models.Group, error) {
	g, err := m.find(name)
	if err != nil {
		return models.Group{}, err
	}
	if c.Members.All != nil {
		g.Members = *c.Members.All
	}
	g.Members = slices.DeleteFunc(append(slices.Clone(g.Members), c.Members.Add...), func(id int64) bool { return slices.Contains(c.Members.Remove, id) })
	slices.Sort(g.Members)
	g.Members = slices.Compact(g.Members)
	if c.Name != nil {
		g.Name = *c.Name
	}
	return *g, nil
}

func (m *memoryGroups) ChangeAndRefill(ctx context.Context, name string, c models.GroupChange, date int64, actor string) (models.Group, error) {
	g, err := m.ChangeGroup(ctx, name, c, actor)
	if err != nil {
		return g, err
	}
	if date == 0 {
		return m.Refill(ctx, g.Name, true, actor)
	}
	g, _, err = m.RefillDate(ctx, g.Name, date, actor)
	return g, err
}

func (m *memoryGroups) DeleteGroup(_ context.Context, name, _ string) error {
	_, err := m.find(name)
	m.groups = slices.DeleteFunc(m.groups, func(g models.Group) bool { return g.Name == name })
	return err
}

func (m *memoryGroups) Refill(_ context.Context, name string, force bool, _ string) (models.Group, error) {
	g, err := m.find(name)
	switch {
	case err != nil:
		return models.Group{}, err
	case force && len(g.Dates) == 0:
		return models.Group{}, models.ErrNoDate
	case force:
		g.Dates = g.Dates[1:]
	}
	return *g, nil
}

func (m *memoryGroups) RefillDate(_ context.Context, name string, date int64, _ string) (models.Group, bool, error) {
	g, err := m.find(name)
	if err != nil {
		return models.Group{}, false, err
	}
	left := len(g.Dates)
	g.Dates = slices.DeleteFunc(g.Dates, func(d models.RefillDate) bool { return d.ID == date })
	return *g, len(g.Dates) < left, nil
}

func (m *memoryGroups) GroupsOf(_ context.Context, users []int64) (map[int64][]models.Group, error) {
	found := make(map[int64][]models.Group)
	for _, g := range m.groups {
		for _, u := range users {
			if slices.Contains(g.Members, u) {
				found[u] = append(found[u], g)
			}
		}
	}
	return found, nil
}

// TestGroupRequests is what of checklist 12 and 13 the API itself decides; the store's part is tested with the store.
func TestGroupRequests(t *testing.T) {
	t.Parallel()
	s := newSite(t, storetest.SQLite(t), func(d *adminapi.Deps) {
		d.Groups = &memoryGroups{}
		d.Now = func() time.Time { return time.Date(2030, 1, 15, 12, 0, 0, 0, time.UTC) }
	})
	s.marta()
	s.joel()
	a := s.admin.post("/api/groups", `{"name":"field-team","day":31,"month":1,"year":2030,"count":1,"users":[2]}`)
	a.says(http.StatusCreated, `{"id_":1,"name":"field-team","value":1250,"mode":"topup","dates_to_update":[{"id_":1,"group_id":1,"date":"2030-01-31T00:00:00"}],`+
		strings.Replace(`"tunel":[USER],"account_id":null}`, "USER", plain(s.admin.get("/api/users/marta").body), 1))
	if got := a.header.Get("Location"); !strings.HasSuffix(got, "/api/groups/field-team") {
		t.Errorf("Location is %s", got)
	}
	if user := s.admin.get("/api/users/marta"); !strings.Contains(user.body, `"tunel":[{"id_":1,"name":"field-team","value":1250,"mode":"topup"}]`) {
		t.Errorf("%s", user.body)
	}
	s.admin.post("/api/groups", `{"name":"field-team","day":"31","month":"1","year":"2030","count":"3"}`).says(http.StatusBadRequest, `{"message":"Already has this Group"}`)
	s.admin.post("/api/groups", `{"name":"today","day":"15","month":"1","year":"2030","count":"3"}`).is(http.StatusCreated)
	s.admin.post("/api/groups", `{"name":"x","day":14,"month":1,"year":2030,"count":3}`).says(http.StatusBadRequest, `{"message":"Date not accept"}`)
	for what, body := range map[string]string{
		"no such day": `{"name":"x","day":31,"month":2,"year":2031,"count":3}`, "month 13": `{"name":"x","day":1,"month":13,"year":2031,"count":3}`,
		"count 0": `{"name":"x","day":1,"month":1,"year":2031,"count":0}`, "count 1201": `{"name":"x","day":1,"month":1,"year":2031,"count":1201}`,
		"no name": `{"day":1,"month":1,"year":2031,"count":3}`, "name empty": `{"name":"","day":1,"month":1,"year":2031,"count":3}`,
		"users odd": `{"name":"x","day":1,"month":1,"year":2031,"count":3,"users":["a"]}`, "users null": `{"name":"x","day":1,"month":1,"year":2031,"count":3,"users":null}`,
		"README's literal": `{"name":"group_name","day":1, "month":1, "year":3000, "count":10, "users":[id_]}`,
		"mode":             `{"name":"x","day":1,"month":1,"year":2031,"count":3,"mode":"set"}`, "value 0": `{"name":"x","day":1,"month":1,"year":2031,"count":3,"value":0}`,
		"unknown field": `{"name":"x","day":1,"month":1,"year":2031,"count":3,"shoes":1}`, "day as float": `{"name":"x","day":1.5,"month":1,"year":2031,"count":3}`,
	} {
		if a := s.admin.post("/api/groups", body); a.status != http.StatusBadRequest {
			t.Errorf("%s: %d %s", what, a.status, a.body)
		}
	}
	members := func(want int, body string) {
		t.Helper()
		if got := s.admin.patch("/api/groups/field-team", body).is(http.StatusOK).object()["tunel"].([]any); len(got) != want {
			t.Errorf("%s: %v", body, got)
		}
	}
	members(2, `{"newUser":[3]}`)
	members(2, `{"newUser":["3"]}`)
	members(1, `{"removeUser":[2]}`)
	members(1, `{"removeUser":[2]}`)
	members(1, `{}`)
	members(2, `{"tunel":{"add":[{"id_":2}]}}`)
	members(1, `{"tunel":[{"id_":2}]}`)
	if got := s.admin.patch("/api/groups/field-team", `{"updateGroup":1}`).is(http.StatusOK).object()["dates_to_update"].([]any); len(got) != 0 {
		t.Errorf("%v", got)
	}
	s.admin.patch("/api/groups/field-team", `{"updateGroup":1}`).says(http.StatusConflict, `{"message":"no refill date left"}`)
	s.admin.patch("/api/groups/field-team", `{"shoes":1}`).says(http.StatusBadRequest, `{"message":"Model does not have field 'shoes'"}`)
	s.admin.patch("/api/groups/field-team", `{"id_":1}`).is(http.StatusForbidden)
	s.admin.patch("/api/groups/nobody", `{}`).says(http.StatusNotFound, `{}`)
	s.admin.delete("/api/groups/field-team").is(http.StatusNoContent)
	s.admin.get("/api/groups/field-team").says(http.StatusNotFound, `{}`)
	if got := s.admin.get("/api/groups").object(); got["num_results"] != 1.0 || got["total_pages"] != 1.0 {
		t.Errorf("%v", got)
	}
}

// plain is what stands of a user in another object.
func plain(user string) string {
	before, _, _ := strings.Cut(user, `,"tunel"`)
	return before + "}"
}

// TestTokenRequests: what is taken, and that a secret is shown once.
func TestTokenRequests(t *testing.T) {
	t.Parallel()
	s := newSite(t, storetest.SQLite(t), func(d *adminapi.Deps) { d.Tokens = scopeTokens{} })
	a := s.admin.post("/api/tokens", `{"name":"pbx","scopes":["read","cdr","read"],"expires_at":"2100-01-31T00:00:00Z"}`).is(http.StatusCreated).object()
	if a["token"] != "tt_shown_once" || fmt.Sprint(a["scopes"]) != "[cdr read]" || a["expires_at"] != "2100-01-31T00:00:00Z" {
		t.Errorf("%v", a)
	}
	for _, body := range []string{
		`{}`, `{"name":"x"}`, `{"name":"x","scopes":[]}`, `{"name":"x","scopes":["all"]}`, `{"name":"x","scopes":"read"}`, `{"name":"","scopes":["read"]}`,
		`{"name":"x","scopes":["read"],"expires_at":"2001-01-01T00:00:00Z"}`, `{"name":"x","scopes":["read"],"expires_at":"soon"}`, `{"name":"x","scopes":["read"],"token":"mine"}`,
	} {
		if a := s.admin.post("/api/tokens", body); a.status != http.StatusBadRequest || a.header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s: %d %s", body, a.status, a.body)
		}
	}
	for expires, why := range map[string]string{
		"2001-01-01T00:00:00Z": "expires_at is over: the token would never be valid", "9999-12-31T23:00:00-03:00": "expires_at must be before the year 10000",
		"2100-01-31T00:00:00": "expires_at must have a time and a zone, such as 2030-01-31T00:00:00Z or 2030-01-31T00:00:00+01:00",
		"2100-01-31":          "expires_at must have a time and a zone, such as 2030-01-31T00:00:00Z or 2030-01-31T00:00:00+01:00",
		"soon":                "expires_at must be a time with a zone, such as 2030-01-31T00:00:00Z or 2030-01-31T00:00:00+01:00",
	} {
		a := s.admin.post("/api/tokens", `{"name":"x","scopes":["read"],"expires_at":"`+expires+`"}`).is(http.StatusBadRequest)
		if got := a.object()["message"]; got != why {
			t.Errorf("%s: %v", expires, got)
		}
	}
	s.admin.delete("/api/tokens/5").is(http.StatusNotFound)
	if a := s.admin.get("/api/tokens").is(http.StatusOK); strings.Contains(a.body, "tt_") {
		t.Errorf("%s", a.body)
	}
}

// TestGroups is checklist 12 and 13, with a database.
func TestGroups(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		s.marta() // 180
		s.joel()
		next := time.Now().UTC().Year() + 1
		a := s.admin.post("/api/groups", fmt.Sprintf(`{"name":"field-team","day":31,"month":1,"year":%d,"count":3,"users":[2,3]}`, next)).is(http.StatusCreated)
		var group struct {
			Value int64
			Mode  string
			Dates []struct {
				GroupID int64 `json:"group_id"`
				Date    string
			} `json:"dates_to_update"`
			Members []map[string]any `json:"tunel"`
		}
		a.into(&group)
		february := time.Date(next, 3, 0, 0, 0, 0, 0, time.UTC).Format("2006-01-02T15:04:05")
		if group.Value != 1250 || group.Mode != "topup" || len(group.Members) != 2 || len(group.Dates) != 3 || group.Dates[0].GroupID != 1 ||
			group.Dates[1].Date != february || group.Dates[2].Date != fmt.Sprintf("%d-03-31T00:00:00", next) {
			t.Errorf("%s", a.body)
		}
		if strings.Contains(a.body, "password") {
			t.Error("the members' passwords are shown")
		}
		s.admin.get("/api/groups/field-team").says(http.StatusOK, strings.TrimSpace(a.body))
		s.admin.post("/api/groups", fmt.Sprintf(`{"name":"field-team","day":1,"month":1,"year":%d,"count":1}`, next)).says(http.StatusBadRequest, `{"message":"Already has this Group"}`)
		s.admin.post("/api/groups", fmt.Sprintf(`{"name":"x","day":1,"month":1,"year":%d,"count":1,"users":[99]}`, next)).is(http.StatusBadRequest)
		s.admin.post("/api/groups", `{"name":"x","day":1,"month":1,"year":2020,"count":1}`).says(http.StatusBadRequest, `{"message":"Date not accept"}`)

		s.admin.patch("/api/groups/field-team", `{}`).is(http.StatusOK) // nothing is due
		if got := s.admin.get("/api/users/joel").object()["BallanceUser"]; got != 0.0 {
			t.Errorf("joel has %v", got)
		}
		if got := s.admin.patch("/api/groups/field-team", `{"updateGroup":1}`).is(http.StatusOK).object()["dates_to_update"].([]any); len(got) != 2 {
			t.Errorf("%v", got)
		}
		joel := s.admin.get("/api/users/joel").object()
		if joel["BallanceUser"] != 1250.0 || len(joel["tunel"].([]any)) != 1 {
			t.Errorf("%v", joel)
		}
		s.admin.post("/api/balance", `{"signal":"+","value":750,"userId":3}`).is(http.StatusCreated)
		s.admin.patch("/api/groups/field-team", `{"updateGroup":"1"}`).is(http.StatusOK) // never lowers
		if got := s.admin.get("/api/users/joel").object()["BallanceUser"]; got != 2000.0 {
			t.Errorf("joel has %v", got)
		}
		s.admin.patch("/api/groups/field-team", `{"value":10,"mode":"add","removeUser":[2]}`).is(http.StatusOK)
		s.admin.patch("/api/groups/field-team", `{"updateGroup":1}`).is(http.StatusOK)
		if got := s.admin.get("/api/users/joel").object()["BallanceUser"]; got != 2010.0 {
			t.Errorf("joel has %v", got)
		}
		s.admin.patch("/api/groups/field-team", `{"updateGroup":1}`).says(http.StatusConflict, `{"message":"no refill date left"}`)
		for q, want := range map[string]string{
			`{"filters":[{"name":"tunel__name","op":"any","val":"field-team"}]}`:                      "joel",
			`{"filters":[{"name":"tunel","op":"any","val":{"name":"value","op":"gt","val":"9.5"}}]}`:  "joel",
			`{"filters":[{"name":"tunel","op":"any","val":{"name":"value","op":"gt","val":"10.5"}}]}`: "",
			`{"filters":[{"name":"tunel","op":"has","val":{"name":"name","op":"eq","val":"x"}}]}`:     "!",
			`{"filters":[{"name":"tunel__password","op":"any","val":"x"}]}`:                           "!",
			`{"filters":[{"name":"tunel","op":"any","val":{"name":"password","op":"eq","val":"x"}}]}`: "!",
		} {
			if want == "!" {
				s.admin.get("/api/users?q=" + url.QueryEscape(q)).is(http.StatusBadRequest)
			} else if got := s.admin.found("/api/users", q, "username"); got != want {
				t.Errorf("%s: %q", q, got)
			}
		}
		if got := s.admin.found("/api/groups", `{"filters":[{"name":"tunel__username","op":"any","val":"joel"},{"name":"name","op":"like","val":"field%"}]}`, "name"); got != "field-team" {
			t.Errorf("%q", got)
		}
		if got := s.admin.found("/api/groups", `{"filters":[{"name":"dates_to_update__date","op":"any","val":"2030-01-31T00:00:00"}]}`, "name"); got != "" {
			t.Errorf("%q", got)
		}
		s.admin.patch("/api/users/marta", `{"tunel":{"add":[{"id_":1}]}}`).is(http.StatusOK)
		s.admin.delete("/api/users/marta").is(http.StatusNoContent)
		if got := s.admin.get("/api/groups/field-team").object()["tunel"].([]any); len(got) != 1 {
			t.Errorf("%v", got)
		}
		s.admin.delete("/api/groups/field-team").is(http.StatusNoContent)
		s.admin.delete("/api/groups/field-team").is(http.StatusNotFound)
		if got := s.admin.get("/api/users/joel").object(); got["BallanceUser"] != 2010.0 || len(got["tunel"].([]any)) != 0 {
			t.Errorf("%v", got)
		}
	})
}

// TestTokensOfPrograms: made, shown once, used within their scopes, revoked.
func TestTokensOfPrograms(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		s.marta()
		s.joel()
		answered := s.admin.post("/api/tokens", `{"name":"till","scopes":["money","read"]}`).is(http.StatusCreated)
		made := answered.object()
		secret, _ := made["token"].(string)
		if !strings.HasPrefix(secret, "tt") {
			t.Fatalf("%v", made)
		}
		taken := s.admin.post("/api/tokens", `{"name":"till","scopes":["money"]}`).is(http.StatusConflict)
		if got := taken.object()["message"]; got != `there is a token "till" already; each has a name of its own` {
			t.Errorf("%v", got)
		}
		path := strings.TrimPrefix(answered.header.Get("Location"), s.url)
		found := s.admin.get(path).is(http.StatusOK)
		if one := found.object(); one["name"] != "till" || one["id"] != made["id"] || strings.Contains(found.body, secret) || one["token"] != nil {
			t.Errorf("%s: %s", path, found.body)
		}
		s.anonymous().get(path).is(http.StatusUnauthorized)
		s.login("marta").get(path).is(http.StatusForbidden)
		for _, none := range []string{"99", "0", "-1", "x", "99999999999999999999"} {
			s.admin.get("/api/tokens/" + none).is(http.StatusNotFound)
		}
		if list := s.admin.get("/api/tokens").is(http.StatusOK); len(list.objects()) != 1 || strings.Contains(list.body, secret) {
			t.Errorf("%s", list.body)
		}
		till := s.anonymous()
		till.header.Set("Authorization", "Bearer "+secret)
		till.get("/api/users").is(http.StatusOK)
		till.get("/api/cdr").is(http.StatusForbidden)
		till.get("/api/tokens").is(http.StatusForbidden)

		till.header.Set("Idempotency-Key", "transfer-1")
		const body = `{"from":"marta","to":"joel","amount":"30"}`
		first := till.post("/api/transfers", body).is(http.StatusCreated)
		till.post("/api/transfers", body).says(http.StatusCreated, strings.TrimSpace(first.body))
		till.post("/api/transfers", `{"from":"marta","to":"joel","amount":"31"}`).is(http.StatusConflict)
		till.header.Del("Idempotency-Key")
		till.post("/api/transfers", `{"from":"marta","to":"joel","amount":151}`).is(http.StatusConflict)
		for _, wrong := range []string{
			`{}`, `{"from":"marta","to":"marta","amount":1}`, `{"from":"marta","to":"nobody","amount":1}`, `{"from":"marta","to":"joel","amount":0}`,
			`{"from":"marta","to":"joel","amount":-1}`, `{"from":"marta","to":"joel","amount":"0.5"}`, `{"from":"marta","to":"joel","amount":1,"ref":"x"}`,
		} {
			till.post("/api/transfers", wrong).is(http.StatusBadRequest)
		}
		marta, joel := s.admin.get("/api/users/marta").object(), s.admin.get("/api/users/joel").object()
		if marta["BallanceUser"] != 150.0 || joel["BallanceUser"] != 30.0 {
			t.Errorf("%v, %v", marta, joel)
		}
		if log := s.admin.get("/api/audit").body; strings.Count(log, `"action":"transfer.add"`) != 1 {
			t.Errorf("the transfer is not in the audit log, once: %s", log)
		}
		entries := s.admin.get("/api/ledger").objects()
		if len(entries) != 3 || entries[0]["transaction_id"] != entries[1]["transaction_id"] || entries[0]["user_id"] == entries[1]["user_id"] {
			t.Errorf("%v", entries)
		}
		s.admin.delete(fmt.Sprintf("/api/tokens/%.0f", made["id"])).is(http.StatusNoContent)
		s.admin.get(path).is(http.StatusNotFound)
		till.get("/api/users").is(http.StatusUnauthorized)
		if strings.Contains(s.log.String(), secret) {
			t.Error("the log has the token")
		}
	})
}

// TestRefillOfADate is safe to repeat, and means no other one.
func TestRefillOfADate(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		s.marta()
		dates := func(name string) (ids []int64) {
			var group struct {
				Dates []struct {
					ID int64 `json:"id_"`
				} `json:"dates_to_update"`
			}
			s.admin.get("/api/groups/" + name).into(&group)
			for _, d := range group.Dates {
				ids = append(ids, d.ID)
			}
			return ids
		}
		for _, name := range []string{"team", "other"} {
			s.admin.post("/api/groups", fmt.Sprintf(`{"name":%q,"day":31,"month":1,"year":2130,"count":3,"value":10,"mode":"add","users":[2]}`, name)).is(http.StatusCreated)
		}
		ids, others := dates("team"), dates("other")
		refill := func(id int64) answer {
			return s.admin.patch("/api/groups/team", fmt.Sprintf(`{"updateGroup":1,"date":%d}`, id))
		}
		has := func(want float64) {
			t.Helper()
			if got := s.admin.get("/api/users/marta").object()["BallanceUser"]; got != want {
				t.Errorf("she has %v, want %v", got, want)
			}
		}
		for range 3 {
			refill(ids[0]).is(http.StatusOK)
		}
		has(190)
		refill(ids[2]).is(http.StatusOK) // not the next one
		if left := dates("team"); !slices.Equal(left, ids[1:2]) {
			t.Errorf("%v are left of %v", left, ids)
		}
		has(200)
		for _, id := range []int64{others[0], 99999, 0, -1} {
			refill(id).is(http.StatusBadRequest)
		}
		for _, body := range []string{`{"date":%d}`, `{"updateGroup":0,"date":%d}`, `{"updateGroup":1,"date":"2130-01-31%d"}`, `{"updateGroup":1,"date":[%d]}`} {
			s.admin.patch("/api/groups/team", fmt.Sprintf(body, ids[1])).is(http.StatusBadRequest)
		}
		s.admin.patch("/api/groups/nobody", fmt.Sprintf(`{"updateGroup":1,"date":%d}`, ids[1])).is(http.StatusNotFound)
		s.admin.sends("/groups/team/refill", "date", fmt.Sprint(others[0])).is(http.StatusBadRequest)
		s.admin.sends("/groups/team/refill").is(http.StatusBadRequest)
		has(200)
		s.admin.patch("/api/groups/team", `{"updateGroup":1}`).is(http.StatusOK) // as ever: the next one
		refill(ids[1]).is(http.StatusOK)
		has(210)
		s.admin.sends("/groups/team/refill", "date", fmt.Sprint(ids[1])).leads(s.admin, "/groups/team")
		s.admin.page("/groups/team").has("has been applied before")
		has(210)
	})
}
