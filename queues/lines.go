package queues

import "strings"

// Lines cuts a file that is read in blocks into whole lines and knows where each begins and ends in the file. So a reader may stop
// behind any line, keep End, and go on from there in another process:
//
//	lines := queues.NewLines(offset)
//	for each block read from the file at lines' offset {
//		lines.Write(block)
//		for lines.Next() {
//			event, err := parser.Parse(lines.Line())
//		}
//		store the events together with lines.End()
//	}
//
// A last line that has no end yet is not given out: Asterisk may still be writing it.
type Lines struct {
	text  string // written and not yet given out
	start int64  // where the first line of it begins in the file
	head  string // beginning of a line that is too long to be kept
	gone  int64  // bytes of that line that were given up

	line   string
	offset int64
}

// NewLines expects the bytes of a file from offset on, which is where a line begins.
func NewLines(offset int64) *Lines { return &Lines{start: offset, offset: offset} }

// Write takes the next block; it may be used again afterwards. Never an error. Take the lines before the next one is written.
func (l *Lines) Write(block []byte) (int, error) {
	if l.text == "" {
		l.text = string(block) // the only copy: lines and texts of events are parts of it
	} else {
		l.text += string(block)
	}
	return len(block), nil
}

// Next goes on to the next whole line, if there is one.
func (l *Lines) Next() bool {
	end := strings.IndexByte(l.text, '\n')
	if end < 0 {
		if l.gone > 0 || len(l.text) > MaxLine+1 { // one more, for a carriage return
			l.giveUp()
		}
		return false
	}
	l.line, l.offset = l.text[:end], l.start
	if l.gone > 0 {
		l.line = l.head
	}
	l.start += l.gone + int64(end) + 1
	l.head, l.gone = "", 0
	l.text = l.text[end+1:]
	return true
}

// giveUp keeps of an endless line what it takes for Parse to refuse it.
func (l *Lines) giveUp() {
	if l.gone == 0 {
		l.head = strings.Clone(l.text[:MaxLine+2])
	}
	l.gone += int64(len(l.text))
	l.text = ""
}

// Line is the line that Next found, without its end. Of one that is too long it may be the beginning only; Parse refuses both.
func (l *Lines) Line() string { return l.line }

// Offset is where the line begins in the file.
func (l *Lines) Offset() int64 { return l.offset }

// End is where the next line begins: everything before has been given out.
func (l *Lines) End() int64 { return l.start }

// Rest is the line that has no end yet. Who knows that nothing will be added, as to a file that was rotated, parses it too.
func (l *Lines) Rest() string {
	if l.gone > 0 {
		return l.head
	}
	return l.text
}
