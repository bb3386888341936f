package billing

import (
	"regexp"
	"slices"
	"strings"

	"talktime/models"
)

var (
	numberForm  = regexp.MustCompile(`^[0-9+*#]{1,40}$`)
	targetForm  = regexp.MustCompile(`^([A-Za-z0-9]+)/[A-Za-z0-9+*#._@:/-]{1,200}$`)
	callIDForm  = regexp.MustCompile(`^[A-Za-z0-9._:@/-]{1,140}$`) // of a channel
	anyCallForm = regexp.MustCompile(`^[A-Za-z0-9._:@/-]{1,140}(#e?[0-9+*#]{1,40})?$`)
)

// ValidTarget reports whether target is Tech/resource[&Tech/resource…] with technologies that techs allows and
// nothing that could add an option, an argument or a command to a dial.
func ValidTarget(target string, techs []string) bool {
	for part := range strings.SplitSeq(target, "&") {
		m := targetForm.FindStringSubmatch(part)
		if m == nil || !slices.Contains(techs, m[1]) {
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
