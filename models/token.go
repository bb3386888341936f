package models

import "time"

// Token is what a program shows in place of a login.
type Token struct {
	ID        int64
	Name      string // unique
	Scopes    []string
	Account   string // the only account whose figures it may see; empty: all
	CreatedAt time.Time
	ExpiresAt *time.Time // nil: never
	LastUsed  *time.Time // to the minute; nil: never
}

// NewToken is what is needed to make one.
type NewToken struct {
	Name      string
	Scopes    []string
	Account   string
	ExpiresAt *time.Time
}

// Scopes are what tokens may be good for. None implies another.
func Scopes() []string {
	return []string{"read", "cdr", "recordings", "write", "secrets", "statistics", "users", "money", "admin"}
}
