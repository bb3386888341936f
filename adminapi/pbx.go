package adminapi

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"talktime/adminapi/elastix"
	"talktime/models"
	"talktime/pbx"
	"talktime/pbx/extension"
)

// PBX is what there is of a telephone system. What is nil is not configured: requests that need it are answered with 501.
type PBX struct {
	Extensions extension.Backend // its changes reach Asterisk, and are recorded
	Rules      extension.Rules
	Changes    ExtensionChanges // those of Extensions
	Trunks     extension.Trunks // an extension.TrunkBackend where they can be changed
	Log        AuditLog         // of changes that are not made in our own database

	// Kept is what the old interface api.php has beside these, and the secrets, clock and log of the server.
	Kept elastix.API

	Recordings *pbx.Recordings
	Retention  *pbx.Retention // of these
	Core       PBXCore        // nil: there is no manager interface

	TrunkStates TrunkStates // nil: nobody knows how trunks are

	Live   LiveCalls // nil: there is no picture of the calls
	Switch Switch    // nil: there is no manager interface
	// Contexts of the dialplan that calls may be sent to; the first where nobody says. They charge what is called from them.
	Contexts []string
}

// AuditLog keeps who did what.
type AuditLog interface {
	Log(ctx context.Context, actor, action, target string, before, after any) error
}

// ExtensionChanges are the changes of extensions and follow-mes that can be taken back. They are extension.Recorded.
type ExtensionChanges interface {
	// Changes lists them, newest first.
	Changes(ctx context.Context) ([]extension.Change, error)
	// Undo takes one back, 0 for the latest.
	Undo(ctx context.Context, id int64) (extension.Change, error)
}

// unconfigured says that something is not there because the settings do not name it.
func unconfigured(what, setting string) failure {
	return refused(http.StatusNotImplemented, what+" is not configured: set "+setting)
}

// pbxFailure says what became of a request that needed Asterisk or its tables. What is told of it has no names of hosts; the server's log has
// the whole.
func pbxFailure(err error) error {
	var no *pbx.RefusedError
	var nowhere *pbx.NoExtensionError
	var lacks *extension.LacksError
	said := errors.As(err, &no)
	gateway := func(message string) failure {
		return failure{status: http.StatusBadGateway, message: message, cause: err}
	}
	later := func(message string) failure {
		f := unavailable(message)
		f.cause = err
		return f
	}
	switch {
	case errors.As(err, &lacks): // for a set-up that is not whole, whoever asks
		return refused(http.StatusNotImplemented, lacks.Error())
	case errors.Is(err, pbx.ErrUncertain):
		return later("Asterisk did not answer, so this may have been done or not: look before you repeat it")
	case errors.Is(err, pbx.ErrAway) && said && no.Action == "Login":
		return gateway("Asterisk refuses our login (" + no.Reason + "): see TALKTIME_AMI_USER and TALKTIME_AMI_SECRET")
	case errors.Is(err, pbx.ErrAway), errors.Is(err, pbx.ErrRESTAway), errors.Is(err, extension.ErrAsterisk):
		return gateway("Asterisk cannot be reached, so nothing was done; try again")
	case errors.Is(err, pbx.ErrSilent):
		return later("Asterisk did not answer in time; try again")
	case errors.As(err, &nowhere):
		return refused(http.StatusNotFound, nowhere.Error())
	case errors.Is(err, models.ErrNotFound), errors.Is(err, models.ErrConflict), errors.Is(err, models.ErrInvalid), errors.Is(err, models.ErrUnavailable):
		return err
	case said && strings.Contains(strings.ToLower(no.Reason), "permission denied"):
		return gateway("Asterisk refused " + no.Action + ": " + no.Reason + "; it wants more rights of the manager user, see admin dialplan manager.conf")
	case said:
		return gateway("Asterisk refused " + no.Action + ": " + no.Reason)
	}
	return err
}
