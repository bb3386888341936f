package adminapi

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"talktime/models"
	"talktime/money"
	"talktime/stats"
)

// apiVersion is that of the API, not of the program. What breaks a client raises its first number.
const apiVersion = "1.0.0"

// Types of what is sent.
const (
	typeJSON    = "application/json"
	typeProblem = "application/problem+json"
	typeHTML    = "text/html"
	typeText    = "text/plain"
	typeForm    = "application/x-www-form-urlencoded"
	typeScript  = "application/javascript"
	typeCSV     = "text/csv"
)

// operation says of a route what its line in Routes does not.
type operation struct {
	tag      string
	about    string         // what one line cannot say
	query    []string       // names of parameters, beside those of the path
	body     any            // what is sent: a value of its type
	form     bool           // it may be a form, too
	csv      string         // an example of the text that is sent in place of JSON; empty: none is
	answers  map[int]answer // but for refusals
	refusals []int          // beside those that follow from the route
	also     Scope          // that a token needs beside the route's
}

// answer is what is sent back: for each media type a value of what is in it, nil for text.
type answer struct {
	about   string
	content map[string]any
	headers []string // names, beside those of all answers
}

// document is the OpenAPI document, with what it is shown from.
type document struct {
	*huma.OpenAPI

	operations []*huma.Operation   // in the order of Routes
	order      map[string][]string // of the properties of each schema
}

// cached is an answer that stays the same as long as the server runs.
type cached struct{ body, tag string }

func newCached(body string) cached {
	sum := sha256.Sum256([]byte(body))
	return cached{body, `"` + hex.EncodeToString(sum[:16]) + `"`}
}

// answerCached answers with the body, or with nothing to whoever has it already.
func (r *request) answerCached(contentType string, c cached) {
	r.Header("Cache-Control", "no-cache") // ask each time, and be told that it is the same
	r.Header("ETag", c.tag)
	for tag := range strings.SplitSeq(r.GetHeader("If-None-Match"), ",") {
		if tag = strings.TrimSpace(tag); tag == "*" || strings.TrimPrefix(tag, "W/") == c.tag {
			r.Status(http.StatusNotModified)
			return
		}
	}
	r.Data(http.StatusOK, contentType, []byte(c.body))
}

func openAPI(r *request) error {
	d, err := r.api.described()
	if err == nil {
		r.answerCached(typeJSON, d.json)
	}
	return err
}

// describe makes the document of those routes that are served.
func describe(routes []Route, server string) (*document, error) {
	if server == "" {
		server = "/"
	}
	namer := func(t reflect.Type, _ string) string { return schemaName(t) }
	d := &document{order: map[string][]string{}, OpenAPI: &huma.OpenAPI{
		OpenAPI: "3.1.0",
		Info:    &huma.Info{Title: "Talktime", Version: apiVersion, Description: introduction()},
		Servers: []*huma.Server{{URL: server}},
		Components: &huma.Components{
			Schemas: huma.NewMapRegistry("#/components/schemas/", namer), Responses: map[string]*huma.Response{},
			Parameters: parameters(), Headers: headers(), SecuritySchemes: securitySchemes(),
		},
	}}
	registry := d.Components.Schemas
	registry.RegisterTypeAlias(reflect.TypeFor[money.Amount](), reflect.TypeFor[amountSchema]())
	registry.RegisterTypeAlias(reflect.TypeFor[stats.Hundredths](), reflect.TypeFor[float64]())
	registry.RegisterTypeAlias(reflect.TypeFor[refill](), reflect.TypeFor[refillSchema]())
	for _, t := range tags() {
		d.Tags = append(d.Tags, &huma.Tag{Name: t[0], Description: t[1]})
	}
	for _, name := range []string{kindMessage, kindProblem} {
		for status, about := range refusals() {
			d.Components.Responses[refusalName(name, status)] = d.refusal(name, status, about)
		}
	}
	all := operations()
	for _, route := range routes {
		op, ok := all[route.Method+" "+route.Path]
		if !ok {
			return nil, fmt.Errorf("%s %s is in no row of operations()", route.Method, route.Path)
		}
		d.add(route, op)
	}
	d.complete()
	return d, nil
}

// schemaName is what a type is called in the document.
func schemaName(t reflect.Type) string {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	name := t.Name()
	if name == "" {
		return "" // a list or the like
	}
	if inner, ok := strings.CutPrefix(name, "envelope["); ok {
		inner = strings.TrimSuffix(inner[strings.LastIndex(inner, ".")+1:], "]")
		return nameOf(inner) + "List"
	}
	return nameOf(name)
}

func nameOf(name string) string {
	if other := map[string]string{
		"stringsJSON": "HistoricEntry", "cdrJSON": "PlainCDR", "fullCDRJSON": "CDR", "postedJSON": "PostedEntry", "nameJSON": "UserName",
		"auditJSON": "AuditLine", "loginJSON": "LoggedIn", "ledgerJSON": "LedgerEntry", "explainJSON": "Explanation", "validationJSON": "FieldErrors",
		"Explanation": "ExplainedPrice", "ShownCarrier": "Carrier", "ShownBatch": "Batch", "ShownRoute": "Route", "ShownLimits": "Limits", "ShownGroupLimits": "GroupLimits", "ShownUserLimits": "UserLimits", "ShownShared": "SharedLimit", "Choice": "CarrierChoice",
	}[name]; other != "" {
		return other
	}
	name = strings.TrimSuffix(name, "JSON")
	return strings.ToUpper(name[:1]) + name[1:]
}

// amountSchema is how amounts of money are written.
type amountSchema struct{}

// Schema implements huma.SchemaProvider.
func (amountSchema) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeString, Pattern: `^-?[0-9]+(\.[0-9]{1,6})?$`}
}

// refillSchema is how what a group is refilled with is shown.
type refillSchema struct{}

// Schema implements huma.SchemaProvider.
func (refillSchema) Schema(r huma.Registry) *huma.Schema {
	return &huma.Schema{AnyOf: []*huma.Schema{{Type: huma.TypeInteger}, amountSchema{}.Schema(r)}}
}

var pathParameter = regexp.MustCompile(`[:*]([a-z]+)`)

// add puts a route into the document.
func (d *document) add(route Route, op operation) {
	o := &huma.Operation{
		Method: route.Method, Path: pathParameter.ReplaceAllString(route.Path, "{$1}"), Tags: []string{op.tag},
		Summary: route.Does, Description: strings.TrimSpace(mayUse(route.Access, op.also) + "\n\n" + op.about),
		OperationID: operationID(route), Security: security(route.Access, op.also), Responses: map[string]*huma.Response{},
	}
	for _, found := range pathParameter.FindAllStringSubmatch(route.Path, -1) {
		o.Parameters = append(o.Parameters, &huma.Param{Ref: "#/components/parameters/path-" + found[1]})
	}
	for _, name := range op.query {
		o.Parameters = append(o.Parameters, &huma.Param{Ref: "#/components/parameters/" + name})
	}
	if op.body != nil {
		schema := d.schema(op.body)
		o.RequestBody = &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{typeJSON: {Schema: schema}}}
		if op.form {
			o.RequestBody.Content[typeForm] = &huma.MediaType{Schema: schema}
		}
	}
	if op.csv != "" {
		text := &huma.MediaType{Schema: &huma.Schema{Type: huma.TypeString}, Example: op.csv}
		o.RequestBody = &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{typeCSV: text}}
	}
	for status, a := range op.answers {
		o.Responses[strconv.Itoa(status)] = d.answer(a)
	}
	kind := kindProblem
	if route.Kept {
		kind = kindMessage
	}
	for _, status := range route.refusals(op) {
		if name := strconv.Itoa(status); o.Responses[name] == nil {
			o.Responses[name] = &huma.Response{Ref: "#/components/responses/" + refusalName(kind, status)}
		}
	}
	if op.tag == tagSession { // people are shown a page
		for _, status := range route.refusals(op) {
			shown := d.refusal(kind, status, refusals()[status])
			shown.Content[typeHTML] = &huma.MediaType{Schema: &huma.Schema{Type: huma.TypeString}}
			o.Responses[strconv.Itoa(status)] = shown
		}
	}
	d.AddOperation(o)
	d.operations = append(d.operations, o)
}

// refusals are the statuses of a route's refusals: those that follow from who may use it and what it takes, and others.
func (route Route) refusals(op operation) []int {
	// Whoever shows a token that is none is refused everywhere, and whoever shows one needs the database.
	statuses := append([]int{http.StatusUnauthorized, http.StatusServiceUnavailable}, op.refusals...)
	unsafe := route.Method != http.MethodGet
	if !route.Access.Blind { // there the query of the address must be one that can be read
		statuses = append(statuses, http.StatusBadRequest)
	}
	if !route.Access.Blind || unsafe { // a token that is bound to an account is refused where everybody else is let in
		statuses = append(statuses, http.StatusForbidden)
	}
	if op.body != nil || op.csv != "" {
		statuses = append(statuses, http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType)
	}
	if pathParameter.MatchString(route.Path) {
		statuses = append(statuses, http.StatusNotFound)
	}
	if slices.Contains(op.query, "q") {
		statuses = append(statuses, http.StatusBadRequest, http.StatusNotFound)
	}
	return statuses
}

// operationID is what programs that are made from the document call a route.
func operationID(route Route) string {
	words := strings.FieldsFunc(strings.ToLower(route.Method)+" "+route.Path, func(c rune) bool { return strings.ContainsRune("/:*._ ", c) })
	return strings.Join(words, "-")
}

// mayUse says who may use a route.
func mayUse(a Access, also Scope) string {
	var names []string
	switch {
	case a.InPath:
		return "For whoever shows the setting API_TOKEN, or a token with the scope " + string(a.Scope) + " that is bound to no account: in the path, or with `-` there as `Authorization: Bearer`."
	case a.Open:
		return "For everybody."
	case a.Login:
		names = append(names, "everybody who is logged in")
	default:
		names = append(names, "administrators")
	}
	if a.Self {
		names = append(names, "the user himself")
	}
	if a.Scope != "" {
		name := "tokens with the scope " + string(a.Scope)
		if also != "" {
			name = "tokens with the scopes " + string(a.Scope) + " and " + string(also)
		}
		names = append(names, name)
	}
	if a.Near {
		names = append(names, "whoever asks from the server's own machine or from where Asterisk may call")
	}
	who := "For " + strings.Join(names, ", ") + "."
	if a.Owned {
		who += " A token that is bound to an account is shown only what is that account's."
	}
	return who
}

// Names of security schemes.
const (
	bySession  = "session"
	byToken    = "token"
	byPassword = "password"
)

func securitySchemes() map[string]*huma.SecurityScheme {
	return map[string]*huma.SecurityScheme{
		bySession:  {Type: "apiKey", In: "cookie", Name: cookieName, Description: fmt.Sprintf("What POST /login sets. It lasts %d hours.", int(sessionLife.Hours()))},
		byToken:    {Type: "http", Scheme: "bearer", Description: "A token of a program, from POST /api/tokens or admin token add. No scope implies another."},
		byPassword: {Type: "http", Scheme: "basic", Description: "A person's name and password with each request, on the routes that say so."},
	}
}

func security(a Access, also Scope) []map[string][]string {
	ways := []map[string][]string{}
	if a.Open || a.Near {
		ways = append(ways, map[string][]string{})
	}
	if !a.Open {
		ways = append(ways, map[string][]string{bySession: {}})
	}
	if a.Scope != "" {
		scopes := []string{string(a.Scope)}
		if also != "" {
			scopes = append(scopes, string(also))
		}
		ways = append(ways, map[string][]string{byToken: scopes})
	}
	if a.Basic {
		ways = append(ways, map[string][]string{byPassword: {}})
	}
	return ways
}

// schema is that of a value's type, or of any of several.
func (d *document) schema(value any) *huma.Schema {
	if several, ok := value.(anyOf); ok {
		s := &huma.Schema{}
		for _, each := range several {
			s.AnyOf = append(s.AnyOf, d.schema(each))
		}
		return s
	}
	if value == nil {
		return &huma.Schema{Type: huma.TypeString}
	}
	return d.Components.Schemas.Schema(reflect.TypeOf(value), true, "")
}

// anyOf are values of types of which a body has one.
type anyOf []any

func (d *document) answer(a answer) *huma.Response {
	response := &huma.Response{Description: a.about, Headers: map[string]*huma.Param{}, Content: map[string]*huma.MediaType{}}
	for _, name := range append([]string{"X-Request-Id"}, a.headers...) {
		response.Headers[name] = &huma.Param{Ref: "#/components/headers/" + name}
	}
	for contentType, value := range a.content {
		response.Content[contentType] = &huma.MediaType{Schema: d.schema(value)}
	}
	return response
}

// Kinds of refusals: as the original wrote them, and as RFC 9457 says.
const (
	kindMessage = "Message"
	kindProblem = "Problem"
)

func refusalName(kind string, status int) string { return kind + strconv.Itoa(status) }

func (d *document) refusal(kind string, status int, about string) *huma.Response {
	a := answer{about: about, content: map[string]any{typeProblem: problemJSON{}}}
	if kind == kindMessage {
		a.content = map[string]any{typeJSON: messageJSON{}}
		switch status {
		case http.StatusBadRequest:
			a.content[typeJSON] = anyOf{messageJSON{}, validationJSON{}}
		case http.StatusNotFound:
			a.content[typeJSON] = anyOf{nothing{}, messageJSON{}}
		}
	}
	switch status {
	case http.StatusUnauthorized:
		a.headers = []string{"WWW-Authenticate"}
	case http.StatusMethodNotAllowed:
		a.headers = []string{"Allow"}
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		a.headers = []string{"Retry-After"}
	}
	shown := d.answer(a)
	message, title := refusalExamples()[status], http.StatusText(status)
	if shown.Content[typeProblem] != nil {
		shown.Content[typeProblem].Example = problemJSON{title, status, message, message, "ZQ2XHTVZ3JWOVGDBEM5WGGJQKN"}
	} else if status == http.StatusNotFound {
		shown.Content[typeJSON].Example = nothing{}
	} else {
		shown.Content[typeJSON].Example = messageJSON{Message: message}
	}
	return shown
}

// nothing is an object without properties.
type nothing struct{}

// complete makes the schemas as exact as the encoder is, and adds what people want to know of each property.
func (d *document) complete() {
	registry := d.Components.Schemas
	defer d.exemplify()
	for {
		names := slices.Sorted(maps.Keys(registry.Map()))
		names = slices.DeleteFunc(names, func(name string) bool { return d.order[name] != nil })
		if len(names) == 0 {
			return
		}
		for _, name := range names {
			d.completeSchema(name, registry.Map()[name], registry.TypeFromRef("#/components/schemas/"+name))
		}
	}
}

// exemplify shows a body for each operation that takes one.
func (d *document) exemplify() {
	for _, o := range d.operations {
		if o.RequestBody == nil {
			continue
		}
		if sent := o.RequestBody.Content[typeJSON]; sent != nil {
			sent.Example = d.example(sent.Schema)
		}
	}
}

func (d *document) completeSchema(name string, schema *huma.Schema, t reflect.Type) {
	order, required := []string{}, []string{}
	for _, f := range reflect.VisibleFields(t) {
		property, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Anonymous || property == "" || property == "-" {
			continue
		}
		p := schema.Properties[property]
		if p == nil { // of an embedded type, which huma leaves out when its name is ours alone
			p = huma.SchemaFromField(d.Components.Schemas, f, "")
			schema.Properties[property] = p
		}
		p.Nullable = p.Nullable && p.Type != huma.TypeArray // none of our lists is null
		optional := strings.Contains(options, "omit")
		if p.Ref != "" && f.Type.Kind() == reflect.Pointer && !optional {
			p = &huma.Schema{AnyOf: []*huma.Schema{{Ref: p.Ref}, {Type: "null"}}}
			schema.Properties[property] = p
		}
		explain(name, property, p)
		order = append(order, property)
		if !optional && f.Tag.Get("required") != "false" {
			required = append(required, property)
		}
	}
	schema.Required, schema.Description = required, schemas()[name]
	d.order[name] = order
}

// explain adds to a property what the glossary knows of it.
func explain(schema, property string, p *huma.Schema) {
	all := glossary()
	w, ok := all[schema+"."+property]
	if !ok {
		w = all[property]
	}
	if p.Description == "" {
		p.Description = w.about
	}
	if w.example != nil && len(p.Examples) == 0 {
		p.Examples = []any{w.example}
	}
	if w.pattern != "" {
		p.Pattern = w.pattern
	}
	values := p
	if p.Type == huma.TypeArray {
		values = p.Items
	}
	if len(values.Enum) == 0 {
		values.Enum = w.among
	}
}

// example is a value of a schema.
func (d *document) example(s *huma.Schema) any {
	switch {
	case s.Ref != "":
		name := s.Ref[strings.LastIndex(s.Ref, "/")+1:]
		target := d.Components.Schemas.Map()[name]
		object := newOrdered()
		for _, property := range d.order[name] {
			p := target.Properties[property]
			if (len(p.Examples) == 0 || seldom()[name+"."+property]) && !slices.Contains(target.Required, property) {
				continue
			}
			object.set(property, d.example(p))
		}
		return object
	case len(s.Examples) > 0:
		return s.Examples[0]
	case len(s.Enum) > 0:
		return s.Enum[0]
	case len(s.AnyOf) > 0:
		return d.example(s.AnyOf[0])
	case s.Type == huma.TypeArray:
		return []any{d.example(s.Items)}
	case s.Type == huma.TypeInteger:
		return 1
	case s.Type == huma.TypeBoolean:
		return false
	case s.Type == huma.TypeObject:
		return map[string]any{}
	case s.Type == huma.TypeString:
		return "text"
	}
	return nil
}

// ordered is an object whose properties keep their order.
type ordered struct {
	names  []string
	values map[string]any
}

func newOrdered() *ordered { return &ordered{values: map[string]any{}} }

func (o *ordered) set(name string, value any) {
	o.names = append(o.names, name)
	o.values[name] = value
}

// MarshalJSON implements json.Marshaler.
func (o *ordered) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, name := range o.names {
		if i > 0 {
			b.WriteByte(',')
		}
		key, err := json.Marshal(name)
		if err != nil {
			return nil, err
		}
		value, err := json.Marshal(o.values[name])
		if err != nil {
			return nil, err
		}
		b.Write(key)
		b.WriteByte(':')
		b.Write(value)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// scopeNames are all scopes, as values of a property.
func scopeNames() []any {
	var names []any
	for _, s := range models.Scopes() {
		names = append(names, s)
	}
	return names
}
