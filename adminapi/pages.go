package adminapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"talktime/models"
	"talktime/web"
)

// Rows on pages.
const (
	pageRows = 50
	someRows = 10 // of a list within another page
)

// render answers with a page, with what was just done above it.
func (r *request) render(status int, p web.Page) error {
	if u := r.who.user; u != nil {
		p.User, p.Admin, p.Counts, p.Queues, p.Live = u.Username, u.Admin, summed(r.api.Deps), r.seesQueues(), seesLive(r.api.Deps)
		if status == http.StatusOK && r.Request.Method == http.MethodGet {
			var err error
			if p.Message, err = r.told(); err != nil {
				return err
			}
		}
	}
	r.Data(status, "text/html; charset=utf-8", r.api.pages.Render(p))
	return nil
}

// seeOther leads on to another page, as after everything that changed something.
func (r *request) seeOther(path string) {
	r.Header("Location", path)
	r.Status(http.StatusSeeOther)
}

// maxTold is how many characters are told; a browser takes no cookie of more than 4 KiB.
const maxTold = 250

// done tells what was done on the page that comes next, once. What was done before and is not told yet is left out: it
// would pile up in the cookie. That it cannot be told is no failure: the page that comes next shows what there is.
func (r *request) done(path, format string, args ...any) error {
	r.seeOther(path)
	s, err := r.session()
	if err == nil {
		text := []rune(fmt.Sprintf(format, args...))
		if len(text) > maxTold {
			text = append(text[:maxTold], '…')
		}
		_ = s.Flashes() // forgets them
		s.AddFlash(string(text))
		err = s.Save()
	}
	if err != nil {
		r.api.log.Warn("what was done cannot be told", "request_id", r.GetString(keyRequestID), "err", err)
	}
	return nil
}

// told is what is to be told now, and no second time.
func (r *request) told() (string, error) {
	s, err := r.session()
	if err != nil {
		return "", err
	}
	var texts []string
	for _, f := range s.Flashes() {
		if text, ok := f.(string); ok {
			texts = append(texts, text)
		}
	}
	if len(texts) == 0 {
		return "", nil
	}
	return strings.Join(texts, " "), s.Save()
}

// isPage reports whether what goes wrong with the request is shown as a page: on the paths of pages always, elsewhere
// outside the API to browsers.
func (r *request) isPage() bool {
	path := r.Request.URL.Path
	root, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	if r.api.pageRoots[root] {
		return true
	}
	kept := path == "/" || path == "/login" || path == "/logout" || path == "/check"
	unknown := r.FullPath() == "" && root != "api"
	return (kept || unknown) && !r.wantsJSON() && strings.Contains(r.GetHeader("Accept"), "text/html")
}

func pageRoots() map[string]bool {
	roots := map[string]bool{}
	for _, route := range Pages() {
		root, _, _ := strings.Cut(strings.TrimPrefix(route.Path, "/"), "/")
		roots[root] = true
	}
	return roots
}

// failurePage shows a failure to people. Whoever is not logged in is led to the form, and back from there.
func (r *request) failurePage(f failure) {
	body := web.Notice{Text: sentence(f.message), More: &web.Link{Text: "To the overview", Path: "/"}}
	switch {
	case f.status == http.StatusUnauthorized:
		next := r.Request.URL.Path
		if r.Request.Method == http.MethodGet {
			next = r.Request.URL.RequestURI()
		}
		r.must(r.loginPage(f.status, web.Login{Notice: "Please log in."}, "", localPath(next)))
		return
	case f.status == http.StatusNotFound && (f.message == "" || f.message == "not found"):
		body.Text = "There is no such page."
	case f.status == http.StatusForbidden && f.message == forbidden().message:
		body.Text = "This is for administrators only."
	case f.status == http.StatusMethodNotAllowed:
		body.Text = "This cannot be done here."
	}
	r.must(r.render(f.status, web.Page{Title: http.StatusText(f.status), Body: body}))
}

// must is for pages without a session: rendering them cannot fail.
func (r *request) must(err error) {
	if err != nil {
		panic(err)
	}
}

// sentence is a message of the API as people write.
func sentence(message string) string {
	first, size := utf8.DecodeRuneInString(message)
	if size == 0 {
		return ""
	}
	return strings.TrimSuffix(string(unicode.ToUpper(first))+message[size:], ".") + "."
}

// noIcon is for browsers that ask for an icon wherever they are.
func noIcon(r *request) error {
	r.Header("Cache-Control", "public, max-age=86400")
	r.Status(http.StatusNoContent)
	return nil
}

// static serves styles and pictures, whose names change with their content.
func static(r *request) error {
	f, ok := r.api.pages.File(r.Param("file"))
	if !ok {
		return models.ErrNotFound
	}
	h := r.Writer.Header()
	h.Set("Content-Type", f.Type)
	h.Set("ETag", f.ETag)
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	http.ServeContent(r.Writer, r.Request, "", time.Time{}, bytes.NewReader(f.Content))
	return nil
}

// posted makes a handler of one that reads a form.
func posted(handle handler) handler {
	return func(r *request) error {
		if r.ContentType() != "application/x-www-form-urlencoded" {
			return refused(http.StatusUnsupportedMediaType, "this takes a form (application/x-www-form-urlencoded)")
		}
		if err := r.Request.ParseForm(); err != nil {
			if f, ok := failureOf(err); ok {
				return f
			}
			return undecodable()
		}
		for _, values := range r.Request.Form {
			for _, v := range values {
				if !utf8.ValidString(v) {
					return undecodable()
				}
			}
		}
		return handle(r)
	}
}

// typed is what was typed into a field, without the blanks around it.
func (r *request) typed(name string) string { return strings.TrimSpace(r.PostForm(name)) }

// jsonText is a text as the API would have been sent it.
func jsonText(s string) json.RawMessage {
	text, err := json.Marshal(s)
	if err != nil {
		panic(err) // a string
	}
	return text
}

// textOrNone is jsonText, or null for an empty field.
func textOrNone(s string) json.RawMessage {
	if s == "" {
		return json.RawMessage("null")
	}
	return jsonText(s)
}

// search is a query of these filters, all of which must hold.
func search(filters ...map[string]any) string {
	text, err := json.Marshal(map[string]any{"filters": filters})
	if err != nil {
		panic(err) // strings and numbers
	}
	return string(text)
}

// where is a filter that compares a field with a value.
func where(field, operator string, value any) map[string]any {
	return map[string]any{"name": field, "op": operator, "val": value}
}

// pattern is text in which nothing stands for anything else, for the operators like and ilike.
func pattern(text string) string {
	return strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(text)
}

// showForm shows a form by itself: with status 200 before it is sent, with that of a failure after.
func (r *request) showForm(status int, title, section string, form web.Form) error {
	return r.render(status, web.Page{Title: title, Section: section, Body: web.FormPage{Heading: title, Form: form}})
}

// refusal is what people are told when something cannot be done; an error of ours is none.
func refusal(err error) (f failure, ok bool) {
	f, ok = failureOf(err)
	if !ok || f.status == http.StatusServiceUnavailable || f.status == http.StatusUnauthorized || f.status == http.StatusForbidden || f.status == http.StatusNotFound {
		return f, false
	}
	f.message = sentence(f.message)
	return f, true
}

// counted is a number of things in words.
func counted[T any](list models.List[T], one, many string) string {
	switch {
	case list.AtLeast:
		return fmt.Sprintf("At least %d %s", list.Total, many)
	case list.Total == 1:
		return "1 " + one
	case list.Total == 0:
		return "No " + many
	}
	return fmt.Sprintf("%d %s", list.Total, many)
}
