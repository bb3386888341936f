package extension

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"talktime/models"
)

// changes keeps changes in memory, by their texts as a database would.
type changes struct {
	all  []Change
	full error
}

func (l *changes) AddPBXChange(_ context.Context, c Change) (err error) {
	c.ID = int64(len(l.all) + 1)
	before, errBefore := ParseSnapshot(c.Before.Text())
	after, errAfter := ParseSnapshot(c.After.Text())
	c.Before, c.After = before, after
	if err := errors.Join(l.full, errBefore, errAfter); err != nil {
		return err
	}
	l.all = append(l.all, c)
	return nil
}

func (l *changes) PBXChanges(context.Context) ([]Change, error) {
	all := slices.Clone(l.all)
	slices.Reverse(all)
	return all, nil
}

// recorder is a back end whose changes are recorded.
func recorder() (Recorded, *tables, *changes, *strings.Builder) {
	b, l, out := &tables{}, &changes{}, &strings.Builder{}
	return Recorded{Backend: b, Log: l, Logger: slog.New(slog.NewJSONHandler(out, nil))}, b, l, out
}

// state is what there is, with secrets.
func (b *tables) state() string { return Snapshot{Extension: b.extension, FollowMe: b.followMe}.Text() }

// TestUndo: each kind of change is taken back and made again, and is as it was each time.
func TestUndo(t *testing.T) {
	t.Parallel()
	f := norasFollowMe(t)
	for _, tt := range []struct {
		what   string
		before []func(context.Context, Recorded) error
		change func(context.Context, Recorded) error
	}{
		{"add", nil, addNora(t)},
		{"update", []func(context.Context, Recorded) error{addNora(t)}, func(ctx context.Context, r Recorded) error {
			_, _, err := r.Update(ctx, "204", Patch{"secret": "another-secret", "port": "5070", "avpf": "yes"}, nil)
			return err
		}},
		{"delete", []func(context.Context, Recorded) error{addNora(t)}, deleteNora},
		{"delete with a follow-me", []func(context.Context, Recorded) error{addNora(t), addFollow(f)}, deleteNora},
		{"add a follow-me", []func(context.Context, Recorded) error{addNora(t)}, addFollow(f)},
		{"update a follow-me", []func(context.Context, Recorded) error{addNora(t), addFollow(f)}, func(ctx context.Context, r Recorded) error {
			_, _, err := r.UpdateFollowMe(ctx, "204", Patch{"needsconf": "CHECKED", "grplist": "207"}, nil)
			return err
		}},
		{"delete a follow-me", []func(context.Context, Recorded) error{addNora(t), addFollow(f)}, func(ctx context.Context, r Recorded) error {
			_, err := r.DeleteFollowMe(ctx, "204", nil)
			return err
		}},
	} {
		t.Run(tt.what, func(t *testing.T) {
			t.Parallel()
			r, b, l, _ := recorder()
			ctx := By(t.Context(), "ada")
			for _, do := range tt.before {
				if err := do(ctx, r); err != nil {
					t.Fatal(err)
				}
			}
			was := b.state()
			if err := tt.change(ctx, r); err != nil {
				t.Fatal(err)
			}
			is := b.state()
			if was == is {
				t.Fatal("nothing has changed")
			}
			first := int64(len(l.all))
			for range 2 { // there and back
				u, err := r.Undo(ctx, 0)
				if err != nil || u.Undoes != first || b.state() != was {
					t.Fatalf("%v, %+v\n%s\nwas\n%s", err, u, b.state(), was)
				}
				if all, _ := r.Changes(ctx); !all[len(all)-int(first)].Undone || all[0].Undone || all[0].Actor != "ada" || all[0].Undoes != first {
					t.Errorf("%+v", all)
				}
				if _, err := r.Undo(ctx, first); !errors.Is(err, models.ErrConflict) {
					t.Errorf("taken back twice: %v", err)
				}
				if _, err := r.Undo(ctx, int64(len(l.all))); err != nil || b.state() != is {
					t.Fatalf("the undoing taken back: %v\n%s\nwas\n%s", err, b.state(), is)
				}
			}
		})
	}
}

func addNora(t *testing.T) func(context.Context, Recorded) error {
	t.Helper()
	e := nora(t)
	return func(ctx context.Context, r Recorded) error {
		_, err := r.Add(ctx, e)
		return err
	}
}

func addFollow(f FollowMe) func(context.Context, Recorded) error {
	return func(ctx context.Context, r Recorded) error {
		_, err := r.AddFollowMe(ctx, f)
		return err
	}
}

func deleteNora(ctx context.Context, r Recorded) error {
	_, err := r.Delete(ctx, "204", nil)
	return err
}

// TestNotUndone: what somebody has changed since stays as it is.
func TestNotUndone(t *testing.T) {
	t.Parallel()
	r, b, l, out := recorder()
	ctx := t.Context()
	if _, err := r.Undo(ctx, 0); !errors.Is(err, models.ErrNotFound) {
		t.Errorf("nothing was done: %v", err)
	}
	if err := addNora(t)(ctx, r); err != nil {
		t.Fatal(err)
	}
	stays := func(what string, id int64) {
		t.Helper()
		was, n := b.state(), len(l.all)
		if _, err := r.Undo(ctx, id); !errors.Is(err, models.ErrConflict) || b.state() != was || len(l.all) != n {
			t.Errorf("%s: %v", what, err)
		}
	}
	b.extension.Secret = "somebody-elses"
	stays("an extension with another secret", 1)
	b.extension.Secret = nora(t).Secret
	f := norasFollowMe(t)
	b.followMe = &f
	stays("an extension with a follow-me", 1)
	b.followMe = nil
	if err := deleteNora(ctx, r); err != nil {
		t.Fatal(err)
	}
	e := nora(t)
	b.extension = &e
	stays("a deleted one that is there again", 2)
	b.extension = nil
	stays("an added one that has gone", 1)
	if _, err := r.Undo(ctx, 99); !errors.Is(err, models.ErrNotFound) {
		t.Errorf("%v", err)
	}

	// What changes nothing is not noted, and what cannot be noted is made.
	b.extension, l.all = &e, nil
	if _, _, err := r.Update(ctx, "204", Patch{"name": "Nora"}, nil); err != nil || len(l.all) != 0 {
		t.Errorf("%v, %v", err, l.all)
	}
	l.full = errors.New("the disk is full")
	if _, _, err := r.Update(ctx, "204", Patch{"name": "Ada", "secret": "another-secret"}, nil); err != nil || b.extension.Name != "Ada" || !strings.Contains(out.String(), "cannot be undone") {
		t.Errorf("%v, %s", err, out.String())
	}
	if strings.Contains(out.String(), "another-secret") {
		t.Errorf("a secret: %s", out.String())
	}
}

// TestChangesShowNoSecret however they are printed.
func TestChangesShowNoSecret(t *testing.T) {
	t.Parallel()
	e := nora(t)
	c := Change{After: Snapshot{Extension: &e}}
	text, err := json.Marshal(c)
	for _, shown := range []string{string(text), fmt.Sprintf("%+v %#v", *c.After.Extension, e), fmt.Sprint(c)} {
		if err != nil || strings.Contains(shown, string(e.Secret)) {
			t.Errorf("%v, %s", err, shown)
		}
	}
	if !strings.Contains(c.After.Text(), string(e.Secret)) {
		t.Error("the secret is lost")
	}
}
