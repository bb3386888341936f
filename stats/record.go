package stats

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"
)

// Record is one row of a CDR table, or a call of ours in that shape. Its texts are valid until the next record is handed out.
type Record struct {
	Wall     int64 // start by the clock on the source's wall: seconds since 1970 as if that clock were UTC
	Start    int64 // the same moment, in Unix seconds; of a time that comes twice in autumn the earlier one
	Duration int64 // seconds from start to end, ringing included; never below 0
	BillSec  int64 // seconds from answer to end; never below 0

	UniqueID    []byte // of the channel; calls of ours: their CallID
	CNum        []byte // number of the calling extension; calls of ours: the user's clid, or his name where he has none
	CNam        []byte // its name; calls of ours: the user's name
	CallerID    []byte // clid: "Name" <number>
	Src         []byte
	Dst         []byte
	Context     []byte // dcontext
	Channel     []byte
	DstChannel  []byte
	LastApp     []byte
	Disposition []byte // ANSWERED, NO ANSWER, BUSY, FAILED, CONGESTION
	Account     []byte // accountcode

	// Own says that the caller is a user of ours whose call we permitted, of whom the range of extensions does not matter.
	Own bool
	// OwnCallee says that the called number is a user's of ours.
	OwnCallee bool
}

// WarningContext is the context of the Local channels by which callers are warned of the end of their calls. Our dialplan keeps them from
// making records; where Asterisk writes some all the same, they are no calls, and no source hands them out.
const WarningContext = "talktime-warning"

// Warning reports whether a record is of such a channel. It needs FieldContext and FieldChannel.
func (r *Record) Warning() bool {
	return string(r.Context) == WarningContext || bytes.HasPrefix(r.Channel, []byte("Local/")) && bytes.Contains(r.Channel, []byte("@"+WarningContext+"-"))
}

// Fields says which texts of a Record are asked for; those that are not may be empty. Times and lengths always come.
type Fields uint

// The fields of a Record that are texts.
const (
	FieldUniqueID Fields = 1 << iota
	FieldCNum
	FieldCNam
	FieldCallerID
	FieldSrc
	FieldDst
	FieldContext
	FieldChannel
	FieldDstChannel
	FieldLastApp
	FieldDisposition
	FieldAccount
)

// Selection says which records a source should hand out. It may hand out more: whoever counts looks again. It exists so that a
// database need not send what nobody counts.
type Selection int

// The selections.
const (
	Everything Selection = iota
	Dialled              // what callstat counts: lastapp Dial, Busy, Congestion, not FAILED, dst not of four digits
	Seizures             // what asrstat counts: lastapp Dial, dst not of four digits
	Connected            // what Once looks at: dst not h
)

// Scan asks a source for records.
type Scan struct {
	From, To time.Time // of the start, half open; both must be set
	Fields   Fields
	Select   Selection
	Account  *Account // whose; nil = everybody's
}

// Account is whose calls are asked for: users of ours by id, and what a CDR table calls them.
type Account struct {
	Users []int64  // ascending
	Names []string // clids and account ids: a row is theirs whose accountcode, else cnum, else src is one of these
	// Since has names that somebody else had before: rows by it that began before this, in Unix seconds, are not theirs. Nil: none was.
	Since map[string]int64
	// Others says until when, in Unix seconds and not included, rows with a name that is none of Names are somebody else's of ours by it,
	// who goes before a name of Names that comes later in the row. Nil: nobody has others.
	Others func(ctx context.Context, name string) (int64, error)
}

// Source is a place with records of calls. It only reads.
type Source interface {
	// Name is the key of its figures in replies: the host of a CDR database, "talktime" for our own calls.
	Name() string
	// Each hands out the records of a scan, ascending by Start. It ends at the first error of the function, and returns it. It obeys
	// the context, also when a server does not answer. Other errors are a *SourceError.
	Each(ctx context.Context, scan Scan, each func(*Record) error) error
}

// OwnName is the Name of the source of our own calls.
const OwnName = "talktime"

// SourceError is why a source could not be read. Error is what strangers may be told: it holds no secret and no text of a driver.
type SourceError struct {
	Name    string // of the source
	Addr    string // host:port; empty for our own database
	Connect bool   // it could not even be reached, or refused us
	Reason  string // in words of ours: "access denied", "it does not answer", "the table cdr has no column cnum"
	Err     error  // for the log
}

// Error implements error.
func (e *SourceError) Error() string {
	if e.Connect {
		return fmt.Sprintf("Failed to connect to %s at %s", e.Name, e.Addr)
	}
	return fmt.Sprintf("Error querying %s: %s", e.Name, e.Reason)
}

// Unwrap gives the driver's error to the log.
func (e *SourceError) Unwrap() error { return e.Err }

// ErrRange says that more was asked for than a report may read.
var ErrRange = errors.New("range too large")

// Day is a day of a source's wall clock: days since 1970-01-01.
type Day int32

const daySeconds = 24 * 60 * 60

// DayOf is the day of a Record's Wall.
func DayOf(wall int64) Day {
	day := wall / daySeconds
	if wall%daySeconds < 0 {
		day--
	}
	return Day(day) //nolint:gosec // five million years fit
}

// DayAt is the day that a clock in the time's own zone shows.
func DayAt(t time.Time) Day { return DayOf(WallOf(t)) }

// WallOf is what a clock in the time's own zone shows, as seconds since 1970.
func WallOf(t time.Time) int64 {
	_, offset := t.Zone()
	return t.Unix() + int64(offset)
}

// Begin is midnight at the begin of the day, or the first moment after it where clocks skip it.
func (d Day) Begin(l *time.Location) time.Time {
	return time.Unix(NewClock(l).Unix(int64(d)*daySeconds), 0).In(l)
}

// String writes the day as 2026-03-01.
func (d Day) String() string { return time.Unix(int64(d)*daySeconds, 0).UTC().Format(time.DateOnly) }
