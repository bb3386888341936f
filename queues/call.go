package queues

// Outcome says how a passage through a queue ended. Each has exactly one.
type Outcome uint8

// The outcomes. What is stored are the numbers or the names: both stay as they are.
const (
	Waiting      Outcome = iota // still in the queue
	Talking                     // still with an agent
	Answered                    // was with an agent, however that ended
	Abandoned                   // the caller hung up
	TimedOut                    // EXITWITHTIMEOUT
	Emptied                     // EXITEMPTY: nobody was left to answer
	Keyed                       // EXITWITHKEY: the caller pressed a key to get out
	Dumped                      // AGENTDUMP: the agent hung up before the caller was put through, and nothing is known of what came then
	Incompatible                // SYSCOMPAT: no common codec
	Lost                        // the log does not tell: Asterisk stopped, or lines are missing
	Withdrawn                   // WITHDRAW: somebody had Asterisk take the caller out of the queue
)

var outcomeNames = [...]string{
	"waiting", "talking", "answered", "abandoned", "timeout", "empty", "key", "dumped", "incompatible", "lost", "withdrawn",
}

// String is the name of the outcome, as API and database have it.
func (o Outcome) String() string {
	if int(o) < len(outcomeNames) {
		return outcomeNames[o]
	}
	return "unknown"
}

// Open tells whether the caller is still in the queue or with an agent.
func (o Outcome) Open() bool { return o <= Talking }

// LostEvent is what stands for the final event where the log has none, though the call has ended.
const LostEvent = "LOST"

// Passage is one way of a call through a queue, from entering it to leaving it or to the end of the talk. A call that enters a queue
// again, or another one, has one passage more. Times are microseconds since 1970, UTC; 0 where there is none. Durations are whole
// seconds as Asterisk counted them, or by the clock where the log does not have them.
type Passage struct {
	Queue      string
	Entered    int64
	Counted    bool // no ENTERQUEUE in the log: Entered is counted back from what is there
	URL        string
	Caller     string // number
	CallerName string
	Tag        string
	Position   int64 // in the queue on entering, from 1; 0 = not known

	Agent     string // who was connected (AgentKey); None
	Channel   string // unique id of the agent's channel
	Connected int64
	Ring      int64 // seconds the agent's telephone rang

	Wait int64 // seconds until connected or until gone; 0 while waiting
	Talk int64 // seconds with the agent; 0 while talking

	NoAnswers  int64 // RINGNOANSWER in this passage
	NoAnswerMS int64 // milliseconds these rang

	Last    int64 // its last event
	Ended   int64 // 0 = still open
	Outcome Outcome
	End     string // name of the final event: COMPLETECALLER, ABANDON, ...; LostEvent; empty while open
	Left    int64  // position in the queue on leaving it unanswered; 0 = not known
	Key     string // of EXITWITHKEY
	Target  string // extension@context of a transfer; of an attended one the channels, bridge or application
}

// Moment is the time by which a passage belongs to a day or a range: when it was connected; else when it ended; else when it began. So
// it is counted in one place, with its outcome.
func (p *Passage) Moment() int64 {
	switch {
	case p.Connected != 0:
		return p.Connected
	case p.Ended != 0:
		return p.Ended
	default:
		return p.Entered
	}
}

// NoAnswer is an agent's telephone that rang in vain.
type NoAnswer struct {
	At           int64 // when it stopped, microseconds since 1970
	Queue, Agent string
	Millis       int64
}

// Note is what a dialplan wrote about a call: its DID or a TAG.
type Note struct {
	Name         string // of the event
	Queue, Agent string // that it names (AgentKey), None among them
	Text         string
}

// Call is the books of one call: what its events come to, whatever order they came in and however often.
type Call struct {
	ID       string
	First    string // name of the first event, normally ENTERQUEUE; DID, TAG and the like are about a call, not of it
	Start    int64  // time of the first event, microseconds since 1970
	End      int64  // time of the last event
	Caller   string
	URL      string
	DID, Tag string // of the latest notes; without one the tag of the last passage that has one
	Final    string // final event of the last passage; empty while the call goes on

	Queue string // of the last passage; None where the call passed no queue
	Agent string // the last who was connected; None
	Wait  int64  // seconds in the last queue
	Waits int64  // seconds in all queues
	Talk  int64  // seconds, all agents together

	Notes     []Note    // in their order; those without a text left out
	Passages  []Passage // in the order in which they began; their number is what reports call overflow
	NoAnswers []NoAnswer
}

// Open tells whether the call is still in a queue or with an agent: such a call is in no report.
func (c *Call) Open() bool {
	n := len(c.Passages)
	return n > 0 && c.Passages[n-1].Outcome.Open()
}

// Duration is the seconds from the first event to the last.
func (c *Call) Duration() int64 { return seconds(c.Start, c.End) }

// sum adds a passage, the last one so far, to what is said of the whole call.
func (c *Call) sum(p *Passage) {
	c.Queue, c.Wait, c.Final = p.Queue, p.Wait, p.End
	c.Waits += p.Wait
	c.Talk += p.Talk
	if p.Connected != 0 {
		c.Agent = p.Agent
	}
	if c.Caller == "" {
		c.Caller = p.Caller
	}
	if c.URL == "" {
		c.URL = p.URL
	}
	if p.Tag != "" {
		c.Tag = p.Tag
	}
}

// noted puts DID and tag of some notes in the place of those so far.
func (c *Call) noted(notes []Note) {
	for i := range notes {
		if notes[i].Name == "DID" {
			c.DID = notes[i].Text
		} else {
			c.Tag = notes[i].Text
		}
	}
}

// seconds from one time to another, never below 0. Fractions are cut off each time first, so that parts add up to the whole.
func seconds(from, to int64) int64 { return max(to/Second-from/Second, 0) }

// Only is what is left of the books when only passages, telephones that rang in vain, and notes of some queues and agents are seen, with
// all sums of these alone: false if no passage is left. Agents are None where nobody was connected. Notes that name no queue are everybody's.
func (c *Call) Only(seen func(queue, agent string) bool) (Call, bool) {
	part := *c
	part.Passages, part.NoAnswers, part.Notes = nil, nil, nil
	part.URL, part.Caller, part.DID, part.Tag, part.Agent = "", "", "", "", None
	part.Wait, part.Waits, part.Talk, part.End = 0, 0, 0, 0
	first := -1
	for i := range c.Passages {
		p := &c.Passages[i]
		if !seen(p.Queue, p.Agent) {
			continue
		}
		if first < 0 {
			first = i
		}
		part.Passages = append(part.Passages, *p)
		part.End = max(part.End, p.Last)
		part.sum(p)
	}
	if len(part.Passages) == len(c.Passages) {
		part.End = c.End
	}
	for _, n := range c.Notes {
		if n.Queue == None || seen(n.Queue, n.Agent) {
			part.Notes = append(part.Notes, n)
		}
	}
	part.noted(part.Notes)
	if first > 0 {
		p := &c.Passages[first]
		part.Start = p.Entered
		switch {
		case !p.Counted:
			part.First = "ENTERQUEUE"
		case p.Connected != 0:
			part.First = "CONNECT"
		default:
			part.First = p.End
		}
	}
	for _, n := range c.NoAnswers {
		if seen(n.Queue, n.Agent) {
			part.NoAnswers = append(part.NoAnswers, n)
		}
	}
	return part, len(part.Passages) > 0
}
