package extension

import (
	"context"
	"errors"
	"fmt"
	"time"

	"talktime/models"
)

// ErrUnchecked means that a change is made, but that Asterisk could not be asked whether it takes it, or be told. It is ErrNotReloaded, too.
var ErrUnchecked = fmt.Errorf("%w: Asterisk could not be asked", ErrNotReloaded)

// ErrRefused means that a change is made of what Asterisk refused before it, and refuses still. It is ErrUnchecked, too.
var ErrRefused = fmt.Errorf("%w: it refuses this as it is, as it did before", ErrUnchecked)

// ErrLeft means that something is deleted, but that rows of it are left. It is ErrNotReloaded, too.
var ErrLeft = fmt.Errorf("%w: rows of what was deleted are left; delete it again", ErrNotReloaded)

// ErrColumns means that a change was taken back, but for columns that no field tells of. It is ErrNotReloaded, too.
var ErrColumns = fmt.Errorf("%w: columns of the rows that are not shown could not be restored; look at them", ErrNotReloaded)

// ErrStays means that a change is made which Asterisk refuses, and which could not be taken back.
var ErrStays = errors.New("Asterisk refuses it as it is now, and it could not be taken back; change or delete it")

// ErrUnregistered means that a trunk was not changed, but that its registration has ended and could not be put back.
var ErrUnregistered = errors.New("nothing was changed, but its registration has ended and could not be put back; set register again")

// HalfError is a change that is made by half: Is says how.
type HalfError struct {
	Account string
	Is      error // ErrStays, ErrLeft, ErrColumns, ErrUntold or ErrUnregistered
	Why     error // for the log alone: it may have words of a database in it
}

func (e *HalfError) Error() string { return e.Account + ": " + e.Is.Error() }

// Unwrap tells what it is, but not why: a deadline of a database is none of the change.
func (e *HalfError) Unwrap() error { return e.Is }

// RejectedError says that Asterisk does not take an extension as it would have been. What was written is taken back. It is
// models.ErrInvalid.
type RejectedError struct{ Account string }

func (e *RejectedError) Error() string {
	return "Asterisk refuses " + e.Account + " with these values, so nothing was changed; its log names the one that it does not take"
}

// Unwrap makes it models.ErrInvalid.
func (e *RejectedError) Unwrap() error { return models.ErrInvalid }

// Tables are a Backend of PJSIP realtime.
type Tables interface {
	Backend
	// Sweep removes what is left of an extension whose endpoint has gone, its follow-me too. Of one that is there it removes nothing.
	// Where nothing is left it is models.ErrNotFound.
	Sweep(ctx context.Context, account string) (*FollowMe, error)
	// Raw reads auth, aor and endpoint of an extension as they are, with all columns, as far as their id is its number.
	Raw(ctx context.Context, account string) (Extension, Rows, error)
	// Restore sets the columns of these rows in which was and is differ to what they were: those that no field tells all of, such as the
	// hash of a secret, and those of the site.
	Restore(ctx context.Context, account string, was, is Rows) error
}

// askTime is how long Asterisk may take for all that it is asked about one change.
const askTime = 6 * time.Second

// Checked is a Backend of realtime that asks Asterisk after each change whether it takes the extension, and takes back what it refuses:
// RejectedError. When Asterisk cannot be asked, or refused it before, the change stays, and is returned with ErrUnchecked.
type Checked struct {
	Tables

	Checker Checker // nil: nobody asks
}

var _ Backend = Checked{}

// errMoved keeps from taking back what somebody else has changed since.
var errMoved = fmt.Errorf("%w: somebody else has changed it since", models.ErrConflict)

func still(e Extension) func(Extension) error {
	return func(now Extension) error {
		if len(Diff(now, e)) > 0 {
			return errMoved
		}
		return nil
	}
}

// Add implements Backend.
func (c Checked) Add(ctx context.Context, e Extension) (Extension, error) {
	e, err := c.Tables.Add(ctx, e)
	if err != nil {
		return e, err
	}
	return e, c.check(ctx, e.Account, nil, func(ctx context.Context) error {
		_, err := c.Tables.Delete(ctx, e.Account, still(e))
		return err
	})
}

// Update implements Backend.
func (c Checked) Update(ctx context.Context, account string, p Patch, check func(Extension) error) (before, after Extension, err error) {
	was := c.refused(ctx, account)
	raw := c.raw(ctx, account)
	before, after, err = c.Tables.Update(ctx, account, p, check)
	if err != nil {
		return before, after, err
	}
	return before, after, c.check(ctx, account, was, func(ctx context.Context) error {
		is := c.raw(ctx, account)
		_, _, err := c.Tables.Update(asItWas(ctx), account, Inverse(before, after), still(after))
		if err == nil && raw.of(before) && is.of(after) {
			err = c.Tables.Restore(ctx, account, raw.rows, is.rows)
		}
		return err
	})
}

// raw are rows, and the extension that they are.
type raw struct {
	extension Extension
	rows      Rows
	err       error
}

// of tells whether they were read when an extension was like this, and not after somebody else changed it.
func (r raw) of(e Extension) bool { return r.err == nil && len(Diff(r.extension, e)) == 0 }

// raw reads rows. Where nobody asks, nothing is taken back.
func (c Checked) raw(ctx context.Context, account string) (r raw) {
	if c.Checker == nil {
		return raw{err: models.ErrNotFound}
	}
	r.extension, r.rows, r.err = c.Tables.Raw(ctx, account)
	return r
}

// Delete implements Backend. Asterisk removes the rows itself, so that it cannot be asked while a transaction has them: what somebody
// else changes between check and deletion goes with the rest. Of an extension whose endpoint has gone it removes what is left, and asks
// no check. When nobody knows whether Asterisk will delete something yet, nothing else is: ErrAsterisk.
func (c Checked) Delete(ctx context.Context, account string, check func(Extension) error) (Removed, error) {
	e, err := c.Tables.Extension(ctx, account)
	if errors.Is(err, models.ErrNotFound) {
		return c.sweep(ctx, account)
	}
	if c.Checker == nil && err == nil {
		return c.Tables.Delete(ctx, account, check)
	}
	if err == nil {
		err = Passes(check, e)
	}
	if err != nil {
		return Removed{}, err
	}
	removed := Removed{Extension: e}
	switch f, err := c.Tables.FollowMe(ctx, account); {
	case err == nil:
		removed.FollowMe = &f
	case !errors.Is(err, models.ErrNotFound):
		return Removed{}, err
	}
	ctx = context.WithoutCancel(ctx)
	forgotten := c.ask(ctx, func(ctx context.Context) error { return c.Checker.Forget(ctx, account) })
	if errors.Is(forgotten, ErrAsterisk) { // it may delete rows of the next one with this number, so there must be none yet
		if _, err := c.Tables.Extension(ctx, account); errors.Is(err, models.ErrNotFound) {
			return removed, &HalfError{account, ErrLeft, forgotten}
		}
		return Removed{}, forgotten
	}
	if _, err = c.Tables.Delete(ctx, account, still(e)); errors.Is(err, models.ErrNotFound) {
		_, err = c.Tables.Sweep(ctx, account)
	}
	switch {
	case err == nil, errors.Is(err, models.ErrNotFound):
		return removed, forgotten
	case forgotten != nil:
		return Removed{}, err
	case errors.Is(err, errMoved): // somebody has made it anew
		return removed, nil
	}
	return removed, &HalfError{account, ErrLeft, err}
}

// sweep removes what a deletion that was cut off has left.
func (c Checked) sweep(ctx context.Context, account string) (Removed, error) {
	follow, err := c.Tables.Sweep(ctx, account)
	if err != nil {
		return Removed{}, err
	}
	return Removed{Extension{Account: account}, follow}, nil
}

// refused asks before a change: ErrRefused when Asterisk refuses what is there, ErrUnchecked when it cannot be asked.
func (c Checked) refused(ctx context.Context, account string) error {
	if c.Checker == nil {
		return nil
	}
	accepted := true
	err := c.ask(ctx, func(ctx context.Context) (err error) {
		accepted, err = c.Checker.Accepted(ctx, account)
		return err
	})
	if err == nil && !accepted {
		return ErrRefused
	}
	return err
}

// check asks whether Asterisk takes an extension, and else takes the change back. What was wrong before the change is as refused says: of
// what it refused then nothing is taken back, and when it could not be asked then, it is not asked now.
func (c Checked) check(ctx context.Context, account string, was error, takeBack func(context.Context) error) error {
	switch {
	case c.Checker == nil:
		return nil
	case was != nil && !errors.Is(was, ErrRefused):
		return was
	}
	ctx = context.WithoutCancel(ctx) // the tables are written, whoever waits for the answer
	accepted := true
	err := c.ask(ctx, func(ctx context.Context) (err error) {
		if accepted, err = c.Checker.Accepted(ctx, account); err != nil || !accepted {
			accepted = accepted || err != nil
			return err
		}
		if err = c.Checker.Sync(ctx, account); errors.Is(err, models.ErrNotFound) {
			return nil // it has no addresses
		}
		return err
	})
	switch {
	case accepted:
		return err
	case was != nil:
		return was
	}
	if err := takeBack(ctx); err != nil && !errors.Is(err, models.ErrNotFound) { // which has gone meanwhile
		return &HalfError{account, ErrStays, err}
	}
	return &RejectedError{account}
}

// ask asks Asterisk something. The error is ErrUnchecked, or ErrAsterisk where nobody knows whether it was done.
func (c Checked) ask(ctx context.Context, what func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	err := what(ctx)
	is := ErrUnchecked
	if errors.Is(err, ErrAsterisk) {
		is = ErrAsterisk
	}
	if err != nil {
		return fmt.Errorf("%w: %s", is, err.Error()) // not wrapped: a deadline of Asterisk is none of a database
	}
	return nil
}
