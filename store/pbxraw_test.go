package store_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"talktime/pbx/extension"
)

// notes keeps changes in memory, by their texts as a database would.
type notes []extension.Change

func (n *notes) AddPBXChange(_ context.Context, c extension.Change) error {
	c.ID = int64(len(*n) + 1)
	before, errBefore := extension.ParseSnapshot(c.Before.Text())
	after, errAfter := extension.ParseSnapshot(c.After.Text())
	c.Before, c.After = before, after
	*n = append(*n, c)
	return errors.Join(errBefore, errAfter)
}

func (n *notes) PBXChanges(context.Context) ([]extension.Change, error) {
	all := slices.Clone(*n)
	slices.Reverse(all)
	return all, nil
}

// refusing is an Asterisk that takes what has a hash, and nothing else.
type refusing struct{ times int }

func (r *refusing) Accepted(context.Context, string) (bool, error) {
	r.times++
	return r.times == 1, nil
}
func (r *refusing) Sync(context.Context, string) error   { return nil }
func (r *refusing) Forget(context.Context, string) error { return nil }

// TestForeignColumnsComeBack: what no field tells of, too, when a change is taken back: hashes of secrets, short ones, and the site's own.
func TestForeignColumnsComeBack(t *testing.T) {
	t.Parallel()
	x := realtime(t, "advised", advisedTables)
	tables := x.Backend.(extension.Tables)
	e, err := extension.Rules{}.New(patch("account", "204", "name", "Nora", "secret", "keep-it-long"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tables.Add(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	x.exec("UPDATE ps_endpoints SET accountcode = 'payer', transport = 'their-own' WHERE id = '204'")
	x.exec("UPDATE ps_auths SET auth_type = 'md5', password = 'abcdef' WHERE id = '204'")
	was := x.everythingBut("")
	same := func(what string) {
		t.Helper()
		if diff := cmp.Diff(was, x.everythingBut("")); diff != "" {
			t.Errorf("%s: %s", what, diff)
		}
	}
	p := patch("secret", "another-secret", "transport", "udp")
	var rejected *extension.RejectedError
	if _, _, err := (extension.Checked{Tables: tables, Checker: &refusing{}}).Update(t.Context(), "204", p, nil); !errors.As(err, &rejected) {
		t.Error(err)
	}
	same("refused")
	r := extension.Recorded{Backend: extension.Checked{Tables: tables}, Log: &notes{}, Logger: slog.New(slog.DiscardHandler)}
	if _, _, err := r.Update(t.Context(), "204", p, nil); err != nil {
		t.Fatal(err)
	}
	x.exec("UPDATE ps_endpoints SET accountcode = 'other' WHERE id = '204'") // which the change has nothing to do with
	if _, err := r.Undo(t.Context(), 0); err != nil {
		t.Error(err)
	}
	x.exec("UPDATE ps_endpoints SET accountcode = 'payer' WHERE accountcode = 'other'")
	same("undone")
	if _, err := r.Delete(t.Context(), "204", nil); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Undo(t.Context(), 0); err != nil {
		t.Error(err)
	}
	same("made again")
}
