package adminapi

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"talktime/models"
	"talktime/pbx/extension"
)

// pbxExtensionJSON is an extension in the words of the old interface. What is yes or no there is true or false here.
type pbxExtensionJSON struct {
	Account string `json:"account"`
	Name    string `json:"name"`
	Secret  string `json:"secret"`
	extensionSettings
	applied
}

// extensionSettings are what a new extension has by itself.
type extensionSettings struct {
	Deny        string `json:"deny" required:"false"`
	DTMFMode    string `json:"dtmfmode" required:"false"`
	CanReinvite string `json:"canreinvite" required:"false"`
	Context     string `json:"context" required:"false"`
	Host        string `json:"host" required:"false"`
	TrustRPID   bool   `json:"trustrpid" required:"false"`
	SendRPID    string `json:"sendrpid" required:"false"`
	Type        string `json:"type" required:"false"`
	NAT         string `json:"nat" required:"false"`
	Port        *int   `json:"port" required:"false"` // null: none
	Qualify     string `json:"qualify" required:"false"`
	QualifyFreq *int   `json:"qualifyfreq" required:"false"` // seconds; null: none
	Transport   string `json:"transport" required:"false"`
	AVPF        bool   `json:"avpf" required:"false"`
	ICESupport  bool   `json:"icesupport" required:"false"`
	Encryption  bool   `json:"encryption" required:"false"`
	CallGroup   string `json:"callgroup" required:"false"`
	PickupGroup string `json:"pickupgroup" required:"false"`
	Dial        string `json:"dial" required:"false"`
	Mailbox     string `json:"mailbox" required:"false"`
	Permit      string `json:"permit" required:"false"`
	CallerID    string `json:"callerid" required:"false"`
	CallCounter bool   `json:"callcounter" required:"false"`
	FaxDetect   bool   `json:"faxdetect" required:"false"`
}

// followMeJSON is a follow-me in the words of its columns.
type followMeJSON struct {
	GrpNum  string   `json:"grpnum"`
	GrpList []string `json:"grplist"`
	followMeSettings
	applied
}

// followMeSettings are what a new follow-me has by itself.
type followMeSettings struct {
	Strategy      string `json:"strategy" required:"false"`
	GrpTime       int    `json:"grptime" required:"false"` // seconds
	GrpPre        string `json:"grppre" required:"false"`
	AnnMsgID      int    `json:"annmsg_id" required:"false"`
	PostDest      string `json:"postdest" required:"false"`
	DRing         string `json:"dring" required:"false"`
	RemoteAlertID int    `json:"remotealert_id" required:"false"`
	NeedsConf     bool   `json:"needsconf" required:"false"`
	TooLateID     int    `json:"toolate_id" required:"false"`
	PreRing       int    `json:"pre_ring" required:"false"` // seconds
	Ringing       string `json:"ringing" required:"false"`
}

// applied says of a change that is made what is left to be done. It is empty where nothing is.
type applied struct {
	Checked *bool  `json:"checked,omitempty"` // false: Asterisk could not be asked whether it takes it
	Reload  string `json:"reload,omitempty"`  // failed: FreePBX has not applied it
}

// differencesJSON is what a change would do.
type differencesJSON struct {
	Differences []extension.Difference `json:"differences"`
}

// pbxKind is what extensions and follow-mes differ in.
type pbxKind[T any] struct {
	noun   string
	typed  map[string]fieldType                  // of the fields that are no text
	passed map[string]func(json.RawMessage) bool // what is only shown, and may be sent back as it was: whether it is such a thing
	number func(T) string
	values func(T) map[string]string // with secrets
	show   func(of T, secrets bool, a applied) any
	page   func([]T) // gets what is about to be shown of a list; nil: it does not matter
	diff   func(before, after T) []extension.Difference
	make   func(extension.Rules, extension.Patch) (T, error)

	list    func(extension.Backend, context.Context) ([]T, error)
	get     func(extension.Backend, context.Context, string) (T, error)
	add     func(extension.Backend, context.Context, T) (T, error)
	preview func(b extension.Backend, rules extension.Rules, ctx context.Context, account string, p extension.Patch) (before, after T, err error)
	update  func(b extension.Backend, ctx context.Context, account string, p extension.Patch, check func(T) error) (before, after T, err error)
	remove  func(b extension.Backend, ctx context.Context, account string, check func(T) error) (removed any, err error)
}

// fieldType is how a field is written in JSON.
type fieldType int

const (
	fieldText   fieldType = iota
	fieldNumber           // or null
	fieldYes              // true or false for yes or no
	fieldCheck            // true or false for CHECKED or nothing
	fieldList             // of numbers to dial
	fieldCount            // a number
	fieldTexts            // a list of texts
)

func extensions() pbxKind[extension.Extension] {
	return pbxKind[extension.Extension]{
		noun: "extension",
		typed: map[string]fieldType{
			"trustrpid": fieldYes, "avpf": fieldYes, "icesupport": fieldYes, "encryption": fieldYes, "callcounter": fieldYes, "faxdetect": fieldYes,
			"port": fieldNumber, "qualifyfreq": fieldNumber,
		},
		number: func(e extension.Extension) string { return e.Account },
		values: func(e extension.Extension) map[string]string { return e.Values(true) },
		show:   showExtension,
		diff:   extension.Diff,
		make:   extension.Rules.New,
		list:   extension.Backend.Extensions,
		get:    extension.Backend.Extension,
		add:    extension.Backend.Add,
		preview: func(b extension.Backend, _ extension.Rules, ctx context.Context, account string, p extension.Patch) (before, after extension.Extension, err error) {
			return b.Preview(ctx, account, p)
		},
		update: extension.Backend.Update,
		remove: func(b extension.Backend, ctx context.Context, account string, check func(extension.Extension) error) (any, error) {
			return b.Delete(ctx, account, check)
		},
	}
}

func followMes() pbxKind[extension.FollowMe] {
	return pbxKind[extension.FollowMe]{
		noun: "followme",
		typed: map[string]fieldType{
			"grptime": fieldCount, "annmsg_id": fieldCount, "remotealert_id": fieldCount, "toolate_id": fieldCount, "pre_ring": fieldCount,
			"needsconf": fieldCheck, "grplist": fieldList,
		},
		number: func(f extension.FollowMe) string { return f.GrpNum },
		values: extension.FollowMe.Values,
		show:   showFollowMe,
		diff:   extension.DiffFollowMe,
		make:   extension.Rules.NewFollowMe,
		list:   extension.Backend.FollowMes,
		get:    extension.Backend.FollowMe,
		add:    extension.Backend.AddFollowMe,
		preview: func(b extension.Backend, rules extension.Rules, ctx context.Context, account string, p extension.Patch) (before, after extension.FollowMe, err error) {
			if before, err = b.FollowMe(ctx, account); err == nil {
				after, err = rules.ChangeFollowMe(before, p)
			}
			return before, after, err
		},
		update: extension.Backend.UpdateFollowMe,
		remove: func(b extension.Backend, ctx context.Context, account string, check func(extension.FollowMe) error) (any, error) {
			return b.DeleteFollowMe(ctx, account, check)
		},
	}
}

func showExtension(e extension.Extension, secrets bool, a applied) any {
	secret := e.Secret.String()
	if secrets {
		secret = string(e.Secret)
	}
	number := func(n int) *int {
		if n == 0 {
			return nil
		}
		return &n
	}
	return pbxExtensionJSON{
		e.Account, e.Name, secret, extensionSettings{
			Deny: e.Deny, DTMFMode: e.DTMFMode, CanReinvite: e.CanReinvite, Context: e.Context, Host: e.Host, TrustRPID: e.TrustRPID,
			SendRPID: e.SendRPID, Type: e.Type, NAT: e.NAT, Port: number(e.Port), Qualify: e.Qualify, QualifyFreq: number(e.QualifyFreq),
			Transport: e.Transport, AVPF: e.AVPF, ICESupport: e.ICESupport, Encryption: e.Encryption, CallGroup: e.CallGroup,
			PickupGroup: e.PickupGroup, Dial: e.Dial, Mailbox: e.Mailbox, Permit: e.Permit, CallerID: e.CallerID, CallCounter: e.CallCounter,
			FaxDetect: e.FaxDetect,
		}, a,
	}
}

func showFollowMe(f extension.FollowMe, _ bool, a applied) any {
	return followMeJSON{
		f.GrpNum, append([]string{}, f.GrpList...), followMeSettings{
			Strategy: f.Strategy, GrpTime: f.GrpTime, GrpPre: f.GrpPre, AnnMsgID: f.AnnMsgID, PostDest: f.PostDest, DRing: f.DRing,
			RemoteAlertID: f.RemoteAlertID, NeedsConf: f.NeedsConf, TooLateID: f.TooLateID, PreRing: f.PreRing, Ringing: f.Ringing,
		}, a,
	}
}

// ofBackend is a handler that needs a back end for extensions.
func ofBackend(handle handler) handler {
	return func(r *request) error {
		if r.api.PBX.Extensions == nil {
			return unconfigured("a back end for extensions", "TALKTIME_PBX_BACKEND")
		}
		return backendFailure(handle(r))
	}
}

// backendFailure says what became of a request that needed a back end.
func backendFailure(err error) error {
	if errors.Is(err, extension.ErrStays) || errors.Is(err, extension.ErrUnregistered) {
		return failure{status: http.StatusBadGateway, message: err.Error(), cause: err}
	}
	return aboutTariff(pbxFailure(err))
}

// subject is what a request is about.
func (k pbxKind[T]) subject(r *request) string { return cmp.Or(r.Param("extension"), r.Param("trunk")) }

// patch reads the fields that are sent. What is only shown may be among those of a change.
func (k pbxKind[T]) patch(r *request, change bool) (extension.Patch, error) {
	o, err := r.object()
	if err != nil {
		return nil, err
	}
	for name, shown := range k.passed {
		if change && o.has(name) && shown(o[name]) {
			delete(o, name)
		}
	}
	p := extension.Patch{}
	var wrong []string
	for _, name := range o.names() {
		text, sent, err := o.field(name, k.typed[name])
		if err != nil {
			wrong = append(wrong, err.Error())
		} else if sent {
			p[name] = text
		}
	}
	if wrong != nil {
		return nil, badRequest(strings.Join(wrong, "; "))
	}
	return p, nil
}

// field reads a field of a type, in the words of the old interface.
func (o object) field(name string, of fieldType) (text string, sent bool, err error) {
	switch of {
	case fieldNumber:
		if o.isNull(name) { // as it is shown where there is none
			return "", false, nil
		}
		text, err = o.number(name)
	case fieldYes, fieldCheck:
		words := map[bool]string{true: "yes", false: "no"}
		if of == fieldCheck {
			words = map[bool]string{true: "CHECKED"}
		}
		var is bool
		is, err = o.bool(name)
		text = words[is]
	case fieldList:
		var list []string
		if json.Unmarshal(o[name], &list) == nil && !o.isNull(name) {
			return strings.Join(list, ","), true, nil
		}
		if json.Unmarshal(o[name], &text) != nil || o.isNull(name) { // with commas, as the old interface takes it
			err = badRequest(name + " must be a list of numbers")
		}
	case fieldCount:
		text, err = o.number(name)
	case fieldTexts:
		var list []*string
		if json.Unmarshal(o[name], &list) != nil || list == nil || slices.Contains(list, nil) {
			return "", false, badRequest(name + " must be a list of texts")
		}
		texts := make([]string, len(list))
		for i, item := range list {
			texts[i] = *item
		}
		text = strings.Join(texts, ",")
	default:
		text, err = o.text(name)
	}
	return text, err == nil, err
}

// tagger returns what makes the tag of an object. It is of all that is in the object, the secret too, which cannot be found out by trying:
// the key is in our database.
func (k pbxKind[T]) tagger(r *request) (func(T) string, error) {
	key, err := r.api.Sessions.Secret(r.ctx(), "etag")
	if err != nil {
		return nil, err
	}
	return func(of T) string {
		text, err := json.Marshal(k.values(of))
		if err != nil {
			panic(err) // texts
		}
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(k.noun))
		mac.Write(text)
		return strconv.Quote(hex.EncodeToString(mac.Sum(nil)[:16]))
	}, nil
}

// condition is the header If-Match as a check; nil without one.
func (k pbxKind[T]) condition(r *request, tag func(T) string) func(T) error {
	sent := r.Request.Header.Values("If-Match")
	if len(sent) == 0 {
		return nil
	}
	return func(now T) error {
		is := tag(now)
		for one := range strings.SplitSeq(strings.Join(sent, ","), ",") {
			if one = strings.TrimSpace(one); one == is || one == "*" {
				return nil
			}
		}
		return refused(http.StatusPreconditionFailed, "this is not as it was when you read it: somebody else has changed it; read it again")
	}
}

// apply takes an error apart: of a change that is made it says what is left to be done.
func (r *request) apply(err error) (applied, error) {
	var a applied
	switch {
	case err == nil:
		return a, nil
	case errors.Is(err, extension.ErrUnchecked):
		a.Checked = new(bool)
	case errors.Is(err, extension.ErrNotReloaded):
		a.Reload = "failed"
	default:
		return a, err
	}
	r.api.log.Warn("a change of the telephone system is made, but not applied", "request_id", r.GetString(keyRequestID), "err", err)
	return a, nil
}

// audit writes a line of the audit log about a change that is made already. A database that has stopped keeps nobody waiting for long.
func (r *request) audit(action, target string, before, after any) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.ctx()), r.api.lookUpPatience())
	defer cancel()
	if err := r.api.PBX.Log.Log(ctx, r.who.actor(), action, target, before, after); err != nil {
		r.api.log.Error("a change is missing in the audit log", "request_id", r.GetString(keyRequestID), "actor", r.who.actor(), "action", action, "target", target, "err", err)
	}
}

// by is the context of a change, with who makes it.
func (r *request) by() context.Context { return extension.By(r.ctx(), r.who.actor()) }

func (k pbxKind[T]) answer(r *request, status int, of T, a applied) error {
	tag, err := k.tagger(r)
	if err != nil && status == http.StatusOK && r.Request.Method == http.MethodGet {
		return err
	}
	if err == nil { // a change is made: it is answered without a tag rather than with an error
		r.Header("ETag", tag(of))
	}
	if shown := k.show(of, r.knowsSecrets(), a); r.Request.Method == http.MethodGet {
		r.answer(status, shown)
	} else {
		r.json(status, shown)
	}
	return nil
}

// knowsSecrets reports whether who asks is shown secrets: a change alone shows nobody what he may not read.
func (r *request) knowsSecrets() bool { return r.who.has(ScopeRead) && r.who.has(ScopeSecrets) }

func (k pbxKind[T]) listAll(r *request) error {
	l, err := r.plainList()
	if err != nil {
		return err
	}
	all, err := k.list(r.api.PBX.Extensions, r.ctx())
	if err != nil {
		return err
	}
	none := func(T) int64 { return 0 } // two numbers may differ in zeros before them alone, and names are none
	secrets := r.knowsSecrets()
	page := pageOf(l, all, none)
	if k.page != nil {
		k.page(page.Items)
	}
	return answerList(r, l, page, none, func(of T) any { return k.show(of, secrets, applied{}) })
}

func (k pbxKind[T]) getOne(r *request) error {
	of, err := k.get(r.api.PBX.Extensions, r.ctx(), k.subject(r))
	if err != nil {
		return err
	}
	return k.answer(r, http.StatusOK, of, applied{})
}

func (k pbxKind[T]) create(r *request) error {
	dry, err := r.flag("dry_run")
	if err != nil {
		return err
	}
	p, err := k.patch(r, false)
	if err != nil {
		return err
	}
	if p["secret"] == extension.Mask { // somebody copies what he was shown
		return badRequest("secret must be a secret, not what is shown in its place")
	}
	of, err := k.make(r.api.PBX.Rules, p)
	if err != nil {
		return err
	}
	if dry {
		if err := k.free(r, of); err != nil {
			return err
		}
		return k.answerDry(r, *new(T), of)
	}
	of, err = k.add(r.api.PBX.Extensions, r.by(), of)
	a, err := r.apply(err)
	if err == nil || errors.Is(err, extension.ErrStays) {
		r.audit(k.noun+".add", k.number(of), nil, of)
	}
	if err != nil {
		return err
	}
	r.Header("Location", r.location(k.number(of)))
	return k.answer(r, http.StatusCreated, of, a)
}

// free says why something could not be made.
func (k pbxKind[T]) free(r *request, of T) error {
	account := k.number(of)
	_, err := k.get(r.api.PBX.Extensions, r.ctx(), account)
	if err == nil {
		return refused(http.StatusConflict, cmp.Or(map[string]string{"extension": "there is an extension ", "trunk": "there is a trunk "}[k.noun], "there is a follow-me of ")+account+" already")
	}
	if !errors.Is(err, models.ErrNotFound) {
		return err
	}
	if k.noun != "followme" {
		return nil
	}
	if _, err = r.api.PBX.Extensions.Extension(r.ctx(), account); errors.Is(err, models.ErrNotFound) {
		return badRequest("grpnum must be an extension, but there is no " + account + "; make it first")
	}
	return err
}

func (k pbxKind[T]) answerDry(r *request, before, after T) error {
	r.json(http.StatusOK, differencesJSON{k.diff(before, after)})
	return nil
}

func (k pbxKind[T]) change(r *request) error {
	dry, err := r.flag("dry_run")
	if err != nil {
		return err
	}
	p, err := k.patch(r, true)
	if err != nil {
		return err
	}
	if p["secret"] == extension.Mask { // somebody sends back what he was shown
		delete(p, "secret")
	}
	tag, err := k.tagger(r)
	if err != nil {
		return err
	}
	account, check := k.subject(r), k.condition(r, tag)
	if dry {
		before, after, err := k.preview(r.api.PBX.Extensions, r.api.PBX.Rules, r.ctx(), account, p)
		if err == nil {
			err = extension.Passes(check, before)
		}
		if err != nil {
			return err
		}
		return k.answerDry(r, before, after)
	}
	before, after, err := k.update(r.api.PBX.Extensions, r.by(), account, p, check)
	a, err := r.apply(err)
	if (err == nil || errors.Is(err, extension.ErrStays)) && len(k.diff(before, after)) > 0 {
		r.audit(k.noun+".update", account, before, after)
	}
	if err != nil {
		return err
	}
	return k.answer(r, http.StatusOK, after, a)
}

func (k pbxKind[T]) delete(r *request) error {
	dry, err := r.flag("dry_run")
	if err != nil {
		return err
	}
	tag, err := k.tagger(r)
	if err != nil {
		return err
	}
	account, check := k.subject(r), k.condition(r, tag)
	if dry {
		before, err := k.get(r.api.PBX.Extensions, r.ctx(), account)
		if err == nil {
			err = extension.Passes(check, before)
		}
		if err != nil {
			return err
		}
		return k.answerDry(r, before, *new(T))
	}
	removed, err := k.remove(r.api.PBX.Extensions, r.by(), account, check)
	a, err := r.apply(err)
	if err != nil {
		return err
	}
	r.audit(k.noun+".delete", account, removed, nil)
	if a == (applied{}) {
		r.Status(http.StatusNoContent)
		return nil
	}
	r.json(http.StatusOK, a)
	return nil
}
