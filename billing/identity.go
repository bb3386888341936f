package billing

import (
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"talktime/models"
)

// Identity is everything a channel says about who is calling.
type Identity struct {
	CallerID    string
	AccountCode string
	Channel     string // may carry an IMSI: PJSIP/IMSI724990000000204-00000001
	// User is who has shown that he may pay, by the PIN of a calling card for instance: nothing else counts then. 0: nobody has.
	User int64
}

// Ways in which a caller can be looked up, as TALKTIME_IDENTIFY names them.
const (
	ByCallerID = "callerid" // caller id = a user's clid
	ByAccount  = "account"  // account code = a username
	ByIMSI     = "imsi"     // IMSI in the channel or the caller id = a user's imsi
)

var imsiIn = regexp.MustCompile(`(?:^|/)IMSI([0-9]{1,16})(?:[^0-9]|$)`)

// imsis are the IMSIs that the channel and the caller id carry.
func (id Identity) imsis() []string {
	var found []string
	for _, text := range []string{id.Channel, id.CallerID} {
		if !strings.Contains(text, "IMSI") {
			continue // most carry none, and looking closely costs more than all else here
		}
		if m := imsiIn.FindStringSubmatch(text); m != nil {
			found = append(found, m[1])
		}
	}
	return found
}

// clidForm is what a user's clid may be; nothing else is worth a look-up.
var clidForm = newForm(20, digits) // behind an optional "+"

// maxName bounds a username.
const maxName = 64

// says reports whether a value says anything at all: Asterisk sends "unknown" for a missing caller id.
func says(value string) bool {
	return value != "" && len(value) <= 4*maxName && utf8.ValidString(value) && !strings.EqualFold(value, "unknown")
}

func (id Identity) keys(identify []string) Keys {
	var k Keys
	if id.User != 0 {
		return Keys{Users: []int64{id.User}}
	}
	for _, way := range identify {
		switch way {
		case ByCallerID:
			if clidForm.matches(strings.TrimPrefix(id.CallerID, "+")) {
				k.CLIDs = append(k.CLIDs, id.CallerID)
			}
		case ByAccount:
			if says(id.AccountCode) {
				k.Usernames = append(k.Usernames, id.AccountCode)
			}
		case ByIMSI:
			k.IMSIs = append(k.IMSIs, id.imsis()...)
		}
	}
	return k
}

// caller finds the user by all evidence that identify allows. Two pieces that name different users are a
// conflict: one of them is forged or mistaken, and nobody may pay for it.
func (id Identity) caller(s *State, identify []string) (models.User, error) {
	var found int64
	var foundBy string
	if id.User != 0 {
		user, ok := s.Users[id.User]
		if !ok {
			return models.User{}, refuse(ErrUnknownCaller, "the user does not exist any more")
		}
		return user, nil
	}
	k := id.keys(identify)
	for _, lookup := range []struct {
		by     string
		values []string
		index  map[string]int64
	}{{"caller id", k.CLIDs, s.ByCLID}, {"account code", k.Usernames, s.ByUsername}, {"IMSI", k.IMSIs, s.ByIMSI}} {
		for _, value := range lookup.values {
			user, ok := lookup.index[value]
			if ok && found != 0 && user != found {
				return models.User{}, &Refusal{Err: ErrUnknownCaller, Reason: "identity conflict", Detail: fmt.Sprintf(
					"the %s is of user %q, the %s of user %q", foundBy, s.Users[found].Username, lookup.by, s.Users[user].Username)}
			}
			if ok {
				found, foundBy = user, lookup.by
			}
		}
	}
	if found == 0 {
		return models.User{}, refuse(ErrUnknownCaller, "no user has this caller id, account code or IMSI")
	}
	return s.Users[found], nil
}
