package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"talktime/internal/config"
	"talktime/internal/password"
	"talktime/models"
	"talktime/store"
)

const (
	maxShownRows = 1_000_000 // bad rows that are spelt out, against a file that is no CSV at all
	lookupRows   = 500       // rows whose names are looked up in the database together
)

func userImport(c *command) action {
	c.reports()
	c.makes = true
	c.about = `
The first line names the columns, in any order: username,password,clid,imsi,admin,balance,currency. Only username is
needed. An empty password means that the user cannot log in; admin is yes or no; balance is in whole seconds, unless currency
names another money. FILE.csv may be - for standard input. Every bad row is told with its line, and then nobody is imported.

A million users without passwords take a minute or two. Each password takes some 60 ms of one processor: 100,000 of
them take an hour on two. On SQLite nobody can call while the rows are written, so choose a quiet hour.`
	c.examples = []string{"admin user import subscribers.csv"}
	return func(ctx context.Context, operands []string) error {
		file, name, err := c.openSeekable(operands[0])
		if err != nil {
			return err
		}
		defer func() { _ = file.Close() }()
		return c.withStore(ctx, func(db *store.Store, _ config.Config) error {
			i := importer{db: db, file: file, name: name, progress: c.progress()}
			err := i.run(ctx)
			i.progress.clear()
			return c.reportImport(ctx, &i, name, err)
		})
	}
}

// openSeekable opens a file that can be read several times; what comes through a pipe is put into a file first.
func (c *command) openSeekable(path string) (file *os.File, name string, err error) {
	var from io.Reader
	if path == "-" {
		path, from = "standard input", c.stdin
	} else {
		if file, err = os.Open(path); err != nil { //nolint:gosec // the operator names the file
			return nil, "", err
		}
		info, err := file.Stat()
		switch {
		case err != nil:
			return nil, "", errors.Join(err, file.Close())
		case info.IsDir():
			return nil, "", errors.Join(fmt.Errorf("%s is a folder", path), file.Close())
		case info.Mode().IsRegular():
			return file, path, nil
		}
		defer func(pipe *os.File) { _ = pipe.Close() }(file)
		from = file
	}
	copied, err := os.CreateTemp("", "talktime-import-*")
	if err != nil {
		return nil, "", err
	}
	_ = os.Remove(copied.Name()) // it lives until it is closed
	if _, err := io.Copy(copied, from); err != nil {
		return nil, "", errors.Join(fmt.Errorf("read %s: %w", path, err), copied.Close())
	}
	if _, err := copied.Seek(0, io.SeekStart); err != nil {
		return nil, "", errors.Join(err, copied.Close())
	}
	return copied, path, nil
}

// importer makes users of a file. It reads the file several times, so that it need not keep it in memory.
type importer struct {
	db       *store.Store
	file     io.ReadSeeker
	name     string // of the file
	progress *progress

	rows      int
	passwords int      // rows with one
	hashes    []string // of the passwords, in the order of their rows

	bad      map[int]bool // lines of rows that are bad
	problems []problem    // of them, a bounded number from each reading of the file
	room     int          // problems that may be kept now
}

// problem is what is wrong with a row.
type problem struct {
	line int
	text string
}

// errBadRows says that problems has why nobody was imported.
var errBadRows = errors.New("nobody was imported")

func (i *importer) run(ctx context.Context) error {
	if err := i.check(ctx); err != nil {
		return err
	}
	if len(i.bad) == 0 {
		if err := i.hashPasswords(ctx); err != nil {
			return err
		}
		conflict := i.write(ctx)
		if !errors.Is(conflict, models.ErrConflict) {
			return conflict
		}
		if err := i.compareWithDatabase(ctx); err != nil {
			return err
		}
		if len(i.bad) == 0 {
			return conflict // whoever it was has gone meanwhile
		}
		return errBadRows
	}
	if err := i.compareWithDatabase(ctx); err != nil {
		return err
	}
	return errBadRows
}

// each reads the file from its beginning.
func (i *importer) each(ctx context.Context, do func(userRow) error) error {
	i.room = len(i.problems) + maxShownRows
	if _, err := i.file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	rows, err := readHeader(i.file)
	if err != nil {
		return err
	}
	for {
		row, err := rows.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = ctx.Err()
		}
		if err == nil {
			err = do(row)
		}
		if err != nil {
			return err
		}
	}
}

// check finds rows that are bad by themselves, and values that two rows have.
func (i *importer) check(ctx context.Context) error {
	var seen [3]*repeats
	for n := range seen {
		seen[n] = newRepeats()
	}
	err := i.each(ctx, func(row userRow) error {
		i.rows++
		i.progress.show("checked %d rows", i.rows)
		for n, value := range row.unique() {
			seen[n].add(value)
		}
		if row.password != "" {
			i.passwords++
		}
		if row.bad != nil {
			i.blame(row.line, row.bad)
		}
		return nil
	})
	suspicious := false
	for _, r := range seen {
		suspicious = r.suspicious() || suspicious
	}
	if err != nil || !suspicious {
		return err
	}
	return i.each(ctx, func(row userRow) error {
		for n, value := range row.unique() {
			if first := seen[n].seen(value, row.line); first > 0 {
				i.blame(row.line, fmt.Errorf("the %s %q is in line %d, too", [...]string{"username", "clid", "imsi"}[n], value, first))
			}
		}
		return nil
	})
}

// unique is what no two users may have in common: username, clid and imsi. What is no such thing at all is left out:
// that is told already.
func (row userRow) unique() [3]string {
	values := [3]string{row.Username, row.CLID, row.IMSI}
	if row.bad == nil {
		return values
	}
	for n, u := range [3]models.NewUser{{Username: row.Username}, {Username: "x", CLID: row.CLID}, {Username: "x", IMSI: row.IMSI}} {
		if u.Validate() != nil {
			values[n] = ""
		}
	}
	return values
}

func (i *importer) blame(line int, err error) {
	if i.bad == nil {
		i.bad = map[int]bool{}
	}
	i.bad[line] = true
	if len(i.problems) < i.room {
		i.problems = append(i.problems, problem{line, shortened(strings.ReplaceAll(err.Error(), "\n", "; "))})
	}
}

// compareWithDatabase finds rows whose values belong to users that exist.
func (i *importer) compareWithDatabase(ctx context.Context) error {
	chunk := make([]userRow, 0, lookupRows)
	done := 0
	look := func() error {
		var names, clids, imsis []string
		for _, row := range chunk {
			names, clids, imsis = append(names, row.Username), append(clids, row.CLID), append(imsis, row.IMSI)
		}
		others, err := i.db.UsersWith(ctx, names, clids, imsis)
		if err != nil {
			return err
		}
		for _, other := range others {
			for _, row := range chunk {
				if taken := claims(row.NewUser, other); len(taken) > 0 {
					i.blame(row.line, errors.Join(taken...))
				}
			}
		}
		done += len(chunk)
		i.progress.show("compared %d of %d rows with the database", done, i.rows)
		chunk = chunk[:0]
		return nil
	}
	err := i.each(ctx, func(row userRow) error {
		if row.bad != nil {
			return nil // told already
		}
		if chunk = append(chunk, row); len(chunk) < lookupRows {
			return nil
		}
		return look()
	})
	if err != nil {
		return err
	}
	return look()
}

// hashPasswords hashes all passwords before the first row is written, so that the database is not kept waiting.
func (i *importer) hashPasswords(ctx context.Context) error {
	hasher := password.New(runtime.GOMAXPROCS(0))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	var mu sync.Mutex
	done := 0
	err := i.each(ctx, func(row userRow) error {
		if row.password == "" {
			return nil
		}
		mu.Lock()
		place := len(i.hashes)
		i.hashes = append(i.hashes, "")
		mu.Unlock()
		group.Go(func() error {
			hash, err := hasher.Hash(ctx, row.password)
			mu.Lock()
			defer mu.Unlock()
			i.hashes[place] = hash
			done++
			i.progress.show("hashed %d of %d passwords", done, i.passwords)
			return err
		})
		return nil
	})
	return errors.Join(err, group.Wait())
}

// write makes all users in one transaction.
func (i *importer) write(ctx context.Context) error {
	written, hashed := 0, 0
	return i.db.ImportUsers(ctx, actor(), i.name, func(yield func(models.NewUser) error) error {
		return i.each(ctx, func(row userRow) error {
			if row.bad != nil || row.password != "" && hashed == len(i.hashes) {
				return errors.New("the file changes while it is read")
			}
			if row.password != "" {
				row.PasswordHash = i.hashes[hashed]
				hashed++
			}
			written++
			i.progress.show("wrote %d of %d users", written, i.rows)
			return yield(row.NewUser)
		})
	})
}

// importJSON is the outcome of an import as --json shows it.
type importJSON struct {
	Imported int      `json:"imported"`
	Rows     int      `json:"rows"`
	BadRows  int      `json:"bad_rows"`
	Problems []string `json:"problems"` // the first of them
}

func (c *command) reportImport(ctx context.Context, i *importer, name string, err error) error {
	if err != nil && !errors.Is(err, errBadRows) {
		if errors.Is(err, ctx.Err()) {
			return err
		}
		return fmt.Errorf("%s: %w; nobody was imported", name, err)
	}
	report := importJSON{Imported: i.rows, Rows: i.rows, BadRows: len(i.bad), Problems: []string{}}
	slices.SortStableFunc(i.problems, func(a, b problem) int { return a.line - b.line })
	for _, p := range i.problems[:min(len(i.problems), maxShownRows)] {
		report.Problems = append(report.Problems, fmt.Sprintf("line %d: %s", p.line, p.text))
		c.note("%s: line %d: %s", name, p.line, p.text)
	}
	if err != nil {
		report.Imported = 0
		more := ""
		if len(i.bad) > maxShownRows || len(i.problems) > maxShownRows {
			more = fmt.Sprintf(", of which the first %d mistakes are told", maxShownRows)
		}
		are := "rows are"
		if i.rows == 1 {
			are = "row is"
		}
		err = fmt.Errorf("%s: %d of %d %s bad%s; nobody was imported", name, len(i.bad), i.rows, are, more)
	}
	if c.json {
		return errors.Join(c.out.json(report), err)
	}
	if report.BadRows == 0 {
		c.out.f("%s imported\n", counted(report.Imported, "user"))
	}
	return err
}
