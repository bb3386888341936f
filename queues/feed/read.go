package feed

import (
	"bufio"
	"bytes"
	"cmp"
	"compress/bzip2"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"talktime/queues"
)

const (
	batchLines = 10_000
	blockBytes = 256 << 10
	headBytes  = 4096
	badKept    = 100 // of a batch
	badBytes   = 200 // of a line
)

// reading is an open file of the log. It goes on where it stopped when the file has grown, packed files excepted.
type reading struct {
	path   string
	file   *os.File
	info   fs.FileInfo // as it was opened
	text   io.Reader   // of the file, unpacked
	packed bool
	head   []byte // the first bytes of the text
	first  int64  // time of the first event in the head; 0: none
	cut    bool   // the head is all there is of a packed file that has no end

	lines  *queues.Lines
	parser queues.Parser
	offset int64 // bytes of the text that were read
	at     File  // how far its events are given out: position and counts
	row    File  // as it is stored

	spans   []span // of the log of the other kind: their events are not taken
	skipped int64  // so many
	latest  func() int64
	believe int64 // the latest time, as it was when the batch began
	most    int   // lines of a batch
	block   []byte
}

var errNoFile = errors.New("it is no file")

// openFile opens a file and reads its head.
func openFile(path string) (*reading, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() { // a pipe would not even let us open it
		return nil, &fs.PathError{Op: "open", Path: path, Err: errNoFile}
	}
	file, err := os.Open(path) //nolint:gosec // the operator names it
	if err != nil {
		return nil, err
	}
	r := &reading{path: path, file: file}
	if r.info, err = file.Stat(); err == nil {
		err = r.readHead()
	}
	if err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return r, nil
}

func (r *reading) close() { _ = r.file.Close() }

// rewind goes to the begin of the text.
func (r *reading) rewind() error {
	if _, err := r.file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	var magic [3]byte
	n, err := r.file.ReadAt(magic[:], 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	r.offset, r.text, r.packed = 0, r.file, true
	switch {
	case n >= 2 && magic[0] == 0x1f && magic[1] == 0x8b:
		r.text, err = gzip.NewReader(bufio.NewReaderSize(r.file, 64<<10))
		return err
	case n == 3 && string(magic[:]) == "BZh":
		r.text = bzip2.NewReader(bufio.NewReaderSize(r.file, 64<<10))
		return nil
	}
	r.packed = false
	return nil
}

// readHead reads the first bytes and goes back to the begin.
func (r *reading) readHead() error {
	if err := r.rewind(); err != nil {
		if unfinished(err) {
			r.packed, r.cut = true, true
			return nil
		}
		return err
	}
	r.head = make([]byte, headBytes)
	n, err := io.ReadFull(r.text, r.head)
	r.head = r.head[:n]
	switch {
	case err == nil, errors.Is(err, io.EOF):
	case errors.Is(err, io.ErrUnexpectedEOF): // of ReadFull: there is less
		if r.packed {
			_, more := r.text.Read(make([]byte, 1))
			r.cut = !errors.Is(more, io.EOF)
		}
	default:
		return err
	}
	var parser queues.Parser
	for line := range strings.Lines(string(r.head)) {
		if e, err := parser.Parse(line); err == nil {
			r.first = e.At
			break
		}
	}
	return nil
}

// unfinished tells whether an error says that a packed file has no end: it is being written, or was cut.
func unfinished(err error) bool {
	return errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF)
}

// same tells whether the open file still begins as it did, and is no shorter than what was read of it.
func (r *reading) same() bool {
	info, err := r.file.Stat()
	if err != nil {
		return false
	}
	head := make([]byte, headBytes)
	n, err := r.file.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) || info.Size() < r.offset || !bytes.HasPrefix(head[:n], r.head) {
		return false
	}
	r.head = head[:n]
	return true
}

// start goes to where the file was read to. A packed one is unpacked up to there.
func (r *reading) start(at File, zone *time.Location) error {
	if err := r.rewind(); err != nil {
		return err
	}
	if r.packed {
		if _, err := io.CopyN(io.Discard, r.text, at.Position); err != nil {
			return err
		}
	} else if _, err := r.file.Seek(at.Position, io.SeekStart); err != nil {
		return err
	}
	r.at, r.row, r.offset = at, at, at.Position
	r.lines, r.parser, r.block = queues.NewLines(at.Position), queues.Parser{Zone: zone}, make([]byte, blockBytes)
	if at.Position > 0 {
		r.parser.Last = at.Last
	}
	r.believe = r.latest()
	return nil
}

// next reads the next batch. An error comes with what was read before it.
func (r *reading) next() (p portion, err error) {
	begun := r.at.Lines
	r.believe = r.latest()
	for r.at.Lines-begun < int64(r.most) {
		if r.lines.Next() {
			r.take(&p.Batch, r.lines.Line(), r.lines.Offset(), r.lines.End())
			continue
		}
		n, failed := r.text.Read(r.block)
		_, _ = r.lines.Write(r.block[:n])
		r.offset += int64(n)
		if failed != nil && n == 0 { // else it says so again
			if p.end = errors.Is(failed, io.EOF); !p.end {
				err = failed
			}
			break
		}
	}
	p.File, p.lines = r.at, r.at.Lines-begun
	return p, err
}

// take parses a line of the file and counts it.
func (r *reading) take(b *Batch, line string, begin, end int64) {
	r.at.Lines++
	r.at.Position = end
	e, err := r.parser.Parse(line)
	switch {
	case err != nil:
		r.at.Bad++
		b.bad(begin, line, err)
	case within(r.spans, e.At):
		r.skipped++
	default:
		r.at.add(&e, r.believe)
		b.Events = append(b.Events, e)
	}
}

// bad keeps a line that is none, the latest ones of many.
func (b *Batch) bad(position int64, line string, err error) {
	if len(b.Bad) == badKept {
		b.Bad = append(b.Bad[:0], b.Bad[1:]...)
	}
	line = strings.ToValidUTF8(line[:min(len(line), badBytes)], "?")
	b.Bad = append(b.Bad, BadLine{position, strings.Clone(line), strings.TrimPrefix(err.Error(), queues.ErrMalformed.Error()+": ")})
}

// rest takes the last line, though it has no end: nothing will be added.
func (r *reading) rest() (p portion) {
	if line := r.lines.Rest(); line != "" {
		r.take(&p.Batch, line, r.lines.End(), r.offset)
	}
	p.File, p.end = r.at, true
	return p
}

func digestOf(head []byte) string {
	sum := sha256.Sum256(head)
	return hex.EncodeToString(sum[:])
}

// portion is a batch on its way to the store.
type portion struct {
	Batch

	lines int64 // that were read
	end   bool  // there is no more
}

// pipe has batches stored while the next ones are read. The error of reading comes after what was read before is stored.
func pipe(ctx context.Context, read func(context.Context) (portion, error), store func(context.Context, portion) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	portions := make(chan portion)
	var readErr, err error
	go func() {
		defer close(portions)
		for {
			p, err := read(ctx)
			if p.lines > 0 {
				select {
				case portions <- p:
				case <-ctx.Done():
					readErr = ctx.Err()
					return
				}
			}
			if p.end || err != nil {
				readErr = err
				return
			}
		}
	}()
	for p := range portions { // to its end, so that nobody reads any more
		if err == nil {
			if err = store(ctx, p); err != nil {
				cancel()
			}
		}
	}
	return cmp.Or(err, readErr)
}

// readOn reads a file to its end and has it stored, both at the same time.
func (f *Follower) readOn(ctx context.Context, r *reading, each func(Stored)) error {
	err := pipe(ctx, func(context.Context) (portion, error) {
		p, err := r.next()
		if err != nil {
			err = fmt.Errorf("read %s: %w", r.path, err)
		}
		return p, err
	}, func(ctx context.Context, p portion) error { return f.storeOf(ctx, r, p, each) })
	f.tellSkipped(r.path, r.skipped)
	r.skipped = 0
	return err
}

// storeOf stores a batch of a file, with what is known of it besides.
func (f *Follower) storeOf(ctx context.Context, r *reading, p portion, each func(Stored)) error {
	b, at := p.Batch, p.File
	b.File, b.Now = r.row, f.now()
	b.File.Kind, b.File.Name = KindFile, strings.ToValidUTF8(r.path, "?")
	b.File.Position, b.File.Lines, b.File.Bad, b.File.First, b.File.Last = at.Position, at.Lines, at.Bad, at.First, at.Last
	if n := int(min(at.Position, int64(len(r.head)))); n > b.File.Head || n < b.File.Head && at.Position < int64(b.File.Head) {
		b.File.Head, b.File.Digest = n, digestOf(r.head[:n])
	}
	b.File.Size = at.Position
	if info, err := r.file.Stat(); err == nil && !r.packed {
		b.File.Size = max(info.Size(), at.Position)
	}
	if p.end {
		b.File.Read = b.Now
	}
	done, err := f.store(ctx, b)
	if err != nil {
		return err
	}
	r.row = done.File
	if each != nil {
		each(done)
	}
	return nil
}
