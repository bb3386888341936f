package extension

import (
	"context"
	"errors"
	"fmt"

	"talktime/models"
)

// Trunks are those of a PBX. What is not there is models.ErrNotFound, a database that cannot be asked models.ErrUnavailable.
type Trunks interface {
	// Trunks lists all, by their names.
	Trunks(ctx context.Context) ([]Trunk, error)
	Trunk(ctx context.Context, name string) (Trunk, error)
}

// TrunkBackend keeps trunks in the tables of a PBX, as Backend keeps extensions. Errors are as there; addresses that are those of
// somebody else are models.ErrConflict.
type TrunkBackend interface {
	Trunks

	// AddTrunk keeps a new one.
	AddTrunk(ctx context.Context, t Trunk) (Trunk, error)
	// PreviewTrunk is what UpdateTrunk would do, and does nothing.
	PreviewTrunk(ctx context.Context, name string, p Patch) (before, after Trunk, err error)
	// UpdateTrunk changes the fields of the patch, and what depends on them.
	UpdateTrunk(ctx context.Context, name string, p Patch, check func(Trunk) error) (before, after Trunk, err error)
	// DeleteTrunk removes a trunk. Of one whose endpoint has gone it removes what is left, and asks no check.
	DeleteTrunk(ctx context.Context, name string, check func(Trunk) error) (Trunk, error)
}

// TrunkChecker asks Asterisk itself about a trunk of realtime.
type TrunkChecker interface {
	Checker

	// Register makes Asterisk begin with the registration of a trunk, or take what has changed of it: models.ErrNotFound when it does not
	// take the row.
	Register(ctx context.Context, name string) error
	// RegisterAnew does so with a new secret, and after a refusal.
	RegisterAnew(ctx context.Context, name string) error
	// Unregister ends a registration. It comes before the row is deleted, and deletes it. What is not there is no error.
	Unregister(ctx context.Context, name string) error
}

// CheckedTrunks is a TrunkBackend of realtime whose changes Asterisk is asked about, as Checked is one of extensions.
type CheckedTrunks struct {
	TrunkBackend

	Asterisk TrunkChecker // nil: nobody asks
}

var _ TrunkBackend = CheckedTrunks{}

// AddTrunk implements TrunkBackend.
func (c CheckedTrunks) AddTrunk(ctx context.Context, t Trunk) (Trunk, error) {
	t, err := c.TrunkBackend.AddTrunk(ctx, t)
	if err != nil {
		return t, err
	}
	return t, c.check(ctx, Trunk{}, t, nil, func(ctx context.Context) error {
		_, err := c.TrunkBackend.DeleteTrunk(ctx, t.Name, stillTrunk(t))
		return err
	})
}

func stillTrunk(t Trunk) func(Trunk) error {
	return func(now Trunk) error {
		if now != t {
			return errMoved
		}
		return nil
	}
}

// UpdateTrunk implements TrunkBackend. A registration that is to end ends first: Asterisk would go on for ever with one whose row is
// deleted. When it cannot be ended nothing is changed: ErrAsterisk.
func (c CheckedTrunks) UpdateTrunk(ctx context.Context, name string, p Patch, check func(Trunk) error) (before, after Trunk, err error) {
	was, will, err := c.PreviewTrunk(ctx, name, p)
	if err == nil {
		err = Passes(check, was)
	}
	if err != nil {
		return Trunk{}, Trunk{}, err
	}
	whole := func(t Trunk) Trunk { return t }
	refused := c.refused(ctx, name)
	if c.Asterisk != nil && was.Register && !will.Register {
		ctx = context.WithoutCancel(ctx)
		if err := c.unregister(ctx, name); err != nil {
			return Trunk{}, Trunk{}, err
		}
		whole = func(t Trunk) Trunk { // its row has gone with that
			t.Register, t.ContactUser = was.Register, was.ContactUser
			return t
		}
	}
	before, after, err = c.TrunkBackend.UpdateTrunk(ctx, name, p, func(t Trunk) error { return Passes(check, whole(t)) })
	if err != nil {
		if was.Register && !will.Register {
			err = c.registerAgain(ctx, was, err)
		}
		return Trunk{}, Trunk{}, err
	}
	before = whole(before)
	return before, after, c.check(ctx, before, after, refused, func(ctx context.Context) error {
		if c.Asterisk != nil && after.Register && !before.Register {
			_ = c.Asterisk.Unregister(ctx, name) // it may never have begun
		}
		_, _, err := c.TrunkBackend.UpdateTrunk(asItWas(ctx), name, InverseTrunk(before, after), func(now Trunk) error {
			if !before.Register {
				now.Register, now.ContactUser = after.Register, after.ContactUser
			}
			return stillTrunk(after)(now)
		})
		if err == nil && before.Register {
			_ = c.Asterisk.Register(ctx, name) // as it was; it begins when Asterisk can be asked
		}
		return err
	})
}

// registerAgain puts a registration back that was to end with a change which was not made, and returns why that was not: ErrUnregistered
// when it cannot be put back.
func (c CheckedTrunks) registerAgain(ctx context.Context, t Trunk, why error) error {
	before, after, err := c.TrunkBackend.UpdateTrunk(asItWas(ctx), t.Name, Patch{"register": "yes", "contact_user": t.ContactUser}, nil)
	if err == nil {
		err = c.check(ctx, before, after, nil, func(context.Context) error { return nil })
	}
	if made(err) || errors.Is(err, models.ErrNotFound) {
		return why
	}
	return &HalfError{t.Name, ErrUnregistered, errors.Join(why, err)}
}

// DeleteTrunk implements TrunkBackend. Asterisk removes rows itself, as of extensions. A registration that cannot be ended keeps the trunk:
// ErrAsterisk.
func (c CheckedTrunks) DeleteTrunk(ctx context.Context, name string, check func(Trunk) error) (Trunk, error) {
	if c.Asterisk == nil {
		return c.TrunkBackend.DeleteTrunk(ctx, name, check)
	}
	t, err := c.Trunk(ctx, name)
	if errors.Is(err, models.ErrNotFound) {
		return c.deleteRest(ctx, name, check)
	}
	if err == nil {
		err = Passes(check, t)
	}
	if err != nil {
		return Trunk{}, err
	}
	ctx = context.WithoutCancel(ctx)
	if t.Register {
		if err := c.unregister(ctx, name); err != nil {
			return Trunk{}, err
		}
	}
	forgotten := Checked{}.ask(ctx, func(ctx context.Context) error { return c.Asterisk.Forget(ctx, name) })
	if errors.Is(forgotten, ErrAsterisk) {
		switch _, err := c.Trunk(ctx, name); {
		case errors.Is(err, models.ErrNotFound):
			return t, &HalfError{name, ErrLeft, forgotten}
		case t.Register:
			return Trunk{}, c.registerAgain(ctx, t, forgotten)
		}
		return Trunk{}, forgotten
	}
	_, err = c.TrunkBackend.DeleteTrunk(ctx, name, func(now Trunk) error {
		now.Register, now.ContactUser = t.Register, t.ContactUser // which has ended
		return stillTrunk(t)(now)
	})
	switch {
	case err == nil, errors.Is(err, models.ErrNotFound):
		return t, forgotten
	case forgotten == nil && errors.Is(err, errMoved): // somebody has made it anew
		return t, nil
	case forgotten == nil:
		return t, &HalfError{name, ErrLeft, err}
	case t.Register:
		err = c.registerAgain(ctx, t, err)
	}
	return Trunk{}, err
}

// deleteRest removes what is left of a trunk whose endpoint has gone, its registration first.
func (c CheckedTrunks) deleteRest(ctx context.Context, name string, check func(Trunk) error) (Trunk, error) {
	if !ValidTrunkName(name) {
		return Trunk{}, models.ErrNotFound
	}
	var another bool // of this name, which is no trunk
	err := Checked{}.ask(ctx, func(ctx context.Context) (err error) {
		another, err = c.Asterisk.Accepted(ctx, name)
		return err
	})
	if err == nil && !another {
		err = c.unregister(ctx, name)
	}
	if err != nil {
		return Trunk{}, fmt.Errorf("%w: %s", ErrAsterisk, err.Error())
	}
	return c.TrunkBackend.DeleteTrunk(ctx, name, check)
}

// unregister ends a registration: ErrAsterisk when that is not known to be done.
func (c CheckedTrunks) unregister(ctx context.Context, name string) error {
	if err := (Checked{}).ask(ctx, func(ctx context.Context) error { return c.Asterisk.Unregister(ctx, name) }); err != nil {
		return fmt.Errorf("%w: %s", ErrAsterisk, err.Error())
	}
	return nil
}

func (c CheckedTrunks) refused(ctx context.Context, name string) error {
	return Checked{Checker: c.checker(Trunk{}, Trunk{})}.refused(ctx, name)
}

// checker asks about a change of a trunk; nil: nobody asks.
func (c CheckedTrunks) checker(before, after Trunk) Checker {
	if c.Asterisk == nil {
		return nil
	}
	return registering{c.Asterisk, before, after}
}

// check asks whether Asterisk takes a trunk as it is after a change, and else takes the change back.
func (c CheckedTrunks) check(ctx context.Context, before, after Trunk, was error, takeBack func(context.Context) error) error {
	return Checked{Checker: c.checker(before, after)}.check(ctx, after.Name, was, takeBack)
}

// registering is a Checker of a trunk that has changed. To be asked about a registration makes Asterisk begin with it.
type registering struct {
	TrunkChecker

	before, after Trunk
}

// Accepted implements Checker.
func (r registering) Accepted(ctx context.Context, name string) (bool, error) {
	accepted, err := r.TrunkChecker.Accepted(ctx, name)
	if err != nil || !accepted || !r.after.Register {
		return accepted, err
	}
	if err = r.Register(ctx, name); errors.Is(err, models.ErrNotFound) {
		return false, nil
	}
	if err == nil && r.before.Register && r.before.Secret != r.after.Secret {
		err = r.RegisterAnew(ctx, name)
	}
	return true, err
}

// RecordedTrunks is a TrunkBackend that remembers its changes, as Recorded does, which takes them back.
type RecordedTrunks struct {
	TrunkBackend

	Recorded Recorded
}

var _ TrunkBackend = RecordedTrunks{}

func (r RecordedTrunks) record(ctx context.Context, verb, name string, before, after *Trunk, err error) {
	r.Recorded.record(ctx, Change{Kind: KindTrunk, Verb: verb, Account: name, Before: Snapshot{Trunk: before}, After: Snapshot{Trunk: after}}, err)
}

// AddTrunk implements TrunkBackend.
func (r RecordedTrunks) AddTrunk(ctx context.Context, t Trunk) (Trunk, error) {
	t, err := r.TrunkBackend.AddTrunk(ctx, t)
	r.record(ctx, VerbAdd, t.Name, nil, &t, err)
	return t, err
}

// UpdateTrunk implements TrunkBackend.
func (r RecordedTrunks) UpdateTrunk(ctx context.Context, name string, p Patch, check func(Trunk) error) (before, after Trunk, err error) {
	before, after, err = r.TrunkBackend.UpdateTrunk(ctx, name, p, check)
	r.record(ctx, VerbUpdate, name, &before, &after, err)
	return before, after, err
}

// DeleteTrunk implements TrunkBackend.
func (r RecordedTrunks) DeleteTrunk(ctx context.Context, name string, check func(Trunk) error) (Trunk, error) {
	t, err := r.TrunkBackend.DeleteTrunk(ctx, name, check)
	if t.Host == "" {
		return t, err // there was no whole one
	}
	r.record(ctx, VerbDelete, name, &t, nil, err)
	return t, err
}

// undoTrunk takes a change of a trunk back and returns what that comes to.
func (r Recorded) undoTrunk(ctx context.Context, c, u Change) (Change, error) {
	was, is := c.Before.Trunk, c.After.Trunk
	switch {
	case r.Trunks == nil:
		return u, errMoved
	case was != nil && is != nil:
		u.Verb = VerbUpdate
		before, after, err := r.Trunks.UpdateTrunk(asItWas(ctx), c.Account, InverseTrunk(*was, *is), stillTrunk(*is))
		u.Before.Trunk, u.After.Trunk = &before, &after
		return u, err
	case was != nil:
		u.Verb = VerbAdd
		t, err := r.Trunks.AddTrunk(asItWas(ctx), *was)
		u.After.Trunk = &t
		return u, err
	case is != nil:
		u.Verb = VerbDelete
		t, err := r.Trunks.DeleteTrunk(ctx, c.Account, stillTrunk(*is))
		u.Before.Trunk = &t
		return u, err
	}
	return u, errMoved
}
