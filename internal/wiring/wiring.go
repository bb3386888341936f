// Package wiring is what both commands do to put the program together from its settings.
package wiring

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"time"

	"golang.org/x/term"

	"talktime/internal/config"
	"talktime/store"
)

// StoreConfig says in the words of package store which database the settings name.
func StoreConfig(c config.Config) store.Config {
	d := c.Database
	if d.Dialect == config.SQLite {
		return store.Config{Path: d.Path, Location: c.Location}
	}
	return store.Config{Addr: d.Addr(), User: d.User, Password: d.Password.Reveal(), Name: d.Name, TLS: d.TLS, Location: c.Location}
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
