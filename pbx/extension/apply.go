package extension

import (
	"context"
	"errors"
	"fmt"
	"time"

	"talktime/models"
)

var (
	// ErrAsterisk means that Asterisk could not be told of a change, which was not made.
	ErrAsterisk = errors.New("it was not possible to tell Asterisk")
	// ErrNotReloaded means that a change is made, but that FreePBX could not be made to apply it.
	ErrNotReloaded = errors.New("the change is made, but not applied")
	// ErrUntold means that a follow-me is changed of which Asterisk could not be told all, and that this could not be taken back. It is
	// ErrNotReloaded, too.
	ErrUntold = fmt.Errorf("%w: Asterisk could not be told, and it could not be taken back; save it again", ErrNotReloaded)
)

// tellTime is how long Asterisk may take for its database: a transaction waits for it.
const tellTime = 3 * time.Second

// Applied is a Backend of FreePBX whose changes reach Asterisk: follow-mes stand in Asterisk's own database too, and FreePBX applies its
// tables after each change. A change of which Asterisk cannot be told is not made, or taken back: ErrAsterisk. One that is made and not
// applied is returned with ErrNotReloaded.
type Applied struct {
	Backend // asks the check of a deletion before it deletes

	AstDB    AstDB    // deletes what is not there without an error
	Reloader Reloader // nil: somebody else does that
}

var _ Backend = Applied{}

// Add implements Backend.
func (a Applied) Add(ctx context.Context, e Extension) (Extension, error) {
	e, err := a.Backend.Add(ctx, e)
	return e, a.reload(ctx, err)
}

// Update implements Backend.
func (a Applied) Update(ctx context.Context, account string, p Patch, check func(Extension) error) (before, after Extension, err error) {
	before, after, err = a.Backend.Update(ctx, account, p, check)
	return before, after, a.reload(ctx, err)
}

// Delete implements Backend.
func (a Applied) Delete(ctx context.Context, account string, check func(Extension) error) (Removed, error) {
	was, err := a.Backend.FollowMe(ctx, account) // for the case that it has to be put back
	had, told := err == nil, false
	removed, err := a.Backend.Delete(ctx, account, func(e Extension) error {
		if err := Passes(check, e); err != nil {
			return err
		}
		told = true
		return a.forget(ctx, account)
	})
	if err != nil && told && had {
		err = errors.Join(err, a.tell(ctx, was))
	}
	return removed, a.reload(ctx, err)
}

// AddFollowMe implements Backend.
func (a Applied) AddFollowMe(ctx context.Context, f FollowMe) (FollowMe, error) {
	f, err := a.Backend.AddFollowMe(ctx, f)
	if err != nil {
		return f, err
	}
	if err = a.tell(ctx, f); err != nil {
		_, back := a.Backend.DeleteFollowMe(context.WithoutCancel(ctx), f.GrpNum, stillFollowMe(f))
		err = a.takenBack(f, err, back, func() error { return a.forget(ctx, f.GrpNum) })
	}
	return f, a.reload(ctx, err)
}

// UpdateFollowMe implements Backend.
func (a Applied) UpdateFollowMe(ctx context.Context, account string, p Patch, check func(FollowMe) error) (before, after FollowMe, err error) {
	before, after, err = a.Backend.UpdateFollowMe(ctx, account, p, check)
	if err != nil {
		return before, after, err
	}
	if err = a.tell(ctx, after); err != nil {
		_, _, back := a.Backend.UpdateFollowMe(asItWas(context.WithoutCancel(ctx)), account, InverseFollowMe(before, after), stillFollowMe(after))
		err = a.takenBack(after, err, back, func() error { return a.tell(ctx, before) })
	}
	return before, after, a.reload(ctx, err)
}

// DeleteFollowMe implements Backend.
func (a Applied) DeleteFollowMe(ctx context.Context, account string, check func(FollowMe) error) (FollowMe, error) {
	var told *FollowMe
	was, err := a.Backend.DeleteFollowMe(ctx, account, func(f FollowMe) error {
		if err := Passes(check, f); err != nil {
			return err
		}
		told = &f
		return a.forget(ctx, account)
	})
	if err != nil && told != nil {
		err = errors.Join(err, a.tell(ctx, *told))
	}
	return was, a.reload(ctx, err)
}

func stillFollowMe(f FollowMe) func(FollowMe) error {
	return func(now FollowMe) error {
		if len(DiffFollowMe(now, f)) > 0 {
			return errMoved
		}
		return nil
	}
}

// takenBack is the error of a change of which Asterisk could not be told: ErrAsterisk where the table is as it was before, and then
// Asterisk's database is made so; else the change is made, ErrNotReloaded.
func (Applied) takenBack(f FollowMe, err, back error, tellBack func() error) error {
	if back != nil && !errors.Is(back, models.ErrNotFound) {
		return &HalfError{f.GrpNum, ErrUntold, errors.Join(err, back)}
	}
	return errors.Join(err, tellBack())
}

// tell writes a follow-me into Asterisk's database. That nobody waits for the answer any more does not keep it from that, since the table
// is written.
func (a Applied) tell(ctx context.Context, f FollowMe) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), tellTime)
	defer cancel()
	for _, entry := range f.AstDB() {
		if err := a.AstDB.Put(ctx, entry); err != nil {
			return fmt.Errorf("%w: %s", ErrAsterisk, err.Error()) // not wrapped: a deadline of Asterisk is none of a database
		}
	}
	return nil
}

// forget removes a follow-me from Asterisk's database.
func (a Applied) forget(ctx context.Context, account string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), tellTime)
	defer cancel()
	if err := a.AstDB.DeleteTree(ctx, FollowMe{GrpNum: account}.AstDBTree()); err != nil {
		return fmt.Errorf("%w: %s", ErrAsterisk, err.Error())
	}
	return nil
}

// reload makes FreePBX apply a change, unless there was none.
func (a Applied) reload(ctx context.Context, err error) error {
	if err != nil || a.Reloader == nil {
		return err
	}
	if err := a.Reloader.Reload(context.WithoutCancel(ctx)); err != nil {
		return fmt.Errorf("%w: %w", ErrNotReloaded, err)
	}
	return nil
}
