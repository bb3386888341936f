package storetest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"talktime/billing"
	"talktime/models"
	"talktime/money"
)

// raceTests use one database from two Stores at once, as two processes do.
var raceTests = map[string]func(*testing.T, Database){
	"200 callers on the credit for three": func(t *testing.T, d Database) {
		tills := twoTills(t, d)
		tills[0].users()
		var mu sync.Mutex
		granted := 0
		each(200, func(i int) {
			auth, err := tills[i%2].Authorize(t.Context(), request(martaCLID, fmt.Sprint("pbx-1.", i), abroad))
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil && auth.Seconds == 60:
				granted++
			case !errors.Is(err, billing.ErrInsufficientFunds):
				t.Errorf("%+v, %v", auth, err)
			}
		})
		if granted != 3 {
			t.Errorf("%d were permitted, want 3", granted)
		}
		tills[0].has(marta, 180, 180)
	},
	"50 reducers of one call": func(t *testing.T, d Database) {
		tills := twoTills(t, d)
		tills[0].users()
		tills[0].permit("pbx-1.1", abroad)
		var mu sync.Mutex
		first := 0
		each(50, func(i int) {
			charge, err := tills[i%2].Settle(t.Context(), result(martaCLID, "pbx-1.1", answered("reducer", 42_000)))
			mu.Lock()
			defer mu.Unlock()
			if err != nil || charge.Seconds != 42 || charge.Amount != 42*money.Unit || charge.State != models.CallSettled {
				t.Errorf("%+v, %v", charge, err)
			}
			if !charge.Already {
				first++
			}
		})
		if first != 1 {
			t.Errorf("%d of them charged", first)
		}
		tills[0].has(marta, 138, 0)
	},
	"50 reducers of a call that nobody authorised": func(t *testing.T, d Database) {
		tills := twoTills(t, d)
		tills[0].users()
		each(50, func(i int) {
			charge, err := tills[i%2].Settle(t.Context(), result(martaCLID, "pbx-1.1", answered("reducer", 42_000)))
			if err != nil || charge.Amount != 42*money.Unit {
				t.Errorf("%+v, %v", charge, err)
			}
		})
		tills[0].has(marta, 138, 0)
	},
	"50 reducers of a stranger's call": func(t *testing.T, d Database) {
		tills := twoTills(t, d)
		each(50, func(i int) {
			charge, err := tills[i%2].Settle(t.Context(), result("999", "pbx-1.1", answered("reducer", 42_000)))
			if err != nil || charge.State != models.CallUnreconciled {
				t.Errorf("%+v, %v", charge, err)
			}
		})
		if listed, err := tills[0].store.ListedCalls(t.Context(), "unreconciled", 9); err != nil || len(listed) != 1 {
			t.Errorf("%d calls, %v", len(listed), err)
		}
	},
	"20 times the same top-up": func(t *testing.T, d Database) {
		tills := twoTills(t, d)
		tills[0].users()
		each(20, func(i int) {
			_, err := tills[i%2].Move(t.Context(), billing.Movement{Username: joel, Amount: 10 * money.Unit, Ref: "voucher 1"})
			if err != nil {
				t.Error(err)
			}
		})
		tills[0].has(joel, 10, 0)
	},
	"20 users and one reference": func(t *testing.T, d Database) {
		tills := twoTills(t, d)
		for i := range 20 {
			tills[0].user(models.NewUser{Username: fmt.Sprint("user", i)})
		}
		var mu sync.Mutex
		posted := 0
		each(20, func(i int) {
			_, err := tills[i%2].Move(t.Context(), billing.Movement{Username: fmt.Sprint("user", i), Amount: 10 * money.Unit, Ref: "voucher 1"})
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				posted++
			} else if !errors.Is(err, models.ErrConflict) {
				t.Error(err)
			}
		})
		if posted != 1 {
			t.Errorf("%d users got the money", posted)
		}
	},
	"a channel is authorised by two services at once":   sameChannel,
	"a channel is authorised and settled at two places": channelHere,
	"everything at once, and the books balance":         everythingAtOnce,
	"the holds of one user are released by many at once": func(t *testing.T, d Database) {
		tills := twoTills(t, d)
		tills[0].users()
		tills[0].permit("pbx-1.1", abroad)
		each(30, func(i int) {
			k := tills[i%2]
			var err error
			switch i % 3 {
			case 0:
				err = k.Release(t.Context(), billing.Identity{CallerID: martaCLID}, "pbx-1.1", "caller")
			case 1:
				_, err = k.Settle(t.Context(), result(martaCLID, "pbx-1.1", unanswered("reducer", "BUSY")))
			default:
				_, err = k.reconciler().Run(t.Context(), true)
			}
			if err != nil {
				t.Error(err)
			}
		})
		tills[0].has(marta, 180, 0)
	},
}

func twoTills(t *testing.T, d Database) [2]*till {
	t.Helper()
	first := d.Migrated(t)
	return [2]*till{newTill(t, first), newTill(t, d.Open(t))}
}

// each runs do n times at once.
func each(n int, do func(int)) {
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { do(i) })
	}
	wg.Wait()
}

// sameChannel: two services hear of one channel in the same moment, of the same caller and of two.
func sameChannel(t *testing.T, d Database) {
	tills := twoTills(t, d)
	tills[0].users()
	tills[0].move(joel, 1000, "r")
	tills[0].move(marta, 820, "r2")
	for round := range 15 {
		same, different := fmt.Sprint("pbx-1.", round), fmt.Sprint("pbx-2.", round)
		each(4, func(i int) {
			auth, err := tills[i%2].Authorize(t.Context(), request(martaCLID, same, abroad))
			if err != nil || auth.CallID != same || auth.Seconds < 59 {
				t.Errorf("%+v, %v", auth, err)
			}
		})
		var mu sync.Mutex
		granted := 0
		each(2, func(i int) {
			_, err := tills[i].Authorize(t.Context(), request([]string{martaCLID, joelCLID}[i], different, abroad))
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				granted++
			} else if !errors.Is(err, billing.ErrIdentityConflict) {
				t.Error(err)
			}
		})
		if granted != 1 {
			t.Errorf("%d callers own one channel", granted)
		}
		for _, id := range []string{same, different} {
			if err := tills[0].Release(t.Context(), billing.Identity{}, id, "test"); err != nil {
				t.Error(err)
			}
		}
	}
	tills[0].has(marta, 1000, 0)
	tills[0].has(joel, 1000, 0)
}

// channelHere: one service authorises and settles a channel in one batch, while another authorises it too.
func channelHere(t *testing.T, d Database) {
	tills := twoTills(t, d)
	tills[0].users()
	tills[0].move(marta, 820, "r")
	for round := range 15 {
		id := fmt.Sprint("pbx-1.", round)
		each(12, func(i int) {
			k := tills[i%2]
			if i%3 == 0 {
				if _, err := k.Settle(t.Context(), result(martaCLID, id, answered("reducer", 5000))); err != nil {
					t.Error(err)
				}
			} else if _, err := k.Authorize(t.Context(), request(martaCLID, id, abroad)); err != nil {
				t.Error(err)
			}
		})
	}
	if _, err := tills[0].reconciler().Run(t.Context(), true); err != nil {
		t.Error(err)
	}
	b, err := tills[0].store.UserByName(t.Context(), marta)
	if err != nil || b.Held != 0 {
		t.Errorf("%s is held, %v", b.Held, err)
	}
}

// everythingAtOnce walks at random through what moves money, on few users and few channels, from all sides.
func everythingAtOnce(t *testing.T, d Database) {
	s := d.Migrated(t)
	tills := [2]*till{newTill(t, s, inSlices), newTill(t, d.Open(t), inSlices)}
	alive(t, s, keeper)
	for i := range 5 {
		tills[0].user(models.NewUser{Username: fmt.Sprint("user", i), CLID: fmt.Sprint(i), Balance: 200 * money.Unit})
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	each(12, func(worker int) {
		random := rand.New(rand.NewPCG(uint64(worker), 7))
		for step := range 60 {
			k, clid, channel := tills[random.IntN(2)], fmt.Sprint(random.IntN(5)), fmt.Sprint("pbx-1.", random.IntN(8))
			var err error
			switch random.IntN(15) {
			case 0, 1, 2, 3:
				req := request(clid, channel, []string{abroad, "1", "2"}[random.IntN(3)])
				req.Keeper = random.Int64N(3)
				_, err = k.Authorize(ctx, req)
			case 4, 5, 6:
				_, err = k.Settle(ctx, result(clid, channel, answered("reducer", random.Int64N(80_000))))
			case 7:
				_, err = k.Settle(ctx, result(clid, channel, models.Evidence{Source: "caller", DialStatus: "ANSWER", BillSec: n(3)}))
			case 8:
				_, err = k.Settle(ctx, result(clid, channel, unanswered("caller", "BUSY")))
			case 9:
				_, err = k.Move(ctx, billing.Movement{
					Username: "user" + clid, Amount: money.Amount(random.Int64N(90)-40)*money.Unit + 1, Ref: fmt.Sprint(worker, "/", step/2),
				})
			case 10:
				err = k.Release(ctx, billing.Identity{CallerID: clid}, channel, "test")
			case 11, 12:
				c := k.call(channel)
				_, err = k.Review(ctx, billing.Review{
					CallID: channel, UserID: c.UserID, Keeper: c.Keeper, Leg: len(c.Legs), Elapsed: time.Duration(random.Int64N(c.Limit+2)) * time.Second,
				})
			case 13:
				_, err = k.store.TakeCall(ctx, k.call(channel), 1+random.Int64N(2))
			default:
				err = k.RecordEmergency(ctx, request(clid, channel, "112"))
			}
			var refusal *billing.Refusal
			if err != nil && !errors.As(err, &refusal) {
				t.Errorf("worker %d, step %d: %v", worker, step, err)
			}
		}
	})
	if _, err := tills[0].reconciler().Run(ctx, true); err != nil {
		t.Error(err)
	}
	if got := listed(t, d); got != [2]int64{} {
		t.Errorf("%v are listed as kept", got)
	}
	err := tills[0].store.Users(ctx, func(b models.Balance) error {
		if b.Held != 0 || b.Available < 0 {
			t.Errorf("%s has %s available, and %s is held", b.Username, b.Available, b.Held)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// ServerTests are for a database server: they break connections, lock rows and stop the server. They need one of their
// own for some of it.
func ServerTests(t *testing.T) {
	t.Helper()
	if Shared(t).cluster() {
		t.Skip("a lock, a connection and a commit of one node of a cluster say nothing about the others")
	}
	for name, test := range serverTests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t)
		})
	}
}

// traffic makes calls on a till until it has made enough, and repeats what fails. It expects each to be charged once.
func traffic(ctx context.Context, t *testing.T, k *till, calls int, ids func(int) string) {
	t.Helper()
	each(8, func(worker int) {
		for i := worker; i < calls; i += 8 {
			id := ids(i)
			err := stubbornly(ctx, func() error {
				_, err := k.Authorize(ctx, request(martaCLID, id, abroad))
				return err
			})
			if err != nil {
				t.Errorf("authorize %s: %v", id, err)
				continue
			}
			var charge billing.Charge
			err = stubbornly(ctx, func() error {
				var err error
				charge, err = k.Settle(ctx, result(martaCLID, id, answered("caller", 1500)))
				return err
			})
			// One that was undone because nobody knew whether it was stored is followed by another Call of its channel.
			if err != nil || charge.Amount != money.Unit || billing.ChannelOf(charge.CallID) != id {
				t.Errorf("settle %s: %+v, %v", id, charge, err)
			}
		}
	})
}

func shortCalls(o *billing.Options) { o.Policy.MaxCallSeconds = 2 }

// serverTests are what only a server can do to us.
var serverTests = map[string]func(*testing.T){
	"connections that are killed are made again, and nothing is charged twice": func(t *testing.T) {
		d := OnShared(t)
		k := newTill(t, d.Migrated(t), shortCalls)
		k.users()
		k.move(marta, 820, "r")
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		done := make(chan struct{})
		var killed int
		var killer sync.WaitGroup
		killer.Go(func() {
			for {
				select {
				case <-done:
					return
				case <-time.After(15 * time.Millisecond):
				}
				killed += killConnections(ctx, t, d)
			}
		})
		traffic(ctx, t, k, 300, func(i int) string { return fmt.Sprint("pbx-1.", i) })
		close(done)
		killer.Wait()
		t.Logf("%d connections were killed", killed)
		if killed == 0 {
			t.Error("no connection was killed")
		}
		reconcileAll(ctx, t, k)
		k.has(marta, 1000-300, 0)
	},
	"a server that is killed and comes back": func(t *testing.T) {
		server := own(t)
		d := On(t, server)
		k := newTill(t, d.Migrated(t), shortCalls)
		k.users()
		k.move(marta, 820, "r")
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		var wg sync.WaitGroup
		wg.Go(func() { traffic(ctx, t, k, 800, func(i int) string { return fmt.Sprint("pbx-1.", i) }) })
		for range 2 {
			time.Sleep(100 * time.Millisecond)
			if err := server.Kill(); err != nil {
				t.Error(err)
			}
			if _, err := k.Authorize(ctx, request(joelCLID, "pbx-2.1", abroad)); !errors.Is(err, models.ErrUnavailable) {
				t.Errorf("while it is down: %v", err)
			}
			if err := k.store.CheckSchema(ctx); !errors.Is(err, models.ErrUnavailable) {
				t.Errorf("the schema, while it is down: %v", err)
			}
			if err := server.Restart(ctx); err != nil {
				t.Fatal(err)
			}
		}
		wg.Wait()
		reconcileAll(ctx, t, k)
		k.has(marta, 1000-800, 0)
	},
	"a server that answers nothing for a while": func(t *testing.T) {
		server := own(t)
		k := newTill(t, On(t, server).Migrated(t), shortCalls)
		k.users()
		if err := server.Pause(); err != nil {
			t.Fatal(err)
		}
		var err error
		var took time.Duration
		for i := 0; err == nil && i < 90; i++ { // the signal takes a moment
			start := time.Now()
			_, err = k.Authorize(t.Context(), request(martaCLID, fmt.Sprint("pbx-0.", i), abroad))
			took = time.Since(start)
		}
		if !errors.Is(err, models.ErrUnavailable) || took > 4*time.Second {
			t.Errorf("after %s: %v", took, err)
		}
		if err := server.Resume(); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		if err := stubbornly(ctx, func() error {
			_, err := k.Authorize(ctx, request(martaCLID, "pbx-1.2", abroad))
			return err
		}); err != nil {
			t.Error(err)
		}
		k.end("pbx-1.2", answered("caller", 1000))
		reconcileAll(ctx, t, k)
		k.has(marta, 179, 0)
	},
	"a deadlock is tried again": deadlock,
	"a commit of which the answer was lost is found done": func(t *testing.T) {
		lostCommits(t, true)
	},
	"a commit that was lost itself is done again": func(t *testing.T) {
		lostCommits(t, false)
	},
	"a tariff of which nobody knows whether it was imported is": func(t *testing.T) {
		importWithoutAnAnswer(t, OnShared(t))
	},
	"a hold of which nobody knows whether it was stored is given back": func(t *testing.T) {
		d := OnShared(t)
		d.Migrated(t)
		p := newProxy(t, d.Config.Addr)
		through := d
		through.Config.Addr = p.addr()
		k, direct := newTill(t, through.Open(t)), newTill(t, d.Open(t))
		direct.users()
		p.goDownAtNextCommit()
		_, err := k.Authorize(t.Context(), request(martaCLID, "pbx-1.1", abroad))
		if !errors.Is(err, billing.ErrUncertain) || !errors.Is(err, models.ErrUnavailable) {
			t.Errorf("%v, want to be told that nobody knows", err)
		}
		direct.has(marta, 180, 60)
		p.comeBack()
		for range 100 {
			if direct.call("pbx-1.1").State == models.CallReleased {
				break
			}
			time.Sleep(50 * time.Millisecond)
		}
		direct.has(marta, 180, 0)
		// A settlement of which nobody knows is found done when its witness comes again.
		k.permit("pbx-1.2", abroad)
		p.goDownAtNextCommit()
		end := result(martaCLID, "pbx-1.2", answered("reducer", 5000))
		if _, err := k.Settle(t.Context(), end); !errors.Is(err, models.ErrUnavailable) {
			t.Error(err)
		}
		p.comeBack()
		if charge, err := k.Settle(t.Context(), end); err != nil || !charge.Already || charge.Seconds != 5 {
			t.Errorf("%+v, %v", charge, err)
		}
		direct.has(marta, 175, 0)
	},
	"a row that somebody else locks holds up its own user only": func(t *testing.T) {
		d := OnShared(t)
		k := newTill(t, d.Migrated(t))
		k.users()
		k.move(joel, 180, "r")
		tx, err := d.SQL(t).BeginTx(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tx.ExecContext(t.Context(), "SELECT * FROM accounts WHERE user_id = (SELECT id FROM users WHERE username = 'marta') FOR UPDATE"); err != nil {
			t.Fatal(err)
		}
		martas := make(chan error, 20)
		for i := range 20 {
			go func() {
				_, err := k.Authorize(t.Context(), request(martaCLID, fmt.Sprint("pbx-1.", i), abroad))
				martas <- err
			}()
		}
		// Joel may be in Marta's first batch, and then waits once for a lock; never again.
		var slowest time.Duration
		for i := range 60 {
			start := time.Now()
			id := fmt.Sprint("pbx-2.", i)
			if _, err := k.Authorize(t.Context(), request(joelCLID, id, abroad)); err != nil {
				t.Errorf("joel, call %d, after %s: %v", i, time.Since(start), err)
			}
			if i > 0 {
				slowest = max(slowest, time.Since(start))
			}
			if err := k.Release(t.Context(), billing.Identity{CallerID: joelCLID}, id, "test"); err != nil {
				t.Error(err)
			}
		}
		if slowest > time.Second {
			t.Errorf("joel waited %s for a row that is not his", slowest)
		}
		for range 20 {
			if err := <-martas; err == nil {
				t.Error("marta was permitted, while her row was locked")
			}
		}
		if err := tx.Rollback(); err != nil {
			t.Error(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		// One that had waited for the lock may get it now, and its hold is then released at once.
		if err := stubbornly(ctx, func() error {
			_, err := k.Authorize(ctx, request(martaCLID, "pbx-3.1", abroad))
			if errors.Is(err, billing.ErrInsufficientFunds) {
				err = errors.New(err.Error())
			}
			return err
		}); err != nil {
			t.Error(err)
		}
		reconcileAll(ctx, t, k)
		k.has(marta, 180, 0)
	},
	"a server that is not there, or does not know us": func(t *testing.T) {
		d := OnShared(t)
		d.Migrated(t)
		for name, edit := range map[string]func(*Database){
			"nobody listens":    func(d *Database) { d.Config.Addr = "127.0.0.1:1" },
			"a wrong password":  func(d *Database) { d.Config.Password = "wrong" },
			"no such database":  func(d *Database) { d.Config.Name = "talktime_test_nothing" },
			"no such host name": func(d *Database) { d.Config.Addr = "nobody.invalid:3306" },
		} {
			wrong := d
			edit(&wrong)
			s := wrong.Open(t)
			if err := s.CheckSchema(t.Context()); !errors.Is(err, models.ErrUnavailable) {
				t.Errorf("%s: %v", name, err)
			}
			if _, err := s.Migrate(t.Context()); !errors.Is(err, models.ErrUnavailable) {
				t.Errorf("%s, migrating: %v", name, err)
			}
			err := s.Update(t.Context(), billing.Keys{}, func(*billing.State) { t.Error("decided without a database") })
			if !errors.Is(err, models.ErrUnavailable) {
				t.Errorf("%s, updating: %v", name, err)
			}
		}
	},
}

// own starts a server that a test may stop.
func own(t *testing.T) *MariaDB {
	t.Helper()
	if shared := Shared(t); shared.child == nil {
		t.Skip("the server of " + URLVariable + " is not ours to stop")
	}
	server, err := Start(t.Context(), Options{BufferPoolMB: 64})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	return server
}

// killConnections ends every connection to the database, as an operator with KILL does.
func killConnections(ctx context.Context, t *testing.T, d Database) int {
	rows, err := d.Server.control.QueryContext(ctx, "SELECT id FROM information_schema.processlist WHERE db = ?", d.Config.Name)
	if err != nil {
		t.Error(err)
		return 0
	}
	defer func() { _ = rows.Close() }()
	killed := 0
	for rows.Next() {
		var id int64
		if err := rows.Scan(&id); err != nil {
			t.Error(err)
		}
		if err := d.Server.Exec(ctx, fmt.Sprint("KILL ", id)); err == nil { // it may have ended by itself
			killed++
		}
	}
	if err := rows.Err(); err != nil {
		t.Error(err)
	}
	return killed
}

// reconcileAll gives back what abandoned authorisations left behind.
func reconcileAll(ctx context.Context, t *testing.T, k *till) {
	t.Helper()
	if _, err := k.reconciler().Run(ctx, true); err != nil {
		t.Error(err)
	}
}

// deadlock makes us the victim of one: somebody else holds Joel's row, and wants Marta's while we wait for Joel's.
func deadlock(t *testing.T) {
	d := OnShared(t)
	k := newTill(t, d.Migrated(t))
	id, joelID := k.users()
	admin := d.SQL(t)
	tx, err := admin.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	// The server rolls back whoever has changed less.
	for i := range 50 {
		if _, err := tx.ExecContext(t.Context(), "INSERT INTO audit_log (at, actor, action) VALUES (NOW(), 'x', ?)", fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
	}
	lock := "SELECT id FROM accounts WHERE user_id = ? FOR UPDATE"
	if _, err := tx.ExecContext(t.Context(), lock, joelID); err != nil {
		t.Fatal(err)
	}
	decided := 0
	result := make(chan error, 1)
	go func() {
		result <- k.store.Update(t.Context(), billing.Keys{Users: []int64{id, joelID}}, func(*billing.State) { decided++ })
	}()
	awaitLockWait(t, d)
	if _, err := tx.ExecContext(t.Context(), lock, id); err != nil {
		t.Fatalf("we were to be the victim: %v", err)
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	if err := <-result; err != nil || decided != 1 {
		t.Errorf("%v, decided %d times", err, decided)
	}
}

// awaitLockWait returns when a transaction in the database waits for a lock.
func awaitLockWait(t *testing.T, d Database) {
	t.Helper()
	for range 20 {
		time.Sleep(120 * time.Millisecond) // the server makes this table anew at most ten times a second
		var waiting int
		err := d.Server.control.QueryRowContext(t.Context(), `SELECT COUNT(*) FROM information_schema.innodb_trx x
			JOIN information_schema.processlist p ON p.id = x.trx_mysql_thread_id WHERE p.db = ? AND x.trx_state = 'LOCK WAIT'`, d.Config.Name).Scan(&waiting)
		if err != nil {
			t.Fatal(err)
		}
		if waiting > 0 {
			return
		}
	}
	t.Fatal("nobody waits for a lock")
}

// lostCommits runs calls through a proxy that cuts connections at COMMIT, before or after the server has seen it.
func lostCommits(t *testing.T, delivered bool) {
	d := OnShared(t)
	d.Migrated(t)
	p := newProxy(t, d.Config.Addr)
	through := d
	through.Config.Addr = p.addr()
	s := through.Open(t)
	k := newTill(t, s, shortCalls)
	direct := newTill(t, d.Open(t))
	direct.users()
	id := billing.Identity{CallerID: martaCLID}

	p.cutNextCommit(delivered)
	auth, err := k.Authorize(t.Context(), request(martaCLID, "pbx-1.1", abroad))
	if err != nil || auth.Seconds != 2 || auth.CallID != "pbx-1.1" {
		t.Errorf("authorize: %+v, %v", auth, err)
	}
	direct.has(marta, 180, 2)
	p.cutNextCommit(delivered)
	charge, err := k.Settle(t.Context(), result(martaCLID, "pbx-1.1", answered("caller", 1500)))
	if err != nil || charge.State != models.CallSettled || charge.Amount != money.Unit {
		t.Errorf("settle: %+v, %v", charge, err)
	}
	direct.has(marta, 179, 0)
	p.cutNextCommit(delivered)
	note := func(m billing.Moved) models.AuditLine {
		return models.AuditLine{At: m.Transaction.PostedAt, Actor: "test", Action: "topup", Target: "r"}
	}
	moved, err := k.Move(t.Context(), billing.Movement{Username: marta, Amount: 21 * money.Unit, Ref: "r", Note: note})
	if err != nil || moved.Available != 200*money.Unit || moved.Already != delivered {
		t.Errorf("move: %+v, %v", moved, err)
	}
	p.cutNextCommit(delivered)
	charge, err = k.Settle(t.Context(), result(martaCLID, "pbx-1.2", answered("reducer", 3000)))
	if err != nil || charge.Amount != 3*money.Unit {
		t.Errorf("unauthorised: %+v, %v", charge, err)
	}
	k.permit("pbx-1.3", abroad)
	p.cutNextCommit(delivered)
	if err := k.Release(t.Context(), id, "pbx-1.3", "test"); err != nil {
		t.Errorf("release: %v", err)
	}
	p.cutNextCommit(delivered)
	if err := k.RecordEmergency(t.Context(), request(martaCLID, "pbx-1.4", "112")); err != nil {
		t.Errorf("emergency: %v", err)
	}
	// Another call on a channel that has made one.
	p.cutNextCommit(delivered)
	if again, err := k.Authorize(t.Context(), request(martaCLID, "pbx-1.1", abroad)); err != nil || again.CallID != "pbx-1.1#2" {
		t.Errorf("authorize again: %+v, %v", again, err)
	}
	if c := direct.call("pbx-1.1"); c.Attempts != 2 {
		t.Errorf("%d attempts", c.Attempts)
	}
	direct.has(marta, 197, 2)
	p.cutNextCommit(delivered)
	if held, charge, err := k.GiveUp(t.Context(), "pbx-1.1#2", "test"); err != nil || held != 2*money.Unit || charge.State != models.CallUnreconciled {
		t.Errorf("give up: %s, %+v, %v", held, charge, err)
	}
	direct.has(marta, 197, 0)
	// An extension is there once, and is what the answer says.
	kept := newTill(t, s, inSlices)
	slice := kept.permitKept(martaCLID, "pbx-1.5", abroad)
	p.cutNextCommit(delivered)
	if grown := kept.review(martaCLID, slice, 17); grown.Limit != 40 || grown.Until != 40 || grown.Over {
		t.Errorf("review: %+v", grown)
	}
	direct.has(marta, 197, 40)
	direct.end("pbx-1.5", answered("reducer", 0))
	direct.has(marta, 197, 0)
	if cuts := p.cuts(); cuts != 9 {
		t.Errorf("%d commits were cut, want 9", cuts)
	}
	lines, err := s.ListAudit(t.Context(), models.ListRequest{Number: 1, Size: 10, Query: `{"filters":[{"name":"action","op":"ne","val":"user.add"}]}`})
	if err != nil || len(lines.Items) != 2 || lines.Items[0].Action != "hold.release" || lines.Items[1].Action != "topup" {
		t.Errorf("the audit log has %+v, %v", lines.Items, err)
	}
	if ids := slices.Collect(p.statements()); !slices.Contains(ids, "COMMIT") {
		t.Error("no commit was seen at all")
	}
}
