package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/joho/godotenv"
)

// readDotEnv returns the variables of the file .env in dir; a missing file is no mistake.
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
	values, err := godotenv.UnmarshalBytes(text)
	if err == nil {
		return values, nil
	}
	for i, line := range strings.Split(string(text), "\n") {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		if _, err := godotenv.Unmarshal(line); err != nil {
			return nil, fmt.Errorf("the file %s, line %d, is not NAME=value (quote values with spaces, close every quote)", path, i+1)
		}
	}
	return nil, fmt.Errorf("the file %s does not consist of lines NAME=value (close every quote)", path)
}
