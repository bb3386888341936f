package main

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"talktime/internal/config"
	"talktime/queues"
	"talktime/queues/feed"
	"talktime/store"
)

// staleLog is how long ago the queue_log may have been read to its end: admin serve notes it every ten seconds.
const staleLog = time.Minute

// checkQueueLog looks whether the queue_log can be read, and is.
func checkQueueLog(ctx context.Context, db *store.Store, cfg config.Config) []finding {
	const check = "queue_log"
	var findings []finding
	switch {
	case cfg.QueueLog.Table:
		findings = append(findings, checkQueueTable(ctx, cfg))
	case cfg.QueueLog.Path != "":
		findings = append(findings, checkQueueFile(cfg.QueueLog.Path))
	default:
		return nil
	}
	f, err := db.QueueFigures(ctx)
	switch age := time.Since(f.LastRead).Round(time.Second); {
	case err != nil:
		return append(findings, unasked(check, err))
	case f.LastRead.IsZero():
		return append(findings, fine(check, "it was not read to its end so far").warn("start admin serve with this setting, and look at its log; admin queues status shows how far it is"))
	case age > staleLog:
		findings = append(findings, fine(check, "it was last read to its end %s ago", age).warn("start admin serve with this setting, and look at its log; admin queues status shows how far it is"))
	default:
		findings = append(findings, fine(check, "%d lines are read, %d of them malformed; the last look was %s ago", f.Lines, f.BadLines, age))
	}
	if f.LostBytes > 0 {
		findings = append(findings, fine(check, "%d bytes or more were gone before they were read", f.LostBytes).
			warn("find the rotated files and read them by admin queues import; keep more of them (logrotate: rotate), beside the log"))
	}
	return findings
}

func checkQueueTable(ctx context.Context, cfg config.Config) finding {
	const check = "queue_log"
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	table, err := openQueueTable(cfg)
	if err != nil {
		return fine(check, "%s", err).fail("correct the settings DB1_…")
	}
	defer func() { _ = table.Close() }()
	numbered, err := table.Numbered(ctx)
	if err == nil && numbered {
		_, err = table.Rows(ctx, 0, 1)
	}
	switch {
	case err != nil:
		return fine(check, "%s", err).fail("see that the database of DB1_HOST answers, and its user may read the table queue_log")
	case !numbered:
		return fine(check, "the table queue_log of DB1 has no column id").
			warn("add one (BIGINT AUTO_INCREMENT PRIMARY KEY), or an index on time at least: without it rows that are written late may be missed")
	}
	return fine(check, "the table queue_log of DB1 can be read")
}

func checkQueueFile(path string) finding {
	const check, rights = "queue_log", "let our user read it and list its folder: put him into Asterisk's group, and see that logrotate creates files of mode 640"
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fine(check, "there is no file %s", path).warn("correct TALKTIME_QUEUE_LOG; Asterisk writes it as soon as app_queue is loaded, unless logger.conf says queue_log = no")
	case err != nil:
		return fine(check, "%s", err).fail(rights)
	case !info.Mode().IsRegular():
		return fine(check, "%s is no file", path).fail("correct TALKTIME_QUEUE_LOG: it is the path of a file")
	}
	head := make([]byte, 4096)
	n := 0
	file, err := os.Open(path) //nolint:gosec // the operator names it
	if err == nil {
		n, err = file.Read(head)
		_ = file.Close()
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return fine(check, "%s", err).fail(rights)
	}
	if n > 0 && !hasEvent(string(head[:n])) {
		return fine(check, "%s: %s", path, feed.ErrNoLog).fail("correct TALKTIME_QUEUE_LOG: it is the path of Asterisk's queue_log")
	}
	if _, err := os.ReadDir(filepath.Dir(path)); err != nil {
		return fine(check, "%s can be read, but rotated files beside it are not found: %s", path, err).warn(rights)
	}
	return fine(check, "%s can be read", path)
}

// hasEvent tells whether one of some lines is one of a queue_log.
func hasEvent(text string) bool {
	var p queues.Parser
	for line := range strings.Lines(text) {
		if _, err := p.Parse(strings.TrimSuffix(line, "\n")); err == nil {
			return true
		}
	}
	return false
}
