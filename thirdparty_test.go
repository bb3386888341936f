package talktime_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write THIRD_PARTY.md anew from what the commands are made of")

const thirdPartyFile = "THIRD_PARTY.md"

const thirdPartyHead = `# Third-party software

What is linked into ` + "`bin/fastagi` and `bin/admin`" + ` beside our own code and the Go standard library and runtime
(BSD-3-Clause, The Go Authors). Each licence's text and copyright lines are in the module, and at the link. Nothing here
is modified. ` + "`go test . -run ThirdParty -update`" + ` writes this page; a test compares it with the build and the licence files.

| module | version | licence |
|---|---|---|
`

// part is one module that is linked.
type part struct{ path, version, licence string }

func (p part) row() string {
	return fmt.Sprintf("| [%s](https://pkg.go.dev/%s@%s?tab=licenses) | %s | %s |\n", p.path, p.path, p.version, p.version, p.licence)
}

// TestThirdParty holds THIRD_PARTY.md to what is linked, both ways, and each licence to the module's own files.
func TestThirdParty(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("cmd"); errors.Is(err, fs.ErrNotExist) {
		t.Skip("there are no commands yet")
	}
	sources(t) // so that go test knows which files this depends on
	parts := linked(t)
	var page strings.Builder
	page.WriteString(thirdPartyHead)
	for _, p := range parts {
		page.WriteString(p.row())
	}
	if *update {
		if err := os.WriteFile(thirdPartyFile, []byte(page.String()), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	text, err := os.ReadFile(thirdPartyFile)
	if err != nil {
		t.Fatal(err)
	}
	if string(text) == page.String() {
		return
	}
	have, want := rows(string(text)), rows(page.String())
	for _, row := range want {
		if !slices.Contains(have, row) {
			t.Errorf("%s lacks %s", thirdPartyFile, row)
		}
	}
	for _, row := range have {
		if !slices.Contains(want, row) {
			t.Errorf("%s has %s, which is not what is linked", thirdPartyFile, row)
		}
	}
	t.Errorf("%s is not up to date; after a look at the licences: go test . -run ThirdParty -update", thirdPartyFile)
}

func rows(page string) []string {
	var found []string
	for line := range strings.Lines(page) {
		if strings.HasPrefix(line, "| [") {
			found = append(found, strings.TrimSpace(line))
		}
	}
	return found
}

// linked lists the modules of all packages that the commands consist of, and finds out their licences.
func linked(t *testing.T) []part {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-e", "-deps", "-json=Module", "./cmd/...")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOFLAGS=")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, &stderr)
	}
	var parts []part
	seen := make(map[string]bool)
	decoder := json.NewDecoder(bytes.NewReader(out))
	for {
		var pkg struct {
			Module *struct {
				Path, Version, Dir string
				Main               bool
				Replace            *struct{ Path string }
			}
		}
		err := decoder.Decode(&pkg)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		m := pkg.Module
		if m == nil || m.Main || seen[m.Path] {
			continue
		}
		seen[m.Path] = true
		if m.Replace != nil {
			t.Errorf("%s is replaced by %s; this page would not tell the truth", m.Path, m.Replace.Path)
		}
		licence, err := licenceOf(m.Dir)
		if err != nil {
			t.Errorf("%s %s: %v", m.Path, m.Version, err)
		}
		parts = append(parts, part{m.Path, m.Version, licence})
	}
	slices.SortFunc(parts, func(a, b part) int { return strings.Compare(a.path, b.path) })
	return parts
}

var licenceFile = regexp.MustCompile(`(?i)^(un)?(licen[cs]e|copying)([.-].*)?$`)

// licenceOf reads the licence files of a module. Licences that would bind our own code are refused.
func licenceOf(dir string) (string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", err
	}
	var families []string
	for _, e := range entries {
		if e.IsDir() || !licenceFile.MatchString(e.Name()) {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return "", err
		}
		for _, family := range licencesIn(string(text)) {
			if strings.Contains(family, "GPL") {
				return family, fmt.Errorf("%s has the licence %s, which we do not link", e.Name(), family)
			}
			if !slices.Contains(families, family) {
				families = append(families, family)
			}
		}
	}
	if len(families) == 0 {
		return "", errors.New("no licence was recognised; read it, and teach licencesIn its text")
	}
	slices.Sort(families)
	return strings.Join(families, ", "), nil
}

// licencesIn recognises the licences in a text by sentences that only they have.
func licencesIn(text string) []string {
	text = strings.ToLower(strings.Join(strings.Fields(text), " "))
	has := func(s string) bool { return strings.Contains(text, s) }
	var found []string
	if has("mozilla public license version 2.0") || has("mozilla public license, version 2.0") || has("mozilla public license, v. 2.0") {
		found = append(found, "MPL-2.0")
	}
	if has("apache license") && has("version 2.0") {
		found = append(found, "Apache-2.0")
	}
	if has("permission is hereby granted, free of charge") {
		found = append(found, "MIT")
	}
	if has("permission to use, copy, modify, and/or distribute this software for any purpose") ||
		has("permission to use, copy, modify, and distribute this software for any purpose") {
		found = append(found, "ISC")
	}
	if has("redistribution and use in source and binary forms") {
		if has("neither the name") || has("endorse or promote products") {
			found = append(found, "BSD-3-Clause")
		} else {
			found = append(found, "BSD-2-Clause")
		}
	}
	if has("this is free and unencumbered software released into the public domain") {
		found = append(found, "Unlicense")
	}
	// The others name the GPL only to speak of compatibility; its own texts have these sentences.
	switch {
	case has("gnu affero general public license version 3"):
		found = append(found, "AGPL")
	case has("gnu lesser general public license") && has("this version of the gnu lesser general public license"):
		found = append(found, "LGPL")
	case has("gnu general public license version") && has("everyone is permitted to copy and distribute verbatim copies"):
		found = append(found, "GPL")
	}
	return found
}

func TestLicencesIn(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"MIT License\n\nPermission is hereby granted, free\nof charge, to any person":                                                          "MIT",
		"Redistribution and use in source and binary forms, with or without … Neither the name of Google":                                      "BSD-3-Clause",
		"Redistribution and use in source and binary forms, with or without modification":                                                      "BSD-2-Clause",
		"Apache License\n   Version 2.0, January 2004":                                                                                         "Apache-2.0",
		"Mozilla Public License Version 2.0 … the GNU General Public License, Version 2.0, the GNU Affero General Public License, Version 3.0": "MPL-2.0",
		"GNU GENERAL PUBLIC LICENSE Version 3, 29 June 2007 Everyone is permitted to copy and distribute verbatim copies":                      "GPL",
		"GNU AFFERO GENERAL PUBLIC LICENSE Version 3, 19 November 2007 Everyone is permitted to copy and distribute verbatim copies":           "AGPL",
		"GNU LESSER GENERAL PUBLIC LICENSE Version 3 … This version of the GNU Lesser General Public License incorporates":                     "LGPL",
		"All rights reserved.": "",
	} {
		if got := strings.Join(licencesIn(text), ","); got != want {
			t.Errorf("%.40q is %s, want %s", text, got, want)
		}
	}
	dir := t.TempDir()
	if _, err := licenceOf(dir); err == nil {
		t.Error("a module without a licence was accepted")
	}
	text := "GNU GENERAL PUBLIC LICENSE Version 3 Everyone is permitted to copy and distribute verbatim copies"
	if err := os.WriteFile(filepath.Join(dir, "COPYING"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := licenceOf(dir); err == nil {
		t.Error("a module under the GPL was accepted")
	}
}
