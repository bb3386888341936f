// Package spool keeps small records in a folder until somebody could use them: one file each, complete or absent,
// surviving a crash. It must never lose a record that Put accepted.
//
//	s := spool.New("/var/lib/talktime/spool")
//	err := s.Put(record)
//	err = s.Each(func(file string, data []byte) error { return use(data) }) // removes what was used
package spool

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Spool is a folder of records. It may be used by many goroutines and processes at once.
type Spool struct{ dir string }

// What the function given to Each may say of a record, besides nothing.
var (
	// ErrUseless: it can never be used. It is set aside for a person to look at.
	ErrUseless = errors.New("the record cannot be used")
	// ErrLater: it cannot be used now. It stays, and the records after it have their turn.
	ErrLater = errors.New("the record must wait")
)

const (
	unfinished = "new-"
	suffix     = ".json"
	useless    = ".bad"
)

// New returns the spool in a folder, which is created when the first record comes.
func New(dir string) *Spool { return &Spool{dir: dir} }

// Dir is the folder, as it was given.
func (s *Spool) Dir() string { return s.dir }

// Put keeps a record. When it returns nil the record is on the disk.
func (s *Spool) Put(record any) error {
	if err := s.put(record); err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	return nil
}

func (s *Spool) put(record any) error {
	data, err := json.Marshal(record)
	if err != nil {
		return err
	}
	if err := s.create(); err != nil {
		return err
	}
	// Names begin with the time, so that they sort by age.
	file, err := os.CreateTemp(s.dir, fmt.Sprintf("%s%020d-*", unfinished, time.Now().UnixNano())) //nolint:forbidigo // nothing hangs on it but the order
	if err != nil {
		return err
	}
	_, err = file.Write(data)
	// Whoever shares the folder's group may read it: Asterisk's user writes what the server's user settles.
	err = errors.Join(err, file.Chmod(0o640), file.Sync(), file.Close())
	if err == nil {
		name := strings.TrimPrefix(filepath.Base(file.Name()), unfinished)
		err = os.Rename(file.Name(), filepath.Join(s.dir, name+suffix))
	}
	if err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	return syncFolder(s.dir)
}

// create makes the folder when there is none.
func (s *Spool) create() error {
	if _, err := os.Stat(s.dir); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := os.MkdirAll(s.dir, 0o750); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(s.dir))
}

// syncFolder makes a new name survive a power cut.
func syncFolder(dir string) error {
	folder, err := os.Open(dir) //nolint:gosec // the operator's own setting
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}

// Each hands every record to use, oldest first, with the name of its file, and removes those that it used. One for which use returns ErrUseless
// is set aside, one for which it returns ErrLater is left; any other error ends the pass and keeps the record. A file
// that cannot be read or removed does not keep the others waiting: it is in the error that is returned at the end.
func (s *Spool) Each(use func(file string, data []byte) error) error {
	names, err := s.names()
	if err != nil {
		return err
	}
	var stuck []error
	for _, name := range names {
		data, err := os.ReadFile(name) //nolint:gosec // a file of ours
		if err != nil {
			stuck = append(stuck, gone(err))
			continue
		}
		switch err := use(name, data); {
		case errors.Is(err, ErrUseless):
			stuck = append(stuck, gone(os.Rename(name, name+useless)))
		case errors.Is(err, ErrLater):
		case err != nil:
			return errors.Join(append(stuck, err)...)
		default:
			stuck = append(stuck, gone(os.Remove(name)))
		}
	}
	return errors.Join(stuck...)
}

// gone is err, unless another process was faster.
func gone(err error) error {
	if err == nil || errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return fmt.Errorf("spool: %w", err)
}

// Len is the number of records that wait.
func (s *Spool) Len() (int, error) {
	names, err := s.names()
	return len(names), err
}

// names are the files of complete records, oldest first. A folder that does not exist yet has none.
func (s *Spool) names() ([]string, error) {
	entries, err := os.ReadDir(s.dir)
	if errors.Is(err, syscall.ENOTDIR) {
		return nil, fmt.Errorf("%s is not a folder", s.dir)
	}
	if err := gone(err); err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), suffix) && !strings.HasPrefix(e.Name(), ".") {
			names = append(names, filepath.Join(s.dir, e.Name()))
		}
	}
	return names, nil
}
