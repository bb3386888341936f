package extension

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"talktime/models"
)

// What a Change is of, and what it did.
const (
	KindExtension = "extension"
	KindFollowMe  = "followme"
	KindTrunk     = "trunk"

	VerbAdd    = "add"
	VerbUpdate = "update"
	VerbDelete = "delete"
)

// Change is one that was made, with all that is needed to take it back: secrets, too.
type Change struct {
	ID            int64
	At            time.Time
	Actor         string // see By
	Kind          string
	Verb          string
	Account       string
	Before, After Snapshot
	Undoes        int64 // the change that it took back; 0: none
	Undone        bool  // it was taken back, and that was not. It follows from the others and is not kept
}

// Snapshot is what there was of an account or a trunk, as far as a change came to it. What is nil was not there.
type Snapshot struct {
	Extension *Extension `json:"extension,omitempty"`
	FollowMe  *FollowMe  `json:"followme,omitempty"`
	Trunk     *Trunk     `json:"trunk,omitempty"`
	Rows      *Rows      `json:"-"` // of the extension, as Tables.Raw reads them, with secrets; nil: they are not known
}

// snapshotText is how a Snapshot is kept.
type snapshotText struct {
	Extension map[string]string `json:"extension,omitempty"`
	FollowMe  map[string]string `json:"followme,omitempty"`
	Trunk     map[string]string `json:"trunk,omitempty"`
	Rows      *Rows             `json:"rows,omitempty"`
}

// Text writes a snapshot with its secrets, for ParseSnapshot.
func (s Snapshot) Text() string {
	t := snapshotText{Rows: s.Rows}
	if s.Extension != nil {
		t.Extension = s.Extension.Values(true)
	}
	if s.FollowMe != nil {
		t.FollowMe = s.FollowMe.Values()
	}
	if s.Trunk != nil {
		t.Trunk = s.Trunk.Values(true)
	}
	text, err := json.Marshal(t)
	if err != nil {
		panic(err) // texts
	}
	return string(text)
}

// ParseSnapshot reads what Text wrote.
func ParseSnapshot(text string) (s Snapshot, err error) {
	var t snapshotText
	if err := json.Unmarshal([]byte(text), &t); err != nil {
		return s, fmt.Errorf("what was kept of a change cannot be read: %w", err)
	}
	s.Rows = t.Rows
	if t.Extension != nil {
		s.Extension = &Extension{}
		for _, f := range extensionFields {
			load(f.at(s.Extension), t.Extension[f.name])
		}
	}
	if t.FollowMe != nil {
		f := LoadFollowMe(t.FollowMe)
		s.FollowMe = &f
	}
	if t.Trunk != nil {
		s.Trunk = &Trunk{}
		for _, f := range trunkFields {
			load(f.at(s.Trunk), t.Trunk[f.name])
		}
	}
	return s, nil
}

// MarshalJSON writes all fields by their names. Secrets are masked.
func (e Extension) MarshalJSON() ([]byte, error) { return json.Marshal(e.Values(false)) }

// MarshalJSON writes all fields by their names.
func (f FollowMe) MarshalJSON() ([]byte, error) { return json.Marshal(f.Values()) }

// Changes keeps changes for a while.
type Changes interface {
	AddPBXChange(ctx context.Context, c Change) error
	// PBXChanges lists those that are kept, newest first.
	PBXChanges(ctx context.Context) ([]Change, error)
}

type actorKey struct{}

// By is ctx with who makes changes, for the record of them.
func By(ctx context.Context, actor string) context.Context {
	return context.WithValue(ctx, actorKey{}, actor)
}

// Recorded is a Backend that remembers its changes, and takes them back. A change that cannot be noted is made all the same: the log
// says that it cannot be taken back.
type Recorded struct {
	Backend

	Trunks TrunkBackend // of the same PBX; nil: it has none
	Log    Changes
	Logger *slog.Logger
}

var _ Backend = Recorded{}

// made reports whether a change with this error is made.
func made(err error) bool {
	return err == nil || errors.Is(err, ErrNotReloaded) || errors.Is(err, ErrStays)
}

// record notes a change, if it was made and changed something.
func (r Recorded) record(ctx context.Context, c Change, err error) {
	if !made(err) || c.Before.Text() == c.After.Text() {
		return
	}
	var half *HalfError
	if errors.As(err, &half) {
		r.Logger.Error("a change of the telephone system is not as it was meant", "kind", c.Kind, "verb", c.Verb, "account", c.Account, "is", half.Is, "err", half.Why)
	}
	c.Actor, _ = ctx.Value(actorKey{}).(string) // none: a program of ours
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), tellTime)
	defer cancel()
	if err := r.Log.AddPBXChange(ctx, c); err != nil {
		r.Logger.Error("a change of the telephone system cannot be undone, since it could not be noted", "kind", c.Kind, "verb", c.Verb, "account", c.Account, "err", err)
	}
}

// Add implements Backend.
func (r Recorded) Add(ctx context.Context, e Extension) (Extension, error) {
	e, err := r.Backend.Add(ctx, e)
	r.record(ctx, Change{Kind: KindExtension, Verb: VerbAdd, Account: e.Account, After: Snapshot{Extension: &e}}, err)
	return e, err
}

// Update implements Backend.
func (r Recorded) Update(ctx context.Context, account string, p Patch, check func(Extension) error) (before, after Extension, err error) {
	was := r.raw(ctx, account)
	before, after, err = r.Backend.Update(ctx, account, p, check)
	c := Change{Kind: KindExtension, Verb: VerbUpdate, Account: account, Before: Snapshot{Extension: &before}, After: Snapshot{Extension: &after}}
	if made(err) && was.of(before) && len(Diff(before, after)) > 0 {
		if is := r.raw(context.WithoutCancel(ctx), account); is.of(after) {
			c.Before.Rows, c.After.Rows = &was.rows, &is.rows
		}
	}
	r.record(ctx, c, err)
	return before, after, err
}

// Delete implements Backend.
func (r Recorded) Delete(ctx context.Context, account string, check func(Extension) error) (Removed, error) {
	was := r.raw(ctx, account)
	removed, err := r.Backend.Delete(ctx, account, check)
	if len(Diff(removed.Extension, Extension{Account: account})) == 0 { // there was no whole one
		return removed, err
	}
	c := Change{Kind: KindExtension, Verb: VerbDelete, Account: account, Before: Snapshot{Extension: &removed.Extension, FollowMe: removed.FollowMe}}
	if was.of(removed.Extension) {
		c.Before.Rows = &was.rows
	}
	r.record(ctx, c, err)
	return removed, err
}

// rawTables are Tables, or a Backend of them.
type rawTables interface {
	Raw(ctx context.Context, account string) (Extension, Rows, error)
	Restore(ctx context.Context, account string, was, is Rows) error
}

// raw reads the rows of an extension where the back end has such.
func (r Recorded) raw(ctx context.Context, account string) (rows raw) {
	tables, has := r.Backend.(rawTables)
	if !has {
		return raw{err: models.ErrNotFound}
	}
	rows.extension, rows.rows, rows.err = tables.Raw(ctx, account)
	return rows
}

// rawBack makes rows of an extension that a change has just taken back what they were, where they are known.
func (r Recorded) rawBack(ctx context.Context, account string, was, is *Rows, err error) error {
	tables, has := r.Backend.(rawTables)
	if !has || !made(err) || was == nil {
		return err
	}
	if is == nil {
		is = &Rows{}
	}
	if wrong := tables.Restore(context.WithoutCancel(ctx), account, *was, *is); wrong != nil {
		return &HalfError{account, ErrColumns, wrong}
	}
	return err
}

// AddFollowMe implements Backend.
func (r Recorded) AddFollowMe(ctx context.Context, f FollowMe) (FollowMe, error) {
	f, err := r.Backend.AddFollowMe(ctx, f)
	r.record(ctx, Change{Kind: KindFollowMe, Verb: VerbAdd, Account: f.GrpNum, After: Snapshot{FollowMe: &f}}, err)
	return f, err
}

// UpdateFollowMe implements Backend.
func (r Recorded) UpdateFollowMe(ctx context.Context, account string, p Patch, check func(FollowMe) error) (before, after FollowMe, err error) {
	before, after, err = r.Backend.UpdateFollowMe(ctx, account, p, check)
	r.record(ctx, Change{Kind: KindFollowMe, Verb: VerbUpdate, Account: account, Before: Snapshot{FollowMe: &before}, After: Snapshot{FollowMe: &after}}, err)
	return before, after, err
}

// DeleteFollowMe implements Backend.
func (r Recorded) DeleteFollowMe(ctx context.Context, account string, check func(FollowMe) error) (FollowMe, error) {
	f, err := r.Backend.DeleteFollowMe(ctx, account, check)
	r.record(ctx, Change{Kind: KindFollowMe, Verb: VerbDelete, Account: account, Before: Snapshot{FollowMe: &f}}, err)
	return f, err
}

// Changes lists the changes that are kept, newest first.
func (r Recorded) Changes(ctx context.Context) ([]Change, error) {
	all, err := r.Log.PBXChanges(ctx)
	undone := map[int64]bool{}
	for i, c := range all { // what takes back comes before what is taken back
		all[i].Undone = undone[c.ID]
		if c.Undoes != 0 && !undone[c.ID] {
			undone[c.Undoes] = true
		}
	}
	return all, err
}

// Undo takes a change back, and returns the change that this is; with 0 it is the latest that neither was taken back nor took one back.
// What is not as the change left it stays: models.ErrConflict. A change that is not kept is models.ErrNotFound. Other errors are
// those of the back end; with ErrNotReloaded it is taken back.
func (r Recorded) Undo(ctx context.Context, id int64) (Change, error) {
	all, err := r.Changes(ctx)
	if err != nil {
		return Change{}, err
	}
	for _, c := range all {
		switch {
		case id == 0 && (c.Undone || c.Undoes != 0), id != 0 && c.ID != id:
			continue
		case c.Undone:
			return Change{}, fmt.Errorf("%w: change %d was taken back already", models.ErrConflict, c.ID)
		}
		u, err := r.undo(ctx, c)
		r.record(ctx, u, err)
		if errors.Is(err, errMoved) || errors.Is(err, models.ErrNotFound) {
			return u, fmt.Errorf("%w: %s is not as change %d left it, so it was not taken back; look at it and change it yourself", models.ErrConflict, c.Account, c.ID)
		}
		return u, err
	}
	if id == 0 {
		return Change{}, fmt.Errorf("a change that can be taken back: %w", models.ErrNotFound)
	}
	return Change{}, fmt.Errorf("change %d: %w", id, models.ErrNotFound)
}

// undo takes a change back and returns what that comes to.
func (r Recorded) undo(ctx context.Context, c Change) (u Change, err error) {
	u = Change{Kind: c.Kind, Account: c.Account, Undoes: c.ID}
	if c.Kind == KindTrunk {
		return r.undoTrunk(ctx, c, u)
	}
	if c.Kind == KindFollowMe {
		return r.undoFollowMe(ctx, c, u)
	}
	was, is := c.Before.Extension, c.After.Extension
	switch {
	case is == nil && was == nil:
		return u, errMoved
	case is == nil:
		u.Verb = VerbAdd
		u.After, err = r.restore(ctx, c.Before)
		return u, err
	case was != nil:
		u.Verb = VerbUpdate
		before, after, err := r.Backend.Update(asItWas(ctx), c.Account, Inverse(*was, *is), still(*is))
		err = r.rawBack(ctx, c.Account, c.Before.Rows, c.After.Rows, err)
		u.Before.Extension, u.After.Extension = &before, &after
		u.Before.Rows, u.After.Rows = c.After.Rows, c.Before.Rows
		return u, err
	}
	u.Verb = VerbDelete
	follow, err := r.Backend.FollowMe(ctx, c.Account) // would go with it
	switch {
	case errors.Is(err, models.ErrNotFound):
		if c.After.FollowMe != nil {
			return u, errMoved
		}
	case err != nil:
		return u, err
	case c.After.FollowMe == nil, len(DiffFollowMe(follow, *c.After.FollowMe)) > 0:
		return u, errMoved
	}
	removed, err := r.Backend.Delete(ctx, c.Account, still(*is))
	u.Before = Snapshot{Extension: &removed.Extension, FollowMe: removed.FollowMe}
	return u, err
}

// restore makes an extension again, with its follow-me.
func (r Recorded) restore(ctx context.Context, s Snapshot) (Snapshot, error) {
	ctx = asItWas(ctx)
	e, err := r.Backend.Add(ctx, *s.Extension)
	err = r.rawBack(ctx, s.Extension.Account, s.Rows, nil, err)
	if !made(err) || s.FollowMe == nil {
		return Snapshot{Extension: &e}, err
	}
	f, errFollow := r.Backend.AddFollowMe(ctx, *s.FollowMe)
	if made(errFollow) {
		return Snapshot{Extension: &e, FollowMe: &f}, errors.Join(err, errFollow)
	}
	if _, back := r.Backend.Delete(context.WithoutCancel(ctx), e.Account, still(e)); !made(back) {
		return Snapshot{Extension: &e}, fmt.Errorf("%w: extension %s is back, but its follow-me is not: %w", ErrNotReloaded, e.Account, errFollow)
	}
	return Snapshot{}, errFollow
}

func (r Recorded) undoFollowMe(ctx context.Context, c, u Change) (Change, error) {
	was, is := c.Before.FollowMe, c.After.FollowMe
	switch {
	case was != nil && is != nil:
		u.Verb = VerbUpdate
		before, after, err := r.Backend.UpdateFollowMe(asItWas(ctx), c.Account, InverseFollowMe(*was, *is), stillFollowMe(*is))
		u.Before.FollowMe, u.After.FollowMe = &before, &after
		return u, err
	case was != nil:
		u.Verb = VerbAdd
		f, err := r.Backend.AddFollowMe(asItWas(ctx), *was)
		u.After.FollowMe = &f
		return u, err
	case is != nil:
		u.Verb = VerbDelete
		f, err := r.Backend.DeleteFollowMe(ctx, c.Account, stillFollowMe(*is))
		u.Before.FollowMe = &f
		return u, err
	}
	return u, errMoved
}
