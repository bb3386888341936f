package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	mysqldriver "github.com/go-sql-driver/mysql"
)

// bulk writes many rows into a table, and keeps few of them in memory.
type bulk struct {
	t        *txn
	table    string
	columns  string
	width    int
	once     bool // rows whose key is there already are passed over
	args     []any
	bytes    int // of long texts
	affected int64
	load     bool // a server reads the rows as a file, as long as it does so
}

// Bounds of one statement.
const (
	maxBulkRows  = 200
	maxLoadRows  = 5000
	minLoadRows  = 50 // below which a statement is faster than a file
	maxBulkBytes = 1 << 20
)

// bulk prepares to write rows; columns are names with commas between them.
func (t *txn) bulk(table, columns string) *bulk {
	return &bulk{
		t: t, table: table, columns: columns, width: strings.Count(columns, ",") + 1, load: t.dialect.name != sqliteDialect.name && !t.store.noLoad.Load(),
	}
}

// add adds a row with so many bytes of long texts. Its values are texts, bytes, whole numbers, bool or nil.
func (b *bulk) add(ctx context.Context, bytes int, values ...any) error {
	if b.bytes+bytes > maxBulkBytes {
		if err := b.flush(ctx); err != nil {
			return err
		}
	}
	b.args = append(b.args, values...)
	b.bytes += bytes
	if len(b.args) >= b.most()*b.width {
		return b.flush(ctx)
	}
	return nil
}

func (b *bulk) most() int {
	if b.load && !b.once {
		return maxLoadRows
	}
	return min(maxBulkRows, b.t.dialect.maxParams/b.width)
}

// flush writes what was added.
func (b *bulk) flush(ctx context.Context) error {
	if b.load && !b.once && len(b.args) >= minLoadRows*b.width {
		err := b.loadRows(ctx)
		if !errors.Is(err, errNoLoad) {
			return err
		}
		b.t.store.noLoad.Store(true)
		b.load = false
	}
	for len(b.args) > 0 {
		n := min(b.most()*b.width, len(b.args))
		if err := b.insertRows(ctx, b.args[:n]); err != nil {
			return err
		}
		b.args = b.args[n:]
	}
	b.args, b.bytes = nil, 0
	return nil
}

func (b *bulk) insertRows(ctx context.Context, args []any) error {
	insert := "INSERT"
	if b.once {
		insert = b.t.dialect.insertIgnore
	}
	row := ",(" + marks(b.width) + ")"
	done, err := b.t.conn.ExecContext(ctx, insert+" INTO "+b.table+" ("+b.columns+") VALUES "+strings.Repeat(row, len(args)/b.width)[1:], args...)
	if err != nil {
		return err
	}
	n, err := done.RowsAffected()
	b.affected += n
	return err
}

// errNoLoad is that a server takes no files from its clients, which is a matter of its settings (local_infile).
var errNoLoad = errors.New("the server reads no files of ours")

// loadRows has a server read the rows as if they were a file of ours, which takes it half the time of statements. It would pass over
// rows that it cannot take: so it says how many it has taken.
func (b *bulk) loadRows(ctx context.Context) error {
	rows := int64(len(b.args) / b.width)
	text := make([]byte, 0, len(b.args)*12+b.bytes)
	for i, value := range b.args {
		if text = appendField(text, value); (i+1)%b.width == 0 {
			text = append(text, '\n')
		} else {
			text = append(text, '\t')
		}
	}
	name := "talktime" + strconv.FormatInt(b.t.store.ids.next(), 10)
	mysqldriver.RegisterReaderHandler(name, func() io.Reader { return bytes.NewReader(text) })
	defer mysqldriver.DeregisterReaderHandler(name)
	done, err := b.t.conn.ExecContext(ctx, "LOAD DATA LOCAL INFILE 'Reader::"+name+"' INTO TABLE "+b.table+" CHARACTER SET binary FIELDS ESCAPED BY '\\\\' ("+b.columns+")")
	if my, _ := code(err); my == myNotAllowed || my == myLocalOff || my == myLocalRefused {
		return errNoLoad
	}
	if err != nil {
		return err
	}
	n, err := done.RowsAffected()
	if err == nil && n != rows {
		return fmt.Errorf("%s: the server has taken %d of %d rows", b.table, n, rows)
	}
	b.affected += n
	b.args, b.bytes = b.args[:0], 0
	return err
}

// appendField writes a value as LOAD DATA reads it.
func appendField(b []byte, value any) []byte {
	switch v := value.(type) {
	case nil:
		return append(b, '\\', 'N')
	case int64:
		return strconv.AppendInt(b, v, 10)
	case int32:
		return strconv.AppendInt(b, int64(v), 10)
	case uint8:
		return strconv.AppendUint(b, uint64(v), 10)
	case bool:
		if v {
			return append(b, '1')
		}
		return append(b, '0')
	case string:
		return appendEscaped(b, v)
	case []byte:
		return appendEscaped(b, v)
	}
	panic(fmt.Sprintf("bulk: a %T is no value of a row", value))
}

func appendEscaped[T string | []byte](b []byte, text T) []byte {
	for i := range len(text) {
		switch c := text[i]; c {
		case 0:
			b = append(b, '\\', '0')
		case '\\', '\t', '\n':
			b = append(b, '\\', c)
		default:
			b = append(b, c)
		}
	}
	return b
}
