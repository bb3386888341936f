package main

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"talktime/internal/cdrcsv"
	"talktime/stats"
	"talktime/store"
)

// cdrImporter reads call records and has them written, both at the same time.
type cdrImporter struct {
	db       *store.Store
	progress *progress
	location *time.Location
	name     string // of the file or the table
	again    bool
	force    bool // also with another zone than before
	begun    time.Time

	before, state store.CDRImport // how far it was and is
	wentOn        bool
	nameless      int64    // records without a unique id
	problems      []string // the first
	unfinished    int      // bytes

	memory *store.CDRMemory
	at     store.CDRPosition // how far it is read
	part   atomic.Int64      // that is read, in thousandths
}

// filled is a batch, and how far the import is with it.
type filled struct {
	store.CDRBatch

	to store.CDRPosition
}

// batches is how many there are: one is filled while another one is written.
const batches = 3

// run lets read fill batches, and writes them.
func (i *cdrImporter) run(ctx context.Context, read func(ctx context.Context, add func(*stats.Record) error) error) error {
	writer, err := i.db.NewCDRWriter(ctx)
	if err != nil {
		return err
	}
	i.at = i.state.CDRPosition
	full, empty := make(chan *filled, batches), make(chan *filled, batches)
	for range batches {
		empty <- &filled{}
	}
	var readErr error // what was read before it is written all the same
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		defer close(full)
		b := <-empty
		hand := func() error {
			b.to = i.at
			full <- b // there is room for all of them
			select {
			case b = <-empty:
				b.Reset()
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		readErr = read(ctx, func(r *stats.Record) error {
			if b.Len() >= i.db.CDRBatchRows() {
				if err := hand(); err != nil {
					return err
				}
			}
			b.Add(r, i.memory)
			i.at.Read++
			if len(r.UniqueID) == 0 {
				i.nameless++
			}
			return nil
		})
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return hand()
	})
	group.Go(func() error {
		for b := range full {
			if err := writer.Write(ctx, &b.CDRBatch, &i.state, b.to); err != nil {
				return err
			}
			rows := i.state.Read - i.before.Read
			i.progress.show("read %d records, %.0f a second, %.1f %%", rows, float64(rows)/time.Since(i.begun).Seconds(), float64(i.part.Load())/10)
			empty <- b
		}
		return nil
	})
	err = cmp.Or(group.Wait(), readErr)
	if i.state.Read != i.before.Read || i.state.Malformed != i.before.Malformed {
		err = errors.Join(err, i.db.EndCDRImport(context.WithoutCancel(ctx), i.before, i.state))
	}
	return err
}

// begin finds an earlier import of the same, or makes one. With another zone all records would be others, and come in a second time.
func (i *cdrImporter) begin(ctx context.Context, wanted store.CDRImport, same func(store.CDRImport) bool) error {
	all, err := i.db.CDRImports(ctx)
	if err != nil {
		return err
	}
	here := func(e store.CDRImport) bool { return same(e) && e.Zone == i.location.String() }
	elsewhere := func(e store.CDRImport) bool { return same(e) && e.Read > 0 }
	if earlier, ok := known(all, here); !ok && !i.force {
		if other, ok := known(all, elsewhere); ok {
			return fmt.Errorf("%s was imported on %s UTC with times of %s, as %s: with %s every record would come in once more, at another time; give --zone %s, or --force if that is meant",
				i.name, other.UpdatedAt.UTC().Format(time.DateTime), other.Zone, other.Name, i.location, other.Zone)
		}
	} else if ok {
		wanted.ID, wanted.CDRPosition, wanted.Added, wanted.Ours = earlier.ID, earlier.CDRPosition, earlier.Added, earlier.Ours
	}
	if i.again {
		wanted.CDRPosition = anew(wanted.CDRPosition)
	}
	wanted.Actor, wanted.Zone = actor(), i.location.String()
	i.state, err = i.db.BeginCDRImport(ctx, wanted)
	i.before, i.wentOn, i.memory = i.state, i.state.Position > 0, new(store.CDRMemory)
	return err
}

// anew is a position from which everything is read again. Only the counts stay.
func anew(p store.CDRPosition) store.CDRPosition {
	return store.CDRPosition{Read: p.Read, Malformed: p.Malformed}
}

// headBytes are the first bytes of a file, by which it is known again whatever its name is then.
const headBytes = 4096

func (i *cdrImporter) importFile(ctx context.Context, file *os.File) error {
	info, err := file.Stat()
	if err != nil {
		return err
	}
	head, err := i.open(file, info.Size())
	if err != nil {
		return err
	}
	first := make([]byte, headBytes)
	n, err := io.ReadFull(head, first)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return err
	}
	if first = first[:n]; n == 0 {
		return nil // an empty file is what a rotation leaves
	}
	if _, err := cdrcsv.New(bytes.NewReader(first)); err != nil {
		return err // before anything is noted
	}
	name := i.name
	if full, err := filepath.Abs(name); err == nil && file.Name() == name {
		name = full
	}
	err = i.begin(ctx, store.CDRImport{Kind: store.ImportFile, Name: name, Head: len(first), Digest: digestOf(first)}, func(e store.CDRImport) bool {
		return e.Kind == store.ImportFile && e.Head > 0 && e.Head <= len(first) && e.Digest == digestOf(first[:e.Head])
	})
	if err != nil {
		return err
	}
	r, err := i.reader(file, info.Size())
	if err != nil {
		return err
	}
	if i.wentOn {
		if there, err := i.resume(ctx, r); err != nil {
			return err
		} else if !there { // it is shorter than it was, or has changed
			i.wentOn, i.memory = false, new(store.CDRMemory)
			i.state.CDRPosition = anew(i.state.CDRPosition)
			if i.state, err = i.db.BeginCDRImport(ctx, i.state); err != nil {
				return err
			}
			if r, err = i.reader(file, info.Size()); err != nil {
				return err
			}
		}
	}
	return i.run(ctx, func(ctx context.Context, add func(*stats.Record) error) error { return i.readFile(ctx, r, add) })
}

func digestOf(head []byte) string {
	sum := sha256.Sum256(head)
	return hex.EncodeToString(sum[:])
}

// passing counts what is read of a file.
type passing struct {
	io.Reader

	i    *cdrImporter
	n    int64
	size int64
}

func (p *passing) Read(b []byte) (int, error) {
	n, err := p.Reader.Read(b)
	p.n += int64(n)
	p.i.part.Store(p.n * 1000 / max(p.size, 1))
	return n, err
}

// open reads a file from its begin, unpacked if it is packed.
func (i *cdrImporter) open(file *os.File, size int64) (io.Reader, error) {
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	var magic [2]byte
	n, err := file.ReadAt(magic[:], 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	p := &passing{Reader: file, i: i, size: size}
	if n == 2 && magic == [2]byte{0x1f, 0x8b} {
		return gzip.NewReader(p)
	}
	return p, nil
}

func (i *cdrImporter) reader(file *os.File, size int64) (*cdrcsv.Reader, error) {
	from, err := i.open(file, size)
	if err != nil {
		return nil, err
	}
	return cdrcsv.New(from)
}

// resume goes where the import was, and remembers the records before. It is false when that is not the file that it was.
func (i *cdrImporter) resume(ctx context.Context, r *cdrcsv.Reader) (bool, error) {
	err := r.SkipTo(cdrcsv.Place{Offset: i.state.Warm})
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return false, nil
	}
	err = errors.Join(err, i.each(ctx, r, i.state.Position, func(rec *stats.Record) error {
		var b store.CDRBatch
		b.Add(rec, i.memory)
		return nil
	}, nil))
	if err != nil {
		return false, err
	}
	if r.Place().Offset != i.state.Position || i.memory.Sum() != i.state.Recent {
		return false, nil
	}
	return true, r.SkipTo(cdrcsv.Place{Offset: i.state.Position, Line: i.state.Lines})
}

// each reads records up to a place.
func (i *cdrImporter) each(ctx context.Context, r *cdrcsv.Reader, end int64, each func(*stats.Record) error, bad func(*cdrcsv.LineError)) error {
	clock := stats.NewClock(i.location)
	var line cdrcsv.Record
	var record stats.Record
	for n := 0; r.Place().Offset < end; n++ {
		if n%1024 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		place := r.Place()
		err := r.Next(&line)
		var wrong *cdrcsv.LineError
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case errors.As(err, &wrong):
			if bad != nil {
				bad(wrong)
			}
			continue
		case err != nil:
			return err
		}
		record = stats.Record{
			Wall: line.Wall, Start: clock.Unix(line.Wall), Duration: line.Duration, BillSec: line.BillSec, UniqueID: line.UniqueID, CNum: line.CNum,
			CNam: line.CNam, CallerID: line.CallerID, Src: line.Src, Dst: line.Dst, Context: line.Context, Channel: line.Channel,
			DstChannel: line.DstChannel, LastApp: line.LastApp, Disposition: line.Disposition, Account: line.Account,
		}
		if record.Warning() {
			continue
		}
		i.memory.At(place.Offset)
		if err := each(&record); err != nil {
			return err
		}
	}
	return nil
}

// readFile reads everything that is new. What at says must be true when the next record is added: it goes into the batch before.
func (i *cdrImporter) readFile(ctx context.Context, r *cdrcsv.Reader, add func(*stats.Record) error) error {
	const everything = 1 << 62
	reached := func() {
		i.at.Position, i.at.Lines, i.at.Warm, i.at.Recent = r.Place().Offset, r.Place().Line, i.memory.From(), i.memory.Sum()
	}
	err := i.each(ctx, r, everything, func(record *stats.Record) error {
		err := add(record)
		reached()
		return err
	}, func(bad *cdrcsv.LineError) {
		i.at.Malformed++
		reached()
		if len(i.problems) < maxToldLines {
			i.problems = append(i.problems, bad.Error())
		}
	})
	reached()
	i.unfinished = r.Rest()
	return err
}

// late is how much of a table is read again: a record is written when its call is over, under the time at which it began.
const late = 24 * time.Hour

func (i *cdrImporter) importTable(ctx context.Context, source *store.CDRStatistics, since, until time.Time) error {
	name := i.name
	if !since.IsZero() {
		name += " since " + since.In(i.location).Format(time.DateTime)
	}
	if !until.IsZero() {
		name += " until " + until.In(i.location).Format(time.DateTime)
	}
	has, err := source.Range(ctx, since, until)
	if err != nil {
		return aboutSource(err)
	}
	if has.Records == 0 || has.First.IsZero() {
		return nil
	}
	err = i.begin(ctx, store.CDRImport{Kind: store.ImportTable, Name: name}, func(e store.CDRImport) bool {
		return e.Kind == store.ImportTable && e.Name == name
	})
	if err != nil {
		return err
	}
	from, end := has.First, has.Last.Add(time.Second)
	if i.wentOn {
		before := time.Unix(stats.NewClock(i.location).Unix(i.state.Position), 0).Add(-late)
		from = latest(from, before)
	}
	days := stats.Day(1)
	if !has.Indexed {
		days = 31 // each question reads the whole table
	}
	return i.run(ctx, func(ctx context.Context, add func(*stats.Record) error) error {
		for begin := from; begin.Before(end); {
			next := stats.DayAt(begin.In(i.location)) + days
			stop := next.Begin(i.location)
			if end.Before(stop) {
				stop = end
			}
			err := source.Each(ctx, stats.Scan{From: begin, To: stop, Fields: everyField}, func(r *stats.Record) error {
				err := add(r)
				i.at.Position = max(i.at.Position, r.Wall)
				return err
			})
			if err != nil {
				return aboutSource(err)
			}
			i.part.Store(int64(1000 * stop.Sub(from) / max(end.Sub(from), 1)))
			begin = stop
		}
		return nil
	})
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

const everyField = stats.FieldUniqueID | stats.FieldCNum | stats.FieldCNam | stats.FieldCallerID | stats.FieldSrc | stats.FieldDst | stats.FieldContext |
	stats.FieldChannel | stats.FieldDstChannel | stats.FieldLastApp | stats.FieldDisposition | stats.FieldAccount

// aboutSource tells an operator more than a stranger: the driver's own words.
func aboutSource(err error) error {
	var source *stats.SourceError
	if errors.As(err, &source) && source.Err != nil {
		return fmt.Errorf("%w: %w", err, source.Err)
	}
	return err
}
