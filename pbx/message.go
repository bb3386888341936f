package pbx

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
)

// What we take from Asterisk at most. The longest blocks are the answers to commands.
const (
	maxLine  = 4 << 10  // bytes of a line without its end
	maxBlock = 64 << 10 // bytes of a block with all line ends
	maxLines = 2048     // lines of a block
	maxSkip  = 16 << 20 // bytes of a block that is too long and is read over, before the connection is given up
)

// What Asterisk takes from us: it throws longer lines and further headers away without a word.
const (
	maxSentLine   = 1000
	maxSentFields = 120
)

const (
	lineEnd = "\r\n"
	hidden  = "***" // stands for a secret
)

var (
	errTooLong = errors.New("a block is longer than 64 KiB, or a line of it than 4 KiB")
	errEndless = errors.New("a block does not end")
)

// Field is one line of a block.
type Field struct{ Key, Value string }

// Message is one block: an answer or an event. Keys may repeat. Values of fields such as Secret and Password are gone: "***".
type Message []Field

// Get returns the first value of key, in any case of its letters, or "".
func (m Message) Get(key string) string {
	for _, f := range m {
		if strings.EqualFold(f.Key, key) {
			return f.Value
		}
	}
	return ""
}

// Values returns all values of key in their order.
func (m Message) Values(key string) []string {
	var values []string
	for _, f := range m {
		if strings.EqualFold(f.Key, key) {
			values = append(values, f.Value)
		}
	}
	return values
}

// size is about what the message takes in memory.
func (m Message) size() int {
	n := 0
	for _, f := range m {
		n += len(f.Key) + len(f.Value) + 32
	}
	return n
}

// isSecret tells whether a field of this name holds what must not be seen.
func isSecret(key string) bool {
	return has(key, "secret") || has(key, "password") || strings.EqualFold(key, "md5cred") || strings.EqualFold(key, "refreshtoken")
}

// has tells whether a key has a word in it, in small letters or capitals. Each field of each event is looked at, so it makes no copy.
func has(key, word string) bool {
	for i := 0; i+len(word) <= len(key); i++ {
		if key[i]|0x20 == word[0] && strings.EqualFold(key[i:i+len(word)], word) {
			return true
		}
	}
	return false
}

// Action is a question or an order. Its fields must not hold a line end or NUL; ActionID is ours.
type Action struct {
	Name   string
	Fields []Field
}

// encode returns the block to be sent. Errors name the field, never its value.
func (a Action) encode(id string) ([]byte, error) {
	if len(a.Fields) > maxSentFields {
		return nil, fmt.Errorf("action %.40q has %d fields, Asterisk takes %d at most", a.Name, len(a.Fields), maxSentFields)
	}
	var b bytes.Buffer
	for _, f := range append([]Field{{"Action", a.Name}, {"ActionID", id}}, a.Fields...) {
		switch {
		case strings.ContainsAny(f.Key+f.Value, "\r\n\x00"):
			return nil, fmt.Errorf("field %.40q of a manager action must not contain a line end or NUL", f.Key)
		case f.Key == "" || strings.Contains(f.Key, ":"):
			return nil, fmt.Errorf("%.40q cannot be the name of a field of a manager action", f.Key)
		case len(f.Key)+len(": ")+len(f.Value) > maxSentLine:
			return nil, fmt.Errorf("field %.40q of a manager action is longer than %d bytes", f.Key, maxSentLine)
		}
		b.WriteString(f.Key + ": " + f.Value + lineEnd)
	}
	b.WriteString(lineEnd)
	return b.Bytes(), nil
}

// reader reads blocks. It holds no more than one of at most maxBlock bytes, whatever comes.
type reader struct {
	in        *bufio.Reader
	line      []byte
	malformed uint64 // lines without a colon so far
}

func newReader(in io.Reader) *reader {
	return &reader{in: bufio.NewReaderSize(in, maxLine), line: make([]byte, 0, maxLine+len(lineEnd))}
}

// readLine returns the next line without its end, valid until the next call, and how many bytes it was. Of a line that is
// longer than maxLine the end is missing. A line feed by itself ends no line: it may be part of a value.
func (r *reader) readLine() (text []byte, size int, err error) {
	r.line = r.line[:0]
	var before byte // the last byte of the part before
	for {
		part, err := r.in.ReadSlice('\n')
		size += len(part)
		r.line = append(r.line, part[:min(len(part), cap(r.line)-len(r.line))]...)
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			if errors.Is(err, io.EOF) && size > 0 {
				err = io.ErrUnexpectedEOF
			}
			return nil, size, err
		}
		if len(part) > 1 {
			before = part[len(part)-2]
		}
		if err == nil && before == '\r' {
			return r.line[:min(size-len(lineEnd), maxLine)], size, nil
		}
		if size > maxSkip {
			return nil, size, errEndless
		}
		before = part[len(part)-1]
	}
}

// banner reads the line with which a manager interface begins.
func (r *reader) banner() error {
	text, _, err := r.readLine()
	if err != nil || !bytes.HasPrefix(text, []byte("Asterisk Call Manager")) {
		return errors.Join(errors.New("this is not Asterisk's manager interface"), err)
	}
	return nil
}

// next returns the next block. After errTooLong reading may go on; the message beside it holds what came first, and the
// ActionID if there is one. After other errors nothing more comes.
func (r *reader) next() (Message, error) {
	m := make(Message, 0, 24) // as most events have
	size, lines, blanks, long := 0, 0, 0, false
	for {
		text, n, err := r.readLine()
		if err != nil {
			if errors.Is(err, io.EOF) && lines > 0 {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
		if size += n; size > maxSkip {
			return nil, errEndless
		}
		if n == len(lineEnd) {
			if lines > 0 {
				break
			}
			if blanks++; blanks > maxLines {
				return nil, errEndless
			}
			continue // no block at all
		}
		lines++
		long = long || n > maxLine+len(lineEnd) || size > maxBlock || lines > maxLines
		key, value, ok := strings.Cut(string(text), ":")
		switch {
		case long && (!strings.EqualFold(key, "ActionID") || n > maxLine || m.Get("ActionID") != ""):
		case !ok:
			r.malformed++
		case isSecret(key):
			m = append(m, Field{key, hidden})
		default:
			m = append(m, Field{key, strings.TrimPrefix(value, " ")})
		}
	}
	if long {
		return m, errTooLong
	}
	return m, nil
}
