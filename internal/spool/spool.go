// Package spool keeps small records in a folder until somebody could use them: one file each, complete or absent,
// surviving a crash. It must never lose a record that Put accepted.
//
//	s := spool.New("/var/lib/talktime/spool")
//	err := s.Put(record)
//	err = s.Each(func(data []byte) error { return use(data) }) // removes what was used
package spool

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Spool is a folder of records. It may be used by many goroutines and processes at once.
type Spool struct{ dir string }

// ErrUseless says that a record can never be used. It is set aside for a person to look at.
var ErrUseless = errors.New("the record cannot be used")

const (
	suffix  = ".json"
	useless = ".bad"
)

// New returns the spool in a folder, which is created when the first record comes.
func New(dir string) *Spool { return &Spool{dir: dir} }

// Put keeps a record. When it returns nil the record is on the disk.
func (s *Spool) Put(record any) error {
	data, err := json.Marshal(record)
	if err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	if err := os.MkdirAll(s.dir, 0o750); err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	file, err := os.CreateTemp(s.dir, "new-*")
	if err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	_, err = file.Write(data)
	err = errors.Join(err, file.Sync(), file.Close())
	if err == nil {
		err = os.Rename(file.Name(), strings.Replace(file.Name(), "new-", "", 1)+suffix)
	}
	if err != nil {
		return fmt.Errorf("spool: %w", errors.Join(err, os.Remove(file.Name())))
	}
	return syncFolder(s.dir)
}

// syncFolder makes a rename survive a power cut.
func syncFolder(dir string) error {
	folder, err := os.Open(dir) //nolint:gosec // the operator's own setting
	if err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	return errors.Join(folder.Sync(), folder.Close())
}

// Each hands every record to use, oldest names first, and removes those that it used. A record for which use
// returns ErrUseless is set aside; any other error ends the pass and keeps the record.
func (s *Spool) Each(use func(data []byte) error) error {
	names, err := s.names()
	if err != nil {
		return err
	}
	for _, name := range names {
		data, err := os.ReadFile(name) //nolint:gosec // a file of ours
		if errors.Is(err, os.ErrNotExist) {
			continue // another process was faster
		}
		if err != nil {
			return fmt.Errorf("spool: %w", err)
		}
		switch err := use(data); {
		case errors.Is(err, ErrUseless):
			if err := os.Rename(name, name+useless); err != nil {
				return fmt.Errorf("spool: %w", err)
			}
		case err != nil:
			return err
		default:
			if err := os.Remove(name); err != nil && !errors.Is(err, os.ErrNotExist) {
				return fmt.Errorf("spool: %w", err)
			}
		}
	}
	return nil
}

// Len is the number of records that wait.
func (s *Spool) Len() (int, error) {
	names, err := s.names()
	return len(names), err
}

func (s *Spool) names() ([]string, error) {
	names, err := filepath.Glob(filepath.Join(s.dir, "*"+suffix))
	if err != nil {
		return nil, fmt.Errorf("spool: %w", err)
	}
	slices.Sort(names)
	return names, nil
}
