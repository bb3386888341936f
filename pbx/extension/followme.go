package extension

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// FollowMe says where else it rings when somebody calls an extension.
type FollowMe struct {
	GrpNum        string   // the extension
	Strategy      string   // see Strategies
	GrpTime       int      // seconds that it rings, 1 to 60
	GrpPre        string   // put in front of the caller's name
	GrpList       []string // numbers; those outside have a # behind them
	AnnMsgID      int      // announcement; 0: none
	PostDest      string   // where a caller goes whom nobody answers: context,extension,priority
	DRing         string   // Alert-Info
	RemoteAlertID int
	NeedsConf     bool // who answers must confirm it
	TooLateID     int
	PreRing       int    // seconds that the extension rings alone before, 0 to 60
	Ringing       string // what the caller hears: Ring, none, or a class of music on hold
}

// Strategies are the orders in which numbers ring.
func Strategies() []string {
	return []string{
		"ringallv2", "ringallv2-prim", "ringall", "ringall-prim", "hunt", "hunt-prim", "memoryhunt", "memoryhunt-prim",
		"firstavailable", "firstnotonphone",
	}
}

var followMeFields = []field[FollowMe]{
	{name: "grpnum", at: func(f *FollowMe) any { return &f.GrpNum }, clean: pattern(`[0-9]{1,20}`, "the number of an extension: 1 to 20 digits"), must: true},
	{name: "strategy", at: func(f *FollowMe) any { return &f.Strategy }, clean: words(Strategies()...), usual: "ringallv2"},
	{name: "grptime", at: func(f *FollowMe) any { return &f.GrpTime }, clean: number(1, 60), usual: "20"},
	{name: "grppre", at: func(f *FollowMe) any { return &f.GrpPre }, clean: anything(100)},
	{name: "grplist", at: func(f *FollowMe) any { return (*numbers)(&f.GrpList) }, clean: cleanNumbers, must: true},
	{name: "annmsg_id", at: func(f *FollowMe) any { return &f.AnnMsgID }, clean: number(0, 1<<31-1), usual: "0"},
	{name: "postdest", at: func(f *FollowMe) any { return &f.PostDest }, clean: pattern(`(?:[A-Za-z0-9_.-]+,[A-Za-z0-9_.*#+-]+,[A-Za-z0-9_-]+)?`, "a destination of the dialplan such as ext-local,204,dest"), is: func(f FollowMe) string { return "ext-local," + f.GrpNum + ",dest" }},
	{name: "dring", at: func(f *FollowMe) any { return &f.DRing }, clean: anything(maxValue)},
	{name: "remotealert_id", at: func(f *FollowMe) any { return &f.RemoteAlertID }, clean: number(0, 1<<31-1), usual: "0"},
	{name: "needsconf", at: func(f *FollowMe) any { return (*checked)(&f.NeedsConf) }, clean: either("CHECKED or empty", words("CHECKED", ""))},
	{name: "toolate_id", at: func(f *FollowMe) any { return &f.TooLateID }, clean: number(0, 1<<31-1), usual: "0"},
	{name: "pre_ring", at: func(f *FollowMe) any { return &f.PreRing }, clean: number(0, 60), usual: "0"},
	{name: "ringing", at: func(f *FollowMe) any { return &f.Ringing }, clean: anything(80), usual: "Ring"},
}

func cleanNumbers(list string) (string, error) {
	items, err := ParseNumbers(list)
	var wrong *FieldError
	if errors.As(err, &wrong) {
		return "", errors.New(wrong.Wrong)
	}
	return strings.Join(items, "-"), err
}

func (r Rules) followMe(was *FollowMe, f field[FollowMe], value string) error {
	switch f.name {
	case "grpnum":
		if was.GrpNum != "" && was.GrpNum != value {
			return fmt.Errorf("cannot be changed: it is %s", was.GrpNum)
		}
	case "ringing":
		if known := append([]string{"Ring", "default", "none"}, r.MusicClasses...); !slices.Contains(known, value) {
			return fmt.Errorf("must be one of %s, but is %.80q", strings.Join(known, ", "), value)
		}
	}
	return nil
}

// separated has a list of numbers without line breaks, which no other value may have.
func separated(p Patch) Patch {
	list, sent := p["grplist"]
	if !sent {
		return p
	}
	q := Patch{}
	for name, value := range p {
		q[name] = value
	}
	q["grplist"] = strings.Join(splitNumbers(list), "-")
	return q
}

// NewFollowMe makes a follow-me of what somebody says about it: grpnum and grplist at least. The rest is as is usual.
func (r Rules) NewFollowMe(p Patch) (FollowMe, error) {
	return create(followMeFields, separated(p), r.followMe)
}

// ChangeFollowMe sets the fields of a patch and leaves the others as they are.
func (r Rules) ChangeFollowMe(f FollowMe, p Patch) (FollowMe, error) {
	if r.old {
		return again(followMeFields, f, p), nil
	}
	return change(followMeFields, f, separated(p), r.followMe)
}

// ValidateFollowMe checks all fields.
func (r Rules) ValidateFollowMe(f FollowMe) error {
	if r.old {
		return nil
	}
	return validate(followMeFields, f, r.followMe)
}

// Values are all fields by their names, which are those of the columns of findmefollow.
func (f FollowMe) Values() map[string]string { return values(followMeFields, f, true) }

// LoadFollowMe is a follow-me of the columns of findmefollow.
func LoadFollowMe(columns map[string]string) (f FollowMe) {
	for _, of := range followMeFields {
		load(of.at(&f), columns[of.name])
	}
	return f
}

// FollowMeColumns are the columns of findmefollow in their order.
func FollowMeColumns() []string {
	names := make([]string, len(followMeFields))
	for i, f := range followMeFields {
		names[i] = f.name
	}
	return names
}

// DiffFollowMe lists the fields in which two differ.
func DiffFollowMe(before, after FollowMe) []Difference { return diff(followMeFields, before, after) }

// InverseFollowMe is the patch that takes a change back.
func InverseFollowMe(before, after FollowMe) Patch { return inverse(followMeFields, before, after) }
