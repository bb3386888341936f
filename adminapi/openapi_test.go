package adminapi_test

import (
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"talktime/adminapi"
	"talktime/store/storetest"
)

// TestEveryRouteIsDocumented, and nothing else is.
func TestEveryRouteIsDocumented(t *testing.T) {
	t.Parallel()
	s := newSite(t, storetest.SQLite(t))
	var served, shown []string
	for _, r := range adminapi.Routes() {
		served = append(served, r.Method+" "+r.Path)
	}
	slices.Sort(served)
	if got := adminapi.Documented(); !slices.Equal(got, served) {
		for _, what := range slices.Concat(got, served) {
			if slices.Contains(got, what) != slices.Contains(served, what) {
				t.Errorf("%s is in one of Routes and operations, not in both", what)
			}
		}
	}
	for _, o := range s.spec().operations() {
		shown = append(shown, o.route())
	}
	for i, what := range served { // the rest of a path is a parameter, too
		served[i] = strings.ReplaceAll(what, "*", ":")
	}
	slices.Sort(served)
	slices.Sort(shown)
	if !slices.Equal(shown, served) {
		t.Errorf("the document has\n%s\nthe routes are\n%s", shown, served)
	}

	// Where a service is missing, its routes are neither served nor documented.
	s.start(func(d *adminapi.Deps) { d.Tokens = nil })
	for _, o := range s.spec().operations() {
		if strings.HasPrefix(o.path, "/api/tokens") {
			t.Errorf("%s is documented, but not there", o.name())
		}
	}
}

// TestDocument: it is whole, its references lead somewhere, its examples are what they are examples of.
func TestDocument(t *testing.T) {
	t.Parallel()
	s := newSite(t, storetest.SQLite(t))
	d := s.spec()
	if d.root["openapi"] != "3.1.0" {
		t.Errorf("the version is %v", d.root["openapi"])
	}
	d.walk("#", d.root)
	ids := map[string]bool{}
	for _, o := range d.operations() {
		id, _ := o.node["operationId"].(string)
		if id == "" || ids[id] {
			t.Errorf("%s has the id %q, as another has or none", o.name(), id)
		}
		ids[id] = true
		if o.node["summary"] == "" || o.node["description"] == "" || len(o.statuses()) < 3 {
			t.Errorf("%s says too little", o.name())
		}
		var inPath []string
		for _, found := range regexp.MustCompile(`\{(\w+)\}`).FindAllStringSubmatch(o.path, -1) {
			inPath = append(inPath, found[1])
		}
		if got := o.parameters("path"); !slices.Equal(got, inPath) {
			t.Errorf("%s has the parameters %v", o.name(), got)
		}
	}
	words, used := map[string]bool{}, map[string]bool{}
	for _, w := range adminapi.Glossary() {
		words[w] = true
	}
	schemas := d.root["components"].(map[string]any)["schemas"].(map[string]any)
	if got, want := adminapi.SchemaWords(), slices.Sorted(maps.Keys(schemas)); !slices.Equal(got, want) {
		t.Errorf("described are\n%v\nof\n%v", got, want)
	}
	for name, schema := range schemas {
		schema := schema.(map[string]any)
		properties, _ := schema["properties"].(map[string]any)
		for property, p := range properties {
			if p.(map[string]any)["description"] == nil {
				t.Errorf("%s.%s is not described", name, property)
			}
			if words[name+"."+property] {
				used[name+"."+property] = true
			} else {
				used[property] = true
			}
		}
		if why := d.invalid(schema, d.example(schema)); why != "" {
			t.Errorf("the example of %s: %s", name, why)
		}
	}
	for w := range words {
		if !used[w] {
			t.Errorf("the glossary's %s is nowhere", w)
		}
	}
}

// walk follows all references, and holds all examples against their schemas.
func (d *spec) walk(at string, node any) {
	d.t.Helper()
	switch node := node.(type) {
	case []any:
		for i, each := range node {
			d.walk(fmt.Sprintf("%s/%d", at, i), each)
		}
	case map[string]any:
		if _, ok := node["$ref"].(string); ok {
			d.deref(node)
		}
		if examples, ok := node["examples"].([]any); ok {
			for _, e := range examples {
				if why := d.invalid(node, e); why != "" {
					d.t.Errorf("%s: the example %v: %s", at, e, why)
				}
			}
		}
		if e, ok := node["example"]; ok && node["schema"] != nil {
			if why := d.invalid(node["schema"].(map[string]any), e); why != "" {
				d.t.Errorf("%s: the example %v: %s", at, e, why)
			}
		}
		for name, each := range node {
			if name != "examples" {
				d.walk(at+"/"+name, each)
			}
		}
	}
}

// TestDocs: the page has every route, works under the strictest rules for browsers, and is sent once.
func TestDocs(t *testing.T) {
	t.Parallel()
	s := newSite(t, storetest.SQLite(t))
	page := s.anonymous().get("/docs").is(http.StatusOK)
	for _, o := range s.spec().operations() {
		if !strings.Contains(page.body, `<span class="method `+strings.ToLower(o.method)+`">`+o.method+`</span> <code>`+o.path+`</code>`) {
			t.Errorf("%s is not on the page", o.name())
		}
	}
	if !strings.Contains(page.body, `<a href="/">`) {
		t.Error("no link leads back")
	}
	if description := s.spec().root["info"].(map[string]any)["description"].(string); !strings.Contains(description, "no part of this description") {
		t.Error("the document does not say that it leaves the pages out")
	}
	if !strings.Contains(page.header.Get("Content-Security-Policy"), "default-src 'self'") {
		t.Error("browsers may do what they like with the page")
	}
	for _, form := range []string{`(?i)<script`, `(?i)<style`, `(?i) style=`, `(?i) on[a-z]+=`, `(src|href)="(https?:)?//`, `server\.invalid`, `<no value>`, `%!`} {
		if found := regexp.MustCompile(form).FindString(page.body); found != "" {
			t.Errorf("the page has %s", found)
		}
	}
	if n := strings.Count(page.body, "<pre><code>curl "); n != len(s.spec().operations()) {
		t.Errorf("%d lines for curl", n)
	}
	if !strings.Contains(page.body, "&#39;"+s.url+"/api/users&#39;") {
		t.Errorf("the lines for curl ask somebody else")
	}
	ids := map[string]bool{}
	for _, found := range regexp.MustCompile(` id="([^"]+)"`).FindAllStringSubmatch(page.body, -1) {
		if ids[found[1]] {
			t.Errorf("two elements have the id %s", found[1])
		}
		ids[found[1]] = true
	}
	for _, found := range regexp.MustCompile(` href="#([^"]+)"`).FindAllStringSubmatch(page.body, -1) {
		if !ids[found[1]] {
			t.Errorf("#%s leads nowhere", found[1])
		}
	}
	for path, contentType := range map[string]string{"/docs": "text/html; charset=utf-8", "/docs/style.css": "text/css; charset=utf-8", "/openapi.json": "application/json"} {
		a := s.anonymous().get(path).is(http.StatusOK)
		if got := a.header.Get("Content-Type"); got != contentType {
			t.Errorf("%s is %s", path, got)
		}
		again := s.anonymous()
		for _, tag := range []string{a.header.Get("ETag"), "W/" + a.header.Get("ETag"), `"x", ` + a.header.Get("ETag"), "*"} {
			again.header.Set("If-None-Match", tag)
			again.get(path).says(http.StatusNotModified, "")
		}
		again.header.Set("If-None-Match", `"x"`)
		again.get(path).is(http.StatusOK)
	}
	s.start(func(d *adminapi.Deps) { d.PublicURL = "https://talk.example/billing/" })
	if page := s.anonymous().get("/docs"); !strings.Contains(page.body, "&#39;https://talk.example/billing/api/users&#39;") {
		t.Error("the lines for curl do not ask where the server is known")
	}
	if server := s.spec().root["servers"].([]any)[0].(map[string]any)["url"]; server != "https://talk.example/billing" {
		t.Errorf("the document's server is %v", server)
	}
}
