package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"talktime/agi/agitest"
	"talktime/e2e/lab"
	"talktime/money"
	"talktime/store/storetest"
)

// another starts one fastagi more on the database of a site.
func (s *site) another(t *testing.T) *site {
	t.Helper()
	other := &site{t: t, dir: t.TempDir(), url: s.url, addr: freeAddr(t), env: s.env, db: s.db}
	t.Cleanup(other.showLogs)
	other.start()
	return other
}

// TestOneUserManyCallers: 200 callers at once on 180 SEC, of which a call may hold 60, are exactly three calls.
func TestOneUserManyCallers(t *testing.T) {
	for name, c := range map[string]struct {
		url       func(*testing.T) string
		processes int
	}{
		"SQLite":                 {func(*testing.T) string { return "" }, 1},
		"MariaDB, two processes": {func(t *testing.T) string { return storetest.Shared(t).NewDatabase(t) }, 2},
	} {
		t.Run(name, func(t *testing.T) {
			first := newSite(t, c.url(t), nil)
			sites := []*site{first}
			for len(sites) < c.processes {
				sites = append(sites, first.another(t))
			}
			first.user(caller, 180)
			var dialled, refused atomic.Int64
			hangUp := make(chan struct{})
			var callers sync.WaitGroup
			for i := range 200 {
				callers.Go(func() {
					p := &agitest.Peer{Greeting: agitest.Greeting{
						Script: "caller", UniqueID: fmt.Sprintf("pbx-1795000000.%d", i), CallerID: caller, Extension: "59899123",
					}}
					p.Dial = func(d *agitest.Dial) {
						dialled.Add(1)
						<-hangUp
						d.Talk = 10 * time.Second
					}
					addr := sites[i%len(sites)].addr
					if err := p.Call(t.Context(), addr); err != nil {
						t.Error(err)
					}
					if p.Vars["TALKTIME_STATUS"] == "NOCREDIT" {
						refused.Add(1)
						if reason := p.Vars["TALKTIME_REASON"]; reason != "all credit is held by calls in progress" {
							t.Errorf("refused because %q", reason)
						}
						return
					}
					if err := p.H("reducer").Call(t.Context(), addr); err != nil {
						t.Error(err)
					}
				})
			}
			lab.Eventually(t, 20*time.Second, func() bool { return dialled.Load()+refused.Load() == 200 }, "200 decisions")
			if dialled.Load() != 3 {
				t.Errorf("%d calls were dialled, want 3", dialled.Load())
			}
			if balance, held := first.balance(caller); balance != 180 || held != 180 {
				t.Errorf("balance %d with %d held, want 180 with 180 held", balance, held)
			}
			close(hangUp)
			callers.Wait()
			first.settles(t, caller, 150)
		})
	}
}

// TestManyReducers: 50 reducers of one call at once, through two processes, are one charge.
func TestManyReducers(t *testing.T) {
	s := newSite(t, storetest.Shared(t).NewDatabase(t), nil)
	other := s.another(t)
	s.user(caller, 100)
	p := &agitest.Peer{Greeting: agitest.Greeting{
		Script: "authorize", UniqueID: "pbx-1795000000.1", CallerID: caller, Extension: "59899123",
	}}
	if err := p.Call(t.Context(), s.addr); err != nil || p.Vars["TALKTIME_STATUS"] != "OK" {
		t.Fatalf("authorize: %v, status %q", err, p.Vars["TALKTIME_STATUS"])
	}
	var reducers sync.WaitGroup
	for i := range 50 {
		reducers.Go(func() {
			vars := map[string]string{"DIALSTATUS": "ANSWER", "ANSWEREDTIME": "7", "ANSWEREDTIME_MS": "7012"}
			r := &agitest.Peer{Greeting: p.Greeting, Vars: vars, Dead: true}
			r.Script, r.Extension = "reducer", "h"
			if err := r.Call(t.Context(), []string{s.addr, other.addr}[i%2]); err != nil {
				t.Error(err)
			}
		})
	}
	reducers.Wait()
	s.settles(t, caller, 93)
}

// crashRounds is how often a process is killed under load.
const crashRounds = 20

// TestCrash kills fastagi, MariaDB or both at random moments under load. Every charge that fastagi has confirmed in
// its log must be in the books, once and to the unit, and no hold may be left.
func TestCrash(t *testing.T) {
	rounds := crashRounds
	if testing.Short() {
		rounds = 3
	}
	db, err := storetest.Start(t.Context(), storetest.Options{})
	if err != nil {
		storetest.Skip(t, err.Error())
	}
	t.Cleanup(db.Stop)
	s := newSite(t, db.NewDatabase(t), nil)
	const users = 8
	for i := range users {
		s.user(phone(i), 1_000_000)
	}
	talked := &talks{seconds: map[string]int64{}}
	for round := range rounds {
		stop := make(chan struct{})
		var load sync.WaitGroup
		for worker := range 24 {
			load.Go(func() { callUntil(t, s.addr, stop, round, worker, talked) })
		}
		passed(time.Duration(50+rand.IntN(400)) * time.Millisecond)
		if round%3 != 0 {
			if err := db.Kill(); err != nil {
				t.Fatal(err)
			}
		}
		if round%3 != 1 {
			s.fastagi.Kill()
		}
		passed(time.Duration(rand.IntN(100)) * time.Millisecond)
		close(stop)
		load.Wait()
		if round%3 != 0 {
			if err := db.Restart(context.Background()); err != nil {
				t.Fatal(err)
			}
		}
		if round%3 != 1 {
			s.start()
		}
	}
	lab.Eventually(t, 60*time.Second, func() bool {
		files, _ := filepath.Glob(filepath.Join(s.dir, "data/spool/*.json"))
		return len(files) == 0
	}, "the spool is empty")
	s.admin(0, "reconcile", "--all")
	if n := s.listed("open"); n != 0 {
		t.Errorf("%d holds are left", n)
	}
	s.admin(0, "audit")
	checkConfirmed(t, s, talked)
	for i := range users {
		if _, held := s.balance(phone(i)); held != 0 {
			t.Errorf("user %s still has %d held", phone(i), held)
		}
	}
}

func phone(i int) string { return fmt.Sprintf("5989900%04d", i) }

// talks is what the simulated phones really talked, by CallID.
type talks struct {
	mu      sync.Mutex
	seconds map[string]int64
}

// callUntil makes calls, one after another, as fast as the server takes them.
func callUntil(t *testing.T, addr string, stop <-chan struct{}, round, worker int, talked *talks) {
	for n := 0; ; n++ {
		select {
		case <-stop:
			return
		default:
		}
		id := fmt.Sprintf("pbx%d-1795000000.%d", round, worker*1_000_000+n)
		p := &agitest.Peer{Greeting: agitest.Greeting{Script: "caller", UniqueID: id, CallerID: phone(worker % 8), Extension: "59899123"}}
		p.Dial = func(d *agitest.Dial) {
			d.Talk = time.Duration(1+rand.IntN(30))*time.Second + time.Duration(rand.IntN(1000))*time.Millisecond
			talked.mu.Lock()
			talked.seconds[id] = int64(d.Talk / time.Second)
			talked.mu.Unlock()
		}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		if err := p.Call(ctx, addr); err == nil {
			_ = p.H("reducer").Call(ctx, addr) // the server may be gone, which is the point
		}
		cancel()
	}
}

// checkConfirmed compares each charge that fastagi logged, which it does only after the commit, with the ledger,
// and each charge in the ledger with what was talked.
func checkConfirmed(t *testing.T, s *site, talked *talks) {
	t.Helper()
	charged := map[string]int64{}
	rows, err := storetest.Open(t, s.url).Query(`SELECT t.ref, e.amount FROM transactions t JOIN entries e ON e.tx_id = t.id
		JOIN accounts a ON a.id = e.account_id WHERE t.kind = 'call' AND a.name = 'revenue'`)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var id string
		var amount money.Amount
		if err := rows.Scan(&id, &amount); err != nil {
			t.Fatal(err)
		}
		if _, twice := charged[id]; twice {
			t.Errorf("call %s was charged twice", id)
		}
		charged[id] = amount.Whole()
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	for id, amount := range charged {
		if amount != talked.seconds[id] {
			t.Errorf("call %s talked %d seconds and was charged %d", id, talked.seconds[id], amount)
		}
	}
	confirmed := 0
	log, err := os.Open(filepath.Join(s.dir, "fastagi.log"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = log.Close() }()
	lines := bufio.NewScanner(log)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var line struct {
			CallID string       `json:"call_id"`
			State  string       `json:"state"`
			Cost   money.Amount `json:"cost"`
		}
		if json.Unmarshal(lines.Bytes(), &line) != nil || line.State != "settled" {
			continue
		}
		confirmed++
		if charged[line.CallID] != line.Cost.Whole() {
			t.Errorf("call %s was confirmed with %s, the ledger has %d", line.CallID, line.Cost, charged[line.CallID])
		}
	}
	t.Logf("%d calls answered, %d charged, %d confirmations", len(talked.seconds), len(charged), confirmed)
	if confirmed == 0 {
		t.Error("nothing was confirmed: the test shows nothing")
	}
}

// TestAbuse attacks the FastAGI port in every way at once, while calls go on. How much slower they get is measured
// by the benchmark; here none may fail, and memory must stay bounded.
func TestAbuse(t *testing.T) {
	s := newSite(t, "", nil)
	s.user(caller, 1_000_000)
	ctx, cancel := context.WithCancel(t.Context())
	var attackers sync.WaitGroup
	attack := func(n int, use func(net.Conn)) {
		for range n {
			attackers.Go(func() {
				for ctx.Err() == nil {
					conn, err := net.DialTimeout("tcp", s.addr, 5*time.Second)
					if err != nil {
						continue
					}
					stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
					use(conn)
					stop()
					_ = conn.Close()
				}
			})
		}
	}
	untilClosed := func(conn net.Conn) { _, _ = conn.Read(make([]byte, 1)) }
	attack(1000, untilClosed)
	attack(4, func(conn net.Conn) { flood(ctx, conn, strings.Repeat("A", 4096)) })
	attack(4, func(conn net.Conn) { flood(ctx, conn, "\x00\xff\x1b\n\x80\r\n\x00") })
	attack(4, func(conn net.Conn) { flood(ctx, conn, "agi_variable: x\n") })
	attack(8, func(conn net.Conn) {
		_, _ = conn.Write([]byte("agi_network: yes\nagi_network_script: caller\nagi_uni"))
		untilClosed(conn)
	})
	attack(8, func(conn net.Conn) {
		for _, b := range []byte("agi_network: yes\nagi_network_script: caller\n") {
			if _, err := conn.Write([]byte{b}); err != nil {
				return
			}
			passed(50 * time.Millisecond)
		}
	})
	var most int64
	for i := range 100 {
		p := &agitest.Peer{Greeting: agitest.Greeting{
			Script: "caller", UniqueID: fmt.Sprintf("pbx-1795000000.%d", i), CallerID: caller, Extension: "59899123",
		}}
		p.Dial = func(d *agitest.Dial) { d.Talk = time.Second }
		call, end := context.WithTimeout(ctx, 10*time.Second)
		if err := p.Call(call, s.addr); err != nil || p.Vars["TALKTIME_STATUS"] != "OK" {
			t.Errorf("call %d: %v, status %q", i, err, p.Vars["TALKTIME_STATUS"])
		}
		end()
		most = max(most, residentKB(t, s.fastagi.PID()))
	}
	cancel()
	attackers.Wait()
	s.settles(t, caller, 1_000_000-100)
	t.Logf("resident memory at most %d KB", most)
	if most > 300_000 {
		t.Errorf("%d KB of resident memory under attack", most)
	}
}

func flood(ctx context.Context, conn net.Conn, text string) {
	for ctx.Err() == nil {
		if _, err := conn.Write([]byte(text)); err != nil {
			return
		}
	}
}

// residentKB is the resident set of a process.
func residentKB(t *testing.T, pid int) int64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "VmRSS:")
	var kb int64
	if _, err := fmt.Sscan(rest, &kb); err != nil {
		t.Fatal(err)
	}
	return kb
}
