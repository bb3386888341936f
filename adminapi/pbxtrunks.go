package adminapi

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"talktime/pbx"
	"talktime/pbx/extension"
)

// TrunkStates knows how trunks are now. It is a pbx.Client.
type TrunkStates interface {
	PJSIPShowRegistrationsOutbound(context.Context) ([]pbx.Registration, error)
	EndpointContacts(ctx context.Context, endpoints []string) []pbx.Contact
}

// stateTime is how long the manager interface may take to say how trunks are: they are shown without that, too.
const stateTime = 3 * time.Second

type trunkJSON struct {
	Name string `json:"name"`
	Host string `json:"host"`
	trunkSettings
	Registration *trunkRegistrationJSON `json:"registration"` // null: it does not register, or nobody knows
	Contact      *trunkContactJSON      `json:"contact"`      // null: nobody knows
	applied
}

// trunkSettings are what a new trunk has by itself.
type trunkSettings struct {
	Port           int      `json:"port" required:"false" minimum:"0" maximum:"65535"`
	Transport      string   `json:"transport" required:"false"`
	Username       string   `json:"username" required:"false" maxLength:"161"`
	Secret         string   `json:"secret" required:"false" maxLength:"80"`
	Register       bool     `json:"register" required:"false"`
	ContactUser    string   `json:"contact_user" required:"false" maxLength:"80"`
	FromUser       string   `json:"from_user" required:"false" maxLength:"80"`
	FromDomain     string   `json:"from_domain" required:"false" maxLength:"100"`
	Context        string   `json:"context" required:"false" maxLength:"80"`
	Match          []string `json:"match" required:"false" nullable:"false"`
	Codecs         []string `json:"codecs" required:"false" nullable:"false"`
	DTMFMode       string   `json:"dtmf_mode" required:"false"`
	DirectMedia    bool     `json:"direct_media" required:"false"`
	SendCallerID   string   `json:"send_callerid" required:"false"`
	TrustCaller    bool     `json:"trust_caller" required:"false"`
	TellHidden     bool     `json:"tell_hidden" required:"false"`
	QualifySeconds int      `json:"qualify_seconds" required:"false" minimum:"0" maximum:"86400"`
}

type trunkRegistrationJSON struct {
	Status      string `json:"status"` // in Asterisk's words
	NextSeconds *int64 `json:"next_seconds"`
}

type trunkContactJSON struct {
	Status    string   `json:"status"` // in Asterisk's words
	RoundTrip *float64 `json:"roundtrip_ms"`
}

// trunkStates are how trunks are now, by their names.
type trunkStates struct {
	registrations map[string]trunkRegistrationJSON
	contacts      map[string]trunkContactJSON
}

// trunkStates asks how some trunks are now. What nobody knows is not in it.
func (r *request) trunkStates(names []string) trunkStates {
	s := trunkStates{map[string]trunkRegistrationJSON{}, map[string]trunkContactJSON{}}
	if r.api.PBX.TrunkStates == nil {
		return s
	}
	ctx, cancel := context.WithTimeout(r.ctx(), stateTime)
	defer cancel()
	registrations, err := r.api.PBX.TrunkStates.PJSIPShowRegistrationsOutbound(ctx)
	if err != nil {
		r.api.log.Warn("nobody knows how trunks are", "request_id", r.GetString(keyRequestID), "err", err)
		return s
	}
	for _, one := range registrations {
		shown := trunkRegistrationJSON{Status: one.Status}
		if one.Next > 0 {
			shown.NextSeconds = new(int64(one.Next / time.Second))
		}
		s.registrations[one.Name] = shown
	}
	for _, one := range r.api.PBX.TrunkStates.EndpointContacts(ctx, names) {
		shown := trunkContactJSON{Status: one.Status}
		if one.RoundTrip > 0 {
			shown.RoundTrip = new(float64(one.RoundTrip) / float64(time.Millisecond))
		}
		s.contacts[one.Endpoint] = shown
	}
	return s
}

func (s trunkStates) show(t extension.Trunk, secrets bool, a applied) trunkJSON {
	secret := t.Secret.String()
	if secrets {
		secret = string(t.Secret)
	}
	list := func(text string) []string {
		return slices.DeleteFunc(strings.Split(text, ","), func(item string) bool { return item == "" })
	}
	shown := trunkJSON{Name: t.Name, Host: t.Host, trunkSettings: trunkSettings{
		Port: t.Port, Transport: t.Transport, Username: t.Username, Secret: secret, Register: t.Register, ContactUser: t.ContactUser, FromUser: t.FromUser,
		FromDomain: t.FromDomain, Context: t.Context, Match: list(t.Match), Codecs: list(t.Codecs), DTMFMode: t.DTMFMode, DirectMedia: t.DirectMedia,
		SendCallerID: t.SendCallerID, TrustCaller: t.TrustCaller, TellHidden: t.TellHidden, QualifySeconds: t.Qualify,
	}, applied: a}
	if registration, known := s.registrations[t.Name]; known && t.Register {
		shown.Registration = &registration
	}
	if contact, known := s.contacts[t.Name]; known {
		shown.Contact = &contact
	}
	return shown
}

// isShape reports whether a value is one of a type, or null, with no other fields.
func isShape[T any](raw json.RawMessage) bool {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	return d.Decode(new(T)) == nil
}

// ofTrunks is a handler of trunks.
func ofTrunks(handle func(pbxKind[extension.Trunk], *request) error) handler {
	return func(r *request) error {
		trunks := r.api.PBX.Trunks
		if trunks == nil {
			return unconfigured("a back end for trunks", "TALKTIME_PBX_BACKEND")
		}
		changing, changed := trunks.(extension.TrunkBackend)
		if !changed && r.Request.Method != http.MethodGet {
			return refused(http.StatusNotImplemented, "trunks of FreePBX are changed in FreePBX; here they are only read")
		}
		return backendFailure(handle(trunkKind(r, trunks, changing), r))
	}
}

// trunkKind is what trunks differ in from extensions, for one request. The back end of extensions has no part in it.
func trunkKind(r *request, trunks extension.Trunks, changing extension.TrunkBackend) pbxKind[extension.Trunk] {
	var states *trunkStates // asked for when the first trunk is shown, after changes
	var page []string       // the names of those that are shown; nil: there is one
	return pbxKind[extension.Trunk]{
		noun: "trunk",
		typed: map[string]fieldType{
			"register": fieldYes, "direct_media": fieldYes, "trust_caller": fieldYes, "tell_hidden": fieldYes,
			"port": fieldCount, "qualify_seconds": fieldCount, "match": fieldTexts, "codecs": fieldTexts,
		},
		passed: map[string]func(json.RawMessage) bool{"registration": isShape[*trunkRegistrationJSON], "contact": isShape[*trunkContactJSON]},
		number: func(t extension.Trunk) string { return t.Name },
		values: func(t extension.Trunk) map[string]string { return t.Values(true) },
		show: func(t extension.Trunk, secrets bool, a applied) any {
			if states == nil {
				if page == nil {
					page = []string{t.Name}
				}
				states = new(r.trunkStates(page))
			}
			return states.show(t, secrets, a)
		},
		page: func(trunks []extension.Trunk) {
			for _, t := range trunks {
				page = append(page, t.Name)
			}
		},
		diff: extension.DiffTrunk,
		make: extension.Rules.NewTrunk,
		list: func(_ extension.Backend, ctx context.Context) ([]extension.Trunk, error) { return trunks.Trunks(ctx) },
		get: func(_ extension.Backend, ctx context.Context, name string) (extension.Trunk, error) {
			return trunks.Trunk(ctx, name)
		},
		add: func(_ extension.Backend, ctx context.Context, t extension.Trunk) (extension.Trunk, error) {
			return changing.AddTrunk(ctx, t)
		},
		preview: func(_ extension.Backend, _ extension.Rules, ctx context.Context, name string, p extension.Patch) (before, after extension.Trunk, err error) {
			return changing.PreviewTrunk(ctx, name, p)
		},
		update: func(_ extension.Backend, ctx context.Context, name string, p extension.Patch, check func(extension.Trunk) error) (before, after extension.Trunk, err error) {
			return changing.UpdateTrunk(ctx, name, p, check)
		},
		remove: func(_ extension.Backend, ctx context.Context, name string, check func(extension.Trunk) error) (any, error) {
			return changing.DeleteTrunk(ctx, name, check)
		},
	}
}
