package pbx

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"
)

// AMI is one Asterisk's manager interface. The user needs the right to read "reporting" or "system".
type AMI struct {
	Addr   string
	User   string
	Secret string
}

const (
	amiTimeout  = 5 * time.Second
	maxLine     = 4 << 10
	maxChannels = 100_000
)

// Live returns the unique ids of all channels that exist now. It connects for each question, which is asked
// rarely. An error means that nobody knows.
func (a AMI) Live(ctx context.Context) (map[string]bool, error) {
	ctx, cancel := context.WithTimeout(ctx, amiTimeout)
	defer cancel()
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", a.Addr)
	if err != nil {
		return nil, fmt.Errorf("manager interface: %w", err)
	}
	defer func() { _ = conn.Close() }()
	// The end of ctx, whatever its reason, ends a read or write that waits.
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	live, err := a.list(conn)
	if err != nil {
		return nil, fmt.Errorf("manager interface %s: %w", a.Addr, cmp.Or(context.Cause(ctx), err))
	}
	return live, nil
}

func (a AMI) list(conn io.ReadWriter) (map[string]bool, error) {
	r := bufio.NewReaderSize(conn, maxLine)
	if banner, err := line(r); err != nil || !strings.HasPrefix(banner, "Asterisk Call Manager") {
		return nil, errors.Join(errors.New("this is not Asterisk's manager interface"), err)
	}
	login := []string{"Action: Login", "Username: " + a.User, "Secret: " + a.Secret, "Events: off"}
	if err := send(conn, login); err != nil {
		return nil, err
	}
	answer, err := response(r)
	if err != nil {
		return nil, err
	}
	if answer["Response"] != "Success" {
		return nil, fmt.Errorf("login refused: %s", answer["Message"])
	}
	if err := send(conn, []string{"Action: CoreShowChannels"}); err != nil {
		return nil, err
	}
	if answer, err = response(r); err != nil {
		return nil, err
	}
	if answer["Response"] != "Success" {
		return nil, fmt.Errorf("list of channels refused: %s", answer["Message"])
	}
	live := make(map[string]bool)
	for range maxChannels {
		event, err := block(r)
		if err != nil {
			return nil, err
		}
		switch event["Event"] {
		case "CoreShowChannel":
			live[event["Uniqueid"]] = true
		case "CoreShowChannelsComplete":
			return live, nil
		}
	}
	return nil, errors.New("the list of channels does not end")
}

func send(w io.Writer, lines []string) error {
	for _, l := range lines {
		if strings.ContainsAny(l, "\r\n") {
			return errors.New("a manager action must not contain a line end")
		}
	}
	_, err := io.WriteString(w, strings.Join(lines, "\r\n")+"\r\n\r\n")
	return err
}

// response skips events until the answer to an action.
func response(r *bufio.Reader) (map[string]string, error) {
	for range maxChannels {
		b, err := block(r)
		if err != nil || b["Response"] != "" {
			return b, err
		}
	}
	return nil, errors.New("no answer to an action")
}

// maxFields bounds the lines of one block.
const maxFields = 256

func block(r *bufio.Reader) (map[string]string, error) {
	fields := make(map[string]string)
	for range maxFields {
		l, err := line(r)
		if err != nil {
			return nil, err
		}
		if l == "" {
			return fields, nil
		}
		if key, value, ok := strings.Cut(l, ":"); ok {
			fields[key] = strings.TrimSpace(value)
		}
	}
	return nil, errors.New("a block does not end")
}

func line(r *bufio.Reader) (string, error) {
	text, err := r.ReadSlice('\n')
	if err != nil {
		return "", err
	}
	return strings.TrimRight(string(text), "\r\n"), nil
}
