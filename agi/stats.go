package agi

import (
	"errors"
	"maps"
	"strings"
	"time"
)

// Stats counts what a Server has done since it started.
type Stats struct {
	Open      int // calls now
	Dialing   int // of these in Dial
	Ungreeted int // connections whose greeting is not complete
	Total     uint64
	Calls     map[CallKind]CallTotal // calls that ended

	RejectedAddress  uint64 // from a network that is not allowed
	RejectedLimit    uint64 // more than MaxSessions
	DroppedUngreeted uint64 // more than MaxUngreeted
	AcceptErrors     uint64
	Panics           uint64
	Faults           map[string]uint64 // connections that failed: timeout, closed, or what the peer did wrong
}

// A CallKind is what calls are counted by.
type CallKind struct {
	Script string // as registered with Mux; "unknown" for any other
	Status string // as set by the script, else how it ended
}

// A CallTotal sums up the calls of one kind.
type CallTotal struct {
	Count uint64
	Time  time.Duration
}

// Stats returns a copy of the counters.
func (s *Server) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.stats
	st.Calls, st.Faults = maps.Clone(st.Calls), maps.Clone(st.Faults)
	st.Open = len(s.sessions)
	if s.ungreeted != nil {
		st.Ungreeted = s.ungreeted.Len()
	}
	for c := range s.sessions {
		if c.phase.Load() == dialing {
			st.Dialing++
		}
	}
	return st
}

func (st *Stats) ended(script, status string, took time.Duration) {
	if st.Calls == nil {
		st.Calls = map[CallKind]CallTotal{}
	}
	kind := CallKind{script, status}
	total := st.Calls[kind]
	st.Calls[kind] = CallTotal{total.Count + 1, total.Time + took}
}

// fault counts err if it is about the connection.
func (st *Stats) fault(err error) {
	kind := faultKind(err)
	if kind == "" {
		return
	}
	if st.Faults == nil {
		st.Faults = map[string]uint64{}
	}
	st.Faults[kind]++
}

func faultKind(err error) string {
	var p protocolError
	switch {
	case errors.As(err, &p):
		return strings.ReplaceAll(string(p), " ", "_")
	case errors.Is(err, ErrTimeout):
		return "timeout"
	case errors.Is(err, ErrClosed):
		return "closed"
	}
	return ""
}

// outcome names how a call ended: what the script said, unless it did not get that far.
func outcome(status string, err error, panicked bool) string {
	switch {
	case panicked:
		return "panic"
	case errors.Is(err, ErrLetGo):
		return "let_go"
	case status != "":
		return status
	case err == nil:
		return "done"
	case errors.Is(err, ErrHangup):
		return "hangup"
	case errors.Is(err, ErrUnknownScript):
		return "unknown_script"
	case faultKind(err) != "":
		return faultKind(err)
	}
	return "error"
}
