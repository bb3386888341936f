package adminapi

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"talktime/billing"
	"talktime/filter"
	"talktime/models"
	"talktime/tariff"
)

// failure is an error with its answer.
type failure struct {
	status  int
	message string
	detail  string // more about it, which a client can do without; may be empty
	body    any    // in place of the usual one, on kept paths
	headers map[string]string
	report  *tariff.Report // beside the message, on newer paths; may be nil
	cause   error          // for the server's log alone; may be nil
}

func (f failure) Error() string { return f.message }

func refused(status int, message string) failure { return failure{status: status, message: message} }

func badRequest(message string) failure { return refused(http.StatusBadRequest, message) }

func undecodable() failure { return badRequest("Unable to decode data") }

func tooLarge(limit int64) failure {
	return refused(http.StatusRequestEntityTooLarge, "the body is longer than "+strconv.FormatInt(limit, 10)+" bytes")
}

// unauthenticated asks whoever it is to say who he is, in one of the ways that the route knows.
func (r *request) unauthenticated() failure {
	way := `Bearer realm="talktime"`
	if r.route.Access.Basic {
		way = `Basic realm="Talktime", charset="UTF-8"`
	}
	return failure{status: http.StatusUnauthorized, message: "Not authenticated", headers: map[string]string{"WWW-Authenticate": way}}
}

func forbidden() failure { return refused(http.StatusForbidden, "Forbidden") }

// invalidFields names what is wrong with each field, as the original's validation did.
func invalidFields(fields map[string]string) failure {
	texts := make([]string, 0, len(fields))
	for name, text := range fields {
		texts = append(texts, name+": "+text)
	}
	return failure{status: http.StatusBadRequest, message: strings.Join(texts, "; "), body: validationJSON{fields}}
}

// unavailable is for what may go well a little later.
func unavailable(message string) failure {
	return failure{status: http.StatusServiceUnavailable, message: message, headers: map[string]string{"Retry-After": "5"}}
}

// doubtful is for a change of which nobody knows what became of it.
func doubtful() failure {
	return unavailable("the database did not answer, so this may have been done or not: look before you repeat it; with the same Idempotency-Key it is safe to repeat")
}

// internal is all that is told of an error of ours.
func internal(requestID string) failure {
	return failure{status: http.StatusInternalServerError, message: "internal error; the server's log has it under request " + requestID}
}

// failureOf is the only place where errors become answers. ok is false for errors of ours.
func failureOf(err error) (f failure, ok bool) {
	var refusal *billing.Refusal
	var tooMany *http.MaxBytesError
	switch {
	case errors.As(err, &f):
		return f, true
	case errors.As(err, &tooMany):
		return tooLarge(tooMany.Limit), true
	case errors.Is(err, models.ErrQueryText):
		return undecodable(), true
	case errors.Is(err, models.ErrManyFound):
		return badRequest("Multiple results found"), true
	case errors.Is(err, models.ErrNoneFound):
		return refused(http.StatusNotFound, "No result found"), true
	case errors.Is(err, models.ErrDeepPage):
		return badRequest("pages have numbers up to " + strconv.Itoa(models.MaxPage) + "; go on with ?after= and the key of the last object"), true
	case errors.Is(err, models.ErrQuery):
		f := badRequest("Unable to construct query")
		var mistake *filter.Error
		if errors.As(err, &mistake) {
			f.detail = mistake.About
		}
		return f, true
	case errors.Is(err, models.ErrRefilling):
		return refused(http.StatusConflict, models.ErrRefilling.Error()), true
	case errors.Is(err, models.ErrSlowSearch):
		return failure{status: http.StatusServiceUnavailable, message: models.ErrSlowSearch.Error(), headers: map[string]string{"Retry-After": "60"}}, true
	case errors.Is(err, models.ErrSearches):
		return failure{status: http.StatusServiceUnavailable, message: models.ErrSearches.Error(), headers: map[string]string{"Retry-After": "5"}}, true
	case errors.Is(err, models.ErrNoDate):
		return refused(http.StatusConflict, models.ErrNoDate.Error()), true
	case errors.Is(err, models.ErrBilled):
		return refused(http.StatusConflict, "the record of a call that was billed is never changed"), true
	case errors.Is(err, models.ErrLastAdmin):
		return refused(http.StatusConflict, "this is the last administrator"), true
	case errors.As(err, &refusal):
		return refused(refusalStatus(refusal), refusal.Reason), true
	case errors.Is(err, billing.ErrUncertain):
		return doubtful(), true
	case errors.Is(err, billing.ErrLocked):
		return unavailable("somebody else keeps locked what this needs, so nothing was done; try again"), true
	case errors.Is(err, billing.ErrBusy):
		return unavailable("too many others are waiting, so nothing was done; try again"), true
	case errors.Is(err, models.ErrUnavailable), errors.Is(err, context.DeadlineExceeded):
		return unavailable("the database cannot be reached; try again"), true
	case errors.Is(err, models.ErrNotFound):
		return failure{status: http.StatusNotFound, message: "not found", body: struct{}{}}, true
	case errors.Is(err, models.ErrConflict):
		return refused(http.StatusConflict, "IntegrityError"), true
	case errors.Is(err, models.ErrInvalid):
		return badRequest(strings.TrimPrefix(strings.ReplaceAll(err.Error(), "\n", "; "), models.ErrInvalid.Error()+": ")), true
	}
	return failure{}, false
}

func refusalStatus(r *billing.Refusal) int {
	if errors.Is(r, models.ErrInvalid) {
		return http.StatusBadRequest
	}
	if errors.Is(r, models.ErrNotFound) {
		return http.StatusNotFound
	}
	return http.StatusConflict
}

// fail answers with an error. One of ours is logged here, and nothing of it is told; so is what keeps the telephone system from answering.
func (r *request) fail(err error) {
	f, ok := failureOf(err)
	unanswered := errors.Is(err, models.ErrUnavailable) || errors.Is(err, context.DeadlineExceeded) || !ok && r.ctx().Err() != nil
	switch {
	case unanswered && r.changing:
		f = doubtful()
	case ok:
	case unanswered:
		f = unavailable("the request was given up; try again")
	default:
		id := r.GetString(keyRequestID)
		r.api.log.Error("a request failed", "request_id", id, "path", maskPath(r.Request.URL.Path), "err", err)
		f = internal(id)
	}
	if (ok || unanswered) && r.route.pbx() && ofServer(f.status) {
		r.api.log.Warn("the telephone system could not answer", "request_id", r.GetString(keyRequestID), "status", f.status, "err", cmp.Or(f.cause, err))
	}
	r.answerFailure(f)
}

// ofServer reports whether a status is that of trouble. What is not set up is none.
func ofServer(status int) bool {
	return status >= http.StatusInternalServerError && status != http.StatusNotImplemented
}

// answerFailure writes a failure: on kept paths as the original did, elsewhere as RFC 9457 says.
func (r *request) answerFailure(f failure) {
	for name, value := range f.headers {
		r.Header(name, value)
	}
	if r.crossbar() {
		r.json(f.status, r.envelope(f))
		return
	}
	if r.callCenter() {
		r.failCallCenter(f)
		return
	}
	if r.keptPBX() {
		r.failKeptPBX(f)
		return
	}
	if r.isPage() {
		r.failurePage(f)
		return
	}
	message := f.message
	if message == "" {
		message = strings.ToLower(http.StatusText(f.status))
	}
	switch {
	case r.route.Kept && f.body != nil:
		r.json(f.status, f.body)
	case r.route.Kept || strings.HasPrefix(r.Request.URL.Path, "/api/") && r.route.Path == "":
		r.json(f.status, messageJSON{message, f.detail})
	default:
		r.writeJSON(f.status, "application/problem+json", f.problemWith(problemJSON{
			Title: http.StatusText(f.status), Status: f.status, Detail: cmp.Or(f.detail, message), Message: message, RequestID: r.GetString(keyRequestID),
		}))
	}
}

// validationJSON names what is wrong with each field.
type validationJSON struct {
	Errors map[string]string `json:"validation_errors"`
}

type messageJSON struct {
	Message string `json:"message"`
	Detail  string `json:"detail,omitempty"`
}

type problemJSON struct {
	Title     string `json:"title"`
	Status    int    `json:"status"`
	Detail    string `json:"detail"`
	Message   string `json:"message"`
	RequestID string `json:"request_id"`
}

// json answers with a document.
func (r *request) json(status int, v any) { r.writeJSON(status, "application/json", v) }

func (r *request) writeJSON(status int, contentType string, v any) {
	var body bytes.Buffer
	encoder := json.NewEncoder(&body)
	encoder.SetEscapeHTML(false) // no browser takes this for HTML: the type says what it is
	if err := encoder.Encode(v); err != nil {
		panic(err) // records of ours
	}
	r.Data(status, contentType, body.Bytes())
}

// html answers with a page of one sentence.
func (r *request) html(status int, body string) {
	r.Data(status, "text/html; charset=utf-8", []byte(body))
}
