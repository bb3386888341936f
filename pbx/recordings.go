package pbx

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"syscall"
	"time"

	"talktime/models"
)

// Recordings are the files in which Asterisk recorded calls, all below one folder. Nothing outside it is ever opened, whatever the name
// and whatever links there are: no symbolic link is followed. It is safe for use by many goroutines.
type Recordings struct {
	folder     string
	extensions []string
	turns      chan struct{} // to search
	looks      int           // files that a search asks for their size and age, in one day or among those of no folder of a day
}

// DefaultExtensions are the endings of what Asterisk records.
func DefaultExtensions() []string {
	return []string{"wav", "WAV", "wav49", "gsm", "mp3", "ogg", "opus", "ulaw", "alaw", "sln", "g722"}
}

// NewRecordings are those below a folder, which need not be there yet. Only files with one of the extensions are recordings; without any
// given, DefaultExtensions.
func NewRecordings(folder string, extensions ...string) *Recordings {
	if len(extensions) == 0 {
		extensions = DefaultExtensions()
	}
	return &Recordings{folder: folder, extensions: extensions, turns: make(chan struct{}, searchTurns), looks: maxLooks}
}

// maxPath is how many bytes the path of a recording may have.
const maxPath = 1024

// Open opens a recording by its path below the folder, with or without a slash before it; the caller closes it. models.ErrNotFound for
// what is not there and for what is none: another extension, no regular file, a link, or behind one. Other errors are the system's.
func (r *Recordings) Open(name string) (*os.File, fs.FileInfo, error) {
	name, err := r.path(name)
	if err != nil {
		return nil, nil, err
	}
	root, err := os.OpenRoot(r.folder)
	if err != nil {
		return nil, nil, absent(name, err)
	}
	defer func() { _ = root.Close() }()
	seen, err := regular(root, name) // to open a device may do something
	if err != nil {
		return nil, nil, err
	}
	file, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0) // of a pipe, made a moment ago, nobody would come to the other end
	if err != nil {
		return nil, nil, absent(name, err)
	}
	info, err := file.Stat()
	if err != nil || !os.SameFile(seen, info) { // a link may have taken its place
		return nil, nil, errors.Join(absent(name, err), file.Close())
	}
	return file, info, nil
}

// settled is how long ago a recording was last changed that nobody writes any more.
const settled = time.Minute

// Delete removes a recording, and returns what it was. It takes the same names as Open. The errors are those of Open, and
// models.ErrConflict for a file that was changed within the last minute, since its call goes on, and for one in a folder of Asterisk's own.
func (r *Recordings) Delete(name string, now time.Time) (fs.FileInfo, error) {
	name, err := r.path(name)
	if err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(r.folder)
	if err != nil {
		return nil, absent(name, err)
	}
	defer func() { _ = root.Close() }()
	info, err := regular(root, name)
	if err != nil {
		return nil, err
	}
	for _, folder := range strings.Split(path.Dir(name), "/") {
		if slices.Contains(foreignFolders(), strings.ToLower(folder)) {
			return nil, fmt.Errorf("%w: what is in a folder %s is Asterisk's own, and no recording of a call to be deleted here", models.ErrConflict, folder)
		}
	}
	if now.Sub(info.ModTime()).Abs() < settled {
		return nil, fmt.Errorf("%w: the recording is still being written; delete it a minute after the end of its call", models.ErrConflict)
	}
	if err := root.Remove(name); err != nil {
		return nil, absent(name, err)
	}
	return info, nil
}

// foreignFolders are those in which Asterisk keeps sound that is no recording of a call.
func foreignFolders() []string {
	return []string{"voicemail", "sounds", "moh", "mohmp3", "outgoing", "outgoing_done", "tmp", "dictate", "meetme", "fax", "system"}
}

// regular is the file with a name; models.ErrNotFound for another thing, and for what is behind a link.
func regular(root *os.Root, name string) (fs.FileInfo, error) {
	for i, c := range name {
		if c != '/' {
			continue
		}
		if info, err := root.Lstat(name[:i]); err != nil || !info.IsDir() {
			return nil, absent(name, err)
		}
	}
	info, err := root.Lstat(name)
	if err != nil || !info.Mode().IsRegular() {
		return nil, absent(name, err)
	}
	return info, nil
}

// path is what a name is below the folder, or models.ErrNotFound for what no recording is called.
func (r *Recordings) path(name string) (string, error) {
	name = strings.TrimPrefix(name, "/")
	control := func(c rune) bool { return c < ' ' || c == 0x7f }
	if !fs.ValidPath(name) || len(name) > maxPath || strings.ContainsFunc(name, control) || !slices.Contains(r.extensions, ending(name)) {
		return "", fmt.Errorf("recording %.200q: %w", name, models.ErrNotFound)
	}
	return name, nil
}

// ending is the format that a name tells, without its dot.
func ending(name string) string { return strings.TrimPrefix(path.Ext(name), ".") }

// absent says of a recording that it is not there, or which error of the system keeps us from it. Without an error there is something
// else in its place; what os.Root refuses is a way out.
func absent(name string, err error) error {
	var number syscall.Errno
	if errors.As(err, &number) && number != syscall.ENOENT && number != syscall.ENOTDIR && number != syscall.ELOOP && number != syscall.ENAMETOOLONG {
		return fmt.Errorf("recording %q: %w", name, err)
	}
	return fmt.Errorf("recording %q: %w", name, models.ErrNotFound)
}

// OfCall opens the recording of a call by what its CDR says: a path below the folder, with or without the folder before it, or the bare
// name of a file that lies in the folder of its day (2026/11/21) or in the folder itself. At is when the call was there, by the clock that
// names the folders; a call around midnight may have begun the day before or gone on. The errors are those of Open.
func (r *Recordings) OfCall(file string, at time.Time) (*os.File, fs.FileInfo, error) {
	if below, ok := strings.CutPrefix(file, strings.TrimSuffix(r.folder, "/")+"/"); ok {
		file = below
	}
	file = strings.TrimPrefix(file, "/")
	for _, days := range []int{0, -1, 1} {
		f, info, err := r.Open(at.AddDate(0, 0, days).Format("2006/01/02/") + file)
		if !errors.Is(err, models.ErrNotFound) {
			return f, info, err
		}
	}
	return r.Open(file)
}
