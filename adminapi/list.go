package adminapi

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"talktime/models"
)

// Sizes of pages.
const (
	fewRows  = 10 // of users and call records
	manyRows = 100
	maxRows  = 100
)

// envelope is what every list is answered with.
type envelope[T any] struct {
	NumResults int64 `json:"num_results"`
	Objects    []T   `json:"objects"`
	Page       int   `json:"page"`
	TotalPages int64 `json:"total_pages"`
}

// listRequest reads which page is wanted, in pages of a size unless the client says another. What makes no sense is as
// if it had not been said.
func (r *request) listRequest(size int) (models.ListRequest, error) {
	l := models.ListRequest{Number: 1, Size: size, Location: r.api.Location, Only: r.who.only(), NoRead: !r.who.reads()}
	if q, ok := r.GetQuery("q"); ok {
		if q == "" {
			return l, undecodable()
		}
		l.Query = q
	}
	if n, err := strconv.Atoi(r.Query("page")); err == nil && n >= 1 {
		l.Number = n
	}
	if n, err := strconv.Atoi(r.Query("results_per_page")); err == nil && n > 0 {
		l.Size = min(n, maxRows)
	} else if tooBig(r.Query("results_per_page")) {
		l.Size = maxRows
	}
	if after := r.Query("after"); after != "" {
		n, err := strconv.ParseInt(after, 10, 64)
		if err != nil || n < 1 {
			return l, badRequest("after must be the key of an object")
		}
		l.After, l.Number = n, 1
	}
	return l, nil
}

// tooBig reports whether text is a number that is only too large for us.
func tooBig(text string) bool { return digits(text) && strings.Trim(text, "0") != "" }

// answerList answers with a page, or with the one object that was asked for.
func answerList[T, S any](r *request, l models.ListRequest, list models.List[T], key func(T) int64, show func(T) S) error {
	return answerListAs(r, l, list, key, show, func(page envelope[S]) any { return page })
}

// answerListAs is answerList for pages that say more than others.
func answerListAs[T, S any](r *request, l models.ListRequest, list models.List[T], key func(T) int64, show func(T) S, as func(envelope[S]) any) error {
	objects := make([]S, len(list.Items))
	for i, item := range list.Items {
		objects[i] = show(item)
	}
	if list.Single && len(objects) == 1 {
		r.answer(http.StatusOK, objects[0])
		return nil
	}
	pages := (list.Total + int64(l.Size) - 1) / int64(l.Size)
	if list.AtLeast {
		r.Header("X-Count", "at-least")
	}
	var links []string
	link := func(rel string, set map[string]string) {
		links = append(links, fmt.Sprintf("<%s>; rel=%q", r.link(set), rel))
	}
	size := strconv.Itoa(l.Size)
	full := len(list.Items) == l.Size
	switch {
	case l.After != 0 || l.Number >= models.MaxPage:
		if full && key(list.Items[l.Size-1]) != 0 { // else nothing tells its objects apart
			link("next", map[string]string{"after": strconv.FormatInt(key(list.Items[l.Size-1]), 10), "results_per_page": size, "page": ""})
		}
	case int64(l.Number) < pages || list.AtLeast && full:
		link("next", map[string]string{"page": strconv.Itoa(l.Number + 1), "results_per_page": size})
	}
	if l.After == 0 && !list.AtLeast && pages > 0 && pages <= models.MaxPage { // else nobody knows it, or it would be refused
		link("last", map[string]string{"page": strconv.FormatInt(pages, 10), "results_per_page": size})
	}
	r.Header("Link", strings.Join(links, ", "))
	r.answer(http.StatusOK, as(envelope[S]{list.Total, objects, l.Number, pages}))
	return nil
}

// link is the address that was asked for, with other parameters.
func (r *request) link(set map[string]string) string {
	u := url.URL{Path: r.Request.URL.Path}
	if public := r.api.PublicURL; public != "" {
		if base, err := url.Parse(public); err == nil {
			u.Scheme, u.Host, u.Path = base.Scheme, base.Host, strings.TrimSuffix(base.Path, "/")+u.Path
		}
	} else {
		u.Scheme, u.Host = "http", r.Request.Host
		if r.secure() {
			u.Scheme = "https"
		}
	}
	// The paging comes first and in the original's order; whatever else was asked for follows.
	var pairs []string
	for _, name := range []string{"page", "results_per_page", "after"} {
		if set[name] != "" {
			pairs = append(pairs, name+"="+set[name])
		}
	}
	rest := r.Request.URL.Query()
	for _, name := range []string{"page", "results_per_page", "after", "callback"} {
		rest.Del(name)
	}
	if text := rest.Encode(); text != "" {
		pairs = append(pairs, text)
	}
	u.RawQuery = strings.Join(pairs, "&")
	return u.String()
}

var callbackForm = regexp.MustCompile(`^[A-Za-z_$][\w$]*(\.[A-Za-z_$][\w$]*)*$`)

// answer is json for what may be read by other sites too, when the settings allow that.
func (r *request) answer(status int, v any) {
	callback := r.Query("callback")
	if callback == "" || !r.api.JSONP || r.Request.Method != http.MethodGet {
		r.json(status, v)
		return
	}
	if !callbackForm.MatchString(callback) || len(callback) > 100 {
		r.fail(badRequest("callback must be the name of a function"))
		return
	}
	body, err := json.Marshal(map[string]any{"meta": map[string]any{"status": status}, "data": v})
	if err != nil {
		panic(err) // records of ours
	}
	r.Header("Cross-Origin-Resource-Policy", "same-site") // browsers send the session's cookie from no other site anyway
	// What comes before the name keeps whoever asks from choosing how the answer begins.
	r.Data(status, "application/javascript", fmt.Appendf(nil, "/**/%s(%s)", callback, body))
}
