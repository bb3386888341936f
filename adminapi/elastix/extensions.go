package elastix

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"slices"

	"talktime/models"
	"talktime/pbx/extension"
)

// sipExtensions are the settings of telephones: what the file says, or what it would.
func (a API) sipExtensions(ctx context.Context, _ *params, key Key) Answer {
	secrets := key.may(ScopeSecrets)
	if a.SIPFile == nil {
		return a.sections(ctx, secrets)
	}
	file, err := a.SIPFile()
	if errors.Is(err, fs.ErrNotExist) {
		return answered(extension.Sections{})
	}
	if err != nil {
		return hostFailed(err)
	}
	sections, err := extension.ParseConf(file)
	_ = file.Close()
	if err != nil {
		return hostFailed(err)
	}
	if !secrets {
		sections = sections.Masked()
	}
	return answered(sections)
}

// sections are made of the extensions that are kept.
func (a API) sections(ctx context.Context, secrets bool) Answer {
	sections := extension.Sections{}
	if a.Extensions == nil {
		return answered(sections)
	}
	all, err := a.Extensions.Extensions(ctx)
	if err != nil {
		return changed("", nil, err)
	}
	for _, e := range all {
		sections[e.Account] = e.Section(secrets)
	}
	return answered(sections)
}

// inserted is what the answer says of something new.
const inserted = "INSERT"

// changed is the answer to a change. One that is made, but not yet applied by FreePBX, is made.
func changed(what string, audit *Audit, err error) Answer {
	var field *extension.FieldError
	switch {
	case err == nil, errors.Is(err, extension.ErrNotReloaded):
		body := fmt.Sprintf(`{"status": "%s OK", "code": 200}`, what)
		if err != nil {
			body = fmt.Sprintf(`{"status": "%s OK", "code": 200, "reload": "failed"}`, what)
		}
		return Answer{Status: http.StatusOK, Type: "application/json", Body: []byte(body), Audit: audit, Cause: err}
	case errors.Is(err, extension.ErrStays): // it is made, too
		answer := failed(http.StatusBadGateway, "REFUSED BY ASTERISK", err)
		answer.Audit = audit
		return answer
	case errors.Is(err, extension.ErrAsterisk): // first: that the change could not be taken back may be joined to it
		return asteriskFailed(err)
	case errors.As(err, &field):
		return invalid(field.Field)
	case errors.Is(err, models.ErrInvalid):
		return Refusal(http.StatusBadRequest, "INVALID PARAMETER")
	case errors.Is(err, models.ErrNotFound):
		return Refusal(http.StatusNotFound, "NOT FOUND")
	case errors.Is(err, models.ErrConflict) && what == inserted:
		return Refusal(http.StatusConflict, "ALREADY EXISTS")
	case errors.Is(err, models.ErrConflict): // somebody else changes it at the same time
		return Refusal(http.StatusConflict, "CONFLICT")
	}
	return databaseFailed(err)
}

// number is the parameter that says which extension it is about.
func (p *params) number(name string) string {
	account := p.text(name)
	if !extension.ValidAccount(account) {
		p.mistake(name)
	}
	return account
}

// extensionPatch are the fields of an extension that were sent.
func extensionPatch(p *params) extension.Patch {
	return p.patch(slices.Sorted(maps.Keys(extension.Extension{}.Values(false))))
}

func (a API) addExtension(ctx context.Context, p *params, _ Key) Answer {
	if a.Extensions == nil {
		return notConfigured()
	}
	patch := extensionPatch(p)
	if patch["secret"] == extension.Mask { // somebody copies what he was shown
		p.mistake("secret")
	}
	if p.wrong != "" {
		return invalid(p.wrong)
	}
	e, err := a.Rules.New(patch)
	if err == nil {
		e, err = a.Extensions.Add(ctx, e)
	}
	return changed(inserted, &Audit{Verb: "extension.add", Target: e.Account, After: e}, err)
}

func (a API) updateExtension(ctx context.Context, p *params, _ Key) Answer {
	if a.Extensions == nil {
		return notConfigured()
	}
	account, patch := p.number("account"), extensionPatch(p)
	if p.wrong != "" {
		return invalid(p.wrong)
	}
	delete(patch, "account")
	if patch["secret"] == extension.Mask { // somebody sends back what he was shown
		delete(patch, "secret")
	}
	before, after, err := a.Extensions.Update(ctx, account, patch, nil)
	return changed("UPDATE", &Audit{"extension.update", account, before, after}, err)
}

func (a API) deleteExtension(ctx context.Context, p *params, _ Key) Answer {
	if a.Extensions == nil {
		return notConfigured()
	}
	account := p.number("account")
	if p.wrong != "" {
		return invalid(p.wrong)
	}
	removed, err := a.Extensions.Delete(ctx, account, nil)
	return changed("DELETE", &Audit{Verb: "extension.delete", Target: account, Before: removed}, err)
}

func (a API) addFollowMe(ctx context.Context, p *params, _ Key) Answer {
	if a.Extensions == nil {
		return notConfigured()
	}
	patch := p.patch(extension.FollowMeColumns())
	if p.wrong != "" {
		return invalid(p.wrong)
	}
	f, err := a.Rules.NewFollowMe(patch)
	if err == nil {
		f, err = a.Extensions.AddFollowMe(ctx, f)
	}
	return changed(inserted, &Audit{Verb: "followme.add", Target: f.GrpNum, After: f}, err)
}

func (a API) updateFollowMe(ctx context.Context, p *params, _ Key) Answer {
	if a.Extensions == nil {
		return notConfigured()
	}
	account, patch := p.number("grpnum"), p.patch(extension.FollowMeColumns())
	if p.wrong != "" {
		return invalid(p.wrong)
	}
	delete(patch, "grpnum")
	before, after, err := a.Extensions.UpdateFollowMe(ctx, account, patch, nil)
	return changed("UPDATE", &Audit{"followme.update", account, before, after}, err)
}

func (a API) deleteFollowMe(ctx context.Context, p *params, _ Key) Answer {
	if a.Extensions == nil {
		return notConfigured()
	}
	account := p.number("grpnum")
	if p.wrong != "" {
		return invalid(p.wrong)
	}
	removed, err := a.Extensions.DeleteFollowMe(ctx, account, nil)
	return changed("DELETE", &Audit{Verb: "followme.delete", Target: account, Before: removed}, err)
}

// getFollowMe is a list of one, or of none.
func (a API) getFollowMe(ctx context.Context, p *params, _ Key) Answer {
	if a.Extensions == nil {
		return notConfigured()
	}
	account := p.number("grpnum")
	if p.wrong != "" {
		return invalid(p.wrong)
	}
	f, err := a.Extensions.FollowMe(ctx, account)
	switch {
	case errors.Is(err, models.ErrNotFound):
		return followMes(nil)
	case err != nil:
		return changed("", nil, err)
	}
	return followMes([]extension.FollowMe{f})
}

func (a API) getAllFollowMes(ctx context.Context, _ *params, _ Key) Answer {
	if a.Extensions == nil {
		return notConfigured()
	}
	all, err := a.Extensions.FollowMes(ctx)
	if err != nil {
		return changed("", nil, err)
	}
	return followMes(all)
}

func followMes(all []extension.FollowMe) Answer {
	list := []object{}
	for _, f := range all {
		values := f.Values()
		var columns object
		for _, column := range extension.FollowMeColumns() {
			columns = append(columns, column, values[column])
		}
		list = append(list, columns)
	}
	return answered(list)
}
