package config

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"

	"github.com/joho/godotenv"
)

// readDotEnv returns the variables of the file .env in dir; a missing file is no mistake. With a mistake in it they are
// those of the lines that are right, so that their mistakes are found too.
//
// The parser's own error quotes the text around the fault, which may be a password. It is therefore
// replaced by the number of the line where that can be told.
func readDotEnv(dir string) (map[string]string, error) {
	path := filepath.Join(dir, ".env")
	text, err := os.ReadFile(path) //nolint:gosec // the operator's own file, in the folder he started us in
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("the file %s cannot be read: %w", path, err)
	}
	lines := strings.SplitAfter(strings.TrimSuffix(string(text), "\n")+"\n", "\n")
	lines = lines[:len(lines)-1] // behind the last line there is nothing
	if values, ok := parseDotEnv(lines); ok {
		return values, nil
	}
	values := make(map[string]string)
	var mistakes []error
	for i := 0; i < len(lines); i++ {
		right, n := firstEntry(lines[i:])
		if n == 0 {
			mistakes = append(mistakes, fmt.Errorf("the file %s, line %d, is not NAME=value (quote values with spaces, close every quote)", path, i+1))
			continue
		}
		i += n - 1
		maps.Copy(values, right)
	}
	return values, errors.Join(mistakes...)
}

// firstEntry parses the entry that lines begin with, and says how many of them it takes: a quoted value may have several.
// None: it is wrong.
func firstEntry(lines []string) (values map[string]string, n int) {
	most := 1
	if strings.ContainsAny(lines[0], "\"'") {
		most = min(len(lines), maxEntryLines)
	}
	for n := 1; n <= most; n++ {
		if values, ok := parseDotEnv(lines[:n]); ok {
			return values, n
		}
	}
	return nil, 0
}

// maxEntryLines bounds a value of several lines, such as a key, when something else in the file is wrong.
const maxEntryLines = 200

// parseDotEnv parses whole lines. The parser takes a line without a name for one whose name is empty.
func parseDotEnv(lines []string) (values map[string]string, ok bool) {
	values, err := godotenv.Unmarshal(strings.Join(lines, ""))
	_, nameless := values[""]
	return values, err == nil && !nameless
}
