package extension

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"talktime/models"
)

// tables is a Backend in memory, of one extension.
type tables struct {
	Backend // panics where it is asked for more

	extension *Extension
	followMe  *FollowMe
	lost      error // of the commit
}

func (b *tables) Extension(context.Context, string) (Extension, error) {
	if b.extension == nil {
		return Extension{}, models.ErrNotFound
	}
	return *b.extension, nil
}

func (b *tables) Add(ctx context.Context, e Extension) (Extension, error) {
	if err := (Rules{}).In(ctx).Validate(e); err != nil {
		return e, err
	}
	if b.extension != nil {
		return e, models.ErrConflict
	}
	b.extension = &e
	return e, b.lost
}

func (b *tables) Update(ctx context.Context, _ string, p Patch, check func(Extension) error) (before, after Extension, err error) {
	if b.extension == nil {
		return before, after, models.ErrNotFound
	}
	before = *b.extension
	if err := Passes(check, before); err != nil {
		return before, before, err
	}
	after, err = Rules{}.In(ctx).Change(before, p)
	b.extension = &after
	return before, after, err
}

func (b *tables) Delete(_ context.Context, _ string, check func(Extension) error) (Removed, error) {
	if b.extension == nil {
		return Removed{}, models.ErrNotFound
	}
	if err := Passes(check, *b.extension); err != nil {
		return Removed{}, err
	}
	if b.lost != nil {
		return Removed{}, b.lost
	}
	removed := Removed{*b.extension, b.followMe}
	b.extension, b.followMe = nil, nil
	return removed, nil
}

func (b *tables) FollowMe(context.Context, string) (FollowMe, error) {
	if b.followMe == nil {
		return FollowMe{}, models.ErrNotFound
	}
	return *b.followMe, nil
}

func (b *tables) AddFollowMe(_ context.Context, f FollowMe) (FollowMe, error) {
	if b.followMe != nil {
		return f, models.ErrConflict
	}
	b.followMe = &f
	return f, nil
}

func (b *tables) UpdateFollowMe(ctx context.Context, _ string, p Patch, check func(FollowMe) error) (before, after FollowMe, err error) {
	if b.followMe == nil {
		return before, after, models.ErrNotFound
	}
	before = *b.followMe
	if err := Passes(check, before); err != nil {
		return before, before, err
	}
	after, err = Rules{}.In(ctx).ChangeFollowMe(before, p)
	b.followMe = &after
	return before, after, err
}

func (b *tables) DeleteFollowMe(_ context.Context, _ string, check func(FollowMe) error) (was FollowMe, err error) {
	if b.followMe == nil {
		return was, models.ErrNotFound
	}
	if err := Passes(check, *b.followMe); err != nil {
		return was, err
	}
	if b.lost != nil {
		return was, b.lost
	}
	was, b.followMe = *b.followMe, nil
	return was, nil
}

// astDB is Asterisk's database, which is away from a certain question on.
type astDB struct {
	keys map[string]string
	left int // questions until it is away; below 0: never
}

func (d *astDB) away() error {
	if d.left == 0 {
		d.left = -1 // it comes back
		return context.DeadlineExceeded
	}
	d.left--
	return nil
}

func (d *astDB) Put(ctx context.Context, e DBEntry) error {
	if err := errors.Join(d.away(), ctx.Err()); err != nil {
		return err
	}
	d.keys[e.Family+"/"+e.Key] = e.Value
	return nil
}

func (d *astDB) DeleteTree(_ context.Context, family string) error {
	if err := d.away(); err != nil {
		return err
	}
	for key := range d.keys {
		if len(key) > len(family) && key[:len(family)+1] == family+"/" {
			delete(d.keys, key)
		}
	}
	return nil
}

type reloads struct {
	n   int
	err error
}

func (r *reloads) Reload(ctx context.Context) error {
	r.n++
	return errors.Join(r.err, ctx.Err())
}

func keysOf(f *FollowMe) map[string]string {
	keys := map[string]string{}
	if f != nil {
		for _, e := range f.AstDB() {
			keys[e.Family+"/"+e.Key] = e.Value
		}
	}
	return keys
}

// TestAppliedChanges: after each change Asterisk's database has what the table has, and FreePBX applied it once; also when Asterisk went
// away in the middle, or the table's database at its end.
func TestAppliedChanges(t *testing.T) {
	t.Parallel()
	forward, err := Rules{}.NewFollowMe(Patch{"grpnum": "204", "grplist": "204-0551234567#", "pre_ring": "7"})
	if err != nil {
		t.Fatal(err)
	}
	add := func(a Applied) error { _, err := a.AddFollowMe(t.Context(), forward); return err }
	update := func(a Applied) error {
		_, _, err := a.UpdateFollowMe(t.Context(), "204", Patch{"grplist": "300", "grptime": "45"}, nil)
		return err
	}
	remove := func(a Applied) error { _, err := a.DeleteFollowMe(t.Context(), "204", nil); return err }
	gone := func(a Applied) error { _, err := a.Delete(t.Context(), "204", nil); return err }
	lost := errors.New("the connection was lost at the commit")
	for _, tt := range []struct {
		name   string
		had    bool // a follow-me before
		do     func(Applied) error
		left   int // questions that Asterisk answers
		lost   error
		want   error
		reload int
		list   []string // of the follow-me after it; nil: there is none
	}{
		{"added", false, add, -1, nil, nil, 1, forward.GrpList},
		{"added without Asterisk", false, add, 0, nil, ErrAsterisk, 0, nil},
		{"added until Asterisk went away", false, add, 3, nil, ErrAsterisk, 0, nil},
		{"added again", true, add, -1, nil, models.ErrConflict, 0, forward.GrpList},
		{"updated", true, update, -1, nil, nil, 1, []string{"300"}},
		{"updated without Asterisk", true, update, 0, nil, ErrAsterisk, 0, forward.GrpList},
		{"updated until Asterisk went away", true, update, 5, nil, ErrAsterisk, 0, forward.GrpList},
		{"updated, where there is none", false, update, -1, nil, models.ErrNotFound, 0, nil},
		{"deleted", true, remove, -1, nil, nil, 1, nil},
		{"deleted without Asterisk", true, remove, 0, nil, ErrAsterisk, 0, forward.GrpList},
		{"deleted, but not committed", true, remove, -1, lost, lost, 0, forward.GrpList},
		{"deleted, where there is none", false, remove, -1, nil, models.ErrNotFound, 0, nil},
		{"deleted with its extension", true, gone, -1, nil, nil, 1, nil},
		{"deleted with its extension without Asterisk", true, gone, 0, nil, ErrAsterisk, 0, forward.GrpList},
		{"deleted with its extension, but not committed", true, gone, -1, lost, lost, 0, forward.GrpList},
		{"an extension that had none", false, gone, -1, nil, nil, 1, nil},
		{"an extension that had none, but not committed", false, gone, -1, lost, lost, 0, nil},
	} {
		e := nora(t)
		b, db, r := &tables{extension: &e, lost: tt.lost}, &astDB{keys: map[string]string{}, left: tt.left}, &reloads{}
		if tt.had {
			f := forward
			b.followMe, db.keys = &f, keysOf(&f)
		}
		db.keys["AMPUSER/2045/followme/ddial"] = "DIRECT" // somebody else's
		if err := tt.do(Applied{b, db, r}); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v", tt.name, err)
		}
		want := keysOf(b.followMe)
		want["AMPUSER/2045/followme/ddial"] = "DIRECT"
		if diff := cmp.Diff(want, db.keys); diff != "" {
			t.Errorf("%s: %s", tt.name, diff)
		}
		var list []string
		if b.followMe != nil {
			list = b.followMe.GrpList
		}
		if !slices.Equal(list, tt.list) || r.n != tt.reload {
			t.Errorf("%s: it rings %q, applied %d times", tt.name, list, r.n)
		}
	}
}

// TestAppliedForNobody: a change that is made reaches Asterisk although whoever asked for it has gone.
func TestAppliedForNobody(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	e := nora(t)
	db := &astDB{keys: map[string]string{}, left: -1}
	a := Applied{&tables{extension: &e}, db, &reloads{}}
	if _, err := a.AddFollowMe(ctx, FollowMe{GrpNum: "204", GrpTime: 20}); err != nil || len(db.keys) != 7 {
		t.Errorf("%v: %v", db.keys, err)
	}
}

func TestChangesThatAreNotReloaded(t *testing.T) {
	t.Parallel()
	e := nora(t)
	b, r := &tables{}, &reloads{err: context.DeadlineExceeded}
	a := Applied{Backend: b, Reloader: r}
	if made, err := a.Add(t.Context(), e); !errors.Is(err, ErrNotReloaded) || made.Account != "204" {
		t.Errorf("added: %v", err)
	}
	if before, after, err := a.Update(t.Context(), "204", Patch{"context": "c2"}, nil); !errors.Is(err, ErrNotReloaded) || before.Context == after.Context {
		t.Errorf("updated: %v", err)
	}
	refused := errors.New("somebody has changed it")
	if _, _, err := a.Update(t.Context(), "204", Patch{"context": "c3"}, func(Extension) error { return refused }); !errors.Is(err, refused) {
		t.Errorf("updated against a check: %v", err)
	}
	if _, err := a.Delete(t.Context(), "204", func(Extension) error { return refused }); !errors.Is(err, refused) || b.extension == nil {
		t.Errorf("deleted against a check: %v", err)
	}
	if r.n != 2 {
		t.Errorf("applied %d times", r.n)
	}
	a.Reloader, b.extension = nil, nil
	if _, err := a.Add(t.Context(), e); err != nil {
		t.Errorf("without anybody who reloads: %v", err)
	}
}

// TestAppliedAndMoved: what somebody else has changed meanwhile is not taken back, and the change is one that is made.
func TestAppliedAndMoved(t *testing.T) {
	t.Parallel()
	f := norasFollowMe(t)
	old := f
	old.Ringing = "a class that the site has no more"
	for name, do := range map[string]func(Applied) error{
		"added": func(a Applied) error { _, err := a.AddFollowMe(t.Context(), f); return err },
		"updated": func(a Applied) error {
			_, _, err := a.UpdateFollowMe(t.Context(), "204", Patch{"grptime": "45"}, nil)
			return err
		},
	} {
		b := &tables{}
		if name == "updated" {
			b.followMe = &f
		}
		err := do(Applied{b, movingDB{func() {
			moved := *b.followMe
			moved.GrpTime = 59
			b.followMe = &moved
		}}, nil})
		if !errors.Is(err, ErrNotReloaded) || errors.Is(err, ErrAsterisk) || b.followMe == nil || b.followMe.GrpTime != 59 {
			t.Errorf("%s: %v, %+v", name, err, b.followMe)
		}
	}
	b := &tables{followMe: &old}
	db := &astDB{keys: keysOf(&old), left: 0}
	if _, _, err := (Applied{b, db, nil}).UpdateFollowMe(t.Context(), "204", Patch{"ringing": "Ring"}, nil); !errors.Is(err, ErrAsterisk) || b.followMe.Ringing != old.Ringing {
		t.Errorf("%v, %+v", err, b.followMe)
	}
}

// movingDB is away, and meanwhile somebody else changes the follow-me.
type movingDB struct{ moves func() }

func (d movingDB) Put(context.Context, DBEntry) error {
	d.moves()
	return context.DeadlineExceeded
}

func (movingDB) DeleteTree(context.Context, string) error { return context.DeadlineExceeded }
