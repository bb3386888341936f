package config

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// retained looks whether recordings may be deleted below a folder: there must be nothing else in it that is sound, or the system's.
func (l *loader) retained(folder string) {
	refuse := func(why string) {
		l.mistake("TALKTIME_KEEP_RECORDINGS_DAYS", "must be 0 while TALKTIME_RECORDINGS is %s, %s; name the folder that has nothing but recordings", folder, why)
	}
	whole, err := filepath.Abs(folder)
	if err != nil {
		whole = folder
	}
	behind := whole
	if to, err := filepath.EvalSymlinks(whole); err == nil { // else it is not there yet
		behind = to
	}
	sounds := []string{"voicemail", "sounds", "moh"}
	for _, path := range []string{whole, behind} {
		if systemFolder(path) {
			refuse("below which there is more than recordings")
			return
		}
		for _, name := range sounds {
			if slices.Contains(strings.Split(path, "/"), name) {
				refuse("where Asterisk keeps its " + name)
				return
			}
		}
	}
	for _, name := range sounds {
		if _, err := os.Stat(filepath.Join(folder, name)); err == nil {
			refuse("in which there is a folder " + name)
			return
		}
	}
}

// systemFolder reports whether a folder, or one above it, is the system's own.
func systemFolder(path string) bool {
	whole := []string{"/bin", "/boot", "/dev", "/etc", "/lib", "/lib32", "/lib64", "/proc", "/run", "/sbin", "/sys", "/usr"}
	itself := []string{"/", "/home", "/media", "/mnt", "/opt", "/root", "/srv", "/tmp", "/var", "/var/lib", "/var/lib/asterisk", "/var/log", "/var/spool", "/var/spool/asterisk", "/var/tmp", "/var/www"}
	return slices.Contains(itself, path) || slices.ContainsFunc(whole, func(s string) bool { return path == s || strings.HasPrefix(path, s+"/") })
}
