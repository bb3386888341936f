// Package feed reads the queue_log of an Asterisk as it grows, and has it stored: a file, with those it was rotated to, or the table
// that Asterisk writes in its place. What was read and how far is stored in one transaction, and the same line twice counts once, so
// that a feed may be killed at any moment and read anything again.
package feed

import (
	"context"
	"errors"
	"time"

	"talktime/queues"
)

// Keeper stores what was read. All writing is for whoever holds the claim, else ErrNotOurs.
type Keeper interface {
	// ClaimQueueLog makes us the one that reads the log, for a while: true if nobody else does.
	ClaimQueueLog(ctx context.Context, holder string, lease time.Duration) (bool, error)
	// UnclaimQueueLog lets others go on at once.
	UnclaimQueueLog(ctx context.Context, holder string) error
	// QueueLogFiles are all files, and the table, that were read, the latest read last.
	QueueLogFiles(ctx context.Context) ([]File, error)
	// StoreQueueLog stores events with how far they were read: all of it or, with an error, nothing.
	StoreQueueLog(ctx context.Context, holder string, b Batch) (Stored, error)
	// SweepQueueLog makes the books anew of calls that have been open for longer than queues.Lifetime, and tells of how many.
	SweepQueueLog(ctx context.Context, holder string, now time.Time) (int, error)
}

// ErrNotOurs says that another process reads the log.
var ErrNotOurs = errors.New("another process reads the queue_log")

// File is how far a file, or a table, was read.
type File struct {
	ID     int64  // of the row; 0: not stored yet
	Kind   string // KindFile or KindTable
	Name   string // of the file when it was last read; host:port/schema.table
	Head   int    // bytes at its begin by which it is known again, whatever its name is by then
	Digest string // of these, SHA-256 in hexadecimal digits; of a table: by what its last row is known again, and the zone of times
	Done   bool   // it was rotated and read to its end

	Position int64 // bytes read, of the text if it is compressed; of a table the id
	Size     int64 // bytes there were when it was last looked at; of a table the last id
	Lines    int64
	Bad      int64     // lines that were none
	First    int64     // time of the earliest event, as queues.Event.At; 0: it has none
	Last     int64     // of the latest; neither counts events more than an hour ahead of our clock, unless there are no others
	Lost     int64     // bytes that were there and are gone, unread: at least so many
	Read     time.Time // when it was last read to its end; zero: not yet. It is stored as it is handed in, by batches without events too
}

// Kinds of files.
const (
	KindFile  = "file"
	KindTable = "table"
)

// Batch is what was read in one go.
type Batch struct {
	File   File // as it is after the events
	Events []queues.Event
	Bad    []BadLine
	Now    time.Time
}

// BadLine is a line that is none of a queue_log.
type BadLine struct {
	Position int64
	Line     string // its begin
	Why      string
}

// Stored is what a batch came to.
type Stored struct {
	File   File // with its ID
	New    int  // events that were not there yet
	Known  int  // events that were
	Calls  int  // whose books were made or changed
	Beyond int  // events that are not kept: of calls that have too many, and each QUEUESTART later than our time by more than an hour and than all calls of the batch
}
