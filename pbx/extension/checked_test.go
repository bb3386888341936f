package extension

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"talktime/models"
)

// Sweep implements Tables.
func (b *tables) Sweep(context.Context, string) (*FollowMe, error) {
	if b.extension != nil || b.followMe == nil {
		return nil, models.ErrNotFound
	}
	left := b.followMe
	b.followMe = nil
	return left, nil
}

// Raw implements Tables: there are no rows.
func (b *tables) Raw(context.Context, string) (e Extension, rows Rows, err error) {
	return e, rows, models.ErrUnavailable
}

// Restore implements Tables.
func (b *tables) Restore(context.Context, string, Rows, Rows) error { return nil }

// asterisk is a Checker that refuses one context, and perhaps is away.
type asterisk struct {
	*tables

	away   error
	half   bool // it goes away in the middle of a deletion
	synced int
	moves  func() // what somebody else does while it is asked
}

func (a *asterisk) Accepted(ctx context.Context, account string) (bool, error) {
	if a.moves != nil {
		a.moves()
	}
	e, err := a.tables.Extension(ctx, account)
	return err == nil && e.Context != "refused", a.away
}

func (a *asterisk) Sync(context.Context, string) error {
	a.synced++
	return models.ErrNotFound
}

// Forget removes the row by itself, as Asterisk does.
func (a *asterisk) Forget(context.Context, string) error {
	if a.away == nil || a.half {
		a.extension = nil
	}
	return a.away
}

func norasFollowMe(t *testing.T) FollowMe {
	t.Helper()
	f, err := Rules{}.NewFollowMe(Patch{"grpnum": "204", "grplist": "204-0551234567#"})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// TestChecked: what Asterisk refuses is as it was; what it cannot be asked about stays.
func TestChecked(t *testing.T) {
	t.Parallel()
	b := &tables{}
	a := &asterisk{tables: b}
	c := Checked{b, a}
	bad := nora(t)
	bad.Context = "refused"
	var rejected *RejectedError
	if _, err := c.Add(t.Context(), bad); !errors.As(err, &rejected) || !errors.Is(err, models.ErrInvalid) || !strings.Contains(err.Error(), "204") || b.extension != nil {
		t.Errorf("%v, %v", err, b.extension)
	}
	if _, err := c.Add(t.Context(), nora(t)); err != nil || a.synced != 1 {
		t.Errorf("%v, %d", err, a.synced)
	}
	if _, _, err := c.Update(t.Context(), "204", Patch{"context": "refused", "secret": "another-secret"}, nil); !errors.As(err, &rejected) || len(Diff(*b.extension, nora(t))) > 0 {
		t.Errorf("%v, %v", err, b.extension)
	}
	n := 0
	a.moves = func() { n++; b.extension.Name = strings.Repeat("Ada", n) }
	if _, _, err := c.Update(t.Context(), "204", Patch{"context": "refused"}, nil); !errors.Is(err, ErrStays) || errors.Is(err, models.ErrInvalid) || b.extension.Context != "refused" {
		t.Errorf("what somebody else changed meanwhile: %v, %v", err, b.extension)
	}
	a.moves, a.away = nil, errors.New("away")
	if _, after, err := c.Update(t.Context(), "204", Patch{"context": "internal"}, nil); !errors.Is(err, ErrUnchecked) || !errors.Is(err, ErrNotReloaded) || after.Context != "internal" || b.extension.Context != "internal" {
		t.Errorf("%v, %v", err, b.extension)
	}
	f := norasFollowMe(t)
	b.followMe = &f
	no := errors.New("no")
	if _, err := c.Delete(t.Context(), "204", func(Extension) error { return no }); !errors.Is(err, no) || b.extension == nil {
		t.Errorf("%v", err)
	}
	kept := *b.extension
	for _, away := range []error{nil, errors.New("away")} {
		e, f := kept, f
		b.extension, b.followMe, a.away = &e, &f, away
		removed, err := c.Delete(t.Context(), "204", nil)
		if away == nil && err != nil || away != nil && !errors.Is(err, ErrUnchecked) || removed.FollowMe == nil || removed.Extension.Account != "204" || b.extension != nil || b.followMe != nil {
			t.Errorf("%v, %+v, %v", err, removed, b.followMe)
		}
	}
	if _, err := c.Delete(t.Context(), "204", nil); !errors.Is(err, models.ErrNotFound) {
		t.Errorf("%v", err)
	}
	if _, err := (Checked{Tables: b}).Add(t.Context(), bad); err != nil {
		t.Errorf("where nobody asks: %v", err)
	}
}

// TestDeletedByHalf: a deletion that was cut off is made, and can be ended; nothing is deleted while Asterisk may delete something yet.
func TestDeletedByHalf(t *testing.T) {
	t.Parallel()
	start := func() (*tables, *asterisk, Recorded, *changes) {
		e, f := nora(t), norasFollowMe(t)
		b := &tables{extension: &e, followMe: &f}
		a := &asterisk{tables: b}
		r, _, l, _ := recorder()
		r.Backend = Checked{b, a}
		return b, a, r, l
	}
	b, a, r, l := start()
	a.away = fmt.Errorf("%w: it hangs", ErrAsterisk)
	if _, err := r.Delete(t.Context(), "204", nil); !errors.Is(err, ErrAsterisk) || made(err) || b.extension == nil || b.followMe == nil || len(l.all) != 0 {
		t.Errorf("uncertain: %v, %v", err, l.all)
	}
	a.half = true
	if removed, err := r.Delete(t.Context(), "204", nil); !errors.Is(err, ErrLeft) || !made(err) || removed.FollowMe == nil || len(l.all) != 1 {
		t.Errorf("by half: %v, %v", err, l.all)
	}
	if removed, err := r.Delete(t.Context(), "204", nil); err != nil || removed.FollowMe == nil || b.followMe != nil || len(l.all) != 1 {
		t.Errorf("the rest: %v, %+v, %v", err, removed, l.all)
	}
	if _, err := r.Delete(t.Context(), "204", nil); !errors.Is(err, models.ErrNotFound) {
		t.Errorf("nothing left: %v", err)
	}

	b, _, r, l = start()
	broken := errors.New("the password of the database")
	r.Backend = Checked{unswept{b, broken}, &asterisk{tables: b}}
	if removed, err := r.Delete(t.Context(), "204", nil); !errors.Is(err, ErrLeft) || removed.Extension.Name != "Nora" || strings.Contains(err.Error(), "password") || len(l.all) != 1 {
		t.Errorf("the tables went away: %v, %v", err, l.all)
	}

	b, _, r, _ = start()
	r.Backend = Checked{b, forgets(func() error { b.extension.Name = "Ada"; return errors.New("away") })}
	if _, err := r.Delete(t.Context(), "204", nil); !errors.Is(err, models.ErrConflict) || b.extension == nil {
		t.Errorf("somebody changed it meanwhile: %v", err)
	}
}

// unswept are tables that go away before the rest is removed.
type unswept struct {
	*tables

	err error
}

func (u unswept) Sweep(context.Context, string) (*FollowMe, error) { return nil, u.err }

// forgets is a Checker that is only told to forget.
type forgets func() error

func (forgets) Accepted(context.Context, string) (bool, error) { return true, nil }
func (forgets) Sync(context.Context, string) error             { return nil }
func (f forgets) Forget(context.Context, string) error         { return f() }

// TestTakenBackAsItWas: what was in the tables may be there again, whatever the rules say about new values.
func TestTakenBackAsItWas(t *testing.T) {
	t.Parallel()
	b := &tables{}
	r, _, l, _ := recorder()
	r.Backend = Checked{b, &asterisk{tables: b}}
	old := nora(t)
	old.Secret, old.Transport, old.Name = "short", "transport-of-another-name", ""
	b.extension = &old
	was := b.state()
	p := Patch{"secret": "long-enough", "transport": "tcp", "name": "Nora"}
	refused := Patch{"context": "refused"}
	for name, value := range p {
		refused[name] = value
	}
	var rejected *RejectedError
	if _, _, err := r.Update(t.Context(), "204", refused, nil); !errors.As(err, &rejected) || b.state() != was || len(l.all) != 0 {
		t.Errorf("taken back: %v, %s", err, b.state())
	}
	if _, _, err := r.Update(t.Context(), "204", p, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Undo(t.Context(), 0); err != nil || b.state() != was {
		t.Errorf("undone: %v, %s", err, b.state())
	}
	if _, err := r.Delete(t.Context(), "204", nil); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Undo(t.Context(), 0); err != nil || b.state() != was {
		t.Errorf("made again: %v", err)
	}
}

// TestRefusedBefore: what Asterisk does not take already can be changed.
func TestRefusedBefore(t *testing.T) {
	t.Parallel()
	e := nora(t)
	e.Context = "refused"
	b := &tables{extension: &e}
	c := Checked{b, &asterisk{tables: b}}
	if _, after, err := c.Update(t.Context(), "204", Patch{"name": "Ada"}, nil); !errors.Is(err, ErrUnchecked) || after.Name != "Ada" || b.extension.Name != "Ada" {
		t.Errorf("%v, %v", err, b.extension)
	}
	if _, _, err := c.Update(t.Context(), "204", Patch{"context": "internal"}, nil); err != nil {
		t.Error(err)
	}
}

// TestStays: a change that could not be taken back is one, and only the log says why.
func TestStays(t *testing.T) {
	t.Parallel()
	b := &tables{}
	r, _, l, out := recorder()
	e := nora(t)
	b.extension = &e
	n := 0
	r.Backend = Checked{b, &asterisk{tables: b, moves: func() { n++; b.extension.Name = strings.Repeat("Ada", n) }}}
	_, _, err := r.Update(t.Context(), "204", Patch{"context": "refused"}, nil)
	if !errors.Is(err, ErrStays) || len(l.all) != 1 || strings.Contains(err.Error(), "somebody") || !strings.Contains(out.String(), "somebody") {
		t.Errorf("%v, %v, %s", err, l.all, out)
	}
}
