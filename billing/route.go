package billing

import (
	"slices"
	"strings"

	"talktime/models"
)

// form says what a text may look like: 1 to most characters, all of them allowed. These are checked several times for
// each call; a regular expression would take ten times as long.
type form struct {
	allowed [256]bool
	most    int
}

func newForm(most int, characters string) *form {
	f := &form{most: most}
	for i := range len(characters) {
		f.allowed[characters[i]] = true
	}
	return f
}

func (f *form) matches(text string) bool {
	for i := range len(text) {
		if !f.allowed[text[i]] {
			return false
		}
	}
	return text != "" && len(text) <= f.most
}

const (
	digits   = "0123456789"
	letters  = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	alphabet = letters + digits
)

var (
	numberForm   = newForm(40, digits+"+*#")
	techForm     = newForm(1000, alphabet)
	resourceForm = newForm(200, alphabet+"+*#._@:/-")
	callIDForm   = newForm(140, alphabet+"._:@/-") // of a channel
)

// isCallID reports whether text is the CallID of a channel or of one Call: "#2", "#e1" or the like may be behind it.
func isCallID(text string) bool {
	channel, call, found := strings.Cut(text, "#")
	return callIDForm.matches(channel) && (!found || numberForm.matches(strings.TrimPrefix(call, "e")))
}

// ValidTarget reports whether target is Tech/resource[&Tech/resource…] with technologies that techs allows and
// nothing that could add an option, an argument or a command to a dial.
func ValidTarget(target string, techs []string) bool {
	for part := range strings.SplitSeq(target, "&") {
		tech, resource, _ := strings.Cut(part, "/")
		if !techForm.matches(tech) || !resourceForm.matches(resource) || !slices.Contains(techs, tech) {
			return false
		}
	}
	return true
}

// route decides where a call goes: the dialplan's own choice, else another subscriber's phone, else the trunk.
func (p Policy) route(s *State, req CallRequest, caller models.User) (target string, callee int64, err error) {
	callee = s.ByCLID[req.Number]
	if callee == caller.ID {
		callee = 0
	}
	switch {
	case req.Target != "":
		target = req.Target
	case callee != 0 && p.SubscriberDial != "" && fills(p.SubscriberDial, s.Users[callee]):
		target = fill(p.SubscriberDial, req.Number, s.Users[callee])
	case p.Dial == "":
		return "", 0, refuse(ErrUnknownCallee, "the number is no user's and TALKTIME_DIAL is empty")
	default:
		target = fill(p.Dial, req.Number, models.User{})
	}
	if !ValidTarget(target, p.DialTechs) {
		return "", 0, refuse(models.ErrInvalid, "the dial target is not of the form Tech/resource with an allowed technology")
	}
	return target, callee, nil
}

// fills reports whether the user has what the template asks for: a phone without a SIM has no IMSI.
func fills(template string, u models.User) bool {
	return u.IMSI != nil || !strings.Contains(template, "{imsi}")
}

func fill(template, number string, u models.User) string {
	values := []string{"{number}", number, "{imsi}", "", "{clid}", number}
	if u.IMSI != nil {
		values[3] = *u.IMSI
	}
	return strings.NewReplacer(values...).Replace(template)
}
