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
	values, err := godotenv.UnmarshalBytes(text)
	if err == nil {
		return values, nil
	}
	values = make(map[string]string)
	var mistakes []error
	for i, line := range strings.Split(string(text), "\n") {
		right, err := godotenv.Unmarshal(line)
		if err != nil {
			mistakes = append(mistakes, fmt.Errorf("the file %s, line %d, is not NAME=value (quote values with spaces, close every quote)", path, i+1))
		}
		maps.Copy(values, right)
	}
	if mistakes == nil {
		return nil, fmt.Errorf("the file %s does not consist of lines NAME=value (close every quote)", path)
	}
	return values, errors.Join(mistakes...)
}
