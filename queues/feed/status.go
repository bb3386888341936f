package feed

import (
	"time"

	"talktime/models"
)

// KeptLine is a line that is none of a queue_log, as it is kept for people to look at.
type KeptLine struct {
	File string // its name; empty: it is forgotten
	At   time.Time
	BadLine
}

// QueueImport says how far the queue_log was read, to the API and to commands alike.
type QueueImport struct {
	Files      []QueueFile `json:"files"` // the latest read first
	LagBytes   int64       `json:"lag_bytes"`
	LagSeconds *int64      `json:"lag_seconds"` // null: it was not read to its end yet
	Lines      int64       `json:"lines"`
	Malformed  int64       `json:"malformed"`
	LostBytes  int64       `json:"lost_bytes"`
	OpenCalls  int64       `json:"open_calls"`
	Unpacked   int64       `json:"unpacked_days"`
	LastEvent  *time.Time  `json:"last_event"`
	BadLines   []QueueLine `json:"bad_lines"` // the latest first
}

// QueueFile is how far a file, or the table, was read. Bytes; of a table ids.
type QueueFile struct {
	Kind      string     `json:"kind"`
	Name      string     `json:"name"`
	Done      bool       `json:"done"`
	Position  int64      `json:"position"`
	Size      int64      `json:"size"`
	Lines     int64      `json:"lines"`
	Malformed int64      `json:"malformed"`
	LostBytes int64      `json:"lost_bytes"`
	First     *time.Time `json:"first_event"`
	Last      *time.Time `json:"last_event"`
	Read      *time.Time `json:"read_at"`
}

// QueueLine is a line that is none, and why.
type QueueLine struct {
	File     string    `json:"file"`
	Position int64     `json:"position"`
	At       time.Time `json:"read_at"`
	Why      string    `json:"why"`
	Line     string    `json:"line"`
}

// StatusOf puts together what is stored; files are those of Keeper.QueueLogFiles. Times are told in a zone.
func StatusOf(f models.QueueFigures, files []File, bad []KeptLine, zone *time.Location, now time.Time) QueueImport {
	told := func(t time.Time) *time.Time {
		if t.IsZero() {
			return nil
		}
		t = t.In(zone)
		return &t
	}
	event := func(at int64) *time.Time {
		if at == 0 {
			return nil
		}
		return told(time.UnixMicro(at))
	}
	s := QueueImport{
		Files: make([]QueueFile, len(files)), LagBytes: f.Behind(), Lines: f.Lines, Malformed: f.BadLines, LostBytes: f.LostBytes, OpenCalls: f.OpenCalls,
		Unpacked: f.Unpacked, LastEvent: told(f.LastEvent), BadLines: make([]QueueLine, len(bad)),
	}
	if !f.LastRead.IsZero() {
		lag := max(int64(now.Sub(f.LastRead).Seconds()), 0)
		s.LagSeconds = &lag
	}
	for i, file := range files {
		s.Files[len(files)-1-i] = QueueFile{
			file.Kind, file.Name, file.Done, file.Position, file.Size, file.Lines, file.Bad, file.Lost, event(file.First), event(file.Last), told(file.Read),
		}
	}
	for i, b := range bad {
		s.BadLines[i] = QueueLine{b.File, b.Position, b.At.In(zone), b.Why, b.Line}
	}
	return s
}
