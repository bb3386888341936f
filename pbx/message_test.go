package pbx

import (
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

func TestRead(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, text string
		want       []Message
		malformed  uint64
		err        error
	}{
		{"an answer", "Response: Success\r\nMessage: a: b\r\n\r\n", []Message{{{"Response", "Success"}, {"Message", "a: b"}}}, 0, io.EOF},
		{"keys repeat", "Output: a\r\nOutput:  b \r\nOutput:\r\n\r\n", []Message{{{"Output", "a"}, {"Output", " b "}, {"Output", ""}}}, 0, io.EOF},
		{"empty blocks are none", "\r\n\r\nA: 1\r\n\r\n\r\nB: 2\r\n\r\n", []Message{{{"A", "1"}}, {{"B", "2"}}}, 0, io.EOF},
		{"a line feed ends no line", "A: 1\n\nResponse: x\r\n\r\n", []Message{{{"A", "1\n\nResponse: x"}}}, 0, io.EOF},
		{"a line without a colon", "A: 1\r\nodd\r\n\r\n", []Message{{{"A", "1"}}}, 1, io.EOF},
		{"secrets", "SecretKey: s\r\nPassword: s\r\nMd5Cred: s\r\nKey: k\r\n\r\n", []Message{{{"SecretKey", "***"}, {"Password", "***"}, {"Md5Cred", "***"}, {"Key", "k"}}}, 0, io.EOF},
		{"cut in a block", "A: 1\r\n", nil, 0, io.ErrUnexpectedEOF},
		{"cut in a line", "A: 1\r\n\r\nA", []Message{{{"A", "1"}}}, 0, io.ErrUnexpectedEOF},
	} {
		for way, in := range map[string]io.Reader{
			"at once": strings.NewReader(test.text), "by bytes": iotest.OneByteReader(strings.NewReader(test.text)),
		} {
			t.Run(test.name+" "+way, func(t *testing.T) {
				r := newReader(in)
				var got []Message
				m, err := r.next()
				for ; err == nil; m, err = r.next() {
					got = append(got, m)
				}
				if !slices.EqualFunc(got, test.want, slices.Equal) || r.malformed != test.malformed || !errors.Is(err, test.err) {
					t.Errorf("got %q, %d malformed, %v", got, r.malformed, err)
				}
			})
		}
	}
}

// TestReadLimits: exactly the limit is taken, one more is read over, and what follows is read again.
func TestReadLimits(t *testing.T) {
	t.Parallel()
	const after = "Z: 1\r\n\r\nB: 2\r\n\r\n"
	line := "Key: " + strings.Repeat("x", 4000-5-2) + "\r\n"
	for _, test := range []struct {
		name, text string
		fits       bool
	}{
		{"a line", "A: " + strings.Repeat("x", maxLine-3) + "\r\n", true},
		{"a line too long", "A: " + strings.Repeat("x", maxLine-2) + "\r\n", false},
		{"a line far too long", "A: " + strings.Repeat("x\n", 100_000) + "\r\n", false},
		{"lines", strings.Repeat("A: x\r\n", maxLines-1), true},
		{"lines too many", strings.Repeat("A: x\r\n", maxLines), false},
		{"a block", strings.Repeat(line, maxBlock/4000), true},
		{"a block too long", strings.Repeat(line, maxBlock/4000+1), false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r := newReader(strings.NewReader("ActionID: 7\r\n" + test.text + after))
			if strings.HasPrefix(test.name, "lines") {
				r = newReader(strings.NewReader(test.text + after))
			}
			m, err := r.next()
			if (err == nil) != test.fits || err != nil && !errors.Is(err, errTooLong) {
				t.Fatalf("got %v", err)
			}
			if !strings.HasPrefix(test.name, "lines") && m.Get("actionid") != "7" {
				t.Errorf("ActionID %q", m.Get("ActionID"))
			}
			if m, err = r.next(); err != nil || m.Get("B") != "2" {
				t.Errorf("then %v, %v", m, err)
			}
		})
	}
}

// FuzzReader: whatever comes, blocks have an end and limits, hold no secret, and are the same however the bytes arrive.
func FuzzReader(f *testing.F) {
	for _, seed := range []string{
		"Response: Success\r\nMessage: Authentication accepted\r\n\r\n", block(channel("1.1")), block(queueStatus[1]), "\r\n", "\n", "", ":", "a:b",
		"no colon\r\n\r\n", "A: 1\nA: 2\n\n", strings.Repeat("x", maxLine), strings.Repeat("x", maxLine-1) + "\r\n\r\n",
		strings.Repeat("A: b\r\n", maxLines+1) + "ActionID: 1\r\n\r\n", "Key: va\rlue\r\n\r\n", "\x00: \xff\r\n\r\n", "\r\r\n\r\n\n", "Secret: x\r\n\r\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		whole, pieces := newReader(strings.NewReader(string(data))), newReader(iotest.HalfReader(strings.NewReader(string(data))))
		for range len(data) + 1 {
			m, err := whole.next()
			m2, err2 := pieces.next()
			if !slices.Equal(m, m2) || !errors.Is(err2, err) {
				t.Fatalf("%q, %v at once and %q, %v in pieces", m, err, m2, err2)
			}
			if err != nil && !errors.Is(err, errTooLong) {
				if m != nil {
					t.Errorf("got %q beside %v", m, err)
				}
				return
			}
			if len(m) > maxLines+1 {
				t.Errorf("%d fields", len(m))
			}
			size := 0
			for _, field := range m {
				size += len(field.Key) + len(field.Value)
				if strings.Contains(field.Key, lineEnd) || strings.Contains(field.Value, lineEnd) || len(field.Key)+len(field.Value) > maxLine || isSecret(field.Key) && field.Value != hidden {
					t.Errorf("%.60q: %.60q", field.Key, field.Value)
				}
			}
			if size > maxBlock+maxLine {
				t.Errorf("%d bytes", size)
			}
		}
		t.Error("more blocks than bytes")
	})
}
