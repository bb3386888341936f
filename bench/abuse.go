package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"runtime"
	"strings"
	"sync"
	"time"
)

// spread is how long the attackers take to come, one after another.
const spread = 5 * time.Second

// attackers is how many connections each kind of attack keeps open, at most one attempt after another.
var attackers = []struct {
	connections int
	attack      func(context.Context, net.Conn)
}{
	{1000, silent},
	{4, endless("A")}, // a line without an end
	{4, endless("\x00\xff\x1b\n\x80\r\n\x00")},      // noise
	{4, endless("agi_variable: x\n")},               // a greeting without an end
	{8, half("agi_network: yes\nagi_request: agi")}, // half a greeting
	{8, slowly("agi_network: yes\nagi_network_script: caller\n")},
}

func silent(_ context.Context, conn net.Conn) { _, _ = conn.Read(make([]byte, 1)) }

// endless writes as fast as it is read, in pieces of some size: single bytes would cost this program, on the same cores,
// more than the server.
func endless(text string) func(context.Context, net.Conn) {
	text = strings.Repeat(text, 4096/len(text))
	return func(ctx context.Context, conn net.Conn) {
		for ctx.Err() == nil {
			if _, err := conn.Write([]byte(text)); err != nil {
				return
			}
		}
	}
}

func half(text string) func(context.Context, net.Conn) {
	return func(ctx context.Context, conn net.Conn) {
		_, _ = conn.Write([]byte(text))
		silent(ctx, conn)
	}
}

func slowly(text string) func(context.Context, net.Conn) {
	return func(_ context.Context, conn net.Conn) {
		for _, b := range []byte(text) {
			if _, err := conn.Write([]byte{b}); err != nil {
				return
			}
			time.Sleep(50 * time.Millisecond)
		}
	}
}

// attack keeps all attackers busy until the function that it returns is called.
func attack(ctx context.Context, address string) (end func()) {
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	for _, kind := range attackers {
		for i := range kind.connections {
			running.Go(func() {
				// Spread over the time after which the server closes silent ones, or all would come back at one moment.
				time.Sleep(spread * time.Duration(i) / time.Duration(kind.connections))
				for ctx.Err() == nil {
					conn, err := net.DialTimeout("tcp", address, 5*time.Second)
					if err != nil {
						continue
					}
					stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
					kind.attack(ctx, conn)
					stop()
					_ = conn.Close()
				}
			})
		}
	}
	return func() { cancel(); running.Wait() }
}

// measureAbuse: what a lone call takes while the port is attacked in every way, against the same in peace.
func (b *bench) measureAbuse(ctx context.Context) error {
	db, err := b.newDatabase(ctx, "abuse")
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	if err := db.addUsers(ctx, accounts); err != nil {
		return err
	}
	s, err := b.fastAGI(ctx, db.dsn)
	if err != nil {
		return err
	}
	defer s.stop()
	const unit = "µs"
	rows := []row{
		{name: "a call under attack, p99", unit: unit},
		{name: "a call in peace, p99", unit: unit},
		{name: "a call under attack, median", unit: unit},
		{name: "a call in peace, median", unit: unit},
	}
	r := rand.New(rand.NewPCG(1, 2))
	calls := int(b.each / (2 * time.Millisecond))
	for round := range b.rounds {
		peace, err := b.callsOneByOne(ctx, db, s.address, calls, r)
		if err != nil {
			return err
		}
		end := attack(ctx, s.address)
		time.Sleep(spread)
		war, err := b.callsOneByOne(ctx, db, s.address, calls, r)
		end()
		if err != nil {
			return err
		}
		for i, d := range []time.Duration{percentile(war, 99), percentile(peace, 99), percentile(war, 50), percentile(peace, 50)} {
			rows[i].got = append(rows[i].got, float64(d)/float64(time.Microsecond))
		}
		b.progress("round %d/%d: a call under attack p99 %s, in peace %s", round+1, b.rounds, micros(percentile(war, 99)), micros(percentile(peace, 99)))
	}
	s.stop()
	if _, err := db.audit(ctx); err != nil {
		return err
	}
	connections := 0
	for _, kind := range attackers {
		connections += kind.connections
	}
	b.figures = append(b.figures, figure{
		name: "p99 of a call while the FastAGI port is attacked, against peace", goal: 2, unit: "×", atMost: true,
		got: rows[0].got.over(rows[1].got), rows: rows,
		remarks: []string{fmt.Sprintf("%s calls a round, one at a time, each two connections. The attack is %s connections of this program: "+
			"silent ones, lines and greetings without an end, noise, half greetings, single bytes.", group(int64(calls)), group(int64(connections)))},
	})
	return nil
}

func (b *bench) callsOneByOne(ctx context.Context, db *database, address string, calls int, r *rand.Rand) ([]time.Duration, error) {
	runtime.GC()
	took := make([]time.Duration, 0, calls)
	for range calls {
		p := db.pairs.peer(1+r.IntN(accounts), r, answered)
		start := time.Now()
		if err := call(ctx, address, p); err != nil {
			return nil, err
		}
		took = append(took, time.Since(start))
	}
	return took, nil
}
