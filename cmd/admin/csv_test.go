package main

import (
	"errors"
	"io"
	"strings"
	"testing"
)

func TestRepeats(t *testing.T) {
	t.Parallel()
	values := []string{"a", "b", "", "a", "c", "", "b", "a"}
	r := newRepeats()
	for _, v := range values {
		r.add(v)
	}
	if !r.suspicious() {
		t.Fatal("nothing is suspicious")
	}
	want := []int{0, 0, 0, 1, 0, 0, 2, 1}
	for i, v := range values {
		if got := r.seen(v, i+1); got != want[i] {
			t.Errorf("value %d, %q, was seen in line %d, want %d", i+1, v, got, want[i])
		}
	}
	r = newRepeats()
	r.add("a")
	r.add("b")
	if r.suspicious() {
		t.Error("different values are suspicious")
	}
}

// FuzzUserRows: a file may hold anything. Rows that are said to be good hold up to the check of one user, and the
// lines never go back.
func FuzzUserRows(f *testing.F) {
	f.Add("username,password,clid,imsi,admin,balance\nmarta,secret7,555,001,yes,600\n")
	f.Add("\ufeffbalance,username\r\n1.5,\"a\"\"b\"\r\n,x\n\n\"")
	f.Add("username\na\x00b\n\xff\n")
	f.Fuzz(func(t *testing.T, text string) {
		rows, err := readHeader(strings.NewReader(text))
		if err != nil {
			return
		}
		last := 0
		for {
			row, err := rows.next()
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if row.line < last {
				t.Errorf("line %d comes after line %d", row.line, last)
			}
			last = row.line
			if row.bad == nil && checkNewUser(row.NewUser) != nil {
				t.Errorf("line %d is said to be good: %+v", row.line, row)
			}
		}
	})
}
