package pbx

import "sync"

// Stats counts what a Client did since it was opened.
type Stats struct {
	Connected bool // now

	Connects uint64 // logins that succeeded; all but the first are reconnects
	Failures uint64 // connections that could not be made, or were refused at the login
	Losses   uint64 // connections that ended after the login, not by Close

	Requests uint64 // actions begun, pings and logins among them
	Refused  uint64 // answers "Error"
	Timeouts uint64 // requests whose time ran out, waiting for others or for the answer
	Away     uint64 // requests that failed at once, since there was no connection

	Events  uint64 // events that came, those of lists among them
	Dropped uint64 // events that a subscriber did not get, since its channel was full

	// Errors of protocol, by kind.
	Late      uint64 // answers and list events after their request was given up or done
	Twice     uint64 // second answers to a request under way
	Foreign   uint64 // answers with an ActionID that is not ours, or none
	TooLong   uint64 // blocks and lists over the limits, read over
	Malformed uint64 // lines without a colon, blocks that are neither answer nor event, numbers that are none
	Endless   uint64 // blocks that did not end, which cost the connection
	Short     uint64 // lists with fewer items than their end names
}

// counters is a Stats that many may count in.
type counters struct {
	mu sync.Mutex
	s  Stats
}

// add counts one; field points into s.
func (c *counters) add(field *uint64) { c.addN(field, 1) }

func (c *counters) addN(field *uint64, n uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	*field += n
}

func (c *counters) snapshot() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.s
}
