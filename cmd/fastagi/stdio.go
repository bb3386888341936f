package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"talktime/agi"
	"talktime/billing"
	"talktime/internal/config"
	"talktime/internal/spool"
	"talktime/internal/wiring"
	"talktime/models"
	"talktime/routing"
	"talktime/tariff"
)

const (
	bridgeDial    = 2 * time.Second
	firstWord     = 10 * time.Second // within which a server that is well has said something
	greetingLines = 128
	greetingLine  = 8 << 10 // bytes
)

// stdio serves a classic AGI(program): it passes the dialogue on to the running server. Without a server a caller
// is refused unless he calls for help, and a reducer keeps what the channel says in the spool, which the server
// settles later.
func stdio(ctx context.Context, args []string, c config.Config, env environment) int {
	if len(args) != 1 || args[0] != "caller" && args[0] != "reducer" {
		_, _ = fmt.Fprintln(env.stderr, "fastagi: stdio needs one of: caller, reducer")
		return exitUsage
	}
	in := bufio.NewReaderSize(env.stdin, greetingLine)
	greeting, err := readGreeting(in, args[0], c.FastAGI.Listen)
	if err != nil {
		_, _ = fmt.Fprintf(env.stderr, "fastagi: stdio: %v; it is meant to be run by Asterisk's AGI()\n", err)
		return exitFailed
	}
	served, err := withServer(ctx, greeting, in, c, env)
	if !served {
		_, _ = fmt.Fprintf(env.stderr, "fastagi: stdio %s: %v: %v\n", args[0], noServerError{c.FastAGI.Listen}, err)
		kept := &counted{records: records{spool.New(c.Spool)}}
		err = withoutServer(ctx, greeting, in, c, env, kept)
		if kept.n.Load() > 0 {
			_, _ = fmt.Fprintf(env.stderr, "fastagi: stdio %s: what the call reports is spooled in %s, where the server finds it when it is back\n",
				args[0], kept.spool.Dir())
		}
	}
	if err != nil {
		_, _ = fmt.Fprintf(env.stderr, "fastagi: stdio %s: %v\n", args[0], err)
		return exitFailed
	}
	return 0
}

// localAddr is our address as a server at that address sees it. The identity of a call may rest on it, so it must be
// the same whether the server is there or not.
func localAddr(server string) (netip.Addr, error) {
	conn, err := net.Dial("udp", server) //nolint:noctx // it sends nothing and waits for nobody
	if err != nil {
		return netip.Addr{}, err
	}
	defer func() { _ = conn.Close() }()
	local, err := netip.ParseAddrPort(conn.LocalAddr().String())
	return local.Addr().Unmap(), err
}

// readGreeting reads Asterisk's greeting and gives it the form that FastAGI has.
func readGreeting(in *bufio.Reader, script, address string) (string, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "agi_network: yes\nagi_network_script: %s\nagi_request: agi://%s/%s\n", script, address, script)
	for range greetingLines {
		text, err := in.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			return "", errors.New("the input is not Asterisk's greeting")
		}
		if err != nil {
			return "", errors.New("the input ended before the greeting did")
		}
		line := strings.TrimRight(string(text), "\r\n")
		switch {
		case line == "":
			b.WriteString("\n")
			return b.String(), nil
		case !strings.HasPrefix(line, "agi_"):
			return "", errors.New("the input is not Asterisk's greeting")
		case !strings.HasPrefix(line, "agi_request:") && !strings.HasPrefix(line, "agi_network"):
			b.WriteString(line + "\n")
		}
	}
	return "", errors.New("the greeting does not end")
}

// withServer bridges to the running server. served is false when that did not say a word: it is not there, has no
// room, or is about to end.
func withServer(ctx context.Context, greeting string, in io.Reader, c config.Config, env environment) (served bool, err error) {
	dialer := net.Dialer{Timeout: bridgeDial}
	conn, err := dialer.DialContext(ctx, "tcp", wiring.DialAddr(c.FastAGI.Listen))
	if err != nil {
		return false, err
	}
	defer func() { _ = conn.Close() }()
	return bridge(conn, greeting, in, env.stdout)
}

// bridge copies both ways until the server has ended the dialogue. It takes nothing from Asterisk but the greeting
// before the server has spoken, so that without one the dialogue can still be held here.
func bridge(conn net.Conn, greeting string, in io.Reader, out io.Writer) (served bool, err error) {
	if err := conn.SetDeadline(time.Now().Add(firstWord)); err != nil {
		return false, err
	}
	if _, err := io.WriteString(conn, greeting); err != nil {
		return false, err
	}
	from := bufio.NewReader(conn)
	if _, err := from.Peek(1); err != nil {
		return false, err
	}
	if err := conn.SetDeadline(time.Time{}); err != nil {
		return true, err
	}
	go func() {
		_, _ = io.Copy(conn, in)
		if tcp, ok := conn.(*net.TCPConn); ok {
			_ = tcp.CloseWrite() // Asterisk has gone; the server may still finish
		}
	}()
	if _, err = io.Copy(out, from); errors.Is(err, syscall.EPIPE) {
		err = nil // Asterisk has gone, as with AGIEXITONHANGUP=yes
	}
	return true, err
}

// withoutServer runs the script here, over a database that is never there: the caller is refused with ERROR, an
// emergency number is dialled, and what must be kept goes to the spool.
func withoutServer(ctx context.Context, greeting string, in io.Reader, c config.Config, env environment, kept *counted) error {
	log := wiring.Logger(env.stderr)
	tariffs := &tariff.Tariffs{}
	// Its log would speak of the database, which nobody has asked.
	service := billing.New(billing.Options{Store: noStore{c.FastAGI.Listen}, Policy: policy(c, tariffs, routing.New(tariffs, nil, 0)), Logger: slog.New(slog.DiscardHandler)})
	defer service.Close()
	mux := agi.NewMux()
	scripts := &agi.Scripts{Billing: noServer{service, c.FastAGI.Listen}, Spool: kept, Prompts: c.Calls.Prompts, Logger: log}
	scripts.Register(mux)
	local, err := localAddr(wiring.DialAddr(c.FastAGI.Listen))
	if err != nil {
		return err
	}
	server := &agi.Server{Handler: mux, Logger: log, Allow: []netip.Prefix{netip.PrefixFrom(local, local.BitLen())}}
	listener, err := agi.Listen(ctx, net.JoinHostPort(local.String(), "0"))
	if err != nil {
		return err
	}
	done := make(chan error, 1)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() { done <- server.Serve(ctx, listener) }()
	conn, err := (&net.Dialer{Timeout: bridgeDial}).DialContext(ctx, "tcp", listener.Addr().String())
	if err == nil {
		_, err = bridge(conn, greeting, in, env.stdout)
		_ = conn.Close()
	}
	cancel()
	err = errors.Join(err, <-done)
	scripts.Wait()
	return err
}

// noServer is billing without a server. It permits nothing but emergency numbers, and says why.
type noServer struct {
	agi.Billing
	address string
}

// Authorize implements agi.Billing.
func (n noServer) Authorize(context.Context, billing.CallRequest) (billing.Authorization, error) {
	return billing.Authorization{}, &billing.Refusal{
		Err: models.ErrUnavailable, Reason: "the Talktime server at " + n.address + " does not answer",
	}
}

// noStore is the store of a server that cannot be reached.
type noStore struct{ address string }

// Update implements billing.Store.
func (n noStore) Update(context.Context, billing.Keys, func(*billing.State)) error {
	return noServerError(n)
}

// noServerError is a models.ErrUnavailable that does not speak of a database: here nobody has asked one.
type noServerError struct{ address string }

func (e noServerError) Error() string {
	return "the Talktime server at " + e.address + " cannot be reached"
}

// Is makes it the kind that it is.
func (noServerError) Is(kind error) bool { return kind == models.ErrUnavailable }

// counted counts the records that were kept.
type counted struct {
	records
	n atomic.Int64
}

// Put implements agi.Spool.
func (c *counted) Put(record agi.Record) error {
	err := c.records.Put(record)
	if err == nil {
		c.n.Add(1)
	}
	return err
}
