package adminapi_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"talktime/adminapi"
	"talktime/livecalls"
	"talktime/models"
	"talktime/money"
	ami "talktime/pbx"
	"talktime/store/storetest"
)

// still is a picture that stays as it is.
type still struct{ *livecalls.Picture }

func (s still) Now(context.Context) (*livecalls.Picture, error) { return s.Picture, nil }
func (s still) Forget()                                         {}

// TestLiveStates: who talks is told from who has talked, from a call that cannot be read, and from those of another Asterisk.
func TestLiveStates(t *testing.T) {
	t.Parallel()
	call := func(id int64, number string) *livecalls.Call {
		at, talked, left, cost := time.Now(), int64(30), int64(90), money.Unit/2
		return &livecalls.Call{
			Call: models.Call{
				ID: id, CallID: "h/1.1", UserID: 1, Number: number, Authorized: at, Limit: 120, Rate: models.Rate{Currency: "EUR"},
				Holds: []models.HoldPart{{AccountID: 1, Amount: 2 * money.Unit}},
			},
			Username: "marta", Caller: &ami.Channel{Name: "PJSIP/a", UniqueID: "1.1"}, Answered: &at, Talked: &talked, Left: &left, Cost: &cost,
		}
	}
	talking, talked, unreadable, foreign := call(1, "491"), call(2, "492"), call(3, "493"), call(4, "494")
	talking.Talking = true
	unreadable.Answered, unreadable.Talked, unreadable.Left, unreadable.Cost, unreadable.Unreadable = nil, nil, nil, nil, models.ErrInvalid
	foreign.Caller, foreign.Answered, foreign.Talked, foreign.Left, foreign.Cost = nil, nil, nil, nil, nil
	p := &livecalls.Picture{At: time.Now(), Asterisk: true, Calls: []*livecalls.Call{talking, talked, unreadable}, Foreign: []*livecalls.Call{foreign}}
	s := newSite(t, storetest.SQLite(t), func(d *adminapi.Deps) { d.PBX = &adminapi.PBX{Live: still{p}} })
	rows := strings.Split(s.admin.get("/live").is(http.StatusOK).body, "<tr ")
	if len(rows) != 2+3+1+1 {
		t.Fatalf("%d rows", len(rows))
	}
	for _, tt := range []struct {
		row           int
		says, saysNot string
	}{
		{2, `data-seconds="30"`, "–"},
		{2, `data-left="90"`, "–"},
		{2, ">talking<", "has talked"},
		{3, "0:00:30", "data-seconds"},
		{3, "0:01:30", "data-left"},
		{3, ">has talked<", ">talking<"},
		{4, "cannot be read", "data-seconds"},
		{4, ">not readable<", "EUR"},
		{4, "–", "0.00"},
		{6, "494", "alert"},
	} {
		if row := rows[tt.row]; !strings.Contains(row, tt.says) || strings.Contains(row, tt.saysNot) {
			t.Errorf("row %d should say %s and not %s: %s", tt.row, tt.says, tt.saysNot, row)
		}
	}
	if head := rows[0]; !strings.Contains(head, "<dt>Talking</dt><dd>1</dd>") || !strings.Contains(rows[4], "Calls of another Asterisk") {
		t.Errorf("%s", head)
	}
	var shown struct {
		Calls   []map[string]any
		Stuck   []map[string]any `json:"holds_without_channel"`
		Foreign []map[string]any `json:"of_another_asterisk"`
	}
	s.admin.get("/api/pbx/calls").is(http.StatusOK).into(&shown)
	if len(shown.Calls) != 3 || len(shown.Stuck) != 0 || len(shown.Foreign) != 1 || shown.Foreign[0]["number"] != "494" {
		t.Fatalf("%+v", shown)
	}
	for i, want := range []map[string]any{
		{"talking": true, "unreadable": false, "held": "2", "cost_so_far": "0.5"},
		{"talking": false, "unreadable": false, "talked_seconds": 30.0},
		{"talking": false, "unreadable": true, "held": nil, "cost_so_far": nil, "talked_seconds": nil},
	} {
		for key, value := range want {
			if got, there := shown.Calls[i][key]; got != value || !there {
				t.Errorf("call %d: %s is %v, want %v", i+1, key, got, value)
			}
		}
	}
}
