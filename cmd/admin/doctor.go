package main

import (
	"context"
	"errors"
	"fmt"

	"talktime/internal/config"
	"talktime/internal/wiring"
	"talktime/store"
)

// Grades of a finding.
const (
	gradeOK   = "OK"
	gradeWarn = "WARN"
	gradeFail = "FAIL"
)

// finding is one row of what doctor has to say.
type finding struct {
	Check  string `json:"check"`
	Grade  string `json:"grade"`
	Found  string `json:"found"`
	Advice string `json:"advice,omitempty"`
}

func fine(check, format string, args ...any) finding {
	return finding{Check: check, Grade: gradeOK, Found: fmt.Sprintf(format, args...)}
}

func (f finding) warn(advice string) finding {
	f.Grade, f.Advice = gradeWarn, advice
	return f
}

func (f finding) fail(advice string) finding {
	f.Grade, f.Advice = gradeFail, advice
	return f
}

func doctor(c *command) action {
	c.reports()
	sounds := c.flags.String("sounds", "", "DIR|Asterisk's sounds folder; the usual places when left out")
	c.about = `
Run it where fastagi and admin run, with their settings. It changes nothing. Exit code 1: something is marked FAIL.`
	c.examples = []string{"admin doctor", "admin doctor --json"}
	return func(ctx context.Context, _ []string) error {
		findings, err := c.examine(ctx, *sounds)
		if err != nil {
			return err
		}
		if c.json {
			if err := c.out.json(findings); err != nil {
				return err
			}
		} else {
			rows := make([][]string, len(findings))
			for i, f := range findings {
				rows[i] = []string{f.Grade, f.Check, f.Found, f.Advice}
			}
			table{{title: "GRADE"}, {title: "CHECK"}, {title: "FOUND"}, {title: "WHAT TO DO"}}.write(c.out, rows)
		}
		failed := 0
		for _, f := range findings {
			if f.Grade == gradeFail {
				failed++
			}
		}
		if failed == 1 {
			return errors.New("1 check fails")
		}
		if failed > 1 {
			return fmt.Errorf("%d checks fail", failed)
		}
		return ctx.Err()
	}
}

// examine makes all checks. Without good settings there is nothing to check.
func (c *command) examine(ctx context.Context, sounds string) ([]finding, error) {
	cfg, err := config.Load(c.getenv, c.environ, ".")
	findings := checkSettings(cfg, err)
	if err != nil {
		return findings, nil // the error is a finding
	}
	if _, err := cfg.Admin.Certificate(); err != nil {
		for _, mistake := range unjoin(err) {
			findings = append(findings, fine("certificate", "%s", mistake).fail("correct TALKTIME_TLS_CERT and TALKTIME_TLS_KEY, or the rights on their files"))
		}
	}
	wanted := wiring.StoreConfig(cfg)
	wanted.Existing = true
	db, err := store.Open(wanted)
	switch {
	case errors.Is(err, store.ErrNoDatabase):
		return append(findings, fine("database", "%s", err).fail("run admin migrate, or correct TALKTIME_DATABASE_URL, or run doctor where fastagi runs")), nil
	case err != nil:
		return append(findings, fine("database", "%s", err).fail("let our user read and write the file and its folder, or correct TALKTIME_DATABASE_URL")), nil
	}
	defer func() { _ = db.Close() }()
	for _, check := range []func() []finding{
		func() []finding { return checkDatabase(ctx, db, cfg.Database, cfg.Calls.DialTechs) },
		func() []finding { return checkFastAGI(ctx, cfg.FastAGI) },
		func() []finding { return checkCDRs(ctx, cfg) },
		func() []finding { return checkQueueLog(ctx, db, cfg) },
		func() []finding { return checkAsterisks(ctx, cfg) },
		func() []finding { return checkPBX(ctx, db, cfg) },
		func() []finding { return checkTransports(ctx, cfg) },
		func() []finding { return checkRecordings(cfg.Recordings, namesRecordings(cfg, c.getenv)) },
		func() []finding { return checkSounds(sounds, cfg.Calls.Prompts) },
		func() []finding { return checkSpool(cfg.Spool) },
		func() []finding { return checkNodeManager(ctx, db, cfg.NodeManager) },
	} {
		findings = append(findings, check()...)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
	return findings, nil
}

func checkSettings(cfg config.Config, err error) []finding {
	var findings []finding
	if err != nil {
		for _, mistake := range unjoin(err) {
			findings = append(findings, fine("settings", "%s", mistake).fail("correct the setting; admin serve -h explains it"))
		}
	}
	for _, name := range cfg.Unknown {
		findings = append(findings, fine("settings", "%s is not a setting of Talktime", name).warn("correct the name, or remove it"))
	}
	for _, warning := range cfg.Warnings {
		findings = append(findings, fine("settings", "%s", warning).warn("see whether it is what you mean"))
	}
	if len(findings) == 0 {
		findings = append(findings, fine("settings", "in order"))
	}
	return findings
}

// unjoin takes errors.Join apart.
func unjoin(err error) []error {
	var joined interface{ Unwrap() []error }
	if errors.As(err, &joined) {
		return joined.Unwrap()
	}
	return []error{err}
}
