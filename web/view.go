package web

import "time"

// Page is what every page has around its Body.
type Page struct {
	Title   string
	User    string // who is logged in; empty: nobody
	Admin   bool   // the menu of administrators is shown
	Counts  bool   // there are statistics
	Queues  bool   // there are queues that he may see
	Live    bool   // there are live calls that he may see
	Section string // address of the entry of the menu that the page belongs to
	Message string // of something that was done, shown once
	Body    Body
}

// Body is what a page is about: one of the types below.
type Body interface{ template() string }

// Amount is money. That of seconds has a Clock besides.
type Amount struct {
	Decimal string // with its sign
	Unit    string // "s" or a currency
	Clock   string // h:mm:ss; empty where the unit is no time
}

// Link leads to another page.
type Link struct{ Text, Path string }

// Notice is a page of one sentence, for errors above all.
type Notice struct {
	Text string
	More *Link // where to go on
}

// Login is the form for whoever is not logged in.
type Login struct {
	Form   Form
	Notice string // why it is shown
}

// Form is a form that is posted.
type Form struct {
	Action string
	Intro  []string // what it is for, or what it will do, a paragraph each
	Error  string   // of the form as a whole
	Fields []Field
	Submit string // on its button
	Danger bool   // what it does cannot be undone
	Cancel string // where to go instead; empty: nowhere
}

// Field is an input of a form with what was typed and what is wrong with it.
type Field struct {
	Name, Label, Value, Error, Hint string
	Key                             string   // tells it apart from a field of the same name in another form
	Type                            string   // of the HTML element: text, password, search, date, checkbox, hidden, select, textarea
	Options                         []Option // of a select
	Checked                         bool     // of a checkbox
	Required                        bool
	Fixed                           bool   // shown, but not to be changed
	Mode                            string // keyboard of a phone: numeric, decimal, tel
	Autocomplete                    string // empty: off
}

// Option is one that a select offers.
type Option struct {
	Value, Label string
	Selected     bool
}

// ID is the field's name in the document.
func (f Field) ID() string { return "field-" + f.Key + f.Name }

// FormPage is a page with a form only.
type FormPage struct {
	Heading string
	Form    Form
}

// Home is an administrator's first page.
type Home struct {
	Greeting string
	Figures  []Figure
	Notices  []NoticeRow
	Calls    []CallRow
}

// NoticeRow is something that happened which somebody wants to hear of.
type NoticeRow struct {
	At    time.Time
	What  string
	User  string // whom it is about; empty: nobody
	Told  string // what became of telling it
	Alert bool   // somebody was not told
}

// Figure is a number at a glance: a Text, or Amounts.
type Figure struct {
	Label   string
	Text    string
	Amounts []Amount
	Path    string // to what is behind it; empty: nowhere
	Alert   bool   // somebody should look
}

// Users is a list of users.
type Users struct {
	Search Field
	Total  string // in words
	Rows   []UserRow
	Next   string // address of the next page; empty: none
}

// UserRow is a user in a list.
type UserRow struct {
	Name, FullName, CLID     string
	Admin, Blocked           bool
	Balance, Held, Available Amount
	Credit                   *Amount // how far below zero he may go; nil: not at all
	Promotions               []Promotion
}

// Promotion is a part of a user's balance that expires.
type Promotion struct {
	Balance Amount
	Expires time.Time
}

// User is everything of one user.
type User struct {
	Greeting string // on his own first page
	UserRow
	IMSI, AccountID, Currency string
	Groups                    []string
	Limits                    []string // that count for him, in words
	Created                   time.Time
	Manage                    bool  // an administrator looks at him
	Money                     *Form // for top-ups; nil: not for whoever looks
	Block                     *Form // to block him or to let him call again; nil: not for whoever looks
	Entries                   []EntryRow
	Calls                     []CallRow
}

// Entries is a user's ledger.
type Entries struct {
	User string
	Rows []EntryRow
	Next string
}

// EntryRow is a ledger entry of a user.
type EntryRow struct {
	At     time.Time
	Does   string // in words
	Note   string
	Call   int64 // that was charged; 0: none
	Amount Amount
	Actor  string // empty: nobody but the call itself
}

// Calls is a list of calls.
type Calls struct {
	User   string // whose; empty: everybody's
	Filter *Form  // sent by GET
	Total  string
	Rows   []CallRow
	Next   string
}

// Refused is a list of calls that users were refused.
type Refused struct {
	Filter *Form // sent by GET
	Total  string
	Rows   []RefusedRow
	Next   string
}

// RefusedRow is one of those calls.
type RefusedRow struct {
	At       time.Time
	User     string // empty: deleted
	CallerID string
	Number   string
	Reason   string
}

// CallRow is a call in a list.
type CallRow struct {
	ID       int64
	At       time.Time
	User     string // empty: not known
	CallerID string
	Number   string
	State    string // in words
	Alert    bool   // somebody should look
	Seconds  int64  // talked
	Talk     string // h:mm:ss; empty: nothing is known
	Held     Amount
	Charge   *Amount // nil: not settled
	Due      time.Time
}

// Call is a call with everything that led to its charge.
type Call struct {
	CallRow
	Summary  string
	Warnings []string
	Facts    []Fact
	Evidence []Evidence
	Hold     *Leg // why an open call holds what it holds
	Legs     []Leg
	Sum      *Amount // of several legs
	Entries  []Posted
	Manage   bool // an administrator looks at it
	Open     bool
}

// Fact is one thing that is known: text, a time or an amount.
type Fact struct {
	Label, Text string
	Path        string // where the text leads; empty: nowhere
	At          *time.Time
	Amount      *Amount
}

// Evidence is what one witness saw of a call.
type Evidence struct {
	Witness string
	At      time.Time
	Saw     []string
}

// Leg is how the price of one destination of a call comes about.
type Leg struct {
	Number string
	Rate   []string // in sentences
	Steps  []Step
	Cost   Amount
}

// Step is one addition on the way to a price.
type Step struct {
	Does   string
	Amount Amount
}

// Posted is an entry on an account of a user or of the house.
type Posted struct {
	Account string
	User    string // whose account it is; empty: the house's
	Amount  Amount
	At      time.Time
}

// Statistics are figures of calls.
type Statistics struct {
	User     string   // whose calls; empty: everybody's
	Words    string   // from when to when, in which zone; empty: nothing was counted
	Periods  []Choice // that can be asked for by a word
	Filter   *Form    // sent by GET
	Operates bool     // what is left after carriers is shown
	Totals   []Figure
	By       string // what a row of Times is about: Hour, Day, Month
	Heading  string // above Times

	Times, Countries, Destinations            []StatRow
	Heat                                      []HeatRow // Monday first
	Busy                                      *Chart    // calls at once; nil: the time is too long for it
	Busiest                                   []BusyRow // the times with the most of them
	TimeFiles, CountryFiles, DestinationFiles []Link
	HeatFiles, BusyFiles                      []Link
}

// Choice is a link of several, of which one may be where we are.
type Choice struct {
	Text, Path string
	Chosen     bool
}

// StatRow are figures of calls that have something in common. What is not known is a dash.
type StatRow struct {
	Name, Note         string
	Calls              string // where these are listed; empty: nowhere
	Attempts, Answered int64
	ASR, NER, ACD, PDD string
	Talk               string
	Revenue, Margin    []Amount // by currency
}

// HeatRow is a weekday, from midnight on.
type HeatRow struct {
	Day, Rest string // Mon, day
	Hours     []HeatCell
}

// HeatCell is an hour of a weekday.
type HeatCell struct {
	Calls int64
	Level int    // its shade, from 0 for nothing to 9
	Words string // all of its figures
}

// BusyRow is how many calls there were at once in some time.
type BusyRow struct {
	At   time.Time
	Most int64
	Mean string
}

// Chart is a line that goes up and down, as a path of SVG in a picture of some size.
type Chart struct {
	Words         string // what it shows
	Path          string
	Width, Height int
	Most          string // what stands at its top; 0 is at the bottom
	From, To      string // what stands at its left and right
}

// Queues is how Asterisk's queues are now, and what happened in them today.
type Queues struct {
	At      time.Time
	Trouble string // why nothing is known of now, as a sentence; empty: all is known
	Totals  []Figure
	Longest *int64 // seconds that the first of all waits; nil: nobody does
	Rows    []QueueRow
	Waiting []WaitingRow
	Agents  []AgentRow
}

// QueueRow is a queue.
type QueueRow struct {
	Name, Note                               string
	Waiting, Agents, Busy, Paused, LoggedOff int
	Longest                                  *int64 // seconds that the first waits; nil: nobody does
	Answered, Talking, Unanswered, Abandoned int64
	AbandonRate, MeanWait, MeanTalk          string
	Calls                                    string // where those of today are listed
}

// WaitingRow is a caller who waits.
type WaitingRow struct {
	Queue        string
	Position     int
	Number, Name string // empty: not known
	Seconds      int64
}

// AgentRow is a member of queues.
type AgentRow struct {
	Name, Location string
	Queues         []string
	Status         string
	Alert          bool   // nobody can reach him
	Paused         string // where and why; empty: he is not
	PausedFor      *int64 // seconds; nil: not known
	Call           string // of whom, from which queue; empty: none
	CallFor        *int64 // seconds
	LastCall       *int64 // seconds since it ended; nil: none yet
}

// Live is the calls that go on, with what they cost.
type Live struct {
	At      time.Time
	Trouble string // why nothing is known of the channels, as sentences; empty: all is known
	Totals  []Figure
	Rows    []LiveRow
	Stuck   []LiveRow // that hold money without a channel
	Foreign []LiveRow // that another Asterisk has
}

// LiveRow is a call that goes on.
type LiveRow struct {
	ID               int64
	User             string // who pays; empty: not known
	CallerID, Number string
	To               string // the user who is called; empty: none of ours
	Since            time.Time
	State, Note      string
	Alert            bool
	Talking          bool   // these seconds go on
	Talked, Left     *int64 // seconds; nil: not known
	SliceLeft        *int64 // seconds of Left that are paid for already; nil: all of them
	Cost, Held       *Amount
	HangUp           string // address that asks whether to; empty: it cannot be done
}

// Holds are calls that hold money.
type Holds struct {
	Total string
	Rows  []CallRow
	Next  string
}

// Groups is a list of groups.
type Groups struct {
	Total string
	Rows  []GroupRow
	Next  string
}

// GroupRow is a group in a list.
type GroupRow struct {
	Name    string
	Refill  string // in words
	Members int
	Next    string // refill date; empty: none
	Left    int    // refill dates
}

// Group is everything of one group.
type Group struct {
	GroupRow
	AccountID string
	Dates     []string
	More      int // dates that are not shown
	Users     []UserRow
	Hidden    int // members that are not shown
	Add       Form
	Remove    Form
}

func (Notice) template() string     { return "notice" }
func (Login) template() string      { return "login" }
func (FormPage) template() string   { return "formpage" }
func (Home) template() string       { return "home" }
func (Users) template() string      { return "users" }
func (User) template() string       { return "user" }
func (Entries) template() string    { return "entries" }
func (Calls) template() string      { return "calls" }
func (Refused) template() string    { return "refused" }
func (Statistics) template() string { return "statistics" }
func (Call) template() string       { return "call" }
func (Queues) template() string     { return "queues" }
func (Live) template() string       { return "live" }
func (Holds) template() string      { return "holds" }
func (Groups) template() string     { return "groups" }
func (Group) template() string      { return "group" }
