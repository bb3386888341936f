package queues

// Item is what reports count: a passage that is over, or a telephone that rang in vain. Queues and agents are the numbers of their
// names (Name.ID), so that a month of them is counted at once.
type Item struct {
	At           int64 // microseconds since 1970: Passage.Moment, or when the telephone stopped ringing
	Queue, Agent int32
	NoAnswer     bool // a telephone that rang in vain: At, Queue, Agent and Millis are all there is
	Millis       int64

	Outcome          Outcome
	End              string // name of the final event
	Wait, Ring, Talk int64  // seconds
	URL, DID         string
}

// Detail is an item with what lists say of it: a passage that is over.
type Detail struct {
	Item
	CallID  string
	Number  int // of the passage in its call, from 0
	Entered int64
	Ended   int64
	Caller  string
	Key     string // of EXITWITHKEY
	Left    int64  // position on leaving unanswered
}

// Name is a queue or an agent that the log named, None among them.
type Name struct {
	Agent bool  // else a queue
	ID    int32 // from 1 in the order of first sight, for queues and for agents each; never changes
	Key   string
	Shown string // what people call it; as long as nobody has given it another one, the key
}

// Wanted says which calls are looked for. All that is given must fit.
type Wanted struct {
	From, To int64 // their first event is at From or later and before To, microseconds since 1970
	ID       string
	Queues   []int32 // passed one of these; nil: any
	Agents   []int32 // one of these was connected; nil: any, or nobody
	Caller   string  // part of the number
	URL      string
	Tag      string
	DID      string
	MinTalk  int64 // seconds, of all agents together
	Open     bool  // also those that still go on
}
