package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"talktime/e2e/lab"
	"talktime/models"
	"talktime/money"
)

// rates makes a version of a tariff count, and waits until fastagi has read it.
func (s *site) rates(tariff, csv string) {
	s.t.Helper()
	file := filepath.Join(s.dir, "rates.csv")
	if err := os.WriteFile(file, []byte(csv), 0o600); err != nil {
		s.t.Fatal(err)
	}
	s.admin(0, "tariff", "import", tariff, file, "--activate")
	revision, err := s.db.DeckRevision(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	lab.Eventually(s.t, 10*time.Second, func() bool {
		log, err := os.ReadFile(filepath.Join(s.dir, "fastagi.log"))
		return err == nil && strings.Contains(string(log), fmt.Sprintf(`"msg":"rate decks read","revision":%d`, revision))
	}, "fastagi reads the rates of revision %d", revision)
}

// TestTariffs places calls of users who pay money, by price lists that are imported while fastagi runs.
func TestTariffs(t *testing.T) {
	lab.Require(t)
	s := newSite(t, "", nil)
	l := s.lab("talktime-caller", lab.Options{SystemName: "lab"})
	s.admin(0, "tariff", "add", "retail", "--currency", "EUR", "--zone", "UTC", "--default")
	// A second to 598991230 costs 0.1, an answer 0.05. To 5989912310 each 5 seconds cost 0.05.
	s.rates("retail", "prefix,destination,rate,connect_fee,increment\n598991230,Uruguay,6,0.05,\n5989912310,Uruguay mobile,0.6,,5/5\n")
	payer := func(clid, balance string) {
		t.Helper()
		amount, err := money.Parse(balance)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.db.AddUser(t.Context(), models.NewUser{Username: "user-" + clid, CLID: clid, Currency: "EUR", Balance: amount}, "test"); err != nil {
			t.Fatal(err)
		}
	}
	t.Run("calls", func(t *testing.T) {
		for i, c := range []struct {
			name, balance string
			spec          lab.CallSpec
			talk          time.Duration // 0: not answered
			left          string
		}{
			{"by the second, with a connect fee", "1", lab.CallSpec{To: answers, Talk: 3 * time.Second}, 3 * time.Second, "0.65"},
			{"the longer prefix, by steps", "1", lab.CallSpec{To: hangsUp3}, 3400 * time.Millisecond, "0.95"},
			{"what the money pays for", "0.65", lab.CallSpec{To: answers, Talk: 20 * time.Second}, 6 * time.Second, "0"},
			{"less than the first second", "0.14", lab.CallSpec{To: answers, Talk: time.Second}, 0, "0.14"},
			{"no rate", "1", lab.CallSpec{To: busy, Talk: time.Second}, 0, "1"},
		} {
			t.Run(c.name, func(t *testing.T) {
				t.Parallel()
				clid := fmt.Sprintf("598990100%d", i)
				payer(clid, c.balance)
				c.spec.From = clid
				call, err := l.StartCall(c.spec)
				if err != nil {
					t.Fatal(err)
				}
				seen := over(t, call)
				if seen.Answered != (c.talk > 0) || c.talk > 0 && (seen.Talk < c.talk-100*time.Millisecond || seen.Talk > c.talk+500*time.Millisecond) {
					t.Errorf("talked %v (answer %d), want %v", seen.Talk, seen.Code, c.talk)
				}
				s.has(t, clid, c.left)
			})
		}
	})
	// Who talks while the price changes pays the old one.
	payer("5989901009", "5")
	call := answered(t, l, lab.CallSpec{From: "5989901009", To: answers, Talk: 4 * time.Second})
	s.rates("retail", "prefix,destination,rate\n598991,Uruguay,60\n")
	over(t, call)
	s.has(t, "5989901009", "4.55")
	over(t, answered(t, l, lab.CallSpec{From: "5989901009", To: answers, Talk: 2 * time.Second}))
	s.has(t, "5989901009", "2.55")
}

// has waits until the user's calls are over and charged, and he has so much.
func (s *site) has(t *testing.T, clid, want string) {
	t.Helper()
	got := ""
	lab.Eventually(t, 10*time.Second, func() bool {
		b, err := s.db.UserByName(t.Context(), "user-"+clid)
		if err != nil {
			return false
		}
		got = b.Balance.String()
		return b.Held == 0 && got == want
	}, "user %s to have %s EUR", clid, want)
	if t.Failed() {
		t.Logf("he has %s", got)
	}
}
