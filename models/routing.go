package models

// Attempt is a carrier to which a call may be given, and what he asks for it.
type Attempt struct {
	Carrier int64  `json:"carrier"` // its id
	Name    string `json:"name"`
	Target  string `json:"target"` // for Dial
	Buy     Rate   `json:"buy,omitzero"`
	Pool    int64  `json:"pool,omitempty"` // of its calls at once; 0: any number
	Loss    bool   `json:"loss,omitempty"` // he asks more than is charged, which is allowed and told
}

// Routing is where a call goes. The zero value is that of a call without a route.
type Routing struct {
	Attempts []Attempt `json:"attempts,omitempty"` // in the order in which they are dialled
	At       int       `json:"at,omitempty"`       // the one that was dialled last
	Pools    []int64   `json:"pools,omitempty"`    // in which the call counts while it is open, in order
}

// Carrier is the attempt that was dialled last; false when there is no route.
func (r Routing) Carrier() (Attempt, bool) {
	if r.At < 0 || r.At >= len(r.Attempts) {
		return Attempt{}, false
	}
	return r.Attempts[r.At], true
}

// Empty reports whether a call has no route and counts in no pool.
func (r Routing) Empty() bool { return len(r.Attempts) == 0 && len(r.Pools) == 0 }
