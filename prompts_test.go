package talktime_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"talktime/agi"
)

const (
	promptsBegin = "<!-- prompts: written by `go test . -run Prompts -update` -->\n"
	promptsEnd   = "<!-- /prompts -->"
)

// TestPromptsInManual holds the table of the operations manual and the code together.
func TestPromptsInManual(t *testing.T) {
	const file = "docs/operations.md"
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok := strings.Cut(string(text), promptsBegin)
	_, tail, ok2 := strings.Cut(rest, promptsEnd)
	if !ok || !ok2 {
		t.Fatalf("%s has no place for the prompts", file)
	}
	var table strings.Builder
	table.WriteString("| prompt | of Asterisk's sounds | what to say |\n|---|---|---|\n")
	for _, r := range agi.Recordings() {
		fmt.Fprintf(&table, "| `%s` | `%s` | %s |\n", r.Name, strings.Join(r.Stock, "`, `"), r.Says)
	}
	want := head + promptsBegin + table.String() + promptsEnd + tail
	if want == string(text) {
		return
	}
	if !*update {
		t.Fatalf("the prompts in %s are not those of the code; run: go test . -run Prompts -update", file)
	}
	if err := os.WriteFile(file, []byte(want), 0o600); err != nil {
		t.Fatal(err)
	}
}
