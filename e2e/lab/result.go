package lab

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Result is what became of the calls, in the order they were placed.
type Result struct{ Calls []CallResult }

// CallResult is one call as the calling phone saw it.
type CallResult struct {
	Party
	Started  time.Time
	Code     int           // the final answer to the call: 200, 486, 603, 487 when the caller gave up; 0 when there was none
	Answered bool          // Code is 200
	Setup    time.Duration // from the start to that answer
	Talk     time.Duration // from the answer to the hang-up; zero while the call is up
	EndedBy  Side          // who hung up the answered call

	id       string // Call-ID
	answered time.Time
}

// Side is one end of a call.
type Side string

// Who hung up an answered call. To the calling phone, Far is Asterisk and everything behind it.
const (
	Nobody Side = ""     // it is still up, or its end was never seen
	Near   Side = "near" // the calling phone
	Far    Side = "far"  // the other side
)

// Answered counts the calls that were answered.
func (r Result) Answered() int { return r.Codes()[200] }

// Codes counts the final answers.
func (r Result) Codes() map[int]int {
	codes := map[int]int{}
	for _, call := range r.Calls {
		codes[call.Code]++
	}
	return codes
}

// message is one line of SIPp's log of messages.
type message struct {
	at       time.Time
	sent     bool // by the phone
	callID   string
	number   int // of the call, from 1
	method   string
	response int // 0 for a request
}

// parseMessage reads a line such as
//
//	2026-11-20	23:55:35.489259	1795218935.489259	R	1-27010@127.0.0.2	CSeq:1 INVITE	SIP/2.0 200 OK
//
// where 1-27010@127.0.0.2 is the Call-ID, beginning with the number of the call.
func parseMessage(line string) (message, error) {
	fields := strings.Split(strings.TrimRight(line, "\r\n"), "\t")
	if len(fields) != 7 {
		return message{}, fmt.Errorf("%d fields", len(fields))
	}
	seconds, fraction, _ := strings.Cut(fields[2], ".")
	unix, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil {
		return message{}, err
	}
	micros, err := strconv.ParseInt(fraction, 10, 64)
	if err != nil {
		return message{}, err
	}
	callNumber, _, _ := strings.Cut(fields[4], "-")
	number, err := strconv.Atoi(callNumber)
	if err != nil {
		return message{}, err
	}
	_, method, _ := strings.Cut(fields[5], " ")
	m := message{at: time.UnixMicro(unix*1_000_000 + micros), sent: fields[3] == "S", callID: fields[4], number: number, method: method}
	if status, isResponse := strings.CutPrefix(fields[6], "SIP/2.0 "); isResponse {
		code, _, _ := strings.Cut(status, " ")
		if m.response, err = strconv.Atoi(code); err != nil {
			return message{}, err
		}
	}
	return m, nil
}

// parseMessages makes calls of SIPp's log of messages. SIPp may be writing it still: the last line may be cut short.
func parseMessages(log string, parties []Party) (Result, error) {
	calls := map[int]*CallResult{}
	for line := range strings.Lines(log) {
		if !strings.HasSuffix(line, "\n") {
			break
		}
		m, err := parseMessage(line)
		if err != nil {
			return Result{}, fmt.Errorf("SIPp's log of messages, %q: %w", line, err)
		}
		call := calls[m.number]
		if call == nil {
			call = &CallResult{Party: parties[(m.number-1)%len(parties)], Started: m.at, id: m.callID}
			calls[m.number] = call
		}
		call.note(m)
	}

	var numbers []int
	for number := range calls {
		numbers = append(numbers, number)
	}
	slices.Sort(numbers)
	var result Result
	for _, number := range numbers {
		result.Calls = append(result.Calls, *calls[number])
	}
	return result, nil
}

// note takes account of one message. Repetitions change nothing.
func (c *CallResult) note(m message) {
	switch {
	case m.method == "INVITE" && m.response >= 200 && c.Code == 0:
		c.Code = m.response
		c.Setup = m.at.Sub(c.Started)
		if c.Answered = m.response == 200; c.Answered {
			c.answered = m.at
		}
	case m.method == "BYE" && m.response == 0 && c.Answered && c.EndedBy == Nobody:
		c.Talk = m.at.Sub(c.answered)
		c.EndedBy = Far
		if m.sent {
			c.EndedBy = Near
		}
	}
}
