package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"talktime/dialplan"
)

func samples(c *command) action {
	c.reports()
	folder := c.flags.String("write", "", "DIR|write all samples, or the one named, to this folder")
	force := c.flags.Bool("force", false, "with --write: overwrite files that exist")
	c.about = "Each sample says in its first lines where it belongs."
	c.examples = []string{
		"admin dialplan extensions-talktime.conf",
		"admin dialplan --write /etc/asterisk/talktime",
	}
	return func(_ context.Context, operands []string) error {
		files := dialplan.Files()
		if len(operands) == 1 {
			one, err := sample(operands[0])
			if err != nil {
				return err
			}
			files = []dialplan.File{one}
		}
		switch {
		case c.isGiven("write") && *folder == "":
			return usagef("--write needs the name of a folder")
		case *folder != "":
			return c.writeSamples(*folder, files, *force)
		case *force:
			return usagef("--force is of use only with --write")
		case len(operands) == 1 && !c.json:
			text, err := dialplan.Read(operands[0])
			_, _ = c.out.Write(text) // Flush tells
			return err
		}
		return c.listSamples(files)
	}
}

func sample(name string) (dialplan.File, error) {
	for _, f := range dialplan.Files() {
		if f.Name == name {
			return f, nil
		}
	}
	return dialplan.File{}, usagef("there is no sample %q; admin dialplan lists them", name)
}

// sampleJSON is a sample as --json shows it.
type sampleJSON struct {
	Name    string `json:"name"`
	Purpose string `json:"purpose"`
	Mode    string `json:"mode"`
	Text    string `json:"text"`
}

func (c *command) listSamples(files []dialplan.File) error {
	all, rows := []sampleJSON{}, [][]string{}
	for _, f := range files {
		text, err := dialplan.Read(f.Name)
		if err != nil {
			return err
		}
		mode := fmt.Sprintf("%04o", f.Mode)
		all = append(all, sampleJSON{f.Name, f.Purpose, mode, string(text)})
		rows = append(rows, []string{f.Name, mode, f.Purpose})
	}
	if c.json {
		return c.out.json(all)
	}
	table{{title: "NAME"}, {title: "MODE"}, {title: "PURPOSE"}}.write(c.out, rows)
	return nil
}

// writeSamples writes files to a folder. Without force it looks for those that exist before it writes the first.
func (c *command) writeSamples(folder string, files []dialplan.File, force bool) error {
	if err := os.MkdirAll(folder, 0o755); err != nil { //nolint:gosec // Asterisk, another user, reads there
		return err
	}
	for _, f := range files {
		path := filepath.Join(folder, f.Name)
		if _, err := os.Lstat(path); !force && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%s exists; nothing was written (--force overwrites)", path)
		}
	}
	for _, f := range files {
		text, err := dialplan.Read(f.Name)
		if err != nil {
			return err
		}
		path := filepath.Join(folder, f.Name)
		if err := replaceFile(path, text, f.Mode); err != nil {
			return err
		}
		c.note("wrote %s", path)
	}
	return nil
}

// replaceFile writes a file so that nobody ever sees half of it.
func replaceFile(path string, text []byte, mode fs.FileMode) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".talktime-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }() // after the rename there is none
	_, err = f.Write(text)
	if err = errors.Join(err, f.Chmod(mode), f.Close()); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return os.Rename(f.Name(), path)
}
