package pbx

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"maps"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Bounds of a search. A folder may have millions of files.
const (
	searchTime  = 5 * time.Second
	searchTurns = 2         // searches at a time; others wait
	maxNames    = 2_000_000 // that are read
	maxLooks    = 250_000   // files that are asked for their size and age
	maxDeep     = 8         // folders within folders
	namesAtOnce = 512
)

// Recording is a file in which Asterisk recorded a call.
type Recording struct {
	Name     string // its path below the folder
	Day      string // 2026-11-21: that of its folder 2026/11/21, as MixMonitor makes them; else the one that its name tells, or that of Modified
	Size     int64  // bytes
	Modified time.Time
	Format   string // the ending of its name
	UniqueID string // of the channel, where the name ends with one; else empty
}

// RecordingSearch says which recordings are wanted.
type RecordingSearch struct {
	From, To   string // days, such as 2026-11-21; To is not included. Empty: all
	Text       string // in the path, in small letters or capitals; empty: any
	Number     string // in the path, with no digit beside it; empty: any
	Skip, Most int
	Location   *time.Location // of the days of files that lie in no folder of a day
}

// RecordingList is what a search found, the latest day first, and of a day what was changed last.
type RecordingList struct {
	Found []Recording
	Total int  // of those found, the skipped ones included; at least so many when More or Cut
	More  bool // there are others behind these
	Cut   bool // not everything was looked at: a folder may not be read, or there are too many files for one search
}

// Search lists recordings. It follows no links, and stops when it has what is wanted: days are looked at from the latest on, so that old
// ones cost nothing. An error is that of ctx, or of the folder itself.
func (r *Recordings) Search(ctx context.Context, s RecordingSearch) (RecordingList, error) {
	select {
	case r.turns <- struct{}{}:
		defer func() { <-r.turns }()
	case <-ctx.Done():
		return RecordingList{}, ctx.Err()
	}
	root, err := os.OpenRoot(r.folder)
	if err != nil {
		return RecordingList{}, fmt.Errorf("the folder of the recordings cannot be read: %w", err)
	}
	defer func() { _ = root.Close() }()
	limited, cancel := context.WithTimeout(ctx, searchTime)
	defer cancel()
	w := &walk{ctx: limited, names: maxNames, looks: r.looks}
	most := s.Skip + s.Most + 1
	others, loose := newest{most: most}, latest{most: r.looks}
	days := w.days(root, true, func(f foundFile) {
		if !r.wanted(f.path, s) {
			return
		}
		at, named := madeAt(f.path, s.Location)
		switch day := at.Format(time.DateOnly); {
		case !named:
			if one, ok := w.recording(f, "", s); ok {
				others.add(one)
			}
		case s.includes(day):
			loose.add(datedFile{f.path, day, at})
		}
	})
	byDay := make(map[string][]datedFile) // as if each lay in the folder of its day
	for _, f := range loose.sorted() {
		byDay[f.day] = append(byDay[f.day], f)
	}
	folders := make(map[string]string)
	for _, folder := range days {
		if day := strings.ReplaceAll(folder, "/", "-"); s.includes(day) {
			folders[day] = folder
		}
	}
	undated := make(map[string][]Recording)
	for _, one := range others.sorted() {
		undated[one.Day] = append(undated[one.Day], one)
	}
	var found []Recording
	for _, day := range slices.Backward(slices.Compact(slices.Sorted(allKeys(byDay, folders, undated)))) {
		if len(found) >= most {
			break
		}
		w.looks = r.looks // for each day: whatever else lies about does not hide it
		of := newest{most: most, all: undated[day]}
		r.lookAt(w, root, byDay[day], s, &of)
		if folder, ok := folders[day]; ok {
			in := latest{most: r.looks}
			w.open(root, folder, func(dir *os.Root) {
				w.files(dir, folder, maxDeep, func(f foundFile) {
					if r.wanted(f.path, s) {
						at, _ := madeAt(f.path, s.Location)
						in.add(datedFile{f.path, day, at})
					}
				})
			})
			w.cut = w.cut || in.cut
			r.lookAt(w, root, in.sorted(), s, &of)
		}
		found = append(found, of.sorted()...)
	}
	if err := ctx.Err(); err != nil {
		return RecordingList{}, err
	}
	list := RecordingList{Total: len(found), More: len(found) >= most, Cut: w.cut || loose.cut && len(found) < most} // else those are further back
	list.Found = found[min(s.Skip, len(found)):min(s.Skip+s.Most, len(found))]
	return list, nil
}

// allKeys are the days of any of some maps.
func allKeys(byDay map[string][]datedFile, folders map[string]string, undated map[string][]Recording) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, days := range []iter.Seq[string]{maps.Keys(byDay), maps.Keys(folders), maps.Keys(undated)} {
			for day := range days {
				if !yield(day) {
					return
				}
			}
		}
	}
}

// lookAt adds the recordings that some files are.
func (r *Recordings) lookAt(w *walk, root *os.Root, files []datedFile, s RecordingSearch, to *newest) {
	for _, f := range files {
		if one, ok := w.recording(foundFile{root, f.path, f.path}, f.day, s); ok {
			to.add(one)
		}
	}
}

// includes reports whether a day is wanted.
func (s RecordingSearch) includes(day string) bool {
	return day >= s.From && (s.To == "" || day < s.To)
}

// names reports whether a name is wanted.
func (s RecordingSearch) names(name string) bool {
	return (s.Text == "" || strings.Contains(strings.ToLower(name), strings.ToLower(s.Text))) && (s.Number == "" || hasNumber(name, s.Number))
}

// hasNumber reports whether a number stands in a text with no digit beside it.
func hasNumber(text, number string) bool {
	digit := func(i int) bool { return i >= 0 && i < len(text) && text[i] >= '0' && text[i] <= '9' }
	for from := 0; ; {
		i := strings.Index(text[from:], number)
		if i < 0 {
			return false
		}
		i += from
		if !digit(i-1) && !digit(i+len(number)) {
			return true
		}
		from = i + 1
	}
}

// uniqueID is the channel's, such as 1804596131.52, with which the name of a recording ends before its format; empty: it ends with none.
func uniqueID(name string) string {
	stem := strings.TrimSuffix(name, path.Ext(name))
	dot := strings.LastIndexByte(stem, '.')
	if dot < 0 || !allDigits(stem[dot+1:]) {
		return ""
	}
	from := dot
	for from > 0 && isDigit(stem[from-1]) {
		from--
	}
	if n := dot - from; n != 9 && n != 10 || from > 0 && stem[from-1] == '.' {
		return ""
	}
	return stem[from:]
}

// madeAt is when a recording began by its name: by its unique id, which begins with a second, or by a date such as 20261121-140211 in the
// time of a place.
func madeAt(name string, at *time.Location) (time.Time, bool) {
	if seconds, _, ok := strings.Cut(uniqueID(name), "."); ok {
		n, err := strconv.ParseInt(seconds, 10, 64)
		return time.Unix(n, 0).In(at), err == nil
	}
	const form = "20060102-150405"
	name = name[strings.LastIndexByte(name, '/')+1:]
	for i := 0; i+len(form) <= len(name); i++ {
		if !isDigit(name[i]) || i > 0 && isDigit(name[i-1]) || i+len(form) < len(name) && isDigit(name[i+len(form)]) {
			continue
		}
		if made, err := time.ParseInLocation(form, name[i:i+len(form)], at); err == nil && made.Year() >= 1990 {
			return made, true
		}
	}
	return time.Time{}, false
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func allDigits(text string) bool {
	return text != "" && !strings.ContainsFunc(text, func(c rune) bool { return c < '0' || c > '9' })
}

// wanted reports whether a path is a recording's, as far as it tells, and has in it what is looked for.
func (r *Recordings) wanted(path string, s RecordingSearch) bool {
	_, err := r.path(path)
	return err == nil && s.names(path)
}

// recording is the one that a file is, if it is one and of a wanted day. Without a day, that of its last change counts.
func (w *walk) recording(f foundFile, day string, s RecordingSearch) (one Recording, ok bool) {
	info, ok := w.look(f)
	if !ok {
		return one, false
	}
	if day == "" {
		day = info.ModTime().In(s.Location).Format(time.DateOnly)
	}
	one = Recording{Name: f.path, Day: day, Size: info.Size(), Modified: info.ModTime(), Format: ending(f.path), UniqueID: uniqueID(f.path)}
	return one, s.includes(day)
}

// datedFile is a file that was not yet asked for its size and age. Of what no name tells, at is zero.
type datedFile struct {
	path, day string
	at        time.Time
}

// latest keeps so many files, those that are the latest by their names.
type latest struct {
	most int
	all  []datedFile
	cut  bool // some were left out
}

func (l *latest) add(f datedFile) {
	l.all = append(l.all, f)
	if len(l.all) >= 2*l.most {
		l.sorted()
	}
}

func (l *latest) sorted() []datedFile {
	slices.SortFunc(l.all, func(a, b datedFile) int { return b.at.Compare(a.at) })
	l.cut = l.cut || len(l.all) > l.most
	l.all = l.all[:min(len(l.all), l.most)]
	return l.all
}

// newest keeps so many recordings, those that come first in a list.
type newest struct {
	most int
	all  []Recording
}

func (n *newest) add(one Recording) {
	n.all = append(n.all, one)
	if len(n.all) >= 2*n.most+namesAtOnce {
		n.sorted()
	}
}

func (n *newest) sorted() []Recording {
	slices.SortFunc(n.all, func(a, b Recording) int {
		return cmp.Or(strings.Compare(b.Day, a.Day), b.Modified.Compare(a.Modified), strings.Compare(a.Name, b.Name))
	})
	n.all = n.all[:min(len(n.all), n.most)]
	return n.all
}

// walk goes through folders within bounds. It goes by what it has open, and never by a link.
type walk struct {
	ctx   context.Context
	names int  // that may still be read
	looks int  // files that may still be asked for
	cut   bool // something was left out
}

// foundFile is a file in a folder that is open.
type foundFile struct {
	dir  *os.Root
	name string // in dir
	path string // below the folder of the recordings
}

// over reports whether the walk is to end.
func (w *walk) over() bool {
	if w.ctx.Err() == nil && w.names > 0 {
		return false
	}
	w.cut = true
	return true
}

// look asks for the size and the age of a file; ok is false for what is none.
func (w *walk) look(f foundFile) (info fs.FileInfo, ok bool) {
	if w.over() {
		return nil, false
	}
	if w.looks <= 0 {
		w.cut = true
		return nil, false
	}
	w.looks--
	info, err := f.dir.Lstat(f.name)
	if err != nil {
		w.cut = w.cut || !errors.Is(err, fs.ErrNotExist)
		return nil, false
	}
	return info, info.Mode().IsRegular()
}

// open opens a folder for a while.
func (w *walk) open(dir *os.Root, path string, f func(*os.Root)) {
	below, err := dir.OpenRoot(path)
	if err != nil {
		w.cut = w.cut || !errors.Is(err, fs.ErrNotExist)
		return
	}
	defer func() { _ = below.Close() }()
	f(below)
}

// entries calls f for what is in a folder, in any order. f may delete it.
func (w *walk) entries(dir *os.Root, f func(fs.DirEntry)) {
	file, err := dir.Open(".")
	if err != nil {
		w.cut = true
		return
	}
	defer func() { _ = file.Close() }()
	for !w.over() {
		found, err := file.ReadDir(namesAtOnce)
		w.names -= len(found)
		for _, e := range found {
			f(e)
		}
		if err != nil {
			w.cut = w.cut || !errors.Is(err, io.EOF) && !errors.Is(err, fs.ErrNotExist) // it may have been removed meanwhile
			return
		}
	}
}

// files calls f for each file in a folder and the folders below it, some deep.
func (w *walk) files(dir *os.Root, path string, deep int, f func(foundFile)) {
	var folders []string
	w.entries(dir, func(e fs.DirEntry) {
		switch {
		case e.IsDir() && deep > 0:
			folders = append(folders, e.Name())
		case e.IsDir():
			w.cut = true
		case e.Type().IsRegular():
			f(foundFile{dir, e.Name(), join(path, e.Name())})
		}
	})
	for _, name := range folders {
		w.open(dir, name, func(below *os.Root) { w.files(below, join(path, name), deep-1, f) })
	}
}

// days are the folders 2026/11/21, from the first one on. It calls f for each file that is in none of them; of those in other folders only
// if others says so.
func (w *walk) days(root *os.Root, others bool, f func(foundFile)) (days []string) {
	var below func(dir *os.Root, path, form string)
	below = func(dir *os.Root, path, form string) {
		form, further, _ := strings.Cut(form, "/")
		var dates, rest []string
		w.entries(dir, func(e fs.DirEntry) {
			_, err := time.Parse(form, e.Name())
			switch {
			case e.IsDir() && err == nil:
				dates = append(dates, e.Name())
			case e.IsDir() && others:
				rest = append(rest, e.Name())
			case e.Type().IsRegular():
				f(foundFile{dir, e.Name(), join(path, e.Name())})
			}
		})
		for _, name := range dates {
			if further == "" {
				days = append(days, join(path, name))
				continue
			}
			w.open(dir, name, func(d *os.Root) { below(d, join(path, name), further) })
		}
		for _, name := range rest {
			w.open(dir, name, func(d *os.Root) { w.files(d, join(path, name), maxDeep, f) })
		}
	}
	below(root, "", "2006/01/02")
	slices.Sort(days)
	return days
}

// join puts a name behind a path below the folder.
func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "/" + name
}
