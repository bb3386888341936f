// Package wiring is what both commands do to put the program together from its settings.
package wiring

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/term"

	"talktime/internal/config"
	"talktime/pbx"
	"talktime/store"
)

// StoreConfig says in the words of package store which database the settings name.
func StoreConfig(c config.Config) store.Config {
	d, s := c.Database, store.Config{Location: c.Location, Provisions: c.NodeManager != "", AccessPrefixes: c.Callstat.AccessPrefixes}
	if d.Dialect == config.SQLite {
		s.Path = d.Path
		return s
	}
	s.Addr, s.User, s.Password, s.Name, s.TLS = d.Addr(), d.User, d.Password.Reveal(), d.Name, d.TLS
	return s
}

// OpenCDRs prepares the CDR databases, which say what became of calls. They need not be reachable.
func OpenCDRs(c config.Config) (databases []*store.CDR, closeAll func(), err error) {
	closeAll = func() {
		for _, d := range databases {
			_ = d.Close()
		}
	}
	for _, d := range c.CDR.Databases {
		cdr, err := store.OpenCDR(store.CDRConfig{
			Label: fmt.Sprintf("DB%d", d.Slot), Addr: d.Addr(), User: d.User, Password: d.Password.Reveal(), Name: d.Name, Location: c.Location,
		})
		if err != nil {
			closeAll()
			return nil, nil, err
		}
		databases = append(databases, cdr)
	}
	return databases, closeAll, nil
}

// Manager says in the words of package pbx where a manager interface is.
func Manager(a config.AMI) pbx.AMI {
	return pbx.AMI{Addr: a.Addr, User: a.User, Secret: a.Secret.Reveal()}
}

// Asterisks are all that we have, and are asked together which channels are up.
type Asterisks []pbx.AMI

// OurAsterisks are those of the settings, none when there are none.
func OurAsterisks(c config.Config) Asterisks {
	var all Asterisks
	for _, a := range c.Asterisks() {
		all = append(all, Manager(a))
	}
	return all
}

// Live returns the unique ids of the channels of all of them. When one cannot be asked nobody knows which of the channels live that the others
// do not have, which is an error.
func (a Asterisks) Live(ctx context.Context) (map[string]bool, error) {
	all := map[string]bool{}
	for _, manager := range a {
		live, err := manager.Live(ctx)
		if err != nil {
			return nil, err
		}
		maps.Copy(all, live)
	}
	return all, nil
}

// AboutDatabase says which database an error is about.
func AboutDatabase(d config.Database, err error) error {
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, store.ErrNoDatabase) {
		return err
	}
	return fmt.Errorf("TALKTIME_DATABASE_URL %s: %w", d.Redacted(), err)
}

// CheckWrites finds out whether the database can be written, and changes nothing. A full disk shows only in a file that
// is really written, beside that of SQLite.
func CheckWrites(ctx context.Context, db *store.Store, d config.Database) error {
	if err := db.CheckWrites(ctx); err != nil || d.Dialect != config.SQLite {
		return err
	}
	if err := TryWriting(filepath.Dir(d.Path)); err != nil {
		return fmt.Errorf("%w: %w", store.ErrUnwritable, err)
	}
	return nil
}

// AboutWrites says what to do when CheckWrites finds something.
func AboutWrites(d config.Database) string {
	if d.Dialect == config.SQLite {
		return "let our user write the file and its folder, and see that the disk has room"
	}
	return "give our database user these rights, see docs/operations.md, section 3"
}

// probeBytes is more than a full disk has left in a corner.
const probeBytes = 256 << 10

// TryWriting makes a file in a folder, or in the nearest one above it that exists, and removes it.
func TryWriting(dir string) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	for {
		info, err := os.Stat(dir)
		if err == nil && !info.IsDir() {
			return fmt.Errorf("%s is not a folder", dir)
		}
		if err == nil || !errors.Is(err, fs.ErrNotExist) || dir == filepath.Dir(dir) {
			break
		}
		dir = filepath.Dir(dir)
	}
	f, err := os.CreateTemp(dir, "write-probe-*")
	if err != nil {
		return err
	}
	_, err = f.Write(make([]byte, probeBytes))
	return errors.Join(err, f.Sync(), f.Close(), os.Remove(f.Name()))
}

// Logger writes text for a person at a terminal and JSON for everything else.
func Logger(w io.Writer) *slog.Logger {
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return slog.New(slog.NewTextHandler(w, nil))
	}
	return slog.New(slog.NewJSONHandler(w, nil))
}

// DialAddr is where a server is reached that listens on an address: one on all addresses answers on loopback.
func DialAddr(listen string) string {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return listen
	}
	switch ip := net.ParseIP(host); {
	case host == "" || ip != nil && ip.IsUnspecified() && ip.To4() != nil:
		host = "127.0.0.1"
	case ip != nil && ip.IsUnspecified():
		host = "::1"
	}
	return net.JoinHostPort(host, port)
}

// StopSignals are those that end a command in good order. A terminal that is closed is one, but not for a command that
// was started with nohup.
func StopSignals() []os.Signal {
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) {
		signals = append(signals, syscall.SIGHUP)
	}
	return signals
}

// Pause waits, and returns false when ctx ends first.
func Pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
