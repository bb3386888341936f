package main

import (
	"context"
	"runtime"
	"runtime/debug"
	"strings"

	"talktime/internal/version"
)

// build is what is known of this program.
type build struct {
	Version  string `json:"version"`
	Commit   string `json:"commit,omitempty"`
	Time     string `json:"time,omitempty"` // of the commit
	Modified bool   `json:"modified"`       // built with changes that are in no commit
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

func thisBuild() build {
	b := build{Version: version.String(), Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Commit = s.Value
		case "vcs.time":
			b.Time = s.Value
		case "vcs.modified":
			b.Modified = s.Value == "true"
		}
	}
	return b
}

func (b build) String() string {
	words := []string{"talktime admin", b.Version}
	if b.Commit != "" {
		words = append(words, "commit "+b.Commit, b.Time)
	}
	if b.Modified {
		words = append(words, "with changes")
	}
	return strings.Join(append(words, b.Go, b.Platform), " ")
}

func showVersion(c *command) action {
	c.reports()
	c.examples = []string{"admin version --json"}
	return func(context.Context, []string) error {
		if c.json {
			return c.out.json(thisBuild())
		}
		c.out.f("%s\n", thisBuild())
		return nil
	}
}
