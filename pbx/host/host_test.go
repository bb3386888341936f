package host

import (
	"bytes"
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestUpText(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		up   time.Duration
		want string
	}{
		{0, "0 min"},
		{12*time.Minute + 59*time.Second, "12 min"},
		{3*time.Hour + 25*time.Minute, " 3:25"},
		{23*time.Hour + 5*time.Minute, "23:05"},
		{24 * time.Hour, "1 day, 0 min"},
		{26*time.Hour + 1*time.Minute, "1 day,  2:01"},
		{8*24*time.Hour + 21*time.Hour + 44*time.Minute, "8 days, 21:44"},
		{400 * 24 * time.Hour, "400 days, 0 min"},
	} {
		if got := (Resources{Up: tt.up}).UpText(); got != tt.want {
			t.Errorf("UpText of %v = %q, want %q", tt.up, got, tt.want)
		}
	}
	if got := (Resources{Load: [3]float64{0.19, 0.194, 12}}).LoadText(); got != "0.19, 0.19, 12.00" {
		t.Errorf("LoadText = %q", got)
	}
}

// TestReadResources compares with the files of the kernel.
func TestReadResources(t *testing.T) {
	t.Parallel()
	r, err := ReadResources(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("/proc/uptime")
	if err != nil {
		t.Fatal(err)
	}
	up, err := time.ParseDuration(strings.Fields(string(text))[0] + "s")
	if err != nil {
		t.Fatal(err)
	}
	if d := up - r.Up; d < -2*time.Second || d > time.Minute {
		t.Errorf("up for %v, but the kernel says %v", r.Up, up)
	}
	if r.Users < 0 || r.Load[0] < 0 {
		t.Errorf("ReadResources = %+v", r)
	}
}

func TestHumanText(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		bytes          uint64
		human, decimal string
	}{
		{0, "0", "0"},
		{999, "999", "999"},
		{1000, "1000", "1.0K"},
		{1023, "1023", "1.1K"},
		{1024, "1.0K", "1.1K"},
		{1025, "1.1K", "1.1K"},
		{88 << 10, "88K", "91K"},
		{10<<10 - 1, "10K", "11K"},
		{9_961_472, "9.5M", "10M"},
		{1<<20 - 1, "1.0M", "1.1M"},
		{412 << 20, "412M", "433M"},
		{55_834_574_848, "52G", "56G"},
		{1 << 60, "1.0E", "1.2E"},
		{math.MaxUint64, "16E", "19E"},
	} {
		if got := HumanText(tt.bytes); got != tt.human {
			t.Errorf("HumanText(%d) = %s, want %s", tt.bytes, got, tt.human)
		}
		if got := DecimalText(tt.bytes); got != tt.decimal {
			t.Errorf("DecimalText(%d) = %s, want %s", tt.bytes, got, tt.decimal)
		}
	}
}

func TestReadDisk(t *testing.T) {
	t.Parallel()
	d, err := ReadDisk(t.Context(), "/")
	if err != nil {
		t.Fatal(err)
	}
	if d.Size == 0 || d.Used > d.Size || d.Percent < 0 || d.Percent > 100 || d.Mount != "/" || d.Device == "" {
		t.Errorf("ReadDisk = %+v", d)
	}
	if _, err := ReadDisk(t.Context(), "/nowhere/at/all"); err == nil {
		t.Error("a path that is not there has a file system")
	}
}

func TestFolderSize(t *testing.T) {
	t.Parallel()
	dir, outside := t.TempDir(), t.TempDir()
	write := func(path string, size int) {
		t.Helper()
		if err := os.WriteFile(path, bytes.Repeat([]byte("x"), size), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(filepath.Join(dir, "a"), 1<<20)
	write(filepath.Join(outside, "b"), 4<<20)
	now := time.Unix(1_800_000_000, 0)
	f := Folders{Now: func() time.Time { return now }}
	size := func() int64 {
		t.Helper()
		n, err := f.Size(t.Context(), dir)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	first := size()
	if first < 1<<20 || first > 2<<20 {
		t.Fatalf("a folder with a MiB takes %d bytes", first)
	}
	if err := os.Link(filepath.Join(dir, "a"), filepath.Join(dir, "hard")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(dir, "soft")); err != nil {
		t.Fatal(err)
	}
	now = now.Add(time.Hour)
	if again := size(); again < first || again > first+64<<10 {
		t.Errorf("with a second name and a link: %d bytes, without %d", again, first)
	}
	write(filepath.Join(dir, "c"), 1<<20)
	if kept := size(); kept > first+64<<10 {
		t.Errorf("measured again at once: %d", kept)
	}
	now = now.Add(6 * time.Minute)
	if grown := size(); grown < first+1<<20 {
		t.Errorf("not measured again after six minutes: %d", grown)
	}
	if n, err := f.Size(t.Context(), "/nowhere/at/all"); n != 0 || err != nil {
		t.Errorf("a folder that is not there: %d, %v", n, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := f.Size(ctx, outside); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// TestFolderSizeHeedsItsCaller: whoever waits for another's walk goes when his time is over, and what was being measured is remembered.
func TestFolderSizeHeedsItsCaller(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a"), bytes.Repeat([]byte("x"), 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	f := Folders{Now: func() time.Time { return time.Unix(1_800_000_000, 0) }}
	f.turn.Lock() // somebody measures another folder
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if _, err := f.Size(ctx, dir); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("it waits on: %v", err)
	}
	f.turn.Unlock()
	for {
		if n, ok := f.known(dir); ok {
			if n < 1<<20 {
				t.Errorf("%d bytes", n)
			}
			return
		}
		select {
		case <-t.Context().Done():
			t.Fatal("what was asked for is not measured")
		case <-time.After(time.Millisecond):
		}
	}
}

// TestFirewallIsListedOnce in ten seconds, however many ask at a time, and whatever becomes of it.
func TestFirewallIsListedOnce(t *testing.T) {
	t.Parallel()
	for name, result := range map[string]string{"rules": "0", "not permitted": "1"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			runs := filepath.Join(t.TempDir(), "runs")
			var now atomic.Int64
			m := Machine{
				Folders: Folders{Now: func() time.Time { return time.Unix(1_800_000_000+now.Load(), 0) }}, programs: [][]string{{"sh", "-c", "echo run >> " + runs + "; echo -A INPUT -j DROP; exit " + result}},
			}
			ask := func(want int) {
				t.Helper()
				var all sync.WaitGroup
				for range 20 {
					all.Go(func() {
						if f, err := m.Firewall(t.Context()); (err == nil) != (result == "0") || f.Running != (result == "0") {
							t.Errorf("%+v, %v", f, err)
						}
					})
				}
				all.Wait()
				if text, err := os.ReadFile(runs); err != nil || strings.Count(string(text), "run") != want {
					t.Errorf("%q, want %d runs, %v", text, want, err)
				}
			}
			ask(1)
			now.Store(9)
			ask(1)
			now.Store(10)
			ask(2)
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			if _, err := m.Firewall(ctx); !errors.Is(err, context.Canceled) {
				t.Errorf("cancelled: %v", err)
			}
		})
	}
}

func TestReadRules(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, text string
		rules      int
		running    bool
	}{
		{"iptables open", "-P INPUT ACCEPT\n-P FORWARD ACCEPT\n-P OUTPUT ACCEPT\n", 0, false},
		{"iptables policy", "-P INPUT DROP\n-P FORWARD ACCEPT\n", 0, true},
		{"iptables rules", "-P INPUT ACCEPT\n-N f2b-sip\n-A INPUT -p udp --dport 5060 -j f2b-sip\n-A f2b-sip -j RETURN\n", 2, true},
		{"nft empty", "", 0, false},
		{"nft chains only", "table inet filter {\n\tchain input {\n\t\ttype filter hook input priority filter; policy accept;\n\t}\n}\n", 0, false},
		{"nft policy", "table inet filter {\n\tchain input {\n\t\ttype filter hook input priority filter; policy drop;\n\t}\n}\n", 0, true},
		{"nft rule", "table inet filter {\n\tchain input {\n\t\ttype filter hook input priority filter; policy accept;\n\t\ttcp dport 22 accept\n\t}\n}\n", 1, true},
	} {
		if got := readRules("x", tt.text); got.Rules != tt.rules || got.Running != tt.running {
			t.Errorf("%s: %d rules, running %v", tt.name, got.Rules, got.Running)
		}
	}
}

func TestReadFirewall(t *testing.T) {
	t.Parallel()
	read := func(programs ...[]string) (Firewall, error) { return readFirewall(t.Context(), programs) }
	absent := []string{"/nowhere/iptables", "-S"}
	if _, err := read(absent); !errors.Is(err, errNoFirewall) {
		t.Errorf("without a program: %v", err)
	}
	if _, err := read(absent, []string{"false"}); err == nil || errors.Is(err, errNoFirewall) {
		t.Errorf("a program that fails: %v", err)
	}
	f, err := read([]string{"false"}, []string{"echo", "-P INPUT ACCEPT"}, []string{"echo", "-A INPUT -j DROP"})
	if err != nil || !f.Running || f.Rules != 1 {
		t.Errorf("the second program has a rule: %+v, %v", f, err)
	}
	f, err = read([]string{"echo", "-P INPUT ACCEPT"}, []string{"false"})
	if err != nil || f.Running || f.Text != "-P INPUT ACCEPT\n" {
		t.Errorf("the first has none, the second fails: %+v, %v", f, err)
	}
	f, err = read([]string{"head", "-c", "3000000", "/dev/zero"})
	if err != nil || len(f.Text) != maxFirewall {
		t.Errorf("rules without end: %d bytes, %v", len(f.Text), err)
	}
}
