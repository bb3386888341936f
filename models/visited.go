package models

import "time"

// Visited is a country to which a user has called.
type Visited struct {
	UserID  int64
	Country string // its calling code
	First   time.Time
}
