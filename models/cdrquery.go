package models

// CDRQuery asks for the latest rows of the table cdr of an Asterisk. Times are by the clock of that table, as it writes them:
// 2006-01-02 15:04:05.
type CDRQuery struct {
	From, To     string   // both inclusive; empty: no bound
	Column       string   // src, dst, channel, dstchannel or accountcode: is searched for Contains; empty: none
	Contains     string   // a text somewhere in it, to be taken literally
	Dispositions []string // such as ANSWERED
	Recordings   string   // only: that have a file; without: that have none; empty: all
	IncludeS     bool     // rows with dst s too, which are parts of calls within the dialplan
	AllColumns   bool     // those that nobody expects too
	Limit        int      // rows
}

// CDRRows are rows of a table, the latest first. Whatever its type, a value is a text; NULL is empty.
type CDRRows struct {
	Columns []string // in small letters
	Rows    [][]string
}

// CDRColumns are the columns of cdr that Asterisk and FreePBX write, in their order. A table may lack some.
func CDRColumns() []string {
	return []string{
		"calldate", "clid", "src", "dst", "dcontext", "channel", "dstchannel", "lastapp", "lastdata", "duration", "billsec", "disposition", "amaflags",
		"accountcode", "uniqueid", "userfield", "recordingfile", "cnum", "cnam", "outbound_cnum", "outbound_cnam", "dst_cnam", "did",
	}
}
