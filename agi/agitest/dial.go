package agitest

import (
	"cmp"
	"strconv"
	"strings"
	"time"
)

// A Dial is a call of the application Dial: what it was asked, and what comes of it, which the function
// [Peer].Dial fills in. That function may wait, to hold the call.
type Dial struct {
	Target  string        // PJSIP/59899123000@trunk
	Ring    int           // seconds; 0 if not given
	Options string        // gL(5000)
	Limit   time.Duration // of the option L; 0 is none

	Status       string        // DIALSTATUS; default ANSWER
	Talk         time.Duration // from the answer on; the limit cuts it
	Ringing      time.Duration // before the answer, or before giving up
	CallerHungUp bool          // who ended it; else the callee or the limit
	Redirected   bool          // the caller's channel was taken elsewhere in mid-call, and lives
	Drop         bool          // the connection is lost meanwhile
}

// parseDial splits the arguments of Dial. ok is false when Asterisk would not dial at all, for a limit of L(0)
// or L(abc). L() is no limit, which is as dangerous as it looks.
func parseDial(args string) (d Dial, ok bool) {
	var ring string
	d.Target, args, _ = strings.Cut(args, ",")
	ring, args, _ = strings.Cut(args, ",")
	d.Ring, _ = strconv.Atoi(ring)
	d.Options, _, _ = strings.Cut(args, ",")
	limit, found := option(d.Options, 'L')
	if !found || limit == "" {
		return d, true
	}
	limit, _, _ = strings.Cut(limit, ":")
	ms, err := strconv.ParseInt(limit, 10, 64)
	d.Limit = time.Duration(ms) * time.Millisecond
	return d, err == nil && ms > 0
}

// option returns the argument of one option among letters that may each have one in parentheses.
func option(options string, letter byte) (arg string, found bool) {
	for options != "" {
		this := options[0]
		options, arg = options[1:], ""
		if strings.HasPrefix(options, "(") {
			arg, options, _ = strings.Cut(options[1:], ")")
		}
		if this == letter {
			return arg, true
		}
	}
	return "", false
}

// verdict returns how Asterisk records a DIALSTATUS otherwise.
func verdict(status string) (cause, disposition string) {
	switch status {
	case "ANSWER":
		return "16", "ANSWERED"
	case "BUSY":
		return "17", "BUSY"
	case "CONGESTION":
		return "34", "FAILED"
	case "CHANUNAVAIL":
		return "1", "FAILED"
	case "CANCEL":
		return "127", "NO ANSWER"
	}
	return "0", "NO ANSWER"
}

// finish sets the variables that Dial leaves behind and returns its result.
func (d *Dial) finish(vars map[string]string) (result string) {
	d.Status = cmp.Or(d.Status, "ANSWER")
	d.CallerHungUp = d.CallerHungUp || d.Status == "CANCEL"
	if d.Limit > 0 && d.Talk > d.Limit {
		d.Talk, d.CallerHungUp = d.Limit, false
	}
	for _, name := range [...]string{"ANSWEREDTIME", "ANSWEREDTIME_MS", "DIALEDTIME", "DIALEDTIME_MS", "RINGTIME_MS"} {
		delete(vars, name)
	}
	vars["DIALSTATUS"] = d.Status
	vars["HANGUPCAUSE"], vars["CDR(disposition)"] = verdict(d.Status)
	answered := d.Status == "ANSWER"
	if !answered {
		d.Talk = 0
	}
	if d.Ringing > 0 {
		vars["RINGTIME_MS"] = "80"
	}
	vars["CDR(billsec)"], vars["CDR(duration)"] = seconds(d.Talk), seconds(d.Ringing+d.Talk)
	if answered && !d.Redirected { // of a redirected call only the h extension sees how long it was
		vars["ANSWEREDTIME"], vars["ANSWEREDTIME_MS"] = seconds(d.Talk), millis(d.Talk)
		vars["DIALEDTIME"], vars["DIALEDTIME_MS"] = seconds(d.Ringing+d.Talk), millis(d.Ringing+d.Talk)
	}
	_, goOn := option(d.Options, 'g')
	if d.CallerHungUp || answered && !goOn && !d.Redirected {
		return "-1"
	}
	return "0"
}

func seconds(d time.Duration) string { return strconv.Itoa(int(d / time.Second)) }
func millis(d time.Duration) string  { return strconv.FormatInt(d.Milliseconds(), 10) }
