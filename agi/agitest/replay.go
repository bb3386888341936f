package agitest

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
)

// Replay holds a server to a transcript. Its lines are
//
//	< text   what Asterisk sends; a lone < is an empty line
//	> text   what the server must send, exactly
//	!        Asterisk ends the connection
//	# text   a remark, as is an empty line
//
// After the last line the server must end the connection itself. Replay closes conn.
func Replay(conn net.Conn, transcript string) error {
	defer conn.Close()
	in := bufio.NewReader(conn)
	number := 0
	for line := range strings.Lines(transcript) {
		number++
		mark, text, _ := strings.Cut(strings.TrimRight(line, "\r\n"), " ")
		switch mark {
		case "<":
			if _, err := io.WriteString(conn, text+"\n"); err != nil {
				return fmt.Errorf("line %d: %w", number, err)
			}
		case ">":
			got, err := in.ReadString('\n')
			if err != nil {
				return fmt.Errorf("line %d: got %q, then %w; want %q", number, got, err, text)
			}
			if got != text+"\n" {
				return fmt.Errorf("line %d: got %q, want %q", number, got, text)
			}
		case "!":
			return nil
		case "#", "":
		default:
			return fmt.Errorf("line %d: what is %q?", number, mark)
		}
	}
	rest, err := in.ReadString('\n')
	if rest != "" {
		return fmt.Errorf("after line %d: got %q", number, rest)
	}
	if errors.Is(err, io.EOF) {
		return nil
	}
	return gone(err)
}
