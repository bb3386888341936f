package midcall_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"talktime/billing"
	"talktime/midcall"
	"talktime/models"
	"talktime/money"
	"talktime/pbx"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	marta = "555000204"
	joel  = "555000205"
	peer  = "127.0.0.1"
)

// world is two telephones' worth of everything: an Asterisk, the books, billing, and a process that keeps calls.
type world struct {
	*testing.T
	asterisk *asterisk
	books    *books
	billing  *billing.Service
	policy   billing.Policy
	options  midcall.Options
	process  *process
	marta    models.User
	joel     models.User

	quiet bool // the test itself looks what has become of the books
	lies  bool // Asterisk says that it has limited who has no limit

	settling sync.WaitGroup
	mu       sync.Mutex
	talked   map[string]time.Duration // by unique id of the caller, once it is over
	until    map[string]time.Time     // when
	rates    map[string]models.Rate   // by number
}

// process keeps calls until it is stopped, or crashes.
type process struct {
	*midcall.Service
	client *pbx.Client
	store  *session
	cancel context.CancelFunc
	done   chan struct{}
}

// session is the connection of a process to the books, which a crash cuts.
type session struct {
	*books
	mu   sync.Mutex
	dead bool
}

var errDead = errors.New("the process is dead")

func (l *session) KeeperGone(ctx context.Context, keeper int64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.dead {
		return errDead
	}
	return l.books.KeeperGone(ctx, keeper)
}

// second is a rate of so much a second.
func second(price int64) models.Rate {
	return models.Rate{Currency: models.SEC, PerMinute: money.Amount(price*60) * money.Unit, First: 1, Increment: 1}
}

// bubble makes a world in which time passes only when nothing else happens.
func bubble(t *testing.T, slice int64, f func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { live(t, slice, f) })
}

func live(t *testing.T, slice int64, f func(w *world)) {
	t.Helper()
	w := &world{
		T: t, asterisk: newAsterisk(), books: newBooks(), talked: map[string]time.Duration{}, until: map[string]time.Time{},
		rates: map[string]models.Rate{"1": second(1), "2": second(2), "3": second(3)},
	}
	w.policy = billing.Policy{
		MaxCallSeconds: 600, RingSeconds: 40, Identify: []string{billing.ByCallerID}, Dial: "PJSIP/{number}@trunk", DialTechs: []string{"PJSIP"},
		Slice: slice, Rate: w.rate,
	}
	w.billing = billing.New(billing.Options{Store: w.books, Policy: w.policy})
	w.marta = w.books.addUser("marta", marta, 23*money.Unit)
	w.joel = w.books.addUser("joel", joel, 100*money.Unit)
	w.asterisk.ended = w.ended
	w.start()
	defer func() {
		w.asterisk.mu.Lock()
		for _, c := range slices.Collect(maps.Values(w.asterisk.channels)) {
			w.asterisk.gone(c)
		}
		w.asterisk.mu.Unlock()
		synctest.Wait()
		w.settling.Wait()
		w.stop()
		w.billing.Close()
		if w.quiet {
			return
		}
		for _, p := range w.books.problems(w.lies) {
			t.Error(p)
		}
	}()
	f(w)
}

func (w *world) rate(_ models.User, number string, _ time.Time) (models.Rate, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if r, ok := w.rates[number]; ok {
		return r, nil
	}
	return models.Rate{}, billing.Refuse(billing.ErrNoRate, "no rate")
}

// start starts a process, which keeps calls after some seconds.
func (w *world) start() {
	w.process = w.launch()
	time.Sleep(5 * time.Second)
}

func (w *world) launch() *process {
	w.Helper()
	client, err := pbx.Open(pbx.AMI{Addr: peer + ":5038", User: user, Secret: secret}, pbx.Options{Dial: w.asterisk.dial})
	if err != nil {
		w.Fatal(err)
	}
	o := w.options
	p := &process{client: client, store: &session{books: w.books}, done: make(chan struct{})}
	o.Asterisks = append([]midcall.Asterisk{{Name: peer + ":5038", Manager: client}}, w.options.Asterisks...)
	o.Ledger, o.Store, o.Slice, o.Name = w.billing, p.store, w.policy.Slice, "test"
	p.Service = midcall.New(o)
	var ctx context.Context
	ctx, p.cancel = context.WithCancel(context.Background())
	go func() {
		defer close(p.done)
		p.Run(ctx)
	}()
	return p
}

func (p *process) stop() {
	p.cancel()
	<-p.done
	p.client.Close()
}

func (w *world) stop() {
	if w.process != nil {
		w.process.stop()
	}
	w.process = nil
}

// crash ends the process without a word.
func (w *world) crash() {
	w.process.store.mu.Lock()
	w.process.store.dead = true
	w.process.store.mu.Unlock()
	w.stop()
}

// ask is what a call script does: who keeps the call, may it be, and then it dials.
func (w *world) ask(id, clid, number string) (billing.Authorization, error) {
	a := w.asterisk
	a.appear(id, clid)
	addr := netip.MustParseAddr(peer)
	req := billing.CallRequest{CallID: billing.QualifiedID(peer, id), Identity: billing.Identity{CallerID: clid}, Number: number}
	p := w.process
	if p != nil {
		req.Keeper = p.Keeps(context.Background(), addr, "PJSIP/"+id, id)
	}
	auth, err := w.billing.Authorize(context.Background(), req)
	if err != nil {
		a.hangup(id)
		return auth, err
	}
	if p != nil {
		p.Keep(addr, "PJSIP/"+id, id, req.Identity, auth)
	}
	a.ring(id, clid, time.Duration(auth.Seconds)*time.Second)
	return auth, nil
}

// dial expects to be permitted.
func (w *world) dial(id, clid, number string) billing.Authorization {
	w.Helper()
	auth, err := w.ask(id, clid, number)
	if err != nil {
		w.Fatalf("call %s: %v", id, err)
	}
	return auth
}

// talk dials and is answered a second later.
func (w *world) talk(id, clid, number string) (callee string) {
	w.Helper()
	auth := w.dial(id, clid, number)
	if auth.Keeper == 0 {
		w.Fatal("nobody keeps the call")
	}
	time.Sleep(time.Second)
	return w.asterisk.answer(id)
}

// ended settles a call as the reducer does.
func (w *world) ended(id string, talked time.Duration) {
	w.mu.Lock()
	w.talked[id], w.until[id] = talked, time.Now()
	w.mu.Unlock()
	e := models.Evidence{Source: billing.SourceReducer, DialStatus: "CANCEL", BillSec: new(int64), Over: true}
	if talked >= 0 {
		ms := talked.Milliseconds()
		s := ms / 1000
		e = models.Evidence{Source: billing.SourceReducer, DialStatus: "ANSWER", AnsweredMS: &ms, Answered: &s, Cause: 16, Over: true}
	}
	w.settling.Go(func() {
		for range 1000 {
			_, err := w.billing.Settle(context.Background(), billing.CallResult{
				CallID: billing.QualifiedID(peer, id), Exact: true, Identity: billing.Identity{CallerID: marta}, Evidence: e,
			})
			if err == nil {
				return
			}
			time.Sleep(time.Second)
		}
	})
}

// over waits for the end of a call and returns how long the talk was.
func (w *world) over(id string) time.Duration {
	w.Helper()
	for range 20_000 {
		w.mu.Lock()
		d, ok := w.talked[id]
		w.mu.Unlock()
		if ok {
			time.Sleep(50 * time.Millisecond)
			return d
		}
		time.Sleep(50 * time.Millisecond)
	}
	w.Fatalf("call %s does not end", id)
	return 0
}

// lasts expects a call to end after so many seconds of talk, and nothing to be held then.
func (w *world) lasts(id string, want float64) {
	w.Helper()
	got := w.over(id).Seconds()
	if got < want-0.01 || got > want+0.3 {
		w.Errorf("call %s lasted %.3f s, want %.1f", id, got, want)
	}
}

// left expects what a user has, of which nothing is held.
func (w *world) left(u models.User, units int64) {
	w.Helper()
	if a := w.books.account(u.ID); a.Balance != money.Amount(units)*money.Unit || a.Held != 0 {
		w.Errorf("%s has %s, %s held, want %d", u.Username, a.Balance, a.Held, units)
	}
}

func (w *world) topUp(name string, units int64) {
	w.Helper()
	_, err := w.billing.Move(context.Background(), billing.Movement{
		Username: name, Amount: money.Amount(units) * money.Unit, Ref: fmt.Sprint("ref-", time.Now().UnixNano()), Actor: "test",
	})
	if err != nil {
		w.Fatal(err)
	}
}

// figures returns what the process counts, in words, but for how long it took.
func (w *world) figures() string {
	f := w.process.Figures()
	return fmt.Sprintf("calls %d away %d placed %d refused %d short %d late %d released %d cut %d adopted %d",
		f.Calls, f.Away, f.Placed, f.Refused, f.Short, f.Late, f.Released, f.Cut, f.Adopted)
}

func (w *world) counts(want string) {
	w.Helper()
	synctest.Wait()
	if got := w.figures(); !strings.Contains(got, want) {
		w.Errorf("counted %s, want %s", got, want)
	}
}

// away is a manager interface that cannot be reached.
func away(context.Context) (net.Conn, error) { return nil, errors.New("refused") }
