package dialplan

import (
	"embed"
	"fmt"
	"io/fs"
)

//go:embed *.conf *.ini *.sql celcombiller_caller celcombiller_reducer
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
		{"extensions-internal.conf", "dialplan: telephones that call each other, follow-mes, billed calls to the outside", 0o644},
		{"extensions-range.conf", "dialplan for OpenBTS, in the form of the program we are compatible with", 0o644},
		{"pjsip-talktime.conf", "phones whose account code names their user, a trunk, OpenBTS", 0o640},
		{"celcombiller_caller", "AGI program: asks before a call; for /usr/share/asterisk/agi-bin", 0o755},
		{"celcombiller_reducer", "AGI program: settles after a call; for /usr/share/asterisk/agi-bin", 0o755},
		{"cdr.conf", "call records: the settings Talktime was tested with", 0o644},
		{"cdr_adaptive_odbc.conf", "call records into a database", 0o644},
		{"cdr.sql", "the table for call records", 0o644},
		{"res_odbc.conf", "the connections to the databases of call records and of telephones", 0o640},
		{"odbc.ini", "where those databases are; for /etc/odbc.ini", 0o644},
		{"pbx.sql", "the tables for telephones, trunks and follow-mes, and who may do what in them", 0o640},
		{"sorcery.conf", "telephones and trunks are read from those tables, too", 0o644},
		{"extconfig.conf", "which connection has which table", 0o644},
		{"pjsip-realtime.conf", "what stays in a file: transports", 0o644},
		{"followme.conf", "empty, but follow-mes need it", 0o644},
		{"manager.conf", "Talktime's account at the manager interface, with the least rights", 0o640},
		{"ari.conf", "Talktime's account at the REST interface", 0o640},
		{"http.conf", "the web server that the REST interface needs", 0o644},
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
