package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"talktime/e2e/lab"
	"talktime/models"
	"talktime/money"
)

// routes makes carriers and routes, and waits until fastagi has read them.
func (s *site) routes(commands ...[]string) {
	s.t.Helper()
	for _, args := range commands {
		s.admin(0, args...)
	}
	revision, err := s.db.RouteRevision(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	lab.Eventually(s.t, 10*time.Second, func() bool {
		log, err := os.ReadFile(filepath.Join(s.dir, "fastagi.log"))
		return err == nil && strings.Contains(string(log), fmt.Sprintf(`"msg":"routes read","revision":%d`, revision))
	}, "fastagi reads the routes of revision %d", revision)
}

// lastCall is the latest call of a phone.
func (s *site) lastCall(t *testing.T, clid string) models.Call {
	t.Helper()
	list, err := s.db.ListCalls(t.Context(), models.ListRequest{Number: 1, Size: 1000})
	if err != nil {
		t.Fatal(err)
	}
	var last models.Call
	for _, c := range list.Items {
		if c.CallerID == clid && c.ID > last.ID {
			last = c
		}
	}
	return last
}

// TestFailover has carriers who cannot take calls, in both ways to dial. What they do is in their dial templates: nothing
// listens behind watchedtrunk, which Asterisk knows; the called party answers 503 to numbers that end in 400.
func TestFailover(t *testing.T) {
	lab.Require(t)
	for i, phones := range []string{"talktime-caller", "talktime-authorize"} {
		t.Run(phones, func(t *testing.T) {
			s := newSite(t, "", map[string]string{"TALKTIME_EMERGENCY": "112", "TALKTIME_EMERGENCY_DIAL": "PJSIP/{number}000@trunk"})
			l := s.lab(phones, lab.Options{SystemName: "lab"})
			s.admin(0, "tariff", "add", "retail", "--currency", "EUR", "--zone", "UTC", "--default")
			s.admin(0, "tariff", "add", "dear", "--currency", "EUR", "--zone", "UTC")
			s.admin(0, "tariff", "add", "cheap", "--currency", "EUR", "--zone", "UTC")
			s.rates("dear", "prefix,destination,rate\n598,Uruguay,60\n")
			s.rates("cheap", "prefix,destination,rate\n598,Uruguay,3\n")
			s.rates("retail", "prefix,destination,rate\n598,Uruguay,6\n")
			carrier := func(name, dial string, more ...string) []string {
				return append([]string{"carrier", "add", name, "--dial", dial}, more...)
			}
			route := func(prefix, carriers string) []string {
				return []string{"route", "add", prefix, "--carriers", carriers}
			}
			s.routes(
				carrier("dead", "PJSIP/{number}@watchedtrunk"),
				carrier("congested", "PJSIP/{number}400@trunk"),
				carrier("silent", "PJSIP/{number}@deadtrunk"),
				carrier("good", "PJSIP/{number}@trunk", "--prepend", "00", "--tariff", "cheap"),
				carrier("lossy", "PJSIP/{number}@trunk", "--prepend", "77", "--tariff", "dear"),
				carrier("small", "PJSIP/{number}@trunk", "--prepend", "88", "--channels", "1"),
				route("5989911", "dead,good"), route("5989912", "congested,good"), route("5989913", "good,dead"),
				route("5989914", "dead,congested"), route("5989915", "dead,small,good"), route("5989916", "small"),
				route("5989917", "lossy,good"), route("5989918", "silent,good"), route("5989919", "dead,congested,good"),
			)
			lab.Eventually(t, 10*time.Second, func() bool {
				contacts, err := l.CLI(t.Context(), "pjsip show contacts")
				at := strings.Index(contacts, "watchedtrunk/")
				return err == nil && at >= 0 && strings.Contains(strings.SplitN(contacts[at:], "\n", 2)[0], "Unavail")
			}, "Asterisk notices that nobody is behind watchedtrunk")

			t.Run("calls", func(t *testing.T) { failoverCases(t, s, l, fmt.Sprintf("59899020%d", i)) })
			if n := s.listed("open") + s.listed("unreconciled") + s.listed("disputed") + s.listed("shortfall"); n != 0 {
				t.Errorf("%d calls are left on a list", n)
			}
		})
	}
}

// dialApp is how Asterisk's log tells that it was to dial, by us or by the dialplan.
var dialApp = regexp.MustCompile(`(?:\(Dial\) Options: \(|Dial\("[^"]*", ")([^,]*),`)

// targets are what Asterisk was to dial until now.
func targets(t *testing.T, l *lab.Lab) (all []string) {
	t.Helper()
	log, err := os.ReadFile(l.Path("log/full"))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range dialApp.FindAllStringSubmatch(string(log), -1) {
		all = append(all, m[1])
	}
	return all
}

func failoverCases(t *testing.T, s *site, l *lab.Lab, clids string) {
	const talk = 3 * time.Second
	for i, c := range []struct {
		name, to, currency string
		talk               time.Duration // 0: not answered
		left               string        // of 100 SEC or 10 EUR
		carriers           string        // of the call, the last of which was dialled last
		status             string
		dialled, not       string // what Asterisk was asked to dial, and what not
		buy                string
	}{
		{"a dead carrier", "59899110000", "SEC", talk, "97", "dead good", "ANSWER", "PJSIP/0059899110000@trunk", "", "0.15"},
		{"a busy carrier", "59899120000", "SEC", talk, "97", "congested good", "ANSWER", "PJSIP/0059899120000@trunk", "", "0.15"},
		{"both", "59899190000", "SEC", talk, "97", "dead congested good", "ANSWER", "PJSIP/0059899190000@trunk", "", "0.15"},
		{"a busy callee", "59899130200", "SEC", 0, "100", "good", "BUSY", "PJSIP/0059899130200@trunk", "PJSIP/59899130200@watchedtrunk", "0"},
		{"none can", "59899140000", "SEC", 0, "100", "dead congested", "CONGESTION", "PJSIP/59899140000400@trunk", "", "0"},
		{"no answer at all in time", "59899180000", "SEC", 0, "100", "silent", "NOANSWER", "PJSIP/59899180000@deadtrunk", "PJSIP/0059899180000@trunk", "0"},
		{"at a loss", "59899170000", "EUR", talk, "9.7", "good", "ANSWER", "PJSIP/0059899170000@trunk", "PJSIP/7759899170000@trunk", "0.15"},
		{"to money's end", "59899119000", "SEC", 20 * time.Second, "0", "dead good", "ANSWER", "PJSIP/0059899119000@trunk", "", "0.25"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			clid := fmt.Sprintf("%s%02d", clids, i)
			balance := map[string]money.Amount{"SEC": 100 * money.Unit, "EUR": 10 * money.Unit}[c.currency]
			want := c.talk
			if c.left == "0" {
				balance, want = 5*money.Unit, 5*time.Second
			}
			if _, err := s.db.AddUser(t.Context(), models.NewUser{Username: "user-" + clid, CLID: clid, Currency: c.currency, Balance: balance}, "test"); err != nil {
				t.Fatal(err)
			}
			call, err := l.StartCall(lab.CallSpec{From: clid, To: c.to, Talk: c.talk})
			if err != nil {
				t.Fatal(err)
			}
			seen := over(t, call)
			if seen.Answered != (want > 0) || want > 0 && (seen.Talk < want-100*time.Millisecond || seen.Talk > want+500*time.Millisecond) {
				t.Errorf("talked %v (answer %d), want %v", seen.Talk, seen.Code, want)
			}
			s.has(t, clid, c.left)
			got := s.lastCall(t, clid)
			var carriers []string
			for _, a := range got.Routing.Attempts[:got.Routing.At+1] {
				carriers = append(carriers, a.Name)
			}
			if strings.Join(carriers, " ") != c.carriers || got.Status != c.status || got.BuyCost.String() != c.buy {
				t.Errorf("the call went to %v with %s and costs %s; want %s with %s and %s", carriers, got.Status, got.BuyCost, c.carriers, c.status, c.buy)
			}
			dialled := targets(t, l)
			if !slices.Contains(dialled, c.dialled) || slices.Contains(dialled, c.not) {
				t.Errorf("Asterisk was to dial %q; want %s, and not %s", dialled, c.dialled, c.not)
			}
		})
	}
	t.Run("a full carrier is skipped", func(t *testing.T) {
		t.Parallel()
		first, second, third := clids+"91", clids+"92", clids+"93"
		for _, clid := range []string{first, second, third} {
			s.user(clid, 100)
		}
		long := answered(t, l, lab.CallSpec{From: first, To: "59899160000", Talk: 8 * time.Second})
		refused, err := l.StartCall(lab.CallSpec{From: third, To: "59899160001", Talk: time.Second})
		if err != nil {
			t.Fatal(err)
		}
		if seen := over(t, refused); seen.Answered {
			t.Error("a carrier got more calls than he takes")
		}
		over(t, answered(t, l, lab.CallSpec{From: second, To: "59899150000", Talk: 3 * time.Second}))
		s.settles(t, second, 97)
		if carrier, _ := s.lastCall(t, second).Routing.Carrier(); carrier.Name != "good" {
			t.Errorf("the call went to %s", carrier.Name)
		}
		over(t, long)
		s.settles(t, first, 92) // and his place is free again
		over(t, answered(t, l, lab.CallSpec{From: third, To: "59899150000", Talk: 3 * time.Second}))
		s.settles(t, third, 97)
		if carrier, _ := s.lastCall(t, third).Routing.Carrier(); carrier.Name != "small" {
			t.Errorf("the call went to %s", carrier.Name)
		}
	})
	t.Run("a call for help with nothing left", func(t *testing.T) {
		t.Parallel()
		clid := clids + "99"
		s.user(clid, 0)
		if seen := over(t, answered(t, l, lab.CallSpec{From: clid, To: "112", Talk: 2 * time.Second})); seen.Talk < 1900*time.Millisecond {
			t.Errorf("talked %v", seen.Talk)
		}
		s.settles(t, clid, 0)
		lab.Eventually(t, 10*time.Second, func() bool { return s.lastCall(t, clid).State == models.CallEmergency }, "the call is recorded")
	})
}
