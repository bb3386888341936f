package extension

import "context"

// Backend keeps extensions and follow-mes in the tables of a PBX. Each change is one transaction that does all or nothing, and touches
// no row of another extension.
//
// What is not there is models.ErrNotFound, what is there already models.ErrConflict, a value that cannot be models.ErrInvalid (mostly a
// FieldError), and a database that cannot be asked models.ErrUnavailable.
//
// A change may be made to depend on what it meets, while nobody else can change that: where check is not nil and returns an error, that is
// the error, and nothing is written.
//
// A back end speaks to a database only. What Asterisk has to be told besides is up to who calls it: see [Reloader] and [AstDB] for
// FreePBX, [Checker] for realtime.
type Backend interface {
	// Extensions lists all, by their numbers.
	Extensions(ctx context.Context) ([]Extension, error)
	Extension(ctx context.Context, account string) (Extension, error)
	// Add keeps a new one, and returns it as it is kept: a table may lack columns.
	Add(ctx context.Context, e Extension) (Extension, error)
	// Preview is what Update would do, and does nothing.
	Preview(ctx context.Context, account string, p Patch) (before, after Extension, err error)
	// Update changes the fields of the patch, and nothing else.
	Update(ctx context.Context, account string, p Patch, check func(Extension) error) (before, after Extension, err error)
	// Delete removes an extension and its follow-me.
	Delete(ctx context.Context, account string, check func(Extension) error) (Removed, error)

	FollowMes(ctx context.Context) ([]FollowMe, error)
	FollowMe(ctx context.Context, account string) (FollowMe, error)
	// AddFollowMe keeps a new one. Without the extension it is a FieldError of grpnum.
	AddFollowMe(ctx context.Context, f FollowMe) (FollowMe, error)
	UpdateFollowMe(ctx context.Context, account string, p Patch, check func(FollowMe) error) (before, after FollowMe, err error)
	DeleteFollowMe(ctx context.Context, account string, check func(FollowMe) error) (FollowMe, error)
}

// Passes asks a check, where there is one.
func Passes[T any](check func(T) error, of T) error {
	if check == nil {
		return nil
	}
	return check(of)
}

// Removed is what a deletion took away.
type Removed struct {
	Extension Extension `json:"extension"`
	FollowMe  *FollowMe `json:"followme,omitempty"` // nil: it had none
}

// Reloader makes FreePBX apply its tables: without it Asterisk does not see what changed.
type Reloader interface {
	// Reload asks for it, and returns within a limit. Many at once are one.
	Reload(ctx context.Context) error
}

// AstDB is Asterisk's own database, where FreePBX's dialplan looks for follow-mes.
type AstDB interface {
	Put(ctx context.Context, e DBEntry) error
	DeleteTree(ctx context.Context, family string) error
}

// Checker asks Asterisk itself about an extension of realtime, after the tables were written.
type Checker interface {
	// Accepted tells whether Asterisk takes the rows: one value that it does not know makes it refuse the telephone.
	Accepted(ctx context.Context, account string) (bool, error)
	// Sync makes it look at the rows again for the telephone's state, without which queues do not ring it.
	Sync(ctx context.Context, account string) error
	// Forget removes what Asterisk remembers: registrations outlive the rows. It comes before the rows are deleted, and may delete them.
	// When nobody knows whether it has, or will yet, that is ErrAsterisk.
	Forget(ctx context.Context, account string) error
}
