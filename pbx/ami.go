package pbx

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"time"
)

// AMI says where a manager interface is and who asks. The user needs the right to write "reporting" or "system": Asterisk asks for it
// also where an action only looks. Printing it shows the address alone.
type AMI struct {
	Addr   string
	User   string
	Secret string
}

// String keeps the secret out of messages.
func (a AMI) String() string { return "manager interface " + a.Addr }

// GoString keeps the secret out of what %#v prints.
func (a AMI) GoString() string { return a.String() }

// LogValue keeps the secret out of logs.
func (a AMI) LogValue() slog.Value { return slog.StringValue(a.Addr) }

// check refuses settings that would become an action of their own.
func (a AMI) check() error {
	_, err := Action{Name: "Login", Fields: []Field{{"Username", a.User}, {"Secret", a.Secret}}}.encode("")
	return err
}

// tell makes a text of the server fit to be part of an error: one short line without our secret.
func (a AMI) tell(text string) string {
	const most = 200
	if a.Secret != "" {
		text = strings.ReplaceAll(text, a.Secret, hidden)
	}
	text = strings.Join(strings.FieldsFunc(strings.ToValidUTF8(text, "?"), func(r rune) bool { return r <= ' ' || r == 0x7f }), " ")
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	return cmp.Or(text, "no reason given")
}

func (a AMI) dial(ctx context.Context) (net.Conn, error) {
	var dialer net.Dialer
	return dialer.DialContext(ctx, "tcp", a.Addr)
}

const liveTimeout = 5 * time.Second

// Live returns the unique ids of all channels that exist now. It connects for each question, which is asked
// rarely. An error means that nobody knows.
func (a AMI) Live(ctx context.Context) (live map[string]bool, err error) {
	err = a.once(ctx, func(ctx context.Context, s asker) error {
		live, err = uniqueIDs(ctx, s)
		return err
	})
	return live, err
}

// QueueStatus returns all queues as Client.QueueStatus does. It connects for each question, which is asked rarely.
func (a AMI) QueueStatus(ctx context.Context) (queues []QueueState, err error) {
	err = a.once(ctx, func(ctx context.Context, s asker) error {
		queues, err = queueStates(ctx, s)
		return err
	})
	return queues, err
}

// once asks something over a connection of its own.
func (a AMI) once(ctx context.Context, ask func(context.Context, asker) error) error {
	ctx, cancel := context.WithTimeout(ctx, liveTimeout)
	defer cancel()
	err := a.check()
	if err == nil {
		err = a.connected(ctx, ask)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", a, err)
	}
	return nil
}

func (a AMI) connected(ctx context.Context, ask func(context.Context, asker) error) error {
	conn, err := a.dial(ctx)
	if err != nil {
		return err
	}
	s, err := newSession(ctx, conn, a, &counters{}, func(Message) {})
	if err != nil {
		return err
	}
	defer s.close(errClosed)
	if err := s.login(ctx, noEvents); err != nil {
		return err
	}
	return ask(ctx, s)
}

// Live returns the unique ids of all channels that exist now, over the connection that is there. An error means that
// nobody knows.
func (c *Client) Live(ctx context.Context) (map[string]bool, error) { return uniqueIDs(ctx, c) }

func uniqueIDs(ctx context.Context, from asker) (map[string]bool, error) {
	channels, err := coreShowChannels(ctx, from)
	if err != nil {
		return nil, err
	}
	live := make(map[string]bool, len(channels))
	for _, c := range channels {
		live[c.UniqueID] = true
	}
	return live, nil
}
