package livecalls

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"talktime/billing"
	"talktime/models"
	"talktime/money"
	"talktime/pbx"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func at(seconds float64) time.Time {
	return noon.Add(time.Duration(seconds * float64(time.Second)))
}

// ch is a channel: its name, unique id, linked id and bridge.
func ch(text string) pbx.Channel {
	f := strings.Fields(text + " - -")
	none := func(s string) string { return strings.Trim(s, "-") }
	return pbx.Channel{Name: f[0], UniqueID: f[1], LinkedID: none(f[2]), BridgeID: none(f[3]), State: stateUp, CallerIDNum: "555000204"}
}

// open is a call that holds money for two minutes at a unit a minute.
func open(id int64, callID string) *Call {
	return &Call{Call: models.Call{
		ID: id, CallID: callID, CallerID: "555000204", Number: "4930123", State: models.CallOpen, Authorized: noon, Limit: 120,
		Rate: models.Rate{Currency: "EUR", PerMinute: money.Unit, First: 1, Increment: 1}, Holds: []models.HoldPart{{AccountID: 1, Amount: 2 * money.Unit}},
	}}
}

func TestJoin(t *testing.T) {
	t.Parallel()
	dialled := newMemory()
	dialled.hear(dialEnd("1.10", "1.30"), noon)
	for _, tt := range []struct {
		name     string
		channels []string
		calls    []string
		memory   *memory
		want     string // for each channel: number of the call and role
	}{
		{"a bare id is qualified by the address", []string{"PJSIP/a 1.1 1.1"}, []string{"127.0.0.1/1.1"}, nil, "1caller"},
		{"the id of a system with a name", []string{"PJSIP/a lab-1.1 lab-1.1"}, []string{"lab-1.1"}, nil, "1caller"},
		{"a further call of a channel", []string{"PJSIP/a 1.1 1.1"}, []string{"h/1.1", "h/1.1#2"}, nil, "2caller"},
		{"a channel of nobody", []string{"PJSIP/a 1.1 1.1"}, []string{"h/1.2"}, nil, "-"},
		{"the other end by the call of Asterisk", []string{"PJSIP/a 1.1 1.1", "PJSIP/b 1.2 1.1"}, []string{"h/1.1"}, nil, "1caller 1callee"},
		{"a caller behind another channel", []string{"PJSIP/a 1.1 1.1", "Local/204@x-0001;2 1.3 1.1", "PJSIP/b 1.4 1.1"}, []string{"h/1.3"}, nil, "- 1caller 1callee"},
		{"two calls of ours in one of Asterisk's: the bridge decides", []string{"PJSIP/a 1.1 1.1 B1", "PJSIP/b 1.2 1.1 B2", "PJSIP/c 1.3 1.1 B1", "PJSIP/d 1.4 1.1 B2"}, []string{"h/1.1", "h/1.2"}, nil, "1caller 2caller 1callee 2callee"},
		{"without a bridge nobody knows", []string{"PJSIP/a 1.1 1.1", "PJSIP/b 1.2 1.1", "PJSIP/c 1.3 1.1"}, []string{"h/1.1", "h/1.2"}, nil, "1caller 2caller -"},
		{"who was dialled is known by his answer", []string{"PJSIP/a 1.10 1.10", "PJSIP/b 1.20 1.10", "PJSIP/c 1.30 1.10"}, []string{"h/1.10", "h/1.20"}, dialled, "1caller 2caller 1callee"},
		{"a conference of several callers", []string{"PJSIP/a 1.1 1.1 B", "PJSIP/b 1.2 1.2 B", "PJSIP/c 1.3 1.3 B"}, []string{"h/1.1", "h/1.2"}, nil, "1caller 2caller -"},
		{"two Asterisks with the same ids", []string{"PJSIP/a 1.1 1.1"}, []string{"h1/1.1", "h2/1.1"}, nil, "-"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var channels []pbx.Channel
			for _, text := range tt.channels {
				channels = append(channels, ch(text))
			}
			var calls []*Call
			for i, id := range tt.calls {
				calls = append(calls, open(int64(i+1), id))
			}
			memory := tt.memory
			if memory == nil {
				memory = newMemory()
			}
			p := join(noon, channels, calls, memory, newHome())
			var got []string
			for _, c := range p.Channels {
				text := "-"
				if c.Call != nil {
					text = fmt.Sprint(c.Call.ID, c.Role)
				}
				got = append(got, text)
			}
			if text := strings.Join(got, " "); text != tt.want {
				t.Errorf("%s, want %s", text, tt.want)
			}
		})
	}
}

// TestSameIDs: of two Asterisks with the same ids, the number of the caller decides.
func TestSameIDs(t *testing.T) {
	t.Parallel()
	one, other := open(1, "h1/1.1"), open(2, "h2/1.1")
	one.CallerID = "555000999"
	p := join(noon, []pbx.Channel{ch("PJSIP/a 1.1 1.1")}, []*Call{one, other}, newMemory(), newHome())
	if p.Channels[0].Call != other {
		t.Errorf("it is of %+v", p.Channels[0].Call)
	}
}

// TestBestCallee: of several other ends the one that talks is shown.
func TestBestCallee(t *testing.T) {
	t.Parallel()
	ringing, up := ch("PJSIP/b 1.2 1.1"), ch("PJSIP/c 1.3 1.1")
	ringing.State = 5
	c := open(1, "h/1.1")
	join(noon, []pbx.Channel{ringing, ch("PJSIP/a 1.1 1.1"), up}, []*Call{c}, newMemory(), newHome())
	if c.Callee == nil || c.Callee.UniqueID != "1.3" {
		t.Errorf("the other end is %+v", c.Callee)
	}
	up.BridgeID = ""
	ringing.BridgeID = "B"
	c = open(1, "h/1.1")
	join(noon, []pbx.Channel{up, ch("PJSIP/a 1.1 1.1 B"), ringing}, []*Call{c}, newMemory(), newHome())
	if c.Callee == nil || c.Callee.UniqueID != "1.2" {
		t.Errorf("the other end is %+v", c.Callee)
	}
}

func dialEnd(id, dest string) pbx.Event {
	return pbx.Event{Message: pbx.Message{{Key: "Event", Value: "DialEnd"}, {Key: "Uniqueid", Value: id}, {Key: "DestUniqueid", Value: dest}, {Key: "DialStatus", Value: "ANSWER"}}}
}

func hungUp(id string) pbx.Event {
	return pbx.Event{Message: pbx.Message{{Key: "Event", Value: "Hangup"}, {Key: "Uniqueid", Value: id}}}
}

func TestTalk(t *testing.T) {
	t.Parallel()
	leg := func(from float64) models.Leg {
		return models.Leg{Number: "1", Authorized: at(from), Rate: models.Rate{Currency: "EUR", PerMinute: 6 * money.Unit, First: 1, Increment: 1}}
	}
	for _, tt := range []struct {
		name    string
		legs    []models.Leg
		begun   float64 // when the last leg was permitted
		again   float64 // when the same number was permitted again; 0: it was not
		answers []answer
		now     float64
		want    string // talked, cost, left
	}{
		{"not answered", nil, 0, 0, nil, 30, "- - -"},
		{"answered", nil, 0, 0, []answer{{at: at(10)}}, 40.9, "30 0.5 90"},
		{"answered this moment", nil, 0, 0, []answer{{at: at(10)}}, 10, "0 0 120"},
		{"heard after the channels were asked for", nil, 0, 0, []answer{{at: at(10)}}, 9, "0 0 120"},
		{"longer than the hold", nil, 0, 0, []answer{{at: at(10)}}, 1000, "990 2 0"},
		{"over", nil, 0, 0, []answer{{at: at(10), over: at(20)}}, 40, "10 0.166667 110"},
		{"dialled again", nil, 0, 0, []answer{{at: at(10), over: at(20)}, {at: at(30)}}, 40, "30 0.5 90"},
		{"the answer of an earlier call of the channel", nil, 100, 0, []answer{{at: at(10), over: at(20)}}, 130, "- - -"},
		{"of just before, by another clock", nil, 11, 0, []answer{{at: at(10)}}, 40, "30 0.5 90"},
		{"of just before, and over", nil, 11, 0, []answer{{at: at(10), over: at(10.5)}}, 40, "- - -"},
		{"a leg before, which talked", []models.Leg{leg(0)}, 20, 0, []answer{{at: at(10), over: at(21)}}, 40, "10 1 -"},
		{"two legs", []models.Leg{leg(0)}, 20, 0, []answer{{at: at(10), over: at(20)}, {at: at(30)}}, 60, "40 1.5 90"},
		{"a leg before that was not answered", []models.Leg{leg(0)}, 20, 0, []answer{{at: at(30)}}, 60, "30 0.5 90"},
		{"dialled again, and not answered again", nil, 0, 30, []answer{{at: at(10), over: at(20)}}, 40, "10 0.166667 90"},
		{"dialled again, ringing taken off as well", nil, 0, 30, []answer{{at: at(10), over: at(20)}, {at: at(35)}}, 45, "35 0.583334 80"},
		{"dialled again, and never answered", nil, 0, 30, nil, 45, "- - -"},
		{"dialled again in the second leg", []models.Leg{leg(0)}, 100, 130, []answer{{at: at(110), over: at(120)}, {at: at(140)}}, 150, "40 0.666667 80"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := open(1, "h/1.1")
			c.Legs, c.Authorized = tt.legs, at(tt.begun)
			if tt.again > 0 {
				c.Notes = []models.Evidence{{Source: billing.SourceRepeat, Leg: len(c.Legs), SeenAt: at(tt.again)}}
			}
			c.talk(at(tt.now), tt.answers, noon.Add(-time.Minute))
			got := fmt.Sprintf("%s %s %s", orDash(c.Talked), orDash(c.Cost), orDash(c.Left))
			if got != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
		})
	}
}

func orDash[T any](v *T) string {
	if v == nil {
		return "-"
	}
	return fmt.Sprint(*v)
}

// TestLostAnswers: of a call whose answers may have been lost only that is said which what is left of them tells for certain.
func TestLostAnswers(t *testing.T) {
	t.Parallel()
	leg := models.Leg{Number: "1", Authorized: noon, Rate: models.Rate{Currency: "EUR", PerMinute: 6 * money.Unit, First: 1, Increment: 1}}
	repeat := models.Evidence{Source: billing.SourceRepeat, SeenAt: at(20)}
	for _, tt := range []struct {
		name    string
		legs    []models.Leg
		notes   []models.Evidence
		begun   float64
		answers []answer
		since   float64
		want    string // talked, cost, left
	}{
		{"one leg", nil, nil, 0, []answer{{at: at(30)}}, 50, "30 0.5 90"},
		{"one leg, and never anything was heard", nil, nil, 0, []answer{{at: at(30)}}, -1, "30 0.5 90"},
		{"of two legs only the last", []models.Leg{leg}, nil, 20, []answer{{at: at(30)}}, 50, "- - 90"},
		{"of two legs only the last, and never anything was heard", []models.Leg{leg}, nil, 20, []answer{{at: at(30)}}, -1, "- - 90"},
		{"listening since between the legs", []models.Leg{leg}, nil, 20, []answer{{at: at(30)}}, 10, "- - 90"},
		{"listening since before", []models.Leg{leg}, nil, 20, []answer{{at: at(30)}}, 0, "30 0.5 90"},
		{"both legs, by what was asked before", []models.Leg{leg}, nil, 20, []answer{{at: at(10), over: at(20)}, {at: at(30)}}, 50, "40 1.5 90"},
		{"of two legs only the first", []models.Leg{leg}, nil, 20, []answer{{at: at(10), over: at(20)}}, 50, "- - -"},
		{"of two dials only the last", nil, []models.Evidence{repeat}, 0, []answer{{at: at(30)}}, 50, "- - 70"},
		{"a first leg of two dials", []models.Leg{leg}, []models.Evidence{repeat}, 40, []answer{{at: at(30), over: at(40)}, {at: at(50)}}, 55, "- - 110"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := open(1, "h/1.1")
			c.Legs, c.Notes, c.Authorized = tt.legs, tt.notes, at(tt.begun)
			since := at(tt.since)
			if tt.since < 0 {
				since = time.Time{}
			}
			c.talk(at(60), tt.answers, since)
			if got := fmt.Sprintf("%s %s %s", orDash(c.Talked), orDash(c.Cost), orDash(c.Left)); got != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
		})
	}
}

// TestTalking: a talk that is over does not go on, though its channel does.
func TestTalking(t *testing.T) {
	t.Parallel()
	for want, answers := range map[bool][]answer{true: {{at: at(10)}}, false: {{at: at(10), over: at(20)}}} {
		c := open(1, "h/1.1")
		if c.talk(at(30), answers, noon); c.Talking != want || c.Answered == nil {
			t.Errorf("talking is %t, answered at %v", c.Talking, c.Answered)
		}
	}
}

// TestHome: a call of another Asterisk never appears on a channel of ours, nor as one that has lost its channel.
func TestHome(t *testing.T) {
	t.Parallel()
	channel := func(id, number, exten string) pbx.Channel {
		return pbx.Channel{Name: "PJSIP/a", UniqueID: id, LinkedID: id, CallerIDNum: number, Exten: exten}
	}
	for _, tt := range []struct {
		name    string
		ours    string // a call with its channel, from which we learn; "" for none
		callID  string
		channel pbx.Channel
		want    string
	}{
		{"ours", "h/1.1", "h/1.2", channel("1.2", "555000204", ""), "joined"},
		{"ours, with another number since", "h/1.1", "h/1.2", channel("1.2", "99", "s"), "joined"},
		{"ours, without a channel", "h/1.1", "h/1.2", channel("1.9", "555000204", ""), "ours"},
		{"of another address", "h/1.1", "h2/1.2", channel("1.9", "", ""), "foreign"},
		{"the id of another address", "h/1.1", "h2/1.2", channel("1.2", "99", "4930123"), "foreign"},
		{"the id of another address, by an unknown number", "h/1.1", "h2/1.2", channel("1.2", "", ""), "foreign"},
		{"a second address of ours", "h/1.1", "h2/1.2", channel("1.2", "555000204", ""), "joined"},
		{"loopback is one address", "127.0.0.1/1.1", "::1/1.2", channel("1.9", "", ""), "ours"},
		{"nothing is learned: the numbers differ", "", "h/1.2", channel("1.2", "99", "98"), "ours"},
		{"nothing is learned: the dialled number is the same", "", "h/1.2", channel("1.2", "99", "4930123"), "joined"},
		{"nothing is learned: one number is not known", "", "h/1.2", channel("1.2", "", ""), "joined"},
		{"another systemname", "lab-1.1", "pub-1.2", channel("lab-1.2", "555000204", ""), "foreign"},
		{"the same systemname", "lab-1.1", "lab-1.2", channel("lab-1.9", "555000204", ""), "ours"},
		{"a systemname beside none", "h/1.1", "pub-1.2", channel("1.2", "555000204", ""), "foreign"},
		{"an id that we gave", "h/1.1", "talktime-abc", channel("1.9", "", ""), "ours"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			home, c := newHome(), open(2, tt.callID)
			if tt.ours != "" {
				join(noon, []pbx.Channel{channel(billing.UniqueID(tt.ours), "555000204", "")}, []*Call{open(1, tt.ours)}, newMemory(), home)
			}
			join(noon, []pbx.Channel{tt.channel}, []*Call{c}, newMemory(), home)
			got := "ours"
			if c.Caller != nil {
				got = "joined"
			} else if home.foreign(c) {
				got = "foreign"
			}
			if got != tt.want {
				t.Errorf("it is %s, want %s", got, tt.want)
			}
		})
	}
}

// TestCostNeverFalls: whatever is heard, the cost so far never falls, and is never more than what is held.
func TestCostNeverFalls(t *testing.T) {
	t.Parallel()
	for seed := range uint64(2000) {
		r := rand.New(rand.NewPCG(seed, 1))
		rate := func() models.Rate {
			return models.Rate{
				Currency: "EUR", PerMinute: money.Amount(r.Int64N(3_000_000)), ConnectFee: money.Amount(r.Int64N(300_000)), First: 1 + r.Int64N(60), Increment: 1 + r.Int64N(60),
				Minimum: money.Amount(r.Int64N(300_000)), Grace: r.Int64N(10),
			}
		}
		c := open(1, "h/1.1")
		c.Rate = rate()
		c.Holds = []models.HoldPart{{AccountID: 1, Amount: money.Amount(r.Int64N(5_000_000))}}
		memory := newMemory()
		memory.hear(hungUp("0.1"), noon)
		c.Caller = &pbx.Channel{UniqueID: "1.1"}
		before, known := money.Amount(0), false
		for now := 0.0; now < 300; now += r.Float64() * 20 {
			switch r.IntN(6) {
			case 0:
				memory.hear(dialEnd("1.1", "1.2"), at(now))
			case 1:
				memory.hear(hungUp("1.2"), at(now))
			case 2:
				memory.asked(c, question{}, at(now-r.Float64()*30), at(now))
			case 3:
				if len(c.Legs) < 3 {
					c.Legs = append(c.Legs, models.Leg{Number: c.Number, Rate: c.Rate, Authorized: c.Authorized})
					c.Authorized, c.Rate = at(now), rate()
				}
			}
			c.Talked, c.Cost, c.Left, c.Answered = nil, nil, nil, nil
			answers, since := memory.answersOf("1.1")
			c.talk(at(now), answers, since)
			if c.Cost == nil {
				if known {
					t.Fatalf("seed %d: at %.1f s the cost is not known any more", seed, now)
				}
				continue
			}
			if *c.Cost < before || *c.Cost > c.Held() || *c.Cost < 0 {
				t.Fatalf("seed %d: at %.1f s it costs %s, before %s, held are %s", seed, now, *c.Cost, before, c.Held())
			}
			before, known = *c.Cost, true
		}
	}
}

func TestMemoryIsBounded(t *testing.T) {
	t.Parallel()
	m := newMemory()
	for i := range 3 * mostChannels {
		m.hear(dialEnd(fmt.Sprint("1.", i), fmt.Sprint("2.", i)), at(float64(i)/100))
		if i%10 == 0 {
			for range 2 * mostAnswers {
				m.hear(dialEnd(fmt.Sprint("1.", i), fmt.Sprint("3.", i)), at(float64(i)/100))
			}
		}
	}
	if len(m.channels) > mostChannels || len(m.dests) > 2*mostChannels {
		t.Errorf("%d channels and %d others are remembered", len(m.channels), len(m.dests))
	}
	last := fmt.Sprint("1.", 3*mostChannels-1)
	if answers, _ := m.answersOf(last); len(answers) != 1 {
		t.Errorf("the newest was forgotten")
	}
	m.keep([]pbx.Channel{{UniqueID: last}})
	m.keep([]pbx.Channel{{UniqueID: last}})
	if len(m.channels) != 1 || len(m.dests) != 1 {
		t.Errorf("%d channels and %d others are remembered of one", len(m.channels), len(m.dests))
	}
	m.hear(hungUp(last), noon)
	if len(m.channels) != 0 || len(m.dests) != 0 {
		t.Errorf("%d channels and %d others are remembered of none", len(m.channels), len(m.dests))
	}
}

// TestDestsAreBounded: a channel that dials ever new ones is remembered with as many as its answers.
func TestDestsAreBounded(t *testing.T) {
	t.Parallel()
	m := newMemory()
	for i := range 10_000 {
		m.hear(dialEnd("1.1", fmt.Sprint("2.", i)), at(float64(i)))
	}
	m.hear(dialEnd("1.2", ""), at(10_000))
	if len(m.dests) != mostAnswers || m.dests["2.0"] != "1.1" || m.dests["2.9999"] != "1.1" {
		t.Errorf("%d others are remembered", len(m.dests))
	}
	m.hear(dialEnd("1.3", "2.9999"), at(10_001))
	m.hear(hungUp("1.1"), at(10_002))
	if len(m.dests) != 1 || m.dests["2.9999"] != "1.3" {
		t.Errorf("of another channel are remembered %v", m.dests)
	}
}

// TestQuestions: Asterisk is asked once for the answer to each dial, and again when answers may have been lost.
func TestQuestions(t *testing.T) {
	t.Parallel()
	m, c := newMemory(), open(1, "h/1.1")
	c.Caller, c.Dials = &pbx.Channel{UniqueID: "1.1"}, 1
	asks := func(what string, want bool, answer time.Time) {
		t.Helper()
		q, ask := m.unasked(c)
		if ask != want {
			t.Errorf("%s: it is asked %t", what, ask)
		}
		if ask {
			m.asked(c, q, answer, noon)
		}
	}
	connected := pbx.Event{Message: pbx.Message{{Key: "Event", Value: pbx.Connected}}, Connection: 1}
	m.hear(connected, noon.Add(-time.Minute))
	asks("at first", true, time.Time{})
	asks("again", false, time.Time{})
	connected.Connection = 2
	m.hear(connected, at(30))
	if _, since := m.answersOf("1.1"); !since.Equal(at(30)) {
		t.Errorf("all is heard since %s", since)
	}
	asks("after a lost connection", true, at(10))
	asks("with an answer", false, time.Time{})
	c.Notes, c.Dials = []models.Evidence{{Source: billing.SourceRepeat, SeenAt: at(40)}}, 2
	asks("the same number again", true, time.Time{})
	asks("the same number again, again", false, time.Time{})
	c.Legs, c.Notes, c.Authorized, c.Dials = []models.Leg{{}}, nil, at(50), 3
	asks("another leg", true, at(49))
	if answers, _ := m.answersOf("1.1"); len(answers) != 2 || !answers[1].at.Equal(at(50)) || answers[1].exact || !answers[0].over.Equal(at(50)) {
		t.Errorf("%+v", answers)
	}
	m.hear(dialEnd("1.1", "1.2"), at(51)) // which was under way
	if answers, _ := m.answersOf("1.1"); len(answers) != 2 || !answers[1].at.Equal(at(50)) || !answers[1].exact || m.callerOf("1.2") != "1.1" {
		t.Errorf("%+v", answers)
	}
}

func TestMoment(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Time{
		"1795211583.125": time.Unix(1795211583, 125_000_000), "1795211583": time.Unix(1795211583, 0), " 1795211583.000001 ": time.Unix(1795211583, 1000),
		"0.000000": {}, "": {}, "2026-11-21 12:00:00": {}, "-5": {}, "99999999999999999999": {}, "1795211583.-1": {}, "1795211583.x": {},
	} {
		if got := moment(text); !got.Equal(want) {
			t.Errorf("%q is %s, want %s", text, got, want)
		}
	}
}
