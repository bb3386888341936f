package models_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"talktime/models"
	"talktime/money"
)

func of(v int64) *int64 { return &v }

// TestLimitsOr: each limit is taken from whoever has it first; prefixes, and premium numbers with their calls, are one limit each.
func TestLimitsOr(t *testing.T) {
	t.Parallel()
	u := models.UserLimits{
		Own:   models.Limits{Calls: 2, Blocked: []string{"9"}, Premium: []string{"8"}},
		Group: models.Limits{Calls: 3, Hour: 4 * money.Unit, Allowed: []string{"49"}, Premium: []string{"7"}, PremiumCalls: 5}, GroupName: "team",
		Site: models.Limits{Hour: 5 * money.Unit, Seconds: 60, NewCountries: of(0), Quiet: []models.Window{{Start: 60, End: 120}}},
	}
	var got []string
	for _, w := range u.Words("EUR") {
		got = append(got, w.Words+" ("+strings.TrimSpace(w.From+" "+w.Group)+")")
	}
	want := "at most 2 calls at once (user); calls of at most 60 seconds (site); at most 4 EUR for calls in an hour (group team); no numbers that begin with 9 (user); " +
		"no calls at 01:00-02:00 (site); at most 0 new countries in a day (site); at most 0 calls in a day to numbers that begin with 8 (user)"
	if text := strings.Join(got, "; "); text != want {
		t.Errorf("got  %s\nwant %s", text, want)
	}
	if e := (models.UserLimits{}).Effective(); !e.Empty() {
		t.Errorf("%+v is not empty", e)
	}
}

// TestLimitsAsText: what is kept is what was set.
func TestLimitsAsText(t *testing.T) {
	t.Parallel()
	var w models.Window
	if err := w.UnmarshalText([]byte("Fri-Mon 22:00-06:00")); err != nil || w.String() != "mon,fri,sat,sun 22:00-06:00" {
		t.Errorf("%s, %v", w, err)
	}
	l := models.Limits{Hour: 1, NewCountries: of(0), Quiet: []models.Window{w}}
	text, err := json.Marshal(l)
	if err != nil || string(text) != `{"hour":"0.000001","quiet":["mon,fri,sat,sun 22:00-06:00"],"new_countries":0}` {
		t.Errorf("%s, %v", text, err)
	}
	var read models.Limits
	if err := json.Unmarshal(text, &read); err != nil || read.Hour != l.Hour || *read.NewCountries != 0 || read.Quiet[0] != w {
		t.Errorf("%+v, %v", read, err)
	}
}

func TestWrongLimits(t *testing.T) {
	t.Parallel()
	for name, l := range map[string]models.Limits{
		"negative calls": {Calls: -1}, "too many calls": {Calls: models.MaxAtOnce + 1}, "too long": {Seconds: models.MaxIncrement + 1},
		"negative hour": {Hour: -1}, "huge day": {Day: models.MaxCredit + 1}, "negative countries": {NewCountries: of(-1)},
		"no prefix": {Blocked: []string{""}}, "letters": {Allowed: []string{"49a"}}, "plus": {Premium: []string{"+900"}}, "long": {Blocked: []string{strings.Repeat("9", 17)}},
		"both": {Blocked: []string{"49"}, Allowed: []string{"49"}}, "many": {Blocked: make([]string, 101)},
		"windows": {Quiet: make([]models.Window, 11)}, "no time": {Quiet: []models.Window{{Start: 1440}}},
	} {
		if err := l.Validate(); !errors.Is(err, models.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, text := range []string{"", "22:00", "22:00-", "25:00-06:00", "someday 22:00-06:00", "22:00-06:00 sat", "sat-  1:00-2:00"} {
		var w models.Window
		if err := w.UnmarshalText([]byte(text)); !errors.Is(err, models.ErrInvalid) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestContradictions(t *testing.T) {
	t.Parallel()
	for want, l := range map[string]models.Limits{
		"less than":           {Hour: 2, Day: 1},
		"no prefix says":      {PremiumCalls: 3},
		"need not be blocked": {Allowed: []string{"49"}, Blocked: []string{"44"}},
	} {
		if found := l.Contradictions(); len(found) != 1 || !strings.Contains(found[0], want) {
			t.Errorf("%+v: %q, want %s", l, found, want)
		}
	}
	if found := (models.Limits{Hour: 1, Day: 2, Allowed: []string{"49"}, Blocked: []string{"4917", "4"}, Premium: []string{"9"}}).Contradictions(); len(found) > 0 {
		t.Error(found)
	}
}

// TestOneIsSingular: a limit of one is told as one.
func TestOneIsSingular(t *testing.T) {
	t.Parallel()
	words := models.Limits{NewCountries: new(int64(1)), Premium: []string{"9"}, PremiumCalls: 1}.Words("")
	if len(words) != 2 || words[0].Words != "at most 1 new country in a day" || words[1].Words != "at most 1 call in a day to numbers that begin with 9" {
		t.Errorf("%+v", words)
	}
}
