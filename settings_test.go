package talktime_test

import (
	"os"
	"strings"
	"testing"

	"talktime/internal/config"
)

const (
	settingsBegin = "<!-- settings: written by `go test . -run Settings -update` -->\n"
	settingsEnd   = "<!-- /settings -->"
)

// TestSettingsInREADME holds the table of the README and the code together.
func TestSettingsInREADME(t *testing.T) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok := strings.Cut(string(text), settingsBegin)
	_, tail, ok2 := strings.Cut(rest, settingsEnd)
	if !ok || !ok2 {
		t.Fatal("README.md has no place for the settings")
	}
	want := head + settingsBegin + config.MarkdownTable() + settingsEnd + tail
	if want == string(text) {
		return
	}
	if !*update {
		t.Fatal("the settings in README.md are not those of the code; run: go test . -run Settings -update")
	}
	if err := os.WriteFile("README.md", []byte(want), 0o600); err != nil {
		t.Fatal(err)
	}
}
