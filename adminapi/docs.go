package adminapi

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"html/template"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

//go:embed docs.html
var docsTemplate string

//go:embed docs.css
var docsStyle string

// description is the API's document and its page, as both are sent.
type description struct {
	json  cached
	page  string // with placeholder where the server's address belongs
	style cached
}

// placeholder is where the server's address belongs in the page.
const placeholder = "https://server.invalid"

func (a *api) newDescription() (description, error) {
	var served []Route
	for _, r := range Routes() {
		if r.needs == nil || r.needs(a.Deps) {
			served = append(served, r)
		}
	}
	d, err := describe(served, strings.TrimSuffix(a.PublicURL, "/"))
	if err != nil {
		return description{}, err
	}
	text, err := json.Marshal(d.OpenAPI)
	if err != nil {
		return description{}, err
	}
	page, err := d.page()
	return description{newCached(plainJSON(string(text)) + "\n"), page, newCached(docsStyle)}, err
}

var plainHost = regexp.MustCompile(`^[A-Za-z0-9.:\[\]-]+$`)

// docs shows the page, with the address under which it was asked for in its examples.
func docs(r *request) error {
	d, err := r.api.described()
	if err != nil {
		return err
	}
	server := strings.TrimSuffix(r.api.PublicURL, "/")
	if server == "" {
		host, scheme := r.Request.Host, "http"
		if !plainHost.MatchString(host) {
			host = "localhost"
		}
		if r.secure() {
			scheme = "https"
		}
		server = scheme + "://" + host
	}
	r.answerCached(typeHTML+"; charset=utf-8", newCached(strings.ReplaceAll(d.page, placeholder, template.HTMLEscapeString(server))))
	return nil
}

func docsStyleSheet(r *request) error {
	d, err := r.api.described()
	if err == nil {
		r.answerCached("text/css; charset=utf-8", d.style)
	}
	return err
}

// What the page is made of.
type (
	docsView struct {
		Title, Version string
		Sections       []docsSection
		Groups         []docsGroup
		Security       []docsField
		Refusals       []docsAnswer
		Schemas        []docsSchema
	}
	docsGroup struct {
		Name, About string
		Routes      []docsRoute
	}
	docsRoute struct {
		ID, Method, Path, Does string
		About                  []string
		Parameters             []docsField
		Body                   *docsBody
		Answers, Refusals      []docsAnswer
		Curl                   string
	}
	docsField struct {
		Name, Kind, About string
		Link              string // of the schema
		Required          bool
	}
	docsBody struct {
		Kinds, Schema, Link, Example string
		Fields                       []docsField
	}
	docsAnswer struct {
		Name          string // of a refusal
		Status, About string
		Headers       string
		Bodies        []docsBody
	}
	docsSchema struct {
		Name, About string
		Fields      []docsField
	}
)

// page renders the document for people.
func (d *document) page() (string, error) {
	t, err := template.New("docs").Funcs(template.FuncMap{"lower": strings.ToLower, "prose": prose}).Parse(docsTemplate)
	if err != nil {
		return "", err
	}
	view := docsView{Title: d.Info.Title, Version: d.Info.Version, Sections: sections()}
	for _, name := range slices.Sorted(maps.Keys(d.Components.SecuritySchemes)) {
		view.Security = append(view.Security, docsField{Name: name, About: d.Components.SecuritySchemes[name].Description})
	}
	for _, tag := range d.Tags {
		g := docsGroup{Name: tag.Name, About: tag.Description}
		for _, o := range d.operations {
			if o.Tags[0] == tag.Name {
				g.Routes = append(g.Routes, d.route(o))
			}
		}
		if len(g.Routes) > 0 {
			view.Groups = append(view.Groups, g)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(d.Components.Responses)) {
		view.Refusals = append(view.Refusals, d.shownAnswer(name, name[len(name)-3:], d.Components.Responses[name]))
	}
	registry := d.Components.Schemas
	for _, name := range slices.Sorted(maps.Keys(registry.Map())) {
		view.Schemas = append(view.Schemas, docsSchema{Name: name, About: schemas()[name], Fields: d.fields(name)})
	}
	var b bytes.Buffer
	err = t.Execute(&b, view)
	return b.String(), err
}

// prose is text with words of code in it, between backticks as CommonMark has them.
func prose(s string) template.HTML {
	var b strings.Builder
	for i, part := range strings.Split(s, "`") {
		if part = template.HTMLEscapeString(part); i%2 == 1 {
			part = "<code>" + part + "</code>"
		}
		b.WriteString(part)
	}
	return template.HTML(b.String()) //nolint:gosec // escaped, and ours
}

func (d *document) route(o *huma.Operation) docsRoute {
	shown := docsRoute{ID: o.OperationID, Method: o.Method, Path: o.Path, Does: o.Summary, About: strings.Split(o.Description, "\n\n"), Curl: d.curl(o)}
	for _, p := range o.Parameters {
		p = d.parameter(p)
		kind, _ := d.kind(p.Schema)
		shown.Parameters = append(shown.Parameters, docsField{Name: p.Name, Kind: kind + ", in the " + p.In, About: p.Description, Required: p.Required})
	}
	if o.RequestBody != nil {
		bodies := d.bodies(o.RequestBody.Content)
		shown.Body = &bodies[0]
		shown.Body.Kinds = strings.Join(slices.Sorted(maps.Keys(o.RequestBody.Content)), " or ")
	}
	for _, status := range slices.Sorted(maps.Keys(o.Responses)) {
		if response := o.Responses[status]; response.Ref != "" {
			shown.Refusals = append(shown.Refusals, docsAnswer{Name: response.Ref[strings.LastIndex(response.Ref, "/")+1:], Status: status})
		} else {
			shown.Answers = append(shown.Answers, d.shownAnswer("", status, response))
		}
	}
	return shown
}

func (d *document) shownAnswer(name, status string, response *huma.Response) docsAnswer {
	n, _ := strconv.Atoi(status)
	names := slices.DeleteFunc(slices.Sorted(maps.Keys(response.Headers)), func(name string) bool { return name == "X-Request-Id" })
	return docsAnswer{
		Name: name, Status: status + " " + http.StatusText(n), About: response.Description, Headers: strings.Join(names, ", "), Bodies: d.bodies(response.Content),
	}
}

func (d *document) parameter(p *huma.Param) *huma.Param {
	if p.Ref == "" {
		return p
	}
	return d.Components.Parameters[p.Ref[strings.LastIndex(p.Ref, "/")+1:]]
}

// bodies are those of each media type, in order.
func (d *document) bodies(content map[string]*huma.MediaType) []docsBody {
	var bodies []docsBody
	for _, contentType := range slices.Sorted(maps.Keys(content)) {
		schema := content[contentType].Schema
		body := docsBody{Kinds: contentType}
		body.Schema, body.Link = d.kind(schema)
		if strings.HasSuffix(contentType, "json") {
			if body.Example = indented(content[contentType].Example); content[contentType].Example == nil {
				body.Example = indented(d.example(schema))
			}
		}
		if text, ok := content[contentType].Example.(string); ok && contentType == typeCSV {
			body.Example = text
		}
		if schema.Ref != "" {
			body.Fields = d.fields(refName(schema))
		}
		bodies = append(bodies, body)
	}
	return bodies
}

func refName(s *huma.Schema) string { return s.Ref[strings.LastIndex(s.Ref, "/")+1:] }

func indented(v any) string {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(v); err != nil {
		panic(err) // examples of ours
	}
	return strings.TrimSpace(b.String())
}

func (d *document) fields(schema string) []docsField {
	s := d.Components.Schemas.Map()[schema]
	var fields []docsField
	for _, name := range d.order[schema] {
		p := s.Properties[name]
		kind, link := d.kind(p)
		fields = append(fields, docsField{Name: name, Kind: kind, Link: link, About: p.Description, Required: slices.Contains(s.Required, name)})
	}
	return fields
}

// kind is a schema in a few words, and the name of the one it refers to, if any.
func (d *document) kind(s *huma.Schema) (words, link string) {
	switch {
	case s.Ref != "":
		return refName(s), refName(s)
	case len(s.AnyOf) > 0:
		var all []string
		for _, each := range s.AnyOf {
			one, of := d.kind(each)
			all = append(all, one)
			if link == "" {
				link = of
			}
		}
		return strings.Join(all, " or "), link
	case s.Type == huma.TypeArray:
		of, link := d.kind(s.Items)
		return "list of " + of, link
	case s.Type == "":
		return "any", ""
	}
	words = s.Type
	if len(s.Enum) > 0 {
		var values []string
		for _, v := range s.Enum {
			values = append(values, indented(v))
		}
		return strings.Join(values, ", "), ""
	}
	if s.Format == "date-time" {
		words = "time"
	}
	if s.Nullable {
		words += " or null"
	}
	bound := func(name string, value *float64) {
		if value != nil {
			words += ", " + name + " " + strconv.FormatFloat(*value, 'f', -1, 64)
		}
	}
	bound("at least", s.Minimum)
	bound("at most", s.Maximum)
	bound("more than", s.ExclusiveMinimum)
	return words, ""
}

// curl is a line for a shell that asks for an operation.
func (d *document) curl(o *huma.Operation) string {
	quoted := func(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
	path, words := o.Path, []string{"curl"}
	for _, p := range o.Parameters {
		switch p = d.parameter(p); {
		case p.In == "path":
			value := exampleText(p.Schema.Examples[0])
			if p.Name != "file" { // which may be in folders
				value = url.PathEscape(value)
			}
			path = strings.ReplaceAll(path, "{"+p.Name+"}", value)
		case p.Name == "If-Match": // of a version that nobody has read yet
		case p.In == "header":
			words = append(words, "-H", quoted(p.Name+": "+exampleText(p.Schema.Examples[0])))
		case p.Name == "imsi", p.Required: // what a question needs
			sign := "?"
			if strings.Contains(path, sign) {
				sign = "&"
			}
			path += sign + p.Name + "=" + exampleText(p.Schema.Examples[0])
		}
	}
	if o.Method != http.MethodGet && (o.RequestBody == nil || o.Method != http.MethodPost) {
		words = append(words, "-X", o.Method)
	}
	switch way := slices.Concat(slices.Collect(keysOf(o.Security))...); {
	case slices.Contains(way, byToken):
		words = append(words, "-H", `"Authorization: Bearer $TOKEN"`)
	case slices.Contains(way, bySession), o.Method == http.MethodPost && o.Path == "/logout":
		words = append(words, "-b", "cookies")
	}
	switch {
	case o.RequestBody == nil:
	case o.RequestBody.Content[typeCSV] != nil:
		words = append(words, "-H", quoted("Content-Type: "+typeCSV), "-d", quoted(exampleText(o.RequestBody.Content[typeCSV].Example)))
	default:
		if strings.HasSuffix(o.Path, "/login") {
			words = append(words, "-c", "cookies")
		}
		body, err := json.Marshal(d.example(o.RequestBody.Content[typeJSON].Schema))
		if err != nil {
			panic(err) // examples of ours
		}
		words = append(words, "-H", quoted("Content-Type: "+typeJSON), "-d", quoted(plainJSON(string(body))))
	}
	return strings.Join(append(words, quoted(placeholder+path)), " ")
}

func keysOf(security []map[string][]string) func(func([]string) bool) {
	return func(yield func([]string) bool) {
		for _, way := range security {
			if !yield(slices.Collect(maps.Keys(way))) {
				return
			}
		}
	}
}

// exampleText is an example as it stands in a path or a header.
func exampleText(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	return indented(v)
}
