package dialplan

import (
	"embed"
	"fmt"
	"io/fs"
)

//go:embed *.conf *.sql celcombiller_caller celcombiller_reducer
var content embed.FS

// File is one sample.
type File struct {
	Name    string
	Purpose string // one line for the operator
	// Mode is what an installed copy needs: the AGI programs must be executable, files that will hold a
	// password must not be readable by everybody.
	Mode fs.FileMode
}

// Files lists the samples in the order an operator meets them. The slice is the caller's own.
func Files() []File {
	return []File{
		{"extensions-talktime.conf", "dialplan: billed calls in two ways, the balance number", 0o644},
		{"extensions-range.conf", "dialplan for OpenBTS, in the form of the program we are compatible with", 0o644},
		{"pjsip-talktime.conf", "phones whose account code names their user, a trunk, OpenBTS", 0o640},
		{"celcombiller_caller", "AGI program: asks before a call; for /usr/share/asterisk/agi-bin", 0o755},
		{"celcombiller_reducer", "AGI program: settles after a call; for /usr/share/asterisk/agi-bin", 0o755},
		{"cdr.conf", "call records: the settings Talktime was tested with", 0o644},
		{"cdr_adaptive_odbc.conf", "call records into a database", 0o644},
		{"res_odbc.conf", "the connection to that database", 0o640},
		{"cdr.sql", "the table for call records", 0o644},
	}
}

// Read returns the text of one sample.
func Read(name string) ([]byte, error) {
	text, err := content.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("there is no sample %q: %w", name, fs.ErrNotExist)
	}
	return text, nil
}
