package models

import "errors"

// Kinds of failure that callers tell apart with errors.Is. Everything else is an internal error.
var (
	ErrNotFound    = errors.New("not found")
	ErrConflict    = errors.New("conflict")
	ErrInvalid     = errors.New("invalid")
	ErrUnavailable = errors.New("the database cannot be reached")
)
