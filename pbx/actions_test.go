package pbx

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"talktime/models"
	"talktime/pbx/extension"
)

// orders are all that change something, as a test gives them.
func orders() map[string]func(ctx context.Context, c *Client) error {
	return map[string]func(ctx context.Context, c *Client) error{
		"Hangup": func(ctx context.Context, c *Client) error { return c.Hangup(ctx, "PJSIP/204-000000bf", 102) },
		"AbsoluteTimeout": func(ctx context.Context, c *Client) error {
			return c.AbsoluteTimeout(ctx, "lab-1795211572.186", 61_050_999*time.Microsecond)
		},
		"Redirect": func(ctx context.Context, c *Client) error {
			return c.Redirect(ctx, "Local/1@agents-0000001a;2", "from-phones", "600", 1)
		},
		"Originate": func(ctx context.Context, c *Client) error { return c.Originate(ctx, click()) },
		"QueueAdd": func(ctx context.Context, c *Client) error {
			return c.QueueAdd(ctx, "support", NewMember{Interface: "PJSIP/204", Name: "Nora", Penalty: 2, Paused: true})
		},
		"QueueRemove": func(ctx context.Context, c *Client) error { return c.QueueRemove(ctx, "support", "Local/204@agents/n") },
		"QueuePause":  func(ctx context.Context, c *Client) error { return c.QueuePause(ctx, "", "PJSIP/204", true, "lunch") },
		"DBPut": func(ctx context.Context, c *Client) error {
			return AstDB{c}.Put(ctx, extension.DBEntry{Family: "AMPUSER", Key: "204/followme/fixedcid", Value: ""})
		},
		"DBDelTree":    func(ctx context.Context, c *Client) error { return AstDB{c}.DeleteTree(ctx, "AMPUSER/204/followme") },
		"PJSIPQualify": func(ctx context.Context, c *Client) error { return c.PJSIPQualify(ctx, "204") },
		"Command":      func(ctx context.Context, c *Client) error { return Checker{Client: c}.Sync(ctx, "204") },
		"PJSIPRegister": func(ctx context.Context, c *Client) error {
			return c.PJSIPRegister(ctx, "provider-1")
		},
		"MixMonitor": func(ctx context.Context, c *Client) error {
			_, err := c.MixMonitor(ctx, "PJSIP/204-000000bf", "2026/11/20/1795211573.187.wav")
			return err
		},
		"StopMixMonitor": func(ctx context.Context, c *Client) error {
			return c.StopMixMonitor(ctx, "PJSIP/204-000000bf", "0x7f00dead")
		},
		"Setvar": func(ctx context.Context, c *Client) error {
			return c.SetRecordingFile(ctx, "1795211573.187", "2026/11/20/a.wav")
		},
	}
}

func click() Originate {
	return Originate{
		ChannelID: "ctc-1", Channel: "PJSIP/2003", Context: "from-phones", Exten: "59899123000", Number: "2003", Name: "Ana", Account: "acc1",
		Ring: 20 * time.Second, Variables: []Field{{"CTC", "yes"}, {"WHY", "a=b c"}},
	}
}

// response says what became of a call that was originated.
func response(p *peer, a action, how string, reason int) {
	p.say(block("Event: OriginateResponse", "Privilege: call,all", "ActionID: "+a.id, "Response: "+how, "Reason: "+itoa(reason), "Uniqueid: ctc-1"))
}

// TestOrders: each is sent as Asterisk wants it.
func TestOrders(t *testing.T) {
	t.Parallel()
	want := map[string]string{
		"Hangup":          "Cause:102 Channel:PJSIP/204-000000bf",
		"AbsoluteTimeout": "Channel:lab-1795211572.186 Timeout:61.050",
		"Redirect":        "Channel:Local/1@agents-0000001a;2 Context:from-phones Exten:600 Priority:1",
		"Originate": `Account:acc1 Async:true CallerID:"Ana" <2003> Channel:PJSIP/2003 ChannelId:ctc-1 Context:from-phones Exten:59899123000 Priority:1 ` +
			"Timeout:20000 Variable:WHY=a=b c", // of two fields of one name the scripted server keeps the last
		"QueueAdd":       "Interface:PJSIP/204 MemberName:Nora Paused:true Penalty:2 Queue:support StateInterface:",
		"QueueRemove":    "Interface:Local/204@agents/n Queue:support",
		"QueuePause":     "Interface:PJSIP/204 Paused:true Reason:lunch",
		"DBPut":          "Family:AMPUSER Key:204/followme/fixedcid Val:",
		"DBDelTree":      "Family:AMPUSER/204/followme",
		"PJSIPQualify":   "Endpoint:204",
		"Command":        "Command:pjsip reload qualify aor 204",
		"PJSIPRegister":  "Registration:provider-1",
		"MixMonitor":     "Channel:PJSIP/204-000000bf File:2026/11/20/1795211573.187.wav Options:b",
		"StopMixMonitor": "Channel:PJSIP/204-000000bf MixMonitorID:0x7f00dead",
		"Setvar":         "Channel:1795211573.187 Value:2026/11/20/a.wav Variable:CDR(recordingfile)",
	}
	for name, order := range orders() {
		s := &server{}
		s.setAnswer(name, func(p *peer, a action) {
			p.ok(a, "Message: done", "Output: Synchronizing AOR '204'", "MixMonitorID: 0x7f00dead")
			if name == "Originate" {
				response(p, action{id: "of-somebody"}, "Failure", 0)
				response(p, a, "Success", 4)
			}
		})
		bubble(t, s, func(t *testing.T, c *Client) {
			if err := order(t.Context(), c); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			synctest.Wait()
			for _, a := range s.sent {
				if a.name != name {
					continue
				}
				delete(a.fields, "Action")
				delete(a.fields, "ActionID")
				if got := strings.TrimSuffix(strings.TrimPrefix(fmt.Sprint(a.fields), "map["), "]"); got != want[name] {
					t.Errorf("%s: sent\n%s, want\n%s", name, got, want[name])
				}
			}
			if s.count(name) != 1 {
				t.Errorf("%s: sent %v", name, s.heard())
			}
		})
	}
}

// TestOrderFails: for each order, what is known of it after Asterisk said no, said nothing, talked nonsense or went away.
func TestOrderFails(t *testing.T) {
	t.Parallel()
	ways := map[string]struct {
		answer    func(*peer, action)
		is        error
		uncertain bool
	}{
		"not there":       {refuse("No such channel"), models.ErrNotFound, false},
		"no right":        {refuse("Permission denied"), nil, false},
		"a reason of own": {refuse("the moon is full"), nil, false},
		"dies":            {hangUp(func(action) string { return "Response: Succ" }), ErrAway, true},
		"dies at once":    {hangUp(func(action) string { return "" }), ErrAway, true},
		"hangs":           {nothing, ErrSilent, true},
		"lies":            {func(p *peer, a action) { p.say(block("Response: Maybe", "ActionID: "+a.id)) }, nil, true},
		"floods":          {func(p *peer, a action) { p.ok(a, "Message: "+strings.Repeat("x", 2*maxBlock)) }, errTooLong, true},
	}
	for name, order := range orders() {
		for way, w := range ways {
			s := &server{}
			s.setAnswer(name, w.answer)
			bubble(t, s, func(t *testing.T, c *Client) {
				err := order(t.Context(), c)
				if name == "DBDelTree" && way == "not there" && err != nil {
					err = nil // "no such channel" is nothing that it says
				}
				var refused *RefusedError
				switch {
				case name == "DBDelTree" && way == "not there":
				case err == nil || w.is != nil && !errors.Is(err, w.is) || errors.Is(err, ErrUncertain) != w.uncertain:
					t.Errorf("%s %s: got %v", name, way, err)
				case strings.Contains(err.Error(), secret) || len(err.Error()) > 400:
					t.Errorf("%s %s: says %s", name, way, err)
				case !w.uncertain && !errors.As(err, &refused):
					t.Errorf("%s %s: got %v", name, way, err)
				}
				if s.count(name) != 1 {
					t.Errorf("%s %s: sent %v", name, way, s.heard())
				}
			})
		}
		s := &server{away: errors.New("connection refused")}
		bubble(t, s, func(t *testing.T, c *Client) {
			if err := order(t.Context(), c); !errors.Is(err, ErrAway) || errors.Is(err, ErrUncertain) {
				t.Errorf("%s: got %v", name, err)
			}
		})
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	for words, want := range map[string]error{
		"Channel does not exist: PJSIP/1":                      models.ErrNotFound,
		"Unable to remove interface from queue: No such queue": models.ErrNotFound,
		"Unable to remove interface: Not there":                models.ErrNotFound,
		"Interface not found":                                  models.ErrNotFound,
		"Unable to retrieve endpoint 204":                      models.ErrNotFound,
		"Could not stop monitoring channel":                    models.ErrNotFound,
		"Extension does not exist.":                            models.ErrNotFound,
		"Unable to add interface: Already there":               models.ErrConflict,
		"Member not dynamic":                                   models.ErrConflict,
		"Redirect failed, channel not up.":                     models.ErrConflict,
		"Invalid/unknown command: SIPpeers. Use Action: ListCommands to show available commands.": errors.ErrUnsupported,
		"No such command 'pjsip reload qualify aor 204'":                                          errors.ErrUnsupported,
	} {
		if err := kindOf(&RefusedError{Action: "X", Reason: words}); !errors.Is(err, want) {
			t.Errorf("%s: %v", words, err)
		}
	}
	if err := kindOf(&RefusedError{Action: "X", Reason: "Permission denied"}); errors.Is(err, errors.ErrUnsupported) { // it is there
		t.Error(err)
	}
	s := &server{}
	s.setAnswer("DBDelTree", refuse("Database entry not found"))
	s.setAnswer("Command", func(p *peer, a action) {
		p.ok(a, "Message: Command output follows", "Output: Unable to retrieve aor '204'")
	})
	bubble(t, s, func(t *testing.T, c *Client) {
		if err := (AstDB{c}).DeleteTree(t.Context(), "AMPUSER/204/followme"); err != nil {
			t.Error(err)
		}
		if err := c.PJSIPSync(t.Context(), "204"); !errors.Is(err, models.ErrNotFound) {
			t.Error(err)
		}
	})
}

// TestNoExtension: nothing is sent where the dialplan leads nowhere, and who wants to know is told where that was.
func TestNoExtension(t *testing.T) {
	t.Parallel()
	const nowhere = "there is no extension 999 in the context from-internal"
	for value, redirected := range map[string]int{"Value: 0": 0, "Value: 1": 1, "Value: ": 1} {
		s := &server{}
		s.setAnswer("Redirect", func(p *peer, a action) { p.ok(a, "Message: Redirect successful") })
		s.setAnswer("Getvar", func(p *peer, a action) {
			if a.fields["Channel"] != "1.1" {
				t.Errorf("asked for %v", a.fields)
			}
			p.ok(a, "Variable: "+a.fields["Variable"], value)
		})
		bubble(t, s, func(t *testing.T, c *Client) {
			err := c.Redirect(t.Context(), "1.1", "from-internal", "999", 1)
			if (err == nil) != (redirected == 1) || err != nil && (err.Error() != nowhere || !errors.Is(err, models.ErrNotFound)) || s.count("Redirect") != redirected {
				t.Errorf("%q: %v, sent %v", value, err, s.heard())
			}
			s.mu.Lock()
			defer s.mu.Unlock()
			if !slices.ContainsFunc(s.sent, func(a action) bool { return a.fields["Variable"] == "DIALPLAN_EXISTS(from-internal,999,1)" }) {
				t.Errorf("sent %v", s.sent)
			}
		})
	}
	hangs := &server{}
	hangs.setAnswer("Getvar", nothing)
	bubble(t, hangs, func(t *testing.T, c *Client) {
		if err := c.Redirect(t.Context(), "1.1", "from-internal", "999", 1); !errors.Is(err, ErrSilent) || errors.Is(err, ErrUncertain) || hangs.count("Redirect") != 0 {
			t.Error(err)
		}
	})
	s := &server{}
	s.setAnswer("Originate", refuse("Extension does not exist."))
	call := click()
	call.Context, call.Exten = "from-internal", "999"
	bubble(t, s, func(t *testing.T, c *Client) {
		for _, err := range []error{c.Originate(t.Context(), call), c.OriginateAsync(t.Context(), call)} {
			if err == nil || err.Error() != nowhere || !errors.Is(err, models.ErrNotFound) {
				t.Error(err)
			}
		}
	})
}

// TestShapedWords: who sent what cannot be is told which field that was, and how it should be.
func TestShapedWords(t *testing.T) {
	t.Parallel()
	c := &Client{}
	for want, err := range map[string]error{
		`interface must be like PJSIP/204, but is "301"`:                   c.QueueRemove(t.Context(), "sales", "301"),
		`state_interface must be like PJSIP/204, but is "301"`:             c.QueueAdd(t.Context(), "sales", NewMember{Interface: "PJSIP/1", StateInterface: "301"}),
		`exten must be like 4930123456, but is "1 2"`:                      c.Redirect(t.Context(), "1.1", "a", "1 2", 1),
		`context must be like from-internal, but is "a b"`:                 c.Redirect(t.Context(), "1.1", "a b", "1", 1),
		`channel must be like PJSIP/204-000000bf, but is "/"`:              c.Hangup(t.Context(), "/", 0),
		`reason must be like lunch, of at most 127 bytes and with none of`: c.QueuePause(t.Context(), "", "PJSIP/1", true, "a|b"),
	} {
		if !errors.Is(err, models.ErrInvalid) || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

// TestInvalidOrders: what would be another order to Asterisk, or more than one, never gets there.
func TestInvalidOrders(t *testing.T) {
	t.Parallel()
	call := func(change func(*Originate)) func(context.Context, *Client) error {
		o := click()
		change(&o)
		return func(ctx context.Context, c *Client) error { return c.Originate(ctx, o) }
	}
	s := &server{}
	bubble(t, s, func(t *testing.T, c *Client) {
		invalid := map[string]func(context.Context, *Client) error{
			"pattern":    func(ctx context.Context, c *Client) error { return c.Hangup(ctx, "/.*/", 0) },
			"no channel": func(ctx context.Context, c *Client) error { return c.Hangup(ctx, "", 0) },
			"cause":      func(ctx context.Context, c *Client) error { return c.Hangup(ctx, "1.2", 128) },
			"no time": func(ctx context.Context, c *Client) error {
				return c.AbsoluteTimeout(ctx, "1.2", 999*time.Microsecond)
			},
			"time that has passed": func(ctx context.Context, c *Client) error { return c.AbsoluteTimeout(ctx, "1.2", -time.Second) },
			"limits of all":        func(ctx context.Context, c *Client) error { return c.AbsoluteTimeout(ctx, "/.*/", time.Second) },
			"priority":             func(ctx context.Context, c *Client) error { return c.Redirect(ctx, "1.2", "a", "1", 0) },
			"context":              func(ctx context.Context, c *Client) error { return c.Redirect(ctx, "1.2", "a,b", "1", 1) },
			"variable":             call(func(o *Originate) { o.Variables = []Field{{"SHELL(rm)", "x"}} }),
			"two variables":        call(func(o *Originate) { o.Variables = []Field{{"A", "x,B=y"}} }),
			"two telephones":       call(func(o *Originate) { o.Channel = "PJSIP/1&PJSIP/2" }),
			"no telephone":         call(func(o *Originate) { o.Channel = "PJSIP" }),
			"no id":                call(func(o *Originate) { o.ChannelID = "" }),
			"name":                 call(func(o *Originate) { o.Name = `Ana" <1>` }),
			"number":               call(func(o *Originate) { o.Number = "1>" }),
			"for ever":             call(func(o *Originate) { o.Ring = time.Hour }),
			"whole database":       func(ctx context.Context, c *Client) error { return AstDB{c}.DeleteTree(ctx, "") },
			"whole family":         func(ctx context.Context, c *Client) error { return AstDB{c}.DeleteTree(ctx, "AMPUSER") },
			"wildcard":             func(ctx context.Context, c *Client) error { return AstDB{c}.DeleteTree(ctx, "AMPUSER/%") },
			"one of any":           func(ctx context.Context, c *Client) error { return AstDB{c}.DeleteTree(ctx, "AMPUSER/20_/followme") },
			"way up":               func(ctx context.Context, c *Client) error { return AstDB{c}.DeleteTree(ctx, "AMPUSER/../x") },
			"long value": func(ctx context.Context, c *Client) error {
				return AstDB{c}.Put(ctx, extension.DBEntry{Family: "a", Key: "b", Value: strings.Repeat("x", 1000)})
			},
			"second command": func(ctx context.Context, c *Client) error { return c.PJSIPSync(ctx, "204 x") },
			"path":           func(ctx context.Context, c *Client) error { _, err := c.MixMonitor(ctx, "1.2", "../a.wav"); return err },
			"absolute": func(ctx context.Context, c *Client) error {
				_, err := c.MixMonitor(ctx, "1.2", "/tmp/a.wav")
				return err
			},
			"options": func(ctx context.Context, c *Client) error {
				_, err := c.MixMonitor(ctx, "1.2", "a,b,touch.wav")
				return err
			},
			"no recording": func(ctx context.Context, c *Client) error { _, err := c.MixMonitor(ctx, "1.2", "a.conf"); return err },
			"member's name": func(ctx context.Context, c *Client) error {
				return c.QueueAdd(ctx, "q", NewMember{Interface: "PJSIP/1", Name: "a|b"})
			},
			"penalty": func(ctx context.Context, c *Client) error {
				return c.QueueAdd(ctx, "q", NewMember{Interface: "PJSIP/1", Penalty: -1})
			},
			"reason of a pause": func(ctx context.Context, c *Client) error { return c.QueuePause(ctx, "q", "PJSIP/1", true, "a|b") },
		}
		for name, order := range invalid {
			if err := order(t.Context(), c); !errors.Is(err, models.ErrInvalid) {
				t.Errorf("%s: got %v", name, err)
			}
		}
		for _, bad := range []string{"a\r\nAction: Originate", "a\nb", "a\rb", "a\x00b"} {
			o := click()
			for what, err := range map[string]error{
				"channel": c.Hangup(t.Context(), bad, 0), "queue": c.QueueRemove(t.Context(), bad, "PJSIP/1"),
				"member": c.QueueRemove(t.Context(), "q", "PJSIP/"+bad), "reason": c.QueuePause(t.Context(), "q", "PJSIP/1", true, bad),
				"value": AstDB{c}.Put(t.Context(), extension.DBEntry{Family: "a", Key: "b", Value: bad}), "endpoint": c.PJSIPQualify(t.Context(), bad),
				"account":  func() error { o := o; o.Account = bad; return c.Originate(t.Context(), o) }(),
				"name":     func() error { o := o; o.Name = bad; return c.Originate(t.Context(), o) }(),
				"variable": func() error { o := o; o.Variables = []Field{{"A", bad}}; return c.Originate(t.Context(), o) }(),
			} {
				if !errors.Is(err, models.ErrInvalid) {
					t.Errorf("%s %q: got %v", what, bad, err)
				}
			}
		}
		if got := strings.Join(s.heard(), " "); got != "Challenge Login" {
			t.Errorf("sent %s", got)
		}
	})
}

// TestOriginate: it waits for the telephone, and says what became of it.
func TestOriginate(t *testing.T) {
	t.Parallel()
	s := &server{}
	var ring time.Duration
	end := func(p *peer, a action) { response(p, a, "Success", 4) }
	s.setAnswer("Originate", func(p *peer, a action) {
		p.ok(a, "Message: Originate successfully queued")
		say, wait := end, ring
		go func() {
			time.Sleep(wait)
			say(p, a)
		}()
	})
	bubble(t, s, func(t *testing.T, c *Client) {
		for range 2 { // events are on before the first call, and off between
			if err := c.Originate(t.Context(), click()); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		ring = 19 * time.Second
		if err := c.Originate(t.Context(), click()); err != nil {
			t.Error(err)
		}
		for reason, words := range map[int]string{0: "not registered", 3: "not answered", 5: "busy", 8: "not registered"} {
			end = func(p *peer, a action) { response(p, a, "Failure", reason) }
			var unanswered *UnansweredError
			if err := c.Originate(t.Context(), click()); !errors.As(err, &unanswered) || unanswered.Reason != reason || !strings.Contains(err.Error(), words) {
				t.Errorf("%d: got %v", reason, err)
			}
		}
		end = nothing
		began := time.Now()
		if err := c.Originate(t.Context(), click()); !errors.Is(err, ErrUncertain) || !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != click().Ring+grace {
			t.Errorf("got %v after %s", err, time.Since(began))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := c.Originate(ctx, click()); !errors.Is(err, ErrUncertain) {
			t.Error(err)
		}
		synctest.Wait()
		time.Sleep(time.Minute)
		end = func(p *peer, _ action) {
			for range 1000 {
				response(p, action{id: "of-somebody"}, "Success", 4)
			}
		}
		ring = 0
		if err := c.Originate(t.Context(), click()); !errors.Is(err, ErrUncertain) {
			t.Error(err)
		}
		end = func(p *peer, _ action) { p.conn.Close() }
		if err := c.Originate(t.Context(), click()); !errors.Is(err, ErrUncertain) || !errors.Is(err, ErrAway) {
			t.Error(err)
		}
		time.Sleep(longestPause)
		end = func(p *peer, a action) { // what is known stays known
			response(p, a, "Success", 4)
			p.conn.Close()
		}
		if err := c.Originate(t.Context(), click()); err != nil {
			t.Error(err)
		}
		if o := (Originate{Ring: 100 * time.Millisecond}); o.ring() != time.Second {
			t.Error(o.ring())
		}
	})
}

func FuzzShaped(f *testing.F) {
	for name := range maps.Keys(orders()) {
		f.Add(name)
	}
	f.Add("PJSIP/204-1;2")
	f.Add("/.*/")
	f.Fuzz(func(t *testing.T, value string) {
		for _, kind := range []string{"channel", "interface", "context", "extension", "queue", "id", "variable", "recording"} {
			if shaped(kind, value) != nil {
				continue
			}
			if value == "" || strings.ContainsAny(value, "\r\n\x00,|&\"") || strings.HasPrefix(value, "/") && kind != "recording" && kind != "queue" {
				t.Errorf("%q is taken for a %s", value, kind)
			}
		}
		if recordingFile(value) == nil && (strings.HasPrefix(value, "/") || strings.Contains(value, "..")) && !strings.Contains(strings.ReplaceAll(value, "/..", ""), "..") {
			t.Errorf("%q is taken for a recording", value)
		}
	})
}

// TestOriginateAsync: it returns when Asterisk has taken the order, without a word of the telephone; and what became of one that it did not
// answer is not known.
func TestOriginateAsync(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		answer    func(*peer, action)
		uncertain bool
		fails     bool
	}{
		"taken":   {func(p *peer, a action) { p.ok(a, "Message: Originate successfully queued") }, false, false},
		"refused": {refuse("Originate failed"), false, true},
		"dies":    {hangUp(func(action) string { return "" }), true, true},
	} {
		s := &server{}
		s.setAnswer("Originate", tt.answer)
		bubble(t, s, func(t *testing.T, c *Client) {
			err := c.OriginateAsync(t.Context(), click())
			if (err != nil) != tt.fails || errors.Is(err, ErrUncertain) != tt.uncertain {
				t.Errorf("%s: %v", name, err)
			}
			if s.count("Events") != 0 {
				t.Errorf("%s: asked for events", name)
			}
		})
	}
	bubble(t, &server{}, func(t *testing.T, c *Client) {
		bad := click()
		bad.Exten = "1\r\nAction: Command"
		if err := c.OriginateAsync(t.Context(), bad); !errors.Is(err, models.ErrInvalid) {
			t.Error(err)
		}
	})
}
