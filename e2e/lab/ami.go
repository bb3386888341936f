package lab

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"
)

// Message is one block of the Asterisk manager interface. A key that repeats, such as Output, has its values joined by
// newlines.
type Message map[string]string

// Reply is the answer to an action, with the events of the list when the action asked for one.
type Reply struct {
	Response Message
	Events   []Message
}

// AMI sends one action on a connection of its own and returns the answer; fields are lines such as "Channel: PJSIP/…".
// An answer "Response: Error" is an error.
func (l *Lab) AMI(ctx context.Context, action string, fields ...string) (Reply, error) {
	reply, err := l.ami(ctx, action, fields)
	if err != nil {
		return reply, fmt.Errorf("AMI %s: %w", action, err)
	}
	return reply, nil
}

func (l *Lab) ami(ctx context.Context, action string, fields []string) (Reply, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", l.AMIAddr)
	if err != nil {
		return Reply{}, err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()

	in := bufio.NewReader(conn)
	if _, err := in.ReadString('\n'); err != nil { // the banner
		return Reply{}, err
	}
	if _, err := request(conn, in, "Login", "Username: "+User, "Secret: "+Secret, "Events: off"); err != nil {
		return Reply{}, fmt.Errorf("login: %w", err)
	}
	return request(conn, in, action, fields...)
}

func request(conn net.Conn, in *bufio.Reader, action string, fields ...string) (Reply, error) {
	lines := append([]string{"Action: " + action, "ActionID: " + action}, fields...)
	if _, err := conn.Write([]byte(strings.Join(lines, "\r\n") + "\r\n\r\n")); err != nil {
		return Reply{}, err
	}
	var reply Reply
	for {
		message, err := readMessage(in)
		if err != nil {
			return reply, err
		}
		if message["ActionID"] != action {
			continue // an event that nobody asked for, such as FullyBooted
		}
		switch response := message["Response"]; {
		case response == "Error":
			return reply, fmt.Errorf("refused: %s", message["Message"])
		case response != "":
			reply.Response = message
			if message["EventList"] != "start" {
				return reply, nil
			}
		case message["EventList"] == "Complete":
			return reply, nil
		default:
			reply.Events = append(reply.Events, message)
		}
	}
}

func readMessage(in *bufio.Reader) (Message, error) {
	message := Message{}
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return nil, err
		}
		line = strings.TrimRight(line, "\r\n")
		if line == "" {
			return message, nil
		}
		key, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		if earlier, repeated := message[key]; repeated {
			value = earlier + "\n" + value
		}
		message[key] = value
	}
}

// Channels lists the channels that are up, as CoreShowChannels describes them. A plain call has two.
func (l *Lab) Channels(ctx context.Context) ([]Message, error) {
	reply, err := l.AMI(ctx, "CoreShowChannels")
	// While channels come and go Asterisk sometimes lists one twice.
	seen := map[string]bool{}
	channels := slices.DeleteFunc(reply.Events, func(channel Message) bool {
		name := channel["Channel"]
		repeated := seen[name]
		seen[name] = true
		return repeated
	})
	return channels, err
}

// CallerChannel returns the name of the channel of one calling phone; it is an error when none is up, or several are.
func (l *Lab) CallerChannel(ctx context.Context) (string, error) {
	channels, err := l.Channels(ctx)
	if err != nil {
		return "", err
	}
	var found []string
	for _, channel := range channels {
		name := channel["Channel"]
		if strings.HasPrefix(name, "PJSIP/"+string(Phone)+"-") || strings.HasPrefix(name, "PJSIP/"+string(AccountPhone)+"-") {
			found = append(found, name)
		}
	}
	if len(found) != 1 {
		return "", fmt.Errorf("want the channel of one calling phone, found %q", found)
	}
	return found[0], nil
}

// Redirect sends a channel to another place in the dialplan, as a blind transfer does.
func (l *Lab) Redirect(ctx context.Context, channel, dialplanContext, extension string) error {
	_, err := l.AMI(ctx, "Redirect", "Channel: "+channel, "Context: "+dialplanContext, "Exten: "+extension, "Priority: 1")
	return err
}

// HangUp ends a channel from Asterisk's side.
func (l *Lab) HangUp(ctx context.Context, channel string) error {
	_, err := l.AMI(ctx, "Hangup", "Channel: "+channel)
	return err
}
