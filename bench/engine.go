package main

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"strconv"
	"sync/atomic"
	"time"

	"talktime/billing"
	"talktime/models"
	"talktime/money"
)

const (
	accounts = 10_000
	callers  = 256
	talk     = 42 // seconds of each call
)

// policy is that of a site that changed no setting.
func policy() billing.Policy {
	return billing.Policy{
		MaxCallSeconds: 7200, RingSeconds: 40, Identify: []string{billing.ByCallerID, billing.ByAccount, billing.ByIMSI},
		Dial: "PJSIP/{number}@trunk", SubscriberDial: "PJSIP/IMSI{imsi}@openbts", DialTechs: []string{"PJSIP", "SIP", "IAX2", "DAHDI"},
	}
}

// service makes a billing service on a database.
func (d *database) service(lanes, batch int, edit ...func(*billing.Policy)) *billing.Service {
	p := policy()
	for _, e := range edit {
		e(&p)
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	return billing.New(billing.Options{Store: d, Policy: p, Lanes: lanes, Batch: batch, Logger: log})
}

// pairs makes calls for a database and counts them.
type pairs struct {
	made   atomic.Int64
	loaded int64 // calls that were there before
}

// request is what Asterisk's sample configuration says of a call: caller id, account code and a channel name.
func (p *pairs) request(user int, r *rand.Rand) billing.CallRequest {
	n := p.made.Add(1)
	return billing.CallRequest{
		CallID: "bench-" + strconv.FormatInt(1_700_000_000+n/100, 10) + "." + strconv.FormatInt(n, 10),
		Identity: billing.Identity{
			CallerID: clid(user), AccountCode: username(user), Channel: "PJSIP/" + username(user) + "-" + strconv.FormatInt(n, 16),
		},
		Number: "598" + strconv.Itoa(10_000_000+r.IntN(80_000_000)),
	}
}

// result is what the caller's leg sees of an answered call.
func result(req billing.CallRequest) billing.CallResult {
	answered, ms := int64(talk), int64(talk*1000+250)
	return billing.CallResult{
		CallID: req.CallID, Identity: req.Identity, Number: req.Number,
		Evidence: models.Evidence{
			Source: billing.SourceCaller, DialStatus: "ANSWER", AnsweredMS: &ms, Answered: &answered, Cause: 16, SeenAt: time.Now().UTC(),
		},
	}
}

// pair authorises and settles one call.
func (d *database) pair(ctx context.Context, s *billing.Service, user int, r *rand.Rand) error {
	req := d.pairs.request(user, r)
	auth, err := s.Authorize(ctx, req)
	if err != nil {
		return fmt.Errorf("authorise: %w", err)
	}
	if auth.Seconds != 7200 || auth.Repeated {
		return fmt.Errorf("authorise: got %+v", auth)
	}
	return d.settle(ctx, s, req)
}

func (d *database) settle(ctx context.Context, s *billing.Service, req billing.CallRequest) error {
	charge, err := s.Settle(ctx, result(req))
	if err != nil {
		return fmt.Errorf("settle: %w", err)
	}
	if charge.State != models.CallSettled || charge.Amount != talk*money.Unit || charge.Already {
		return fmt.Errorf("settle: got %+v", charge)
	}
	return nil
}

// load is a service under load by so many callers on so many users of the database.
func (d *database) load(lanes, batch, callers, users int, edit ...func(*billing.Policy)) func(context.Context, time.Duration) (measured, error) {
	return func(ctx context.Context, length time.Duration) (measured, error) {
		s := d.service(lanes, batch, edit...)
		defer s.Close()
		return throughput(ctx, callers, length, func(ctx context.Context, r *rand.Rand) error {
			return d.pair(ctx, s, 1+r.IntN(users), r)
		})
	}
}

const pairsUnit = "pairs/s"

// measureEngine: many calls in one commit against one commit for each step, by hand and by ourselves; and the same on one
// account.
func (b *bench) measureEngine(ctx context.Context) error {
	db, err := b.newDatabase(ctx, "engine")
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	if err := db.addUsers(ctx, accounts); err != nil {
		return err
	}
	byHand, err := b.newLoop(ctx, "byhand", accounts, 64)
	if err != nil {
		return err
	}
	defer func() { _ = byHand.close() }()
	lanes := db.Lanes()
	rows, err := b.inTurn(ctx,
		contender{"ours, 10,000 accounts, 256 callers", pairsUnit, db.load(lanes, 0, callers, accounts)},
		contender{"ours, one hot account, 256 callers", pairsUnit, db.load(lanes, 0, callers, 1)},
		contender{"by hand, 1 connection", pairsUnit, byHand.pairs(1)},
		contender{"by hand, 16 connections", pairsUnit, byHand.pairs(16)},
		contender{"by hand, 64 connections", pairsUnit, byHand.pairs(64)},
		contender{"ours, one operation a commit, 2 lanes", pairsUnit, db.load(2, 1, callers, accounts)},
		contender{"ours, one operation a commit, 8 lanes", pairsUnit, db.load(8, 1, callers, accounts)},
		contender{"ours, one operation a commit, 16 lanes", pairsUnit, db.load(16, 1, callers, accounts)},
		contender{"ours, one operation a commit, 32 lanes", pairsUnit, db.load(32, 1, callers, accounts)},
	)
	if err != nil {
		return err
	}
	report, err := db.audit(ctx)
	if err != nil {
		return err
	}
	ours, hot, loop, single := rows[0], rows[1], fastest(rows[2:5]...), fastest(rows[5:]...)
	audited := fmt.Sprintf("Audited afterwards: %s calls, %s ledger entries, no difference.", group(report.Calls), group(report.Entries))
	b.figures = append(
		b.figures,
		figure{
			name: "authorise + settle on MariaDB, against the hand-written loop", goal: 3, unit: "×", got: ours.got.over(loop.got),
			rows: rows[:5], remarks: []string{"The loop counts at its best: " + loop.name + ". " + audited},
		},
		figure{
			name: "the same, against our own engine with one operation a commit", goal: 6, unit: "×", got: ours.got.over(single.got),
			rows: rows[5:], remarks: []string{"It counts at its best: " + single.name + "."},
		},
		figure{name: "one hot account, against 10,000 accounts", goal: 0.9, unit: "×", got: hot.got.over(ours.got)},
	)
	return nil
}
