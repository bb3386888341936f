package host

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"
)

// Firewall is the rules of the host's firewall.
type Firewall struct {
	Program string // that listed them
	Text    string // the rules
	Rules   int
	Running bool // there is a rule, or a policy that is not to accept
}

var errNoFirewall = errors.New("no program that lists firewall rules")

const (
	firewallPatience = 5 * time.Second
	maxFirewall      = 1 << 20 // bytes of rules
)

// firewallPrograms are the ways to list the rules, in the order in which they are tried. The arguments are fixed: nothing of a request
// gets here.
func firewallPrograms() [][]string {
	return [][]string{{"iptables", "-S"}, {"/usr/sbin/iptables", "-S"}, {"nft", "list", "ruleset"}, {"/usr/sbin/nft", "list", "ruleset"}}
}

// ReadFirewall lists the rules with a program of the host. An error says why nobody knows: mostly that we may not.
func ReadFirewall(ctx context.Context) (Firewall, error) {
	return readFirewall(ctx, firewallPrograms())
}

func readFirewall(ctx context.Context, programs [][]string) (found Firewall, err error) {
	ctx, cancel := context.WithTimeout(ctx, firewallPatience)
	defer cancel()
	failed := errNoFirewall
	for _, program := range programs {
		text, err := run(ctx, program)
		switch {
		case errors.Is(err, exec.ErrNotFound):
			continue
		case err != nil:
			failed = err
			continue
		}
		f := readRules(program[0], text)
		if f.Running {
			return f, nil
		}
		if found.Program == "" {
			found = f
		}
		failed = nil
	}
	if found.Program != "" {
		return found, nil
	}
	return Firewall{}, failed
}

func run(ctx context.Context, program []string) (string, error) {
	path, err := exec.LookPath(program[0])
	if err != nil {
		return "", exec.ErrNotFound
	}
	cmd := exec.CommandContext(ctx, path, program[1:]...) //nolint:gosec // one of firewallPrograms
	cmd.WaitDelay = time.Second
	var out, complaint limited
	cmd.Stdout, cmd.Stderr = &out, &complaint
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s: %w: %s", strings.Join(program, " "), err, strings.TrimSpace(complaint.kept.String()))
	}
	return out.kept.String(), nil
}

// limited keeps the begin of what is written to it.
type limited struct{ kept bytes.Buffer }

func (l *limited) Write(p []byte) (int, error) {
	n := len(p)
	_, err := l.kept.Write(p[:min(n, maxFirewall-l.kept.Len())])
	return n, err
}

// readRules counts the rules of a listing by iptables -S or nft list ruleset.
func readRules(program, text string) Firewall {
	f := Firewall{Program: program, Text: text}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		word, rest, _ := strings.Cut(line, " ")
		switch {
		case word == "-A": // iptables: a rule
			f.Rules++
		case word == "-P": // its policy for a chain
			f.Running = f.Running || !strings.HasSuffix(rest, " ACCEPT")
		case word == "type" && strings.Contains(rest, "hook"): // nft: a base chain
			f.Running = f.Running || strings.Contains(rest, "policy") && !strings.Contains(rest, "policy accept")
		case line == "", line == "}", strings.HasSuffix(line, "{"), strings.HasPrefix(line, "#"), word == "-N":
		case strings.HasPrefix(line, "table "), strings.HasPrefix(line, "chain "), strings.HasPrefix(line, "set "):
		case !strings.HasPrefix(line, "-"): // nft: a rule, or a part of a set
			f.Rules++
		}
	}
	f.Running = f.Running || f.Rules > 0
	return f
}
