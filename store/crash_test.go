package store_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"talktime/billing"
	"talktime/models"
	"talktime/money"
	"talktime/store"
	"talktime/store/storetest"
)

// victimVariable makes the test program a process that bills calls until it is killed. It holds the database's settings.
const victimVariable = "TALKTIME_TEST_VICTIM"

var discard = slog.New(slog.DiscardHandler)

// victim bills one call after another and says which ones it has acknowledged.
func victim() {
	var c store.Config
	if err := json.Unmarshal([]byte(os.Getenv(victimVariable)), &c); err != nil {
		panic(err)
	}
	s, err := store.Open(c)
	if err != nil {
		panic(err)
	}
	k := billing.New(billing.Options{Store: s, Policy: policy(2), Lanes: s.Lanes()})
	ctx := context.Background()
	var mu sync.Mutex
	var wg sync.WaitGroup
	for worker := range 16 {
		wg.Go(func() {
			clid := fmt.Sprint(worker % 4)
			for n := 0; ; n++ {
				id := fmt.Sprintf("pbx-%d.%d.%d", os.Getpid(), worker, n)
				if _, err := k.Authorize(ctx, request(clid, id)); err != nil {
					panic(err)
				}
				charge, err := k.Settle(ctx, oneSecond(clid, id))
				if err != nil || charge.Amount != money.Unit {
					panic(fmt.Sprint(charge, err))
				}
				mu.Lock()
				_, err = os.Stdout.WriteString(clid + " " + id + "\n")
				mu.Unlock()
				if err != nil {
					panic(err)
				}
			}
		})
	}
	wg.Wait()
}

// TestKillingAProcessLosesAndDoublesNothing: what it acknowledged is charged, once, and no hold stays.
func TestKillingAProcessLosesAndDoublesNothing(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, d storetest.Database) {
		s := d.Migrated(t)
		const balance = 1_000_000
		for i := range 4 {
			if _, err := s.AddUser(t.Context(), models.NewUser{Username: fmt.Sprint("user", i), CLID: fmt.Sprint(i), Balance: balance * money.Unit}, "test"); err != nil {
				t.Fatal(err)
			}
		}
		k := billing.New(billing.Options{Store: s, Policy: policy(2), Lanes: s.Lanes()})
		t.Cleanup(k.Close)
		acknowledged := map[string]string{} // call → caller
		for round := range 4 {
			bill(t, d, 150+171*round, acknowledged)
			report, err := (&billing.Reconciler{Service: k, Calls: s, Logger: discard}).Run(t.Context(), true)
			if err != nil || report.Open != report.Unreconciled {
				t.Errorf("%+v, %v", report, err)
			}
		}
		var charged money.Amount
		for id, clid := range acknowledged {
			charge, err := k.Settle(t.Context(), oneSecond(clid, id)) // the spool does not know that it was acknowledged
			if err != nil || !charge.Already || charge.Amount != money.Unit {
				t.Errorf("%s was acknowledged, but: %+v, %v", id, charge, err)
			}
			charged += charge.Amount
		}
		left, held := money.Amount(0), money.Amount(0)
		if err := s.Users(t.Context(), func(b models.Balance) error { left, held = left+b.Balance, held+b.Held; return nil }); err != nil {
			t.Fatal(err)
		}
		report, err := s.Audit(t.Context())
		if err != nil || held != 0 {
			t.Errorf("%s is held, %v", held, err)
		}
		// Some may have been charged without the word that they were reaching us, at most one of each worker each time.
		gone := 4*balance*money.Unit - left
		if gone < charged || gone > charged+4*16*money.Unit || report.Transactions != 4+int64(gone/money.Unit) {
			t.Errorf("%s was acknowledged, %s is gone, in %d transactions", charged, gone, report.Transactions)
		}
	})
}

// bill lets a process bill calls, kills it when it has acknowledged enough, and notes which.
func bill(t *testing.T, d storetest.Database, enough int, acknowledged map[string]string) {
	t.Helper()
	c := d.Config
	settings, err := json.Marshal(map[string]string{"Path": c.Path, "Addr": c.Addr, "User": c.User, "Password": c.Password, "Name": c.Name})
	if err != nil {
		t.Fatal(err)
	}
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), victimVariable+"="+string(settings))
	cmd.Stdout, cmd.Stderr = write, os.Stderr
	child, err := storetest.StartChild(cmd)
	_ = write.Close()
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(read)
	for said := 0; ; said++ {
		line, err := lines.ReadString('\n')
		if err != nil {
			if err != io.EOF || said < enough {
				t.Errorf("the process ended early, %s: %v", child.Exit(), err)
			}
			break
		}
		clid, id, _ := strings.Cut(strings.TrimSpace(line), " ")
		acknowledged[id] = clid
		if said == enough {
			child.Kill()
		}
	}
	child.Kill()
	_ = read.Close()
}
