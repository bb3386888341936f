package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"talktime/billing"
	"talktime/internal/config"
	"talktime/internal/wiring"
	"talktime/models"
	"talktime/money"
	"talktime/store"
)

// game is what a simulation plays, as the flags say it.
type game struct {
	addr        string
	calls       int
	loop        bool
	concurrency int
	rate        float64 // calls a second; 0 = as fast as they end
	script      string  // caller or authorize
	number      string
	shortest    time.Duration // talk
	longest     time.Duration

	busy, noAnswer, duplicates, lost int // percent

	users   int // demo users; 0 = those who exist
	balance money.Amount
}

func simulate(c *command) action {
	c.reports()
	g := &game{script: "caller", number: "59899123000", shortest: time.Second, longest: 3 * time.Second, balance: 600 * money.Unit}
	c.flags.StringVar(&g.addr, "addr", "", "HOST:PORT|where fastagi listens; TALKTIME_FASTAGI_LISTEN when left out")
	calls := c.wholeNumber("calls", 100, 1, 100_000_000, "N|how many calls; 100 when left out")
	c.flags.BoolVar(&g.loop, "loop", false, "go on until Ctrl-C; demo users who have nothing left are topped up")
	concurrency := c.wholeNumber("concurrency", 10, 1, 100_000, "N|how many calls at once, at most; when left out 10, or as many as there are users")
	c.rateFlag(&g.rate)
	c.talkFlag(g)
	busy := c.wholeNumber("busy", 10, 0, 100, "PERCENT|share of callees who are busy; 10 when left out")
	noAnswer := c.wholeNumber("no-answer", 10, 0, 100, "PERCENT|share of callees who do not answer; 10 when left out")
	duplicates := c.wholeNumber("duplicate-reducers", 0, 0, 100, "PERCENT|share of calls whose reducer runs twice at once; none when left out")
	lost := c.wholeNumber("lost-reducers", 0, 0, 100, "PERCENT|share of calls whose reducer never runs; none when left out")
	c.flags.StringVar(&g.script, "script", g.script, "NAME|caller: fastagi dials; authorize: Asterisk dials, with what fastagi allows; caller when left out")
	c.flags.StringVar(&g.number, "number", g.number, "DIGITS|the number that is dialled")
	users := c.wholeNumber("users", 0, 0, 100_000, "N|let so many demo users call, demo-0001 and so on, and make those that are missing; when left out all users with a clid call")
	c.amount(&g.balance, "balance", "SECONDS|what a demo user begins with; 600 when left out")
	c.about = `
Each call talks in real time, is cut at the limit that fastagi sets, and ends with the reducer in the h extension, as
with a real Asterisk. A call whose reducer is lost is settled all the same with --script caller, which sees the dial end;
with --script authorize it is left open, and what fastagi makes of it later is the reconciler's: without a CDR database it
is released when its limit has passed. Calls of one user overlap only when there are fewer users than --concurrency. The summary
compares what was talked with what was charged, and the audit follows; a difference ends with exit code 1.`
	c.examples = []string{
		"admin simulate --users 20 --calls 200 --concurrency 20 --talk 1s-3s --duplicate-reducers 20 --lost-reducers 10",
		"admin simulate --users 20 --rate 2 --talk 5s-60s --loop",
		"admin simulate --users 20 --script authorize --lost-reducers 10; admin audit --list open",
	}
	return func(ctx context.Context, _ []string) error {
		g.calls, g.concurrency, g.users = *calls, *concurrency, *users
		g.busy, g.noAnswer, g.duplicates, g.lost = *busy, *noAnswer, *duplicates, *lost
		if err := c.checkGame(g); err != nil {
			return err
		}
		return c.withStore(ctx, func(db *store.Store, cfg config.Config) error {
			if g.addr == "" {
				g.addr = wiring.DialAddr(cfg.FastAGI.Listen)
			}
			return c.play(ctx, db, g)
		})
	}
}

func (c *command) rateFlag(into *float64) {
	c.flags.Func("rate", "N|start at most so many calls a second; as fast as they end when left out", func(text string) error {
		rate, err := strconv.ParseFloat(text, 64)
		if err != nil || !(rate >= 0.001 && rate <= 100_000) {
			return errors.New("must be a number of calls a second from 0.001 to 100000")
		}
		*into = rate
		return nil
	})
}

func (c *command) talkFlag(g *game) {
	c.flags.Func("talk", "TIME|how long they talk, in real time, such as 2s or 1s-5s; 1s-3s when left out", func(text string) error {
		low, high, isRange := strings.Cut(text, "-")
		shortest, err := time.ParseDuration(low)
		longest := shortest
		if isRange && err == nil {
			longest, err = time.ParseDuration(high)
		}
		if err != nil || shortest < 0 || longest < shortest || longest > 24*time.Hour {
			return errors.New("must be a time such as 2s, or two such as 1s-5s, the shorter first")
		}
		g.shortest, g.longest = shortest, longest
		return nil
	})
}

func (c *command) checkGame(g *game) error {
	if g.busy+g.noAnswer > 100 {
		return usagef("--busy and --no-answer are %d percent together, but there are only 100", g.busy+g.noAnswer)
	}
	if strings.Trim(g.number, "0123456789+*#") != "" || g.number == "" || len(g.number) > 40 {
		return usagef("--number is %q, but must be 1 to 40 of the characters 0-9 + * #", g.number)
	}
	if g.script != "caller" && g.script != "authorize" {
		return usagef("--script is %q, but must be caller or authorize", g.script)
	}
	if g.loop && c.isGiven("calls") {
		return usagef("--loop and --calls contradict each other")
	}
	if g.users == 0 && c.isGiven("balance") {
		return usagef("--balance is of use only with --users")
	}
	if g.balance < 0 {
		return usagef("--balance is %s, but must not be negative", g.balance)
	}
	if err := wholeSeconds(g.balance); err != nil {
		return usageError{err}
	}
	if g.addr != "" {
		if _, _, err := net.SplitHostPort(g.addr); err != nil {
			return usagef("--addr is %q, but must be host:port", g.addr)
		}
	}
	return nil
}

// play runs the simulation and reports. Ctrl-C ends the calls in good order; what was played is reported all the same.
func (c *command) play(ctx context.Context, db *store.Store, g *game) error {
	callers, err := g.callers(ctx, db)
	if err != nil {
		return err
	}
	if !c.isGiven("concurrency") {
		g.concurrency = min(g.concurrency, len(callers))
	}
	if err := awaitServer(ctx, g.addr); err != nil {
		return err
	}
	s := newSimulation(g, db, callers)
	defer s.service.Close()
	s.run(ctx, c.progress())

	ctx = context.WithoutCancel(ctx)
	if err := s.verify(ctx, true); err != nil {
		return err
	}
	summary := s.summary()
	if summary.Audit, err = db.Audit(ctx); err != nil {
		return err
	}
	if c.json {
		if err := c.out.json(summary); err != nil {
			return err
		}
	} else {
		c.printSummary(summary)
	}
	return errors.Join(summary.failure(), auditError(summary.Audit))
}

// caller is somebody who may call.
type caller struct {
	username string
	clid     string
	demo     bool
}

// maxCallers bounds how many of a site's users take part.
const maxCallers = 100_000

// callers are the demo users, or everybody with a number.
func (g *game) callers(ctx context.Context, db *store.Store) ([]caller, error) {
	if g.users > 0 {
		return g.demoUsers(ctx, db)
	}
	var all []caller
	enough := errors.New("enough")
	err := db.Users(ctx, func(b models.Balance) error {
		if b.CLID != nil {
			all = append(all, caller{username: b.Username, clid: *b.CLID})
		}
		if len(all) == maxCallers {
			return enough
		}
		return nil
	})
	if err != nil && !errors.Is(err, enough) {
		return nil, err
	}
	if len(all) == 0 {
		return nil, errors.New("no user has a clid to call from; --users 20 makes some")
	}
	return all, nil
}

// demoUsers finds the demo users and makes those that are missing.
func (g *game) demoUsers(ctx context.Context, db *store.Store) ([]caller, error) {
	wanted := make([]models.NewUser, g.users)
	names, clids := make([]string, g.users), make([]string, g.users)
	for i := range wanted {
		names[i], clids[i] = fmt.Sprintf("demo-%04d", i+1), fmt.Sprintf("5550%06d", i+1)
		wanted[i] = models.NewUser{Username: names[i], CLID: clids[i], Balance: g.balance}
	}
	found, err := db.UsersWith(ctx, names, clids, nil)
	if err != nil {
		return nil, err
	}
	byName, byCLID := map[string]models.User{}, map[string]models.User{}
	for _, u := range found {
		byName[u.Username] = u
		if u.CLID != nil {
			byCLID[*u.CLID] = u
		}
	}
	callers := make([]caller, 0, g.users)
	var missing []models.NewUser
	for _, u := range wanted {
		other, exists := byName[u.Username]
		switch owner, taken := byCLID[u.CLID]; {
		case exists && other.CLID == nil:
			return nil, fmt.Errorf("the user %q has no clid to call from", u.Username)
		case exists:
			u.CLID = *other.CLID
		case taken:
			return nil, fmt.Errorf("the demo user %q cannot be made: %w", u.Username, errors.Join(claims(u, owner)...))
		default:
			missing = append(missing, u)
		}
		callers = append(callers, caller{username: u.Username, clid: u.CLID, demo: true})
	}
	err = db.ImportUsers(ctx, actor(), "simulate", func(yield func(models.NewUser) error) error {
		for _, u := range missing {
			if err := yield(u); err != nil {
				return err
			}
		}
		return nil
	})
	return callers, err
}

// serverPatience is how long a server that is just being started may take to listen.
const serverPatience = 5 * time.Second

// awaitServer waits until somebody listens at an address.
func awaitServer(ctx context.Context, addr string) error {
	started := time.Now()
	for {
		conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "tcp", addr)
		if err == nil {
			return conn.Close()
		}
		if time.Since(started) > serverPatience || !wiring.Pause(ctx, 100*time.Millisecond) {
			return errors.Join(ctx.Err(), fmt.Errorf("nobody listens at %s: start fastagi, or name another address with --addr", addr))
		}
	}
}

// refill tops a demo user up who has run out, so that a demonstration goes on. One whose money is only held by another
// call has not.
func (s *simulation) refill(ctx context.Context, who caller) {
	user, err := s.db.UserByName(ctx, who.username)
	if err == nil && user.Balance >= money.Unit {
		return
	}
	if err == nil {
		_, err = s.service.Move(ctx, billing.Movement{
			Username: who.username, Amount: s.game.balance, Ref: "simulate-" + rand.Text(), Actor: actor(),
		})
	}
	s.note(func(t *tally) {
		if err != nil {
			t.trouble(fmt.Errorf("top up %s: %w", who.username, err))
		} else {
			t.refills++
		}
	})
}
