package models

import (
	"time"

	"talktime/money"
)

// Figures is what the database says of the site as a whole, for whoever watches over it.
type Figures struct {
	Schema       int64                   // version of the tables
	Skew         time.Duration           // how far our clock is ahead of the database's
	Users        int64                   // that exist
	OpenCalls    int64                   // that hold money, or may
	Held         map[string]money.Amount // by currency; one of which nothing is held may be missing
	Unreconciled int64                   // calls
	Disputed     int64                   // calls
	OldestOpen   time.Duration           // since it was permitted; 0 = no call is open
	LastCall     time.Time               // when the newest call was permitted; zero = there has been none
	NextRefill   time.Time               // the first moment of its day; zero = none is to come

	// What a node manager is still to be told, counted up to 10,000; how much of it failed at least once, and how much was
	// given up.
	Provisions, ProvisionsFailing, ProvisionsGivenUp int64

	// Deliveries of notices that wait, counted up to 10,000; how many of them failed at least once, and how many were given up.
	Notices, NoticesFailing, NoticesGivenUp int64
	RollUps                                 []RollUpFigures // by source

	Queues QueueFigures
}

// QueueFigures say how far the queue_log was read, and what came of it.
type QueueFigures struct {
	Files     int64 // that were read, the table among them; 0: none yet
	Lines     int64
	BadLines  int64
	LostBytes int64     // that are gone, unread: at least so many
	Position  int64     // of the latest file: bytes that are read of it; of a table the id
	Size      int64     // of it: bytes there were when it was last looked at; of a table the last id
	LastEvent time.Time // zero = there is none
	LastRead  time.Time // when it was last read to its end; zero = not yet
	OpenCalls int64     // in queues, or with agents
	Unpacked  int64     // days that are over, but not packed, counted up to 60
}

// Behind is how many bytes of the latest file are not read yet; of a table how many rows at most.
func (f *QueueFigures) Behind() int64 { return max(f.Size-f.Position, 0) }

// RollUpFigures say how far it is with what was counted of the days of one source of calls.
type RollUpFigures struct {
	Source string
	Days   int64     // that are kept
	Stale  int64     // that were found to be counted anew, and are not yet
	Passed time.Time // when they were last looked at, and none was left to be counted; zero = never
}
