package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"golang.org/x/term"

	"talktime/internal/password"
)

// choosePassword returns the password to use, and whether it was made here and must be shown. given is the value of
// the flag --password.
func (c *command) choosePassword(ctx context.Context, given string) (text string, made bool, err error) {
	fd, interactive := terminal(c.stdin)
	switch {
	case given == "-":
		text, err = firstLine(c.stdin)
	case c.isGiven("password"):
		text = given
	case interactive:
		text, err = c.askTwice(ctx, fd)
	}
	if err != nil {
		return "", false, err
	}
	if text == "" && !c.isGiven("password") {
		return password.Generate(), true, nil
	}
	if err := password.Check(text); err != nil {
		return "", false, usageError{err}
	}
	return text, false, nil
}

// firstLine reads a password from a pipe or a file. What stands behind the first line is not looked at.
func firstLine(r io.Reader) (string, error) {
	line, err := bufio.NewReader(io.LimitReader(r, 64<<10)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("read the password: %w", err)
	}
	if line = strings.TrimRight(line, "\r\n"); line == "" {
		return "", usagef("there is no password on standard input")
	}
	return line, nil
}

// askTwice asks on a terminal; an empty answer wants a password to be made.
func (c *command) askTwice(ctx context.Context, fd int) (string, error) {
	first, err := c.ask(ctx, fd, "New password (empty: one is made and shown): ")
	if first == "" || err != nil {
		return "", err
	}
	if err := password.Check(first); err != nil {
		return "", usageError{err}
	}
	second, err := c.ask(ctx, fd, "The same again: ")
	if err == nil && second != first {
		err = usagef("the two passwords differ")
	}
	return first, err
}

// ask reads a line without showing it. The terminal gets its echo back even when we are interrupted meanwhile.
func (c *command) ask(ctx context.Context, fd int, question string) (string, error) {
	before, err := term.GetState(fd)
	if err != nil {
		return "", err
	}
	_, _ = fmt.Fprint(c.stderr, question)
	defer func() { _, _ = fmt.Fprintln(c.stderr) }()
	type answer struct {
		text []byte
		err  error
	}
	answers := make(chan answer, 1)
	go func() {
		text, err := term.ReadPassword(fd)
		answers <- answer{text, err}
	}()
	select {
	case a := <-answers:
		return string(a.text), a.err
	case <-ctx.Done():
		return "", errors.Join(ctx.Err(), term.Restore(fd, before))
	}
}
