package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	mysqldriver "github.com/go-sql-driver/mysql"

	"talktime/models"
	"talktime/pbx/extension"
)

// PBXConfig says where the tables of a telephone system are, and which values its site allows.
type PBXConfig struct {
	Addr     string // host:port
	User     string
	Password string
	Name     string // schema
	TLS      string // as the driver names it; empty = none

	Rules extension.Rules
	Now   func() time.Time // nil = time.Now
}

// Time limits of a PBX's database: of one step, and of all that a request asks of it.
const (
	pbxStepTime = 5 * time.Second
	pbxTime     = 10 * time.Second
	maxPBX      = 4 // connections
)

// pbxTables are the tables of somebody else, of which we know only what information_schema says.
type pbxTables struct {
	pool  *sql.DB
	rules extension.Rules
	now   func() time.Time
	names []string // of the tables that matter
	texts bool     // nothing is kept as an empty text, not as NULL

	mu     sync.Mutex
	schema pbxSchema
	looked time.Time // when that was; zero: anew the next time
}

// pbxSchema are the tables that there are, by their names in small letters.
type pbxSchema map[string]*pbxTable

type pbxTable struct {
	columns map[string]pbxColumn // by their names in small letters
	keeps   bool                 // what was written cannot be taken back
}

type pbxColumn struct {
	text   bool // of characters
	null   bool // may be NULL
	filled bool // has a value when nobody gives one
}

func openPBX(c PBXConfig, names ...string) (*pbxTables, error) {
	config := mysqldriver.NewConfig()
	config.Net, config.Addr, config.User, config.Passwd, config.DBName, config.TLSConfig = "tcp", c.Addr, c.User, c.Password, c.Name, c.TLS
	config.InterpolateParams, config.ClientFoundRows = true, true
	config.Timeout, config.ReadTimeout, config.WriteTimeout = connectTimeout, pbxStepTime, pbxStepTime
	config.Params = map[string]string{
		"innodb_lock_wait_timeout": fmt.Sprint(lockWaitSeconds),
		// What does not fit is refused, never cut off: half a password is none.
		"sql_mode": "'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION'",
	}
	config.Collation = "utf8mb4_general_ci"
	config.Logger = mysqldriver.Logger(quiet{})
	pool, err := openPool(config, maxPBX)
	if err != nil {
		return nil, err
	}
	p := &pbxTables{pool: pool, rules: c.Rules, now: c.Now, names: names}
	if p.now == nil {
		p.now = time.Now
	}
	return p, nil
}

// Close ends all connections.
func (p *pbxTables) Close() error { return p.pool.Close() }

// Ping asks whether the tables are there.
func (p *pbxTables) Ping(ctx context.Context) error {
	return p.read(ctx, func(*pbxTx) error { return nil })
}

// describe looks the tables up, unless it has done so a moment ago.
func (p *pbxTables) describe(ctx context.Context) (pbxSchema, error) {
	p.mu.Lock()
	schema, looked := p.schema, p.looked
	p.mu.Unlock()
	if schema != nil && p.now().Sub(looked) < tableTime {
		return schema, nil
	}
	schema = pbxSchema{}
	//nolint:gosec // what is put together is our own text and question marks
	rows, err := p.pool.QueryContext(ctx, "SELECT LOWER(c.table_name), LOWER(c.column_name), c.character_maximum_length IS NOT NULL, c.is_nullable = 'YES',"+
		" COALESCE(c.column_default, 'NULL') <> 'NULL' OR c.extra LIKE '%auto_increment%' OR c.extra LIKE '%GENERATED%', COALESCE(t.engine, '')"+
		" FROM information_schema.columns c JOIN information_schema.tables t ON t.table_schema = c.table_schema AND t.table_name = c.table_name"+
		" WHERE c.table_schema = DATABASE() AND c.table_name IN ("+marks(len(p.names))+")", anys(p.names)...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var table, column, engine string
		var c pbxColumn
		if err := rows.Scan(&table, &column, &c.text, &c.null, &c.filled, &engine); err != nil {
			return nil, err
		}
		if schema[table] == nil {
			schema[table] = &pbxTable{columns: map[string]pbxColumn{}, keeps: slices.Contains([]string{"myisam", "aria", "memory"}, strings.ToLower(engine))}
		}
		schema[table].columns[column] = c
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.schema, p.looked = schema, p.now()
	return schema, nil
}

func (p *pbxTables) forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.looked = time.Time{}
}

// pbxTx is a transaction in the foreign database.
type pbxTx struct {
	ctx    context.Context //nolint:containedctx // it lives no longer than the call that made it
	tx     *sql.Tx
	schema pbxSchema
	texts  bool
	undo   func(context.Context) error // takes back what was done elsewhere when this comes to nothing
	kept   []string                    // tables that were written and cannot take it back
}

// read does something in a transaction that sees one state of the tables.
func (p *pbxTables) read(ctx context.Context, do func(*pbxTx) error) error {
	return p.transaction(ctx, &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true}, do)
}

// change does all of do or nothing, again when another transaction was in its way.
func (p *pbxTables) change(ctx context.Context, do func(*pbxTx) error) error {
	return p.transaction(ctx, nil, do)
}

func (p *pbxTables) transaction(ctx context.Context, options *sql.TxOptions, do func(*pbxTx) error) error {
	limited, cancel := context.WithTimeout(ctx, pbxTime)
	defer cancel()
	for try := 1; ; try++ {
		err := p.once(limited, options, do)
		my, _ := code(err)
		again := my == myDeadlock || my == mySnapshot
		var lacks *extension.LacksError
		if my == myNoColumn || my == myNoTable || errors.As(err, &lacks) { // since we looked, or no longer
			p.forget()
			again = try == 1
		}
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case !again, try == maxTries, pause(limited, time.Duration(try)*10*time.Millisecond) != nil:
			return err
		}
	}
}

func (p *pbxTables) once(ctx context.Context, options *sql.TxOptions, do func(*pbxTx) error) error {
	schema, err := p.describe(ctx)
	if err != nil {
		return pbxError(err)
	}
	tx, err := p.pool.BeginTx(ctx, options)
	if err != nil {
		return pbxError(err)
	}
	t := &pbxTx{ctx: ctx, tx: tx, schema: schema, texts: p.texts}
	if err = do(t); err == nil {
		err = tx.Commit()
	} else {
		_ = tx.Rollback()
	}
	if err == nil {
		return nil
	}
	if t.undo != nil {
		late, cancel := context.WithTimeout(context.WithoutCancel(ctx), pbxStepTime)
		defer cancel()
		err = errors.Join(err, t.undo(late))
	}
	if err = pbxError(err); t.kept != nil {
		slices.Sort(t.kept)
		err = fmt.Errorf("%w; tables that cannot take back what was written (%s) may have half of it", err, strings.Join(slices.Compact(t.kept), ", "))
	}
	return err
}

// MySQL's error numbers of values that a column does not take.
const (
	myNoColumn   = 1054
	myNull       = 1048
	myRange      = 1264
	myNoDefault  = 1364
	myTruncated  = 1265
	myWrongValue = 1292
	myWrongText  = 1366
	myTooLong    = 1406
	myCheck      = 4025 // MariaDB's, of a constraint
)

var ofColumn = regexp.MustCompile("(?i)column [`']?([^ ]+?)[`']?(?: |$)")

// pbxError gives an error of the foreign database as one of ours. A text of the server may have a secret in it: of values that were not
// taken only the column is told.
func pbxError(err error) error {
	switch my, _ := code(err); {
	case errors.Is(err, models.ErrInvalid), errors.Is(err, models.ErrNotFound), errors.Is(err, models.ErrConflict):
		return err
	case slices.Contains([]int{myNull, myRange, myTruncated, myWrongValue, myWrongText, myTooLong, myCheck}, my):
		column := "a value"
		if match := ofColumn.FindStringSubmatch(err.Error()); match != nil {
			column = match[1][strings.LastIndexAny(match[1], ".`")+1:]
		}
		return &extension.FieldError{Field: column, Wrong: "has a value that the table of the PBX does not take; shorten it, or use other characters"}
	case my == myTableDenied, my == myColumnDenied:
		return fmt.Errorf("%w: our user of the PBX's database has no right to that: %w", models.ErrUnavailable, err)
	case isLocked(err), my == myDeadlock, my == mySnapshot:
		return fmt.Errorf("%w: somebody else changes the same rows: %w", models.ErrUnavailable, err)
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%w: the PBX's database did not answer within %s", models.ErrUnavailable, pbxTime)
	}
	return translate(err)
}

// needs says which of some tables there are not.
func (t *pbxTx) needs(tables ...string) error {
	for _, table := range tables {
		if t.schema[table] == nil {
			return &extension.LacksError{Table: table}
		}
	}
	return nil
}

// takes tells whether a table has all columns of a row that are to be other than they were. nil: there was no row.
func (t *pbxTx) takes(table string, was, row extension.Columns) error {
	if row == nil {
		return nil
	}
	if err := t.needs(table); err != nil {
		return err
	}
	for _, column := range slices.Sorted(maps.Keys(row)) {
		if !t.hasColumn(table, column) && row[column] != "" && row[column] != was[column] {
			return &extension.LacksError{Table: table, Column: column}
		}
	}
	return nil
}

func (t *pbxTx) has(table string) bool { return t.schema[table] != nil }

func (t *pbxTx) hasColumn(table, column string) bool {
	if !t.has(table) {
		return false
	}
	_, there := t.schema[table].columns[column]
	return there
}

// only are those of some columns that a table has.
func (t *pbxTx) only(table string, columns []string) []string {
	return slices.DeleteFunc(slices.Clone(columns), func(column string) bool {
		_, there := t.schema[table].columns[column]
		return !there
	})
}

func quoted(name string) string { return "`" + strings.ReplaceAll(name, "`", "``") + "`" }

func quotedAll(names []string) string {
	all := make([]string, len(names))
	for i, name := range names {
		all[i] = quoted(name)
	}
	return strings.Join(all, ",")
}

// query reads columns of rows, as far as the table has them. NULL is empty.
func (t *pbxTx) query(table string, columns []string, rest string, args ...any) ([]map[string]string, error) {
	wanted := columns[0]
	columns = t.only(table, columns)
	if len(columns) == 0 {
		return nil, &extension.LacksError{Table: table, Column: wanted}
	}
	//nolint:gosec // names are ours, or of information_schema and quoted; values are bound
	rows, err := t.tx.QueryContext(t.ctx, "SELECT "+quotedAll(columns)+" FROM "+quoted(table)+" "+rest, args...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	var found []map[string]string
	values := make([]sql.NullString, len(columns))
	into := make([]any, len(columns))
	for i := range values {
		into[i] = &values[i]
	}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return nil, err
		}
		row := make(map[string]string, len(columns))
		for i, column := range columns {
			row[column] = values[i].String
		}
		found = append(found, row)
	}
	return found, rows.Err()
}

// bound is a value for a column.
func (t *pbxTx) bound(c pbxColumn, value string) any {
	if value == "" && (!c.text || c.null && !t.texts) {
		return nil
	}
	return value
}

// insert adds a row. Columns that the table lacks are left out. Those that nobody gives are as the table has it, else empty or 0.
func (t *pbxTx) insert(table string, row map[string]string) error {
	var columns []string
	var args []any
	known := t.schema[table].columns
	for _, column := range slices.Sorted(maps.Keys(known)) {
		c := known[column]
		value, given := row[column]
		switch {
		case given && (value != "" || c.null || c.text):
			args = append(args, t.bound(c, value))
		case c.filled, c.null && (!c.text || !t.texts):
			continue
		case c.text:
			args = append(args, "")
		default:
			args = append(args, 0)
		}
		columns = append(columns, column)
	}
	return t.exec(table, "INSERT INTO "+quoted(table)+" ("+quotedAll(columns)+") VALUES ("+marks(len(columns))+")", args...)
}

// update changes columns of the rows that a condition finds, as far as the table has them.
func (t *pbxTx) update(table string, row map[string]string, where string, args ...any) error {
	columns := t.only(table, slices.Sorted(maps.Keys(row)))
	if len(columns) == 0 {
		return nil
	}
	all := make([]any, 0, len(columns)+len(args))
	for _, column := range columns {
		all = append(all, t.bound(t.schema[table].columns[column], row[column]))
	}
	return t.exec(table, "UPDATE "+quoted(table)+" SET "+strings.ReplaceAll(quotedAll(columns), ",", "=?,")+"=? WHERE "+where, append(all, args...)...)
}

func (t *pbxTx) remove(table, where string, args ...any) error {
	return t.exec(table, "DELETE FROM "+quoted(table)+" WHERE "+where, args...)
}

func (t *pbxTx) exec(table, statement string, args ...any) error {
	_, err := t.tx.ExecContext(t.ctx, statement, args...)
	if err == nil && t.schema[table].keeps {
		t.kept = append(t.kept, table)
	}
	return err
}

func noExtension(account string) error {
	return fmt.Errorf("extension %.40q: %w", account, models.ErrNotFound)
}

func takenExtension(account string) error {
	return fmt.Errorf("%w: there is an extension %s already", models.ErrConflict, account)
}

func noFollowMe(account string) error {
	return fmt.Errorf("follow-me of %.40q: %w", account, models.ErrNotFound)
}

func takenFollowMe(account string) error {
	return fmt.Errorf("%w: %s has a follow-me already", models.ErrConflict, account)
}

// followMeOfNobody says that there is no extension for a follow-me.
func followMeOfNobody(account string) error {
	return &extension.FieldError{Field: "grpnum", Wrong: fmt.Sprintf("must be an extension, but there is no %.40q; make it first", account)}
}

// byNumber sorts extensions by their numbers.
func byNumber(a, b string) int {
	if len(a) != len(b) {
		return len(a) - len(b)
	}
	return strings.Compare(a, b)
}

// PBXFaults is what is in the way of keeping extensions in a PBX's tables.
type PBXFaults struct {
	Tables  []string // that there are not, or that our user may not read
	Columns []string // table.column: what they hold is lost
	Rights  []string // that our user has not: "INSERT on sip"

	Open []string // endpoints that are anybody who writes their id in From, or that are called anonymous: neither is asked for a password
	Some []string // a few numbers of extensions that Asterisk should know
}

// inspect looks for what is in the way of keeping rows of these columns. It changes nothing.
func (p *pbxTables) inspect(ctx context.Context, columns map[string][]string) (f PBXFaults, err error) {
	p.forget()
	err = p.change(ctx, func(t *pbxTx) error { // which writes no row
		f = PBXFaults{}
		for _, table := range slices.Sorted(maps.Keys(columns)) {
			if !t.has(table) {
				f.Tables = append(f.Tables, table)
				continue
			}
			there := t.only(table, columns[table])
			for _, column := range columns[table] {
				if !slices.Contains(there, column) {
					f.Columns = append(f.Columns, table+"."+column)
				}
			}
			if len(there) == 0 {
				continue
			}
			one, of := quoted(there[0]), quoted(table)
			for _, right := range []tableRight{
				{"SELECT", "SELECT " + one + " FROM " + of + " WHERE 1 = 0"},
				{"INSERT", "INSERT INTO " + of + " (" + one + ") SELECT '' FROM " + of + " WHERE 1 = 0"},
				{"UPDATE", "UPDATE " + of + " SET " + one + " = " + one + " WHERE 1 = 0"},
				{"DELETE", "DELETE FROM " + of + " WHERE 1 = 0"},
			} {
				_, err := t.tx.ExecContext(t.ctx, right.probe)
				switch my, _ := code(err); {
				case err == nil, my == myNoDefault: // of other columns: the right is there
				case my == myTableDenied, my == myColumnDenied:
					f.Rights = append(f.Rights, right.name+" on "+table)
				default:
					return err
				}
			}
		}
		return nil
	})
	return f, err
}
