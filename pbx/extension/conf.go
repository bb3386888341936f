package extension

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"strings"
)

// Sections are those of a file such as sip_additional.conf: settings by their keys, by the name of the section.
type Sections map[string]map[string]string

// Bounds of such a file, bytes.
const (
	maxConf = 32 << 20
	maxLine = 64 << 10
)

// ErrTooLarge says that a file is larger than any that FreePBX writes.
var ErrTooLarge = errors.New("the file is too large for settings of telephones")

// ParseConf reads a file as FreePBX writes it. Of a key that comes twice the last one counts; the suffix of a section in parentheses,
// settings before the first section and #include are left out. The file may have 32 MiB, and 64 KiB in a line; else the error is
// ErrTooLarge.
func ParseConf(file io.Reader) (Sections, error) {
	limited := &io.LimitedReader{R: file, N: maxConf + 1}
	lines := bufio.NewScanner(limited)
	lines.Buffer(make([]byte, 0, 4<<10), maxLine)
	sections := Sections{}
	var section map[string]string
	for lines.Scan() {
		line := bytes.TrimSpace(lines.Bytes())
		if len(line) == 0 || line[0] == ';' || line[0] == '#' {
			continue
		}
		if line[0] == '[' {
			name, _, closed := strings.Cut(string(line[1:]), "]")
			if !closed {
				continue
			}
			if section = sections[name]; section == nil {
				section = map[string]string{}
				sections[name] = section
			}
			continue
		}
		key, value, found := strings.Cut(string(line), "=")
		if key = strings.TrimSpace(key); found && key != "" && section != nil {
			section[key] = strings.TrimSpace(strings.TrimPrefix(value, ">"))
		}
	}
	if limited.N == 0 || errors.Is(lines.Err(), bufio.ErrTooLong) {
		return nil, fmt.Errorf("%w: it may have %d MiB, and %d KiB in a line", ErrTooLarge, maxConf>>20, maxLine>>10)
	}
	return sections, lines.Err()
}

// Masked is a copy without secrets.
func (s Sections) Masked() Sections {
	shown := make(Sections, len(s))
	for name, settings := range s {
		settings = maps.Clone(settings)
		for key := range settings {
			if secretKey(key) {
				settings[key] = Mask
			}
		}
		shown[name] = settings
	}
	return shown
}
