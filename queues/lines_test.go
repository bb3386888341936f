package queues_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"talktime/queues"
)

type piece struct {
	offset int64
	line   string
}

// cutAt reads a text in blocks of some size, and stops and goes on with a new reader every so many lines (0: never).
func cutAt(t *testing.T, text []byte, block, stop int) []piece {
	t.Helper()
	var pieces []piece
	lines, at, n := queues.NewLines(0), 0, 0
	for at < len(text) {
		end := min(at+block, len(text))
		buffer := slices.Clone(text[at:end])
		if _, err := lines.Write(buffer); err != nil {
			t.Fatal(err)
		}
		clear(buffer) // the caller may use it again
		at = end
		for lines.Next() {
			pieces = append(pieces, piece{lines.Offset(), lines.Line()})
			if n++; stop > 0 && n%stop == 0 {
				at = int(lines.End())
				lines = queues.NewLines(lines.End())
			}
		}
	}
	return pieces
}

func TestLines(t *testing.T) {
	t.Parallel()
	text := []byte("one\n\ntwo\r\nthree \xff\x00\n" + strings.Repeat("4", 50) + "\nhalf")
	want := []piece{{0, "one"}, {4, ""}, {5, "two\r"}, {10, "three \xff\x00"}, {19, strings.Repeat("4", 50)}}
	for block := 1; block <= len(text); block++ {
		for stop := range 4 {
			if got := cutAt(t, text, block, stop); !slices.Equal(got, want) {
				t.Fatalf("blocks of %d, a new reader every %d lines: %+v", block, stop, got)
			}
		}
	}
	lines := queues.NewLines(1000)
	_, _ = lines.Write(text)
	for lines.Next() {
	}
	if lines.Rest() != "half" || lines.End() != 1000+int64(len(text))-4 {
		t.Errorf("left is %q behind %d", lines.Rest(), lines.End())
	}
}

// TestLinesTooLong: such a line is bounded in memory, refused by Parse however the blocks were cut, and the next line is whole again.
func TestLinesTooLong(t *testing.T) {
	t.Parallel()
	const head = "1812528000|1.1|q|a|TAG|"
	good := head + "x"
	for _, size := range []int{queues.MaxLine - 1, queues.MaxLine, queues.MaxLine + 1, queues.MaxLine + 2, 3 * queues.MaxLine} {
		for _, end := range []string{"\n", "\r\n", "\r\r\n"} {
			line := head + strings.Repeat("x", size-len(head))
			text := []byte(good + "\n" + line + end + good + "\n")
			for _, block := range []int{1000, size, size + 1, size + 2, size + len(good) + 1, size + len(good) + 2, size + len(good) + 3, len(text)} {
				pieces := cutAt(t, text, block, 0)
				if len(pieces) != 3 || pieces[0].line != good || pieces[2].line != good || pieces[1].offset != int64(len(good))+1 ||
					pieces[2].offset != int64(len(good)+1+size+len(end)) {
					t.Fatalf("%d bytes in blocks of %d: %d pieces", size, block, len(pieces))
				}
				var p queues.Parser
				_, err := p.Parse(pieces[1].line)
				if fits := size+max(len(end)-2, 0) <= queues.MaxLine; fits != (err == nil) {
					t.Errorf("%d bytes and %q in blocks of %d: %v", size, end, block, err)
				}
			}
		}
	}
	lines := queues.NewLines(7)
	for range 1000 {
		_, _ = lines.Write(bytes.Repeat([]byte("x"), 1000))
		if lines.Next() {
			t.Fatal("a line without end")
		}
	}
	if len(lines.Rest()) > 2*queues.MaxLine || lines.End() != 7 {
		t.Errorf("%d bytes are kept, from %d on", len(lines.Rest()), lines.End())
	}
}

// FuzzLines: whatever blocks a file is read in, and wherever reading stops and goes on, the lines are those of the file.
func FuzzLines(f *testing.F) {
	f.Add([]byte("one\ntwo\r\n\nhalf"), uint16(3), uint8(2))
	f.Add([]byte("\n\n\n"), uint16(1), uint8(1))
	f.Fuzz(func(t *testing.T, text []byte, block uint16, stop uint8) {
		if len(text) > queues.MaxLine {
			return
		}
		var want []piece
		offset := int64(0)
		for line := range bytes.SplitAfterSeq(text, []byte("\n")) {
			if whole, ok := bytes.CutSuffix(line, []byte("\n")); ok {
				want = append(want, piece{offset, string(whole)})
			}
			offset += int64(len(line))
		}
		if got := cutAt(t, text, max(int(block), 1), int(stop)); !slices.Equal(got, want) {
			t.Fatalf("%+v, not %+v", got, want)
		}
	})
}
