package adminapi

import (
	"net/http"
	"strconv"
	"sync"
	"time"
)

// voiceBalance answers a telephone system with the whole units that the owner of a SIM may spend, or with "none". It is
// plain text, as the original's. Whoever may call us from Asterisk may ask, and programs that may read.
func voiceBalance(r *request) error {
	if err := r.mayAskBalances(); err != nil {
		return err
	}
	imsi, err := r.imsi()
	if err != nil {
		return err
	}
	text := "none"
	if digits(imsi) && len(imsi) <= 16 {
		id, err := r.api.Users.UserIDByIMSI(r.ctx(), imsi)
		if err != nil && !isNotFound(err) {
			return err
		}
		if err == nil {
			users, err := r.api.Users.UsersByID(r.ctx(), []int64{id})
			if err != nil {
				return err
			}
			if user, ok := users[id]; ok { // else he was deleted a moment ago
				text = strconv.FormatInt(user.Available.Whole(), 10)
			}
		}
	}
	r.Data(http.StatusOK, "text/plain; charset=utf-8", []byte(text))
	return nil
}

// mayAskBalances refuses whoever may not ask for the balance of a SIM, or asks too often.
func (r *request) mayAskBalances() error {
	if !r.fromAsterisk() && !r.who.has(ScopeRead) {
		if r.who.user == nil && r.who.token == nil {
			return r.unauthenticated()
		}
		return forbidden()
	}
	if !r.api.voice.allow(r.api.clientText(r.Request), r.api.Now()) {
		return failure{status: http.StatusTooManyRequests, message: "too many questions at once", headers: map[string]string{"Retry-After": "1"}}
	}
	return nil
}

// imsi is the SIM that a question is about.
func (r *request) imsi() (string, error) {
	if r.Request.Method != http.MethodPost {
		return r.Query("imsi"), nil
	}
	o, err := r.object()
	if err != nil {
		return "", err
	}
	if err := o.missing("imsi"); err != nil {
		return "", err
	}
	return o.text("imsi")
}

// A SIM's balance may be asked for this often in a second from one address.
const (
	maxQuestions  = 50
	maxQuestioner = 10_000
)

// meter counts questions from each address in the current second.
type meter struct {
	mu     sync.Mutex
	second time.Time
	asked  map[string]int
}

func (m *meter) allow(address string, now time.Time) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if second := now.Truncate(time.Second); !second.Equal(m.second) || len(m.asked) > maxQuestioner {
		m.second, m.asked = second, map[string]int{}
	}
	m.asked[address]++
	return m.asked[address] <= maxQuestions
}
