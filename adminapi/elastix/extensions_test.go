package elastix_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"talktime/adminapi/elastix"
	"talktime/models"
	"talktime/pbx/extension"
)

// backend keeps extensions and follow-mes in memory.
type backend struct {
	rules      extension.Rules
	extensions map[string]extension.Extension
	followMes  map[string]extension.FollowMe
	err        error // of everything
}

func sorted[T any](all map[string]T) []T {
	var list []T
	for _, key := range slices.Sorted(maps.Keys(all)) {
		list = append(list, all[key])
	}
	return list
}

func found[T any](b *backend, all map[string]T, account string) (T, error) {
	of, ok := all[account]
	if !ok && b.err == nil {
		return of, models.ErrNotFound
	}
	return of, b.err
}

func (b *backend) Extensions(context.Context) ([]extension.Extension, error) {
	return sorted(b.extensions), b.err
}

func (b *backend) Extension(_ context.Context, account string) (extension.Extension, error) {
	return found(b, b.extensions, account)
}

func (b *backend) Add(_ context.Context, e extension.Extension) (extension.Extension, error) {
	if _, ok := b.extensions[e.Account]; ok {
		return e, models.ErrConflict
	}
	if b.err == nil {
		b.put(e)
	}
	return e, b.err
}

func (b *backend) put(e extension.Extension) {
	if b.extensions == nil {
		b.extensions = map[string]extension.Extension{}
	}
	b.extensions[e.Account] = e
}

func (b *backend) Preview(context.Context, string, extension.Patch) (before, after extension.Extension, err error) {
	return before, after, errors.ErrUnsupported
}

func (b *backend) Update(_ context.Context, account string, p extension.Patch, _ func(extension.Extension) error) (before, after extension.Extension, err error) {
	if before, err = found(b, b.extensions, account); err != nil {
		return before, after, err
	}
	if after, err = b.rules.Change(before, p); err == nil {
		b.put(after)
	}
	return before, after, err
}

func (b *backend) Delete(_ context.Context, account string, check func(extension.Extension) error) (extension.Removed, error) {
	e, err := found(b, b.extensions, account)
	if err == nil {
		err = extension.Passes(check, e)
	}
	if err == nil {
		delete(b.extensions, account)
		delete(b.followMes, account)
	}
	return extension.Removed{Extension: e}, err
}

func (b *backend) FollowMes(context.Context) ([]extension.FollowMe, error) {
	return sorted(b.followMes), b.err
}

func (b *backend) FollowMe(_ context.Context, account string) (extension.FollowMe, error) {
	return found(b, b.followMes, account)
}

func (b *backend) AddFollowMe(_ context.Context, f extension.FollowMe) (extension.FollowMe, error) {
	if _, ok := b.extensions[f.GrpNum]; !ok {
		return f, &extension.FieldError{Field: "grpnum", Wrong: "must be an extension"}
	}
	if _, ok := b.followMes[f.GrpNum]; ok {
		return f, models.ErrConflict
	}
	if b.followMes == nil {
		b.followMes = map[string]extension.FollowMe{}
	}
	b.followMes[f.GrpNum] = f
	return f, b.err
}

func (b *backend) UpdateFollowMe(_ context.Context, account string, p extension.Patch, _ func(extension.FollowMe) error) (before, after extension.FollowMe, err error) {
	if before, err = found(b, b.followMes, account); err != nil {
		return before, after, err
	}
	if after, err = b.rules.ChangeFollowMe(before, p); err == nil {
		b.followMes[account] = after
	}
	return before, after, err
}

func (b *backend) DeleteFollowMe(_ context.Context, account string, check func(extension.FollowMe) error) (extension.FollowMe, error) {
	f, err := found(b, b.followMes, account)
	if err == nil {
		err = extension.Passes(check, f)
	}
	if err == nil {
		delete(b.followMes, account)
	}
	return f, err
}

// with has these extensions.
func with(t *testing.T, accounts ...string) *backend {
	t.Helper()
	b := &backend{}
	for _, account := range accounts {
		e, err := b.rules.New(extension.Patch{"account": account, "name": "Nora", "secret": "keep-it-long"})
		if err != nil {
			t.Fatal(err)
		}
		b.put(e)
	}
	return b
}

func TestSIPExtensions(t *testing.T) {
	t.Parallel()
	const file = `; generated
lost=1
#include sip_custom.conf
[204](template)
secret=a=b
context=first
context=last
callerid=>Nora <204>

[trunk]
remotesecret = x
md5secret=y
password=
host=192.0.2.1
`
	opens := func(text string) func() (io.ReadCloser, error) {
		return func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(text)), nil }
	}
	const (
		masked  = `{"204":{"callerid":"Nora <204>","context":"last","secret":"********"},"trunk":{"host":"192.0.2.1","md5secret":"********","password":"********","remotesecret":"********"}}`
		shown   = `{"204":{"callerid":"Nora <204>","context":"last","secret":"a=b"},"trunk":{"host":"192.0.2.1","md5secret":"y","password":"","remotesecret":"x"}}`
		made    = `{"204":{"avpf":"no","callcounter":"yes","callerid":"Nora <204>","callgroup":"","canreinvite":"no","context":"from-internal","deny":"0.0.0.0/0.0.0.0","dial":"SIP/204","dtmfmode":"rfc2833","encryption":"no","faxdetect":"no","host":"dynamic","icesupport":"no","mailbox":"204@device","nat":"no","permit":"0.0.0.0/0.0.0.0","pickupgroup":"","port":"5060","qualify":"yes","qualifyfreq":"60","secret":"********","sendrpid":"no","transport":"udp","trustrpid":"yes","type":"friend"}}`
		unknown = `{"status":"HOST UNAVAILABLE","code":503}`
	)
	for _, tt := range []struct {
		name   string
		a      elastix.API
		secret bool
		status int
		body   string
	}{
		{"of a file", elastix.API{SIPFile: opens(file), Extensions: with(t, "300")}, false, 200, masked},
		{"with secrets", elastix.API{SIPFile: opens(file)}, true, 200, shown},
		{"an empty file", elastix.API{SIPFile: opens("")}, true, 200, `{}`},
		{"no file", elastix.API{SIPFile: func() (io.ReadCloser, error) { return nil, &fs.PathError{Op: "open", Err: os.ErrNotExist} }}, true, 200, `{}`},
		{"may not", elastix.API{SIPFile: func() (io.ReadCloser, error) { return nil, os.ErrPermission }}, true, 503, unknown},
		{"breaks off", elastix.API{SIPFile: func() (io.ReadCloser, error) { return io.NopCloser(iotest.ErrReader(io.ErrUnexpectedEOF)), nil }}, true, 503, unknown},
		{"of tables", elastix.API{Extensions: with(t, "204")}, false, 200, made},
		{"of tables, with secrets", elastix.API{Extensions: with(t, "204")}, true, 200, strings.Replace(made, extension.Mask, "keep-it-long", 1)},
		{"of empty tables", elastix.API{Extensions: with(t)}, true, 200, `{}`},
		{"of tables that are away", elastix.API{Extensions: &backend{err: models.ErrUnavailable}}, true, 503, noDatabase},
		{"of nothing", elastix.API{}, false, 200, `{}`},
	} {
		key := &elastix.Key{Scopes: []string{elastix.ScopeRead}}
		if tt.secret {
			key = everything
		}
		answer := api(tt.a).Do(t.Context(), elastix.Request{Method: "GET", Query: "cmd=sipextensions", Sent: true, Key: key})
		says(t, tt.name, answer, tt.status, tt.body)
	}
}

func form(pairs ...string) string {
	values := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		values.Set(pairs[i], pairs[i+1])
	}
	return values.Encode()
}

func TestExtensions(t *testing.T) {
	t.Parallel()
	b := with(t, "300")
	a := elastix.API{Extensions: b}
	untouched := b.extensions["300"]
	answer := post(t, a, "addextension", form("account", "204", "name", "Nora", "secret", "keep-it-long", "context", "", "nobody", "x"))
	says(t, "added", answer, 200, `{"status": "INSERT OK", "code": 200}`)
	if got := b.extensions["204"]; got.Dial != "SIP/204" || got.Mailbox != "204@device" || got.CallerID != "Nora <204>" || got.Context != "from-internal" || string(got.Secret) != "keep-it-long" {
		t.Errorf("%+v", got)
	}
	if audit := fmt.Sprintf("%+v", answer.Audit); !strings.Contains(audit, "extension.add") || strings.Contains(audit, "keep-it-long") || answer.Audit.Before != nil {
		t.Error(audit)
	}
	says(t, "added again", post(t, a, "addextension", form("account", "204", "name", "Nora", "secret", "keep-it-long")), 409, existsError)

	was := b.extensions["204"]
	says(t, "updated", post(t, a, "updateextension", form("account", "204", "name", "Ana", "callgroup", "1,3-5")), 200, `{"status": "UPDATE OK", "code": 200}`)
	now := b.extensions["204"]
	if diff := cmp.Diff([]extension.Difference{{Field: "name", Before: "Nora", After: "Ana"}, {Field: "callgroup", Before: "", After: "1,3-5"}}, extension.Diff(was, now)); diff != "" {
		t.Error(diff)
	}
	says(t, "updated as it was shown", post(t, a, "updateextension", form("account", "204", "secret", extension.Mask, "callgroup", "")), 200, `{"status": "UPDATE OK", "code": 200}`)
	if got := b.extensions["204"]; got.Secret != was.Secret || got.CallGroup != "" {
		t.Errorf("%s %q", string(got.Secret), got.CallGroup)
	}
	says(t, "updated, where there is none", post(t, a, "updateextension", form("account", "205", "name", "Ana")), 404, notFound)
	says(t, "without an account", post(t, a, "updateextension", form("name", "Ana")), 400, wrong("account"))
	says(t, "deleted without an account", post(t, a, "deleteextension", ""), 400, wrong("account"))
	says(t, "deleted", post(t, a, "deleteextension", form("account", "204")), 200, `{"status": "DELETE OK", "code": 200}`)
	says(t, "deleted again", post(t, a, "deleteextension", form("account", "204")), 404, notFound)
	if len(b.extensions) != 1 || b.extensions["300"] != untouched {
		t.Errorf("%+v", b.extensions)
	}
	// Of a change, the query says nothing.
	answer = api(a).Do(t.Context(), elastix.Request{Method: "POST", Query: "cmd=deleteextension&account=300", Sent: true, Key: everything})
	says(t, "in the query", answer, 400, wrong("account"))
}

func TestWrongFields(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ field, value string }{
		{"account", ""},
		{"account", "20a"},
		{"account", strings.Repeat("1", 21)},
		{"account", "204\x00"},
		{"name", ""},
		{"name", "Nora\n[evil]"},
		{"secret", ""},
		{"secret", "short"},
		{"secret", extension.Mask},
		{"secret", "long-enough\nhost=evil"},
		{"context", "from-internal\r\nsecret=x"},
		{"context", "a;b"},
		{"context", "[b]"},
		{"callerid", "Nora <204>\n"},
		{"port", "0"},
		{"port", "65536"},
		{"type", "trunk"},
		{"avpf", "maybe"},
		{"deny", "0.0.0.0"},
		{"permit", "192.0.2.1/33"},
		{"dial", "SIP/204,${EVIL}"},
		{"mailbox", "\xff"},
	} {
		fields := []string{"account", "204", "name", "Nora", "secret", "keep-it-long", tt.field, tt.value}
		b := with(t)
		says(t, "add "+tt.field+" "+tt.value, post(t, elastix.API{Extensions: b}, "addextension", form(fields...)), 400, wrong(tt.field))
		if len(b.extensions) != 0 {
			t.Errorf("%s = %q was added", tt.field, tt.value)
		}
		b = with(t, "204")
		was := b.extensions["204"]
		if tt.value == extension.Mask {
			continue
		}
		says(t, "update "+tt.field+" "+tt.value, post(t, elastix.API{Extensions: b}, "updateextension", form(fields...)), 400, wrong(tt.field))
		if b.extensions["204"] != was {
			t.Errorf("%s = %q was set", tt.field, tt.value)
		}
	}
	says(t, "a site's own rule", post(t, elastix.API{Extensions: with(t), Rules: extension.Rules{MinSecret: 3}}, "addextension", form("account", "204", "name", "N", "secret", "abc")), 200, `{"status": "INSERT OK", "code": 200}`)
}

// TestFailuresOfChanges: whatever the back end says, there is a word for it.
func TestFailuresOfChanges(t *testing.T) {
	t.Parallel()
	fields := form("account", "204", "name", "Nora", "secret", "keep-it-long", "grpnum", "204", "grplist", "1")
	for _, c := range elastix.Commands() {
		if c.Reads || c.Name == "auth" {
			continue
		}
		says(t, c.Name, post(t, elastix.API{}, c.Name, fields), 501, noCommand)
		for _, tt := range []struct {
			err    error
			status int
			body   string
		}{
			{models.ErrUnavailable, 503, noDatabase},
			{errors.New("what nobody knows"), 503, noDatabase},
			{fmt.Errorf("%w: it is away", extension.ErrAsterisk), 502, away},
			{errors.Join(extension.ErrAsterisk, &extension.FieldError{Field: "x", Wrong: "y"}), 502, away},
			{&extension.FieldError{Field: "data", Wrong: "is too long"}, 400, wrong("data")},
			{&extension.HalfError{Account: "204", Is: extension.ErrStays, Why: models.ErrUnavailable}, 502, `{"status":"REFUSED BY ASTERISK","code":502}`},
			{models.ErrInvalid, 400, `{"status":"INVALID PARAMETER","code":400}`},
			{context.Canceled, 503, noDatabase},
		} {
			b := with(t, "204")
			if strings.HasPrefix(c.Name, "addext") {
				b = with(t)
			}
			b.err = tt.err
			answer := post(t, elastix.API{Extensions: b}, c.Name, fields)
			says(t, c.Name+": "+tt.err.Error(), answer, tt.status, tt.body)
			if (answer.Audit != nil) != errors.Is(tt.err, extension.ErrStays) || (answer.Cause == nil) != (tt.status == 400) {
				t.Errorf("%s: %v: %v", c.Name, answer.Audit, answer.Cause)
			}
		}
	}
	for _, name := range []string{"getfollowmeextension", "getallfollowmeextensions"} {
		says(t, name, post(t, elastix.API{}, name, "grpnum=204"), 501, noCommand)
		says(t, name, post(t, elastix.API{Extensions: &backend{err: models.ErrUnavailable}}, name, "grpnum=204"), 503, noDatabase)
	}
}

// hook is what FreePBX is made to apply its tables by, and Asterisk's database.
type hook struct {
	reloads int
	err     error
	keys    map[string]string
}

func (h *hook) Reload(context.Context) error {
	h.reloads++
	return h.err
}

func (h *hook) Put(_ context.Context, e extension.DBEntry) error {
	h.keys[e.Family+"/"+e.Key] = e.Value
	return nil
}

func (h *hook) DeleteTree(_ context.Context, family string) error {
	maps.DeleteFunc(h.keys, func(key, _ string) bool { return strings.HasPrefix(key, family+"/") })
	return nil
}

func TestReload(t *testing.T) {
	t.Parallel()
	h := &hook{keys: map[string]string{}}
	a := elastix.API{Extensions: extension.Applied{Backend: with(t, "204"), AstDB: h, Reloader: h}}
	says(t, "applied", post(t, a, "updateextension", form("account", "204", "context", "c2")), 200, `{"status": "UPDATE OK", "code": 200}`)
	h.err = context.DeadlineExceeded
	answer := post(t, a, "addextension", form("account", "205", "name", "Ana", "secret", "keep-it-long"))
	says(t, "not applied", answer, 200, `{"status": "INSERT OK", "code": 200, "reload": "failed"}`)
	if answer.Audit == nil || answer.Cause == nil {
		t.Errorf("%+v", answer)
	}
	says(t, "not applied", post(t, a, "deletefollowmeextension", form("grpnum", "204")), 404, notFound)
	says(t, "not applied", post(t, a, "deleteextension", form("account", "205")), 200, `{"status": "DELETE OK", "code": 200, "reload": "failed"}`)
	if h.reloads != 3 {
		t.Errorf("applied %d times", h.reloads)
	}
}

func TestFollowMes(t *testing.T) {
	t.Parallel()
	h := &hook{keys: map[string]string{}}
	b := with(t, "204", "300")
	a := elastix.API{Extensions: extension.Applied{Backend: b, AstDB: h, Reloader: h}}
	const (
		of204 = `{"grpnum":"204","strategy":"ringallv2","grptime":"20","grppre":"","grplist":"204-0551234567#","annmsg_id":"0","postdest":"ext-local,204,dest","dring":"","remotealert_id":"0","needsconf":"","toolate_id":"0","pre_ring":"7","ringing":"Ring"}`
		of300 = `{"grpnum":"300","strategy":"hunt","grptime":"60","grppre":"Office:","grplist":"101-105-90539999999#","annmsg_id":"1","postdest":"","dring":"a","remotealert_id":"2","needsconf":"CHECKED","toolate_id":"3","pre_ring":"0","ringing":"none"}`
	)
	says(t, "none", post(t, a, "getallfollowmeextensions", ""), 200, `[]`)
	says(t, "added", post(t, a, "addfollowmeextension", form("grpnum", "204", "grplist", "204,0551234567#", "pre_ring", "7")), 200, `{"status": "INSERT OK", "code": 200}`)
	says(t, "added", post(t, a, "addfollowmeextension", form("grpnum", "300", "strategy", "hunt", "grptime", "60", "grppre", "Office:", "grplist", "101, 105\n90539999999#", "annmsg_id", "1",
		"postdest", "a,b,c", "dring", "a", "remotealert_id", "2", "needsconf", "CHECKED", "toolate_id", "3", "pre_ring", "0", "ringing", "none")), 200, `{"status": "INSERT OK", "code": 200}`)
	says(t, "added again", post(t, a, "addfollowmeextension", form("grpnum", "204", "grplist", "1")), 409, existsError)
	says(t, "of nobody", post(t, a, "addfollowmeextension", form("grpnum", "999", "grplist", "1")), 400, wrong("grpnum"))
	says(t, "emptied", post(t, a, "updatefollowmeextension", form("grpnum", "300", "postdest", "")), 200, `{"status": "UPDATE OK", "code": 200}`)
	says(t, "all", post(t, a, "getallfollowmeextensions", ""), 200, `[`+of204+`,`+of300+`]`)
	says(t, "one", post(t, a, "getfollowmeextension", "grpnum=204"), 200, `[`+of204+`]`)
	says(t, "one that is not there", post(t, a, "getfollowmeextension", "grpnum=999"), 200, `[]`)
	says(t, "which", post(t, a, "getfollowmeextension", ""), 400, wrong("grpnum"))
	if h.keys["AMPUSER/204/followme/grplist"] != "204-0551234567#" || h.keys["AMPUSER/204/followme/ddial"] != "DIRECT" || len(h.keys) != 14 {
		t.Errorf("%v", h.keys)
	}
	says(t, "updated", post(t, a, "updatefollowmeextension", form("grpnum", "204", "grplist", "205", "grptime", "45")), 200, `{"status": "UPDATE OK", "code": 200}`)
	changed := strings.NewReplacer(`"20"`, `"45"`, "204-0551234567#", "205").Replace(of204)
	says(t, "the other is as it was", post(t, a, "getallfollowmeextensions", ""), 200, `[`+changed+`,`+of300+`]`)
	if h.keys["AMPUSER/204/followme/grptime"] != "45" || h.keys["AMPUSER/300/followme/grptime"] != "60" {
		t.Errorf("%v", h.keys)
	}
	says(t, "updated, where there is none", post(t, a, "updatefollowmeextension", form("grpnum", "205", "grptime", "45")), 404, notFound)
	says(t, "deleted", post(t, a, "deletefollowmeextension", form("grpnum", "204")), 200, `{"status": "DELETE OK", "code": 200}`)
	says(t, "deleted again", post(t, a, "deletefollowmeextension", form("grpnum", "204")), 404, notFound)
	says(t, "the other is there", post(t, a, "getallfollowmeextensions", ""), 200, `[`+of300+`]`)
	if len(h.keys) != 7 {
		t.Errorf("%v", h.keys)
	}
	for _, strategy := range extension.Strategies() {
		says(t, strategy, post(t, a, "updatefollowmeextension", form("grpnum", "300", "strategy", strategy)), 200, `{"status": "UPDATE OK", "code": 200}`)
	}
	for _, tt := range [][2]string{
		{"strategy", "ringallv3"},
		{"grptime", "0"},
		{"grptime", "61"},
		{"grplist", ""},
		{"grplist", "a"},
		{"grplist", "1#2"},
		{"pre_ring", "61"},
		{"ringing", "jazz"},
		{"grplist", strings.Repeat("123456789-", 26)},
		{"postdest", "a"},
		{"needsconf", "yes"},
		{"annmsg_id", "x"},
		{"grppre", "a\nb"},
		{"dring", "\x00"},
	} {
		says(t, tt[0]+"="+tt[1], post(t, a, "updatefollowmeextension", form("grpnum", "300", tt[0], tt[1])), 400, wrong(tt[0]))
		if tt[1] != "" {
			says(t, tt[0]+"="+tt[1], post(t, a, "addfollowmeextension", form("grpnum", "204", "grplist", "1", tt[0], tt[1])), 400, wrong(tt[0]))
		}
	}
}

// TestConflict: that somebody else changes the same is not that there is one already.
func TestConflict(t *testing.T) {
	t.Parallel()
	for cmd, form := range map[string]string{
		"updateextension": "account=204&name=N", "deleteextension": "account=204", "updatefollowmeextension": "grpnum=204&grptime=9", "deletefollowmeextension": "grpnum=204",
	} {
		back := with(t, "204")
		back.err = models.ErrConflict
		says(t, cmd, post(t, elastix.API{Extensions: back}, cmd, form), 409, `{"status":"CONFLICT","code":409}`)
	}
}
