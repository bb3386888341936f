package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"talktime/agi"
	"talktime/agi/agitest"
	"talktime/billing"
	"talktime/models"
	"talktime/money"
	"talktime/store/storetest"
)

// server is a FastAGI server in a process of its own.
type server struct {
	child   *storetest.Child
	address string
	log     string // file
}

// fastAGI builds and starts the real command on a database.
func (b *bench) fastAGI(ctx context.Context, dsn string) (*server, error) {
	program := filepath.Join(b.dir, "fastagi")
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", program, "./cmd/fastagi")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build fastagi: %w\n%s", err, out)
	}
	return b.startServer(ctx, func(address string) *exec.Cmd {
		cmd := exec.CommandContext(ctx, program)
		cmd.Env = append(os.Environ(), "TALKTIME_DATABASE_URL="+dsn, "TALKTIME_FASTAGI_LISTEN="+address)
		return cmd
	})
}

// idleFastAGI starts the same server and scripts over an engine that does nothing: this program again, see serveIdle.
func (b *bench) idleFastAGI(ctx context.Context) (*server, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return b.startServer(ctx, func(address string) *exec.Cmd {
		return exec.CommandContext(ctx, program, "-serve-idle", address)
	})
}

// startServer starts a server on a free port, with its log in a file, and waits until it listens.
func (b *bench) startServer(ctx context.Context, command func(address string) *exec.Cmd) (*server, error) {
	var lc net.ListenConfig
	listener, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &server{address: listener.Addr().String()}
	_ = listener.Close()
	dir, err := os.MkdirTemp(b.dir, "server-")
	if err != nil {
		return nil, err
	}
	s.log = filepath.Join(dir, "log")
	log, err := os.Create(s.log)
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }()
	cmd := command(s.address)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, log, log // the folder also keeps it from reading somebody's .env
	if s.child, err = storetest.StartChild(cmd); err != nil {
		return nil, err
	}
	for range 500 {
		if conn, err := net.DialTimeout("tcp", s.address, time.Second); err == nil {
			return s, conn.Close()
		}
		if s.child.Ended() {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	text, _ := os.ReadFile(s.log)
	s.stop()
	return nil, fmt.Errorf("the server does not listen:\n%s", text)
}

func (s *server) stop() { s.child.Stop(20 * time.Second) }

// serveIdle is a FastAGI server whose engine permits every call and forgets it. It ends on SIGTERM.
func serveIdle(address string) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	debug.SetGCPercent(400) // as fastagi
	log := slog.New(slog.NewJSONHandler(os.Stderr, nil))
	listener, err := agi.Listen(ctx, address)
	if err != nil {
		return err
	}
	mux := agi.NewMux()
	scripts := &agi.Scripts{Billing: idle{}, Spool: lost{}, Logger: log}
	scripts.Register(mux)
	return (&agi.Server{Handler: mux, Logger: log}).Serve(ctx, listener)
}

// idle is an engine that permits and settles without doing anything. The scripts ask it for nothing else.
type idle struct{ agi.Billing }

func (idle) Authorize(_ context.Context, r billing.CallRequest) (billing.Authorization, error) {
	return billing.Authorization{CallID: r.CallID, UserID: 1, Target: "PJSIP/" + r.Number + "@trunk", Ring: 40, Seconds: 7200}, nil
}

func (idle) Emergency(billing.CallRequest) (billing.Authorization, bool, error) {
	return billing.Authorization{}, false, nil
}

func (idle) Settle(_ context.Context, r billing.CallResult) (billing.Charge, error) {
	return billing.Charge{CallID: r.CallID, UserID: 1, State: models.CallSettled, Seconds: talk, Amount: talk * money.Unit}, nil
}

// lost is a spool that keeps nothing.
type lost struct{}

func (lost) Put(agi.Record) error { return errors.New("there is no spool") }

// peer is Asterisk's side of a call of a user.
func (p *pairs) peer(user int, r *rand.Rand, dial func(*agitest.Dial)) *agitest.Peer {
	req := p.request(user, r)
	return &agitest.Peer{
		Greeting: agitest.Greeting{
			Script: "caller", UniqueID: req.CallID, CallerID: req.Identity.CallerID, CallerIDName: "Marta", Channel: req.Identity.Channel,
			AccountCode: req.Identity.AccountCode, Extension: req.Number,
		},
		Dial: dial,
	}
}

func answered(d *agitest.Dial) { d.Talk = talk*time.Second + 250*time.Millisecond }

// call makes a call as the dialplan does: the caller's leg, then the h extension. Two connections.
func call(ctx context.Context, address string, p *agitest.Peer) error {
	if err := p.Call(ctx, address); err != nil {
		return err
	}
	if status := p.Vars["TALKTIME_STATUS"]; status != "OK" {
		return fmt.Errorf("the call was refused: %s %s", status, p.Vars["TALKTIME_REASON"])
	}
	return p.H("reducer").Call(ctx, address)
}

func (p *pairs) calls(address string) func(context.Context, time.Duration) (measured, error) {
	return func(ctx context.Context, d time.Duration) (measured, error) {
		return throughput(ctx, callers, d, func(ctx context.Context, r *rand.Rand) error {
			return call(ctx, address, p.peer(1+r.IntN(accounts), r, answered))
		})
	}
}

// measureFastAGI: whole calls through the server, a simulated Asterisk beside it.
func (b *bench) measureFastAGI(ctx context.Context) error {
	db, err := b.newDatabase(ctx, "fastagi")
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	if err := db.addUsers(ctx, accounts); err != nil {
		return err
	}
	byHand, err := b.newLoop(ctx, "fastagi_byhand", accounts, 64)
	if err != nil {
		return err
	}
	defer func() { _ = byHand.close() }()
	ours, err := b.fastAGI(ctx, db.dsn)
	if err != nil {
		return err
	}
	defer ours.stop()
	none, err := b.idleFastAGI(ctx)
	if err != nil {
		return err
	}
	defer none.stop()
	var forgotten pairs
	rows, err := b.inTurn(ctx,
		contender{"FastAGI, 10,000 accounts, 256 calls at once", "calls/s", db.pairs.calls(ours.address)},
		contender{"by hand, 16 connections", pairsUnit, byHand.pairs(16)},
		contender{"by hand, 64 connections", pairsUnit, byHand.pairs(64)},
		contender{"FastAGI, the engine does nothing", "calls/s", forgotten.calls(none.address)},
	)
	if err != nil {
		return err
	}
	ours.stop()
	report, err := db.audit(ctx)
	if err != nil {
		return err
	}
	loop := fastest(rows[1:3]...)
	b.figures = append(
		b.figures,
		figure{
			name: "calls through FastAGI, against the hand-written loop (aim: 1.3)", goal: 1, unit: "×", got: rows[0].got.over(loop.got), rows: rows,
			remarks: []string{
				"A call is two connections: the caller's leg, then the h extension. The simulated Asterisk is this program.",
				fmt.Sprintf("The loop counts at its best: %s. Audited afterwards: %s calls, no difference.", loop.name, group(report.Calls)),
			},
		},
		figure{name: "the same, against a server whose engine does nothing", goal: 0.55, unit: "×", got: rows[0].got.over(rows[3].got)},
	)
	return nil
}

// resident is the resident set of a process in bytes.
func resident(pid int) (float64, error) {
	statm, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0, err
	}
	var size, pages float64
	if _, err := fmt.Fscan(strings.NewReader(string(statm)), &size, &pages); err != nil {
		return 0, err
	}
	return pages * float64(os.Getpagesize()), nil
}
