package models

import "time"

// Kinds of notices.
const (
	NoticeLowBalance = "low-balance" // a balance has fallen below what its user is warned at
	NoticeBrake      = "brake"       // a call was refused by a rule that is to stop abuse
	NoticeRefusals   = "refusals"    // many calls of a user were refused within a short time
	NoticeLoss       = "loss"        // a call goes to a carrier who asks more than is charged
)

// Notice is something that happened which somebody wants to hear of.
type Notice struct {
	ID     int64
	At     time.Time
	Kind   string
	UserID int64  // 0: it is about no user
	Data   string // JSON object
	// Once is what there is one notice about at most, such as a brake of a user on a day; empty: it is told each time.
	Once string
}

// Visited is a country to which a user has called.
type Visited struct {
	UserID  int64
	Country string // its calling code
	First   time.Time
}
