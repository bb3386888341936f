package agi_test

import (
	"fmt"
	"strings"
	"testing"

	"talktime/agi"
	"talktime/agi/agitest"
	"talktime/models"
)

// TestARefusalSaysWhoAndWhy in the one line of its call, which is all that is ever known of it.
func TestARefusalSaysWhoAndWhy(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	poor, rich := o.phone(0), o.phone(100)
	for _, test := range []struct {
		name   string
		edit   func(*agitest.Greeting)
		status string
		reason string
		detail string
	}{
		{"no credit", func(*agitest.Greeting) {}, "NOCREDIT", "no credit", ""},
		{"nobody", func(g *agitest.Greeting) { g.CallerID = "59899777777" }, "UNKNOWNCALLER", "no user has this caller id, account code or IMSI", ""},
		{
			"two users", func(g *agitest.Greeting) { g.AccountCode = rich.name }, "UNKNOWNCALLER", "identity conflict",
			fmt.Sprintf("the caller id is of user %q, the account code of user %q", poor.name, rich.name),
		},
		{
			"two users by IMSI", func(g *agitest.Greeting) { g.Channel = "PJSIP/IMSI" + rich.imsi + "-00000001" }, "UNKNOWNCALLER", "identity conflict",
			fmt.Sprintf("the caller id is of user %q, the IMSI of user %q", poor.name, rich.name),
		},
	} {
		for _, script := range []string{"caller", "authorize", "balance"} {
			if script == "balance" && test.status == "NOCREDIT" {
				continue
			}
			t.Run(test.name+" in "+script, func(t *testing.T) {
				c := poor.peer(script, abroad)
				c.CallerIDName = "5551234"
				test.edit(&c.Greeting)
				agitest.Call(t, o.address, c)
				var line map[string]any
				for _, l := range o.log.lines(t, "call", test.reason) {
					if l["unique_id"] == c.UniqueID {
						line = l
					}
				}
				want := map[string]any{
					"status": test.status, "reason": test.reason, "caller_id": c.CallerID, "account": c.AccountCode, "number": abroad,
				}
				if test.detail != "" {
					want["detail"] = test.detail
				}
				for key, v := range want {
					if line[key] != v {
						t.Errorf("%s: got %v, want %v", key, line[key], v)
					}
				}
				if line["detail"] != nil && test.detail == "" {
					t.Errorf("detail %v", line["detail"])
				}
				for name, v := range c.Vars {
					if strings.Contains(v, rich.name) {
						t.Errorf("the dialplan learns who else has an account: %s is %q", name, v)
					}
				}
			})
		}
	}
}

// TestARefusalNamesBothUsersOfACall, of whom one asks for the other's.
func TestARefusalNamesBothUsersOfACall(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	p, thief := o.phone(100), o.phone(100)
	first := p.does(t, "caller", abroad, func(d *agitest.Dial) { d.Drop = true })
	owner := o.call(t, first).UserID
	second := thief.peer("caller", abroad)
	second.UniqueID = first.UniqueID
	agitest.Call(t, o.address, second)
	b, err := o.db.UserByName(t.Context(), thief.name)
	if err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("call 127.0.0.1/%s is of user %d, and user %d asks for it", first.UniqueID, owner, b.ID)
	lines := o.log.lines(t, "call", "this call was authorised for another user")
	if len(lines) != 1 || lines[0]["detail"] != want || lines[0]["caller_id"] != thief.clid {
		t.Errorf("the log says %v, want %s", lines, want)
	}
}

// TestARefusalIsOneLine, whatever a caller chose to be called.
func TestARefusalIsOneLine(t *testing.T) {
	t.Parallel()
	log := &logbook{}
	address := open(t, &agi.Scripts{Billing: refuses(models.ErrInvalid, "no number")}, log)
	agitest.Call(t, address, &agitest.Peer{Greeting: agitest.Greeting{
		Script: "caller", CallerID: strings.Repeat("9", 2000), AccountCode: "a\tb\x1b[2J\x7fü\xff", Extension: "1\u2028\u202e2",
	}})
	lines := log.lines(t, "call", "no number")
	if len(lines) != 1 {
		t.Fatalf("got %v", lines)
	}
	for key, want := range map[string]string{"caller_id": strings.Repeat("9", 64), "account": "a?b?[2J???", "number": "1??2"} {
		if lines[0][key] != want {
			t.Errorf("%s: got %q, want %q", key, lines[0][key], want)
		}
	}
	if !strings.Contains(log.String(), `"level":"WARN"`) {
		t.Errorf("a mistake of the dialplan is no warning: %s", log)
	}
}
