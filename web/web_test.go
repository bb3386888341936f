package web_test

import (
	"bytes"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"talktime/web"
)

const hostile = `"><script>alert('x')</script>&amp;<b>`

// bodies are one of each page.
func bodies() []web.Body {
	return []web.Body{
		web.Notice{},
		web.Login{},
		web.FormPage{},
		web.Home{},
		web.Users{},
		web.User{},
		web.Entries{},
		web.Calls{},
		web.Refused{},
		web.Statistics{},
		web.Call{},
		web.Queues{},
		web.Holds{},
		web.Groups{},
		web.Group{},
	}
}

// fill gives every field of a value something, of lists two of each.
func fill(v reflect.Value) {
	switch kind := v.Kind(); {
	case kind == reflect.String:
		v.SetString(hostile)
	case kind == reflect.Bool:
		v.SetBool(true)
	case v.CanInt():
		v.SetInt(42)
	case kind == reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem())
	case kind == reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			fill(v.Index(i))
		}
	case kind == reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(time.Date(2026, 11, 21, 23, 30, 0, 0, time.UTC)))
			return
		}
		for i := range v.NumField() {
			fill(v.Field(i))
		}
	}
}

// types of fields, of which a filled one would have none.
var types = []string{"text", "password", "checkbox", "hidden", "select", "textarea", "date"}

// TestEveryPage: each one renders with nothing and with everything in it, well-formed, and lets no text out of its place.
func TestEveryPage(t *testing.T) {
	t.Parallel()
	pages, err := web.New(time.FixedZone("Hostile/Zone", 3600))
	if err != nil {
		t.Fatal(err)
	}
	for _, body := range bodies() {
		name := reflect.TypeOf(body).Name()
		check(t, name+" without anything", pages.Render(web.Page{Body: body}))
		full := reflect.New(reflect.TypeOf(body)).Elem()
		fill(full)
		setTypes(full, 0)
		page := web.Page{Title: hostile, User: hostile, Admin: true, Section: "/users", Message: hostile, Body: full.Interface().(web.Body)}
		text := pages.Render(page)
		check(t, name+" with everything", text)
		if !bytes.Contains(text, []byte("&lt;script&gt;")) || bytes.Contains(text, []byte("<script>")) || bytes.Contains(text, []byte("<b>")) {
			t.Errorf("%s: the text is not escaped:\n%s", name, text)
		}
	}
	for _, kind := range types {
		form := web.Form{Action: "/x", Fields: []web.Field{{Name: "n", Type: kind, Label: "L", Error: "wrong", Hint: "right", Options: []web.Option{{Value: "a", Selected: true}}}}}
		check(t, "a field of type "+kind, pages.Render(web.Page{Body: web.FormPage{Form: form}}))
	}
}

// setTypes gives the fields of forms types that exist.
func setTypes(v reflect.Value, n int) {
	if v.Kind() == reflect.Pointer {
		setTypes(v.Elem(), n)
	}
	if v.Kind() == reflect.Slice {
		for i := range v.Len() {
			setTypes(v.Index(i), n+i)
		}
	}
	if v.Kind() == reflect.Struct {
		if f, ok := v.Interface().(web.Field); ok {
			f.Type, f.Name = types[n%len(types)], "field"+string(rune('a'+n))
			v.Set(reflect.ValueOf(f))
			return
		}
		if v.Type() == reflect.TypeFor[time.Time]() {
			return
		}
		for i := range v.NumField() {
			setTypes(v.Field(i), n+10*i)
		}
	}
}

// module is how a page has a script: as a file of ours. In its place there is nothing.
var module = regexp.MustCompile(`^<script type="module" src="/static/[a-z]+-[0-9a-f]{16}\.js">$`)

// check fails the test when the page is not well-formed, or has what a strict policy forbids.
func check(t *testing.T, what string, text []byte) {
	t.Helper()
	if !bytes.HasPrefix(text, []byte("<!DOCTYPE html>\n")) || bytes.Contains(text, []byte("ZgotmplZ")) {
		t.Errorf("%s:\n%s", what, text)
	}
	void := map[string]bool{"meta": true, "link": true, "input": true, "br": true, "hr": true, "img": true}
	var open []string
	ids := map[string]bool{}
	z := html.NewTokenizer(bytes.NewReader(text))
	for {
		kind := z.Next()
		if kind == html.ErrorToken {
			break
		}
		token := z.Token()
		if kind == html.StartTagToken {
			if token.Data == "style" || token.Data == "script" && !module.MatchString(token.String()) {
				t.Errorf("%s has %s", what, token)
			}
			for _, a := range token.Attr {
				if a.Key == "style" || strings.HasPrefix(a.Key, "on") || strings.HasPrefix(a.Val, "javascript:") {
					t.Errorf("%s: <%s %s=%q>", what, token.Data, a.Key, a.Val)
				}
				if a.Key == "id" && ids[a.Val] {
					t.Errorf("%s has the id %s twice", what, a.Val)
				}
				if a.Key == "id" {
					ids[a.Val] = true
				}
			}
			if !void[token.Data] {
				open = append(open, token.Data)
			}
		}
		if kind == html.TextToken && len(open) > 0 && open[len(open)-1] == "script" {
			t.Errorf("%s has a script in it: %s", what, token.Data)
		}
		if kind == html.EndTagToken {
			if len(open) == 0 || open[len(open)-1] != token.Data {
				t.Errorf("%s: </%s> closes %v\n%s", what, token.Data, open, text)
				return
			}
			open = open[:len(open)-1]
		}
	}
	if len(open) > 0 {
		t.Errorf("%s leaves open: %v", what, open)
	}
	for _, reference := range references(text) {
		if !ids[reference] {
			t.Errorf("%s refers to the id %q, which is not there", what, reference)
		}
	}
}

// references are the ids that labels and descriptions name.
func references(text []byte) []string {
	var names []string
	z := html.NewTokenizer(bytes.NewReader(text))
	for z.Next() != html.ErrorToken {
		for _, a := range z.Token().Attr {
			if a.Key == "for" || a.Key == "aria-describedby" || a.Key == "aria-labelledby" {
				names = append(names, strings.Fields(a.Val)...)
			}
		}
	}
	return names
}

func TestFiles(t *testing.T) {
	t.Parallel()
	pages, err := web.New(time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	text := string(pages.Render(web.Page{Body: web.Notice{}}))
	_, rest, _ := strings.Cut(text, `<link rel="stylesheet" href="`+web.StaticPath)
	name, _, _ := strings.Cut(rest, `"`)
	f, ok := pages.File(name)
	if !ok || !strings.HasPrefix(f.Type, "text/css") || len(f.Content) == 0 || !strings.Contains(name, strings.Trim(f.ETag, `"`)) {
		t.Errorf("the page has the style %q, which is %v %v", name, ok, f.Type)
	}
	for _, name := range []string{"", "style.css", "../web.go", "style-0.css"} {
		if _, ok := pages.File(name); ok {
			t.Errorf("there is a file %q", name)
		}
	}
}

// TestZone: the foot of a page names the zone of its times, and never as "Local".
func TestZone(t *testing.T) {
	t.Parallel()
	vienna, err := time.LoadLocation("Europe/Vienna")
	if err != nil {
		t.Fatal(err)
	}
	etc, err := time.LoadLocation("Etc/UTC")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		zone *time.Location
		want string
	}{
		{time.UTC, "Times are in UTC."},
		{etc, "Times are in UTC."},
		{vienna, "Times are in Europe/Vienna."},
		{time.FixedZone("", 0), "Times are in UTC."},
		{time.Local, "Times are in the server&#39;s time zone."},
	} {
		pages, err := web.New(c.zone)
		if err != nil {
			t.Fatal(err)
		}
		if text := string(pages.Render(web.Page{User: "marta", Body: web.Notice{}})); !strings.Contains(text, c.want) {
			t.Errorf("%s: no %q in\n%s", c.zone, c.want, text)
		}
	}
}

func TestPaths(t *testing.T) {
	t.Parallel()
	for got, want := range map[string]string{
		web.UserPath("Marta Pérez"): "/users/Marta%20P%C3%A9rez", web.UserPath("a?b#c%d"): "/users/a%3Fb%23c%25d", web.GroupPath("x&y"): "/groups/x&y",
		web.CallPath(77): "/calls/77", web.Clock(3723): "1:02:03", web.Clock(-61): "−0:01:01", web.Clock(0): "0:00:00",
	} {
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func ExamplePages_Render() {
	pages, err := web.New(time.UTC)
	if err != nil {
		return
	}
	_ = pages.Render(web.Page{Title: "Not found", Body: web.Notice{Text: "There is no such page."}})
	// Output:
}
