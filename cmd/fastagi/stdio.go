package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"talktime/agi"
	"talktime/billing"
	"talktime/internal/config"
	"talktime/internal/spool"
	"talktime/models"
	"talktime/money"
)

const (
	bridgeDial    = 2 * time.Second
	greetingLines = 128
)

// stdio serves a classic AGI(program): it passes the dialogue on to the running server. Without a server a caller
// is refused, and a reducer keeps what the channel says in the spool, which the server settles later.
func stdio(ctx context.Context, args []string, c config.Config, env environment) int {
	if len(args) != 1 || args[0] != "caller" && args[0] != "reducer" {
		_, _ = fmt.Fprintln(env.stderr, "fastagi: stdio needs one of: caller, reducer")
		return exitUsage
	}
	in := bufio.NewReader(env.stdin)
	greeting, err := readGreeting(in, args[0], c.FastAGI.Listen)
	if err != nil {
		_, _ = fmt.Fprintf(env.stderr, "fastagi: stdio: %v; it is meant to be run by Asterisk's AGI()\n", err)
		return exitFailed
	}
	dialer := net.Dialer{Timeout: bridgeDial}
	conn, err := dialer.DialContext(ctx, "tcp", dialAddr(c.FastAGI.Listen))
	if err == nil {
		defer func() { _ = conn.Close() }()
		err = bridge(conn, greeting, in, env.stdout)
	} else {
		err = withoutServer(ctx, greeting, in, c, env)
	}
	if err != nil {
		_, _ = fmt.Fprintf(env.stderr, "fastagi: stdio %s: %v\n", args[0], err)
		return exitFailed
	}
	return 0
}

// dialAddr is where to reach a server that listens on address: one on all addresses is reached on loopback.
func dialAddr(address string) string {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	if host == "" || host == "0.0.0.0" || host == "::" {
		host = "localhost"
	}
	return net.JoinHostPort(host, port)
}

// readGreeting reads Asterisk's greeting and gives it the form that FastAGI has.
func readGreeting(in *bufio.Reader, script, address string) (string, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "agi_network: yes\nagi_network_script: %s\nagi_request: agi://%s/%s\n", script, address, script)
	for range greetingLines {
		line, err := in.ReadString('\n')
		if err != nil {
			return "", errors.New("the input ended before the greeting did")
		}
		line = strings.TrimRight(line, "\r\n")
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

// bridge copies both ways until the server has ended the dialogue.
func bridge(conn net.Conn, greeting string, in io.Reader, out io.Writer) error {
	if _, err := io.WriteString(conn, greeting); err != nil {
		return err
	}
	go func() {
		_, _ = io.Copy(conn, in)
		if tcp, ok := conn.(*net.TCPConn); ok {
			_ = tcp.CloseWrite() // Asterisk has gone; the server may still finish
		}
	}()
	_, err := io.Copy(out, conn)
	return err
}

// withoutServer runs the script here, with a billing that never answers: the caller is refused with ERROR, and
// what the reducer sees goes to the spool.
func withoutServer(ctx context.Context, greeting string, in io.Reader, c config.Config, env environment) error {
	log := logger(env.stderr)
	mux := agi.NewMux()
	scripts := &agi.Scripts{Billing: noBilling{}, Spool: records{spool.New(c.Spool)}, Logger: log}
	scripts.Register(mux)
	server := &agi.Server{Handler: mux, Logger: log}
	listener, err := agi.Listen(ctx, "127.0.0.1:0")
	if err != nil {
		return err
	}
	done := make(chan error, 1)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() { done <- server.Serve(ctx, listener) }()
	conn, err := (&net.Dialer{Timeout: bridgeDial}).DialContext(ctx, "tcp", listener.Addr().String())
	if err == nil {
		err = bridge(conn, greeting, in, env.stdout)
	}
	cancel()
	return errors.Join(err, <-done)
}

// noBilling is the billing of a server that cannot be reached.
type noBilling struct{}

func (noBilling) Authorize(context.Context, billing.CallRequest) (billing.Authorization, error) {
	return billing.Authorization{}, models.ErrUnavailable
}

func (noBilling) Emergency(billing.CallRequest) (billing.Authorization, bool, error) {
	return billing.Authorization{}, false, nil
}

func (noBilling) RecordEmergency(context.Context, billing.CallRequest) error {
	return models.ErrUnavailable
}

func (noBilling) Settle(context.Context, billing.CallResult) (billing.Charge, error) {
	return billing.Charge{}, models.ErrUnavailable
}

func (noBilling) Release(context.Context, billing.Identity, string, string) error {
	return models.ErrUnavailable
}

func (noBilling) Available(context.Context, billing.Identity) (money.Amount, models.User, error) {
	return 0, models.User{}, models.ErrUnavailable
}
