package adminapi_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// spec is the document as clients read it. Nothing here knows the types behind it.
type spec struct {
	t    testing.TB
	root map[string]any
}

func (s *site) spec() *spec {
	s.t.Helper()
	d := &spec{t: s.t}
	s.anonymous().get("/openapi.json").is(200).into(&d.root)
	return d
}

// operations are all, in an order that is always the same.
func (d *spec) operations() []operation {
	var all []operation
	paths := d.root["paths"].(map[string]any)
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		item := paths[path].(map[string]any)
		for _, method := range slices.Sorted(maps.Keys(item)) {
			all = append(all, operation{d, strings.ToUpper(method), path, item[method].(map[string]any)})
		}
	}
	return all
}

// deref follows references.
func (d *spec) deref(node any) map[string]any {
	o, _ := node.(map[string]any)
	for range 10 {
		ref, ok := o["$ref"].(string)
		if !ok {
			return o
		}
		var at any = d.root
		for name := range strings.SplitSeq(strings.TrimPrefix(ref, "#/"), "/") {
			inner, _ := at.(map[string]any)
			at = inner[name]
		}
		if o, ok = at.(map[string]any); !ok {
			d.t.Fatalf("%s leads nowhere", ref)
		}
	}
	d.t.Fatal("references lead in circles")
	return nil
}

// keywords are those that invalid knows. Any other would go unchecked.
var keywords = []string{
	"$ref", "type", "description", "title", "format", "examples", "enum", "items", "properties", "required", "additionalProperties", "anyOf",
	"minimum", "maximum", "exclusiveMinimum", "minLength", "maxLength", "minItems", "maxItems", "pattern",
}

// invalid says why a value is not what a schema says; empty: it is.
func (d *spec) invalid(schema map[string]any, v any) string {
	for name := range schema {
		if !slices.Contains(keywords, name) {
			return "the schema has the unknown keyword " + name
		}
	}
	if _, ok := schema["$ref"]; ok {
		return d.invalid(d.deref(schema), v)
	}
	if among, ok := schema["anyOf"].([]any); ok {
		var whys []string
		for _, each := range among {
			why := d.invalid(each.(map[string]any), v)
			if why == "" {
				whys = nil
				break
			}
			whys = append(whys, why)
		}
		if len(whys) > 0 {
			return "none of: " + strings.Join(whys, " | ")
		}
	}
	if why := ofType(schema["type"], v); why != "" {
		return why
	}
	if among, ok := schema["enum"].([]any); ok && !slices.ContainsFunc(among, func(e any) bool { return reflect.DeepEqual(e, v) }) {
		return fmt.Sprintf("%v is none of %v", v, among)
	}
	switch v := v.(type) {
	case string:
		return invalidText(schema, v)
	case float64:
		return invalidNumber(schema, v)
	case []any:
		return d.invalidList(schema, v)
	case map[string]any:
		return d.invalidObject(schema, v)
	}
	return ""
}

func ofType(types, v any) string {
	if types == nil {
		return ""
	}
	list, ok := types.([]any)
	if !ok {
		list = []any{types}
	}
	for _, name := range list {
		right := false
		switch name {
		case "null":
			right = v == nil
		case "boolean":
			_, right = v.(bool)
		case "string":
			_, right = v.(string)
		case "array":
			_, right = v.([]any)
		case "object":
			_, right = v.(map[string]any)
		case "number", "integer":
			var n float64
			n, right = v.(float64)
			right = right && (name == "number" || n == math.Trunc(n))
		}
		if right {
			return ""
		}
	}
	return fmt.Sprintf("%v is no %v", v, types)
}

func invalidText(schema map[string]any, v string) string {
	if pattern, ok := schema["pattern"].(string); ok && !regexp.MustCompile(pattern).MatchString(v) {
		return fmt.Sprintf("%q does not match %s", v, pattern)
	}
	if least, ok := schema["minLength"].(float64); ok && utf8.RuneCountInString(v) < int(least) {
		return fmt.Sprintf("%q is too short", v)
	}
	if most, ok := schema["maxLength"].(float64); ok && utf8.RuneCountInString(v) > int(most) {
		return fmt.Sprintf("%q is too long", v)
	}
	if schema["format"] == "date-time" {
		if _, err := time.Parse(time.RFC3339, v); err != nil {
			return err.Error()
		}
	}
	return ""
}

func invalidNumber(schema map[string]any, v float64) string {
	if least, ok := schema["minimum"].(float64); ok && v < least {
		return fmt.Sprintf("%v is too small", v)
	}
	if most, ok := schema["maximum"].(float64); ok && v > most {
		return fmt.Sprintf("%v is too large", v)
	}
	if above, ok := schema["exclusiveMinimum"].(float64); ok && v <= above {
		return fmt.Sprintf("%v is too small", v)
	}
	return ""
}

func (d *spec) invalidList(schema map[string]any, v []any) string {
	if least, ok := schema["minItems"].(float64); ok && len(v) < int(least) {
		return "the list is too short"
	}
	if most, ok := schema["maxItems"].(float64); ok && len(v) > int(most) {
		return "the list is too long"
	}
	items, ok := schema["items"].(map[string]any)
	for i, each := range v {
		if !ok {
			break
		}
		if why := d.invalid(items, each); why != "" {
			return fmt.Sprintf("[%d]: %s", i, why)
		}
	}
	return ""
}

func (d *spec) invalidObject(schema, v map[string]any) string {
	required, _ := schema["required"].([]any)
	for _, name := range required {
		if _, ok := v[name.(string)]; !ok {
			return fmt.Sprintf("%v is missing", name)
		}
	}
	properties, _ := schema["properties"].(map[string]any)
	for name, each := range v {
		p, ok := properties[name].(map[string]any)
		if !ok {
			if p, ok = schema["additionalProperties"].(map[string]any); !ok {
				if schema["additionalProperties"] == false {
					return name + " is not in the schema"
				}
				continue
			}
		}
		if why := d.invalid(p, each); why != "" {
			return name + ": " + why
		}
	}
	return ""
}

// example makes a value that a schema describes.
func (d *spec) example(schema map[string]any) any {
	schema = d.deref(schema)
	if examples, ok := schema["examples"].([]any); ok {
		return examples[0]
	}
	if among, ok := schema["enum"].([]any); ok {
		return among[0]
	}
	if among, ok := schema["anyOf"].([]any); ok {
		return d.example(among[0].(map[string]any))
	}
	kind, ok := schema["type"].(string)
	if types, several := schema["type"].([]any); several && len(types) > 0 {
		kind, ok = types[0].(string)
	}
	switch properties, _ := schema["properties"].(map[string]any); {
	case !ok:
		return nil
	case kind == "object":
		o := map[string]any{}
		required, _ := schema["required"].([]any)
		for _, name := range required {
			o[name.(string)] = d.example(properties[name.(string)].(map[string]any))
		}
		return o
	case kind == "array":
		return []any{d.example(schema["items"].(map[string]any))}
	case kind == "boolean":
		return false
	case kind == "integer", kind == "number":
		return 1.0
	}
	return "text"
}

// operation is a method of a path.
type operation struct {
	spec   *spec
	method string
	path   string
	node   map[string]any
}

func (o operation) name() string { return o.method + " " + o.path }

// route is the path as Gin writes it.
func (o operation) route() string {
	return o.method + " " + strings.NewReplacer("{", ":", "}", "").Replace(o.path)
}

// response is what the document says of a status; nil: nothing.
func (o operation) response(status int) map[string]any {
	responses, _ := o.node["responses"].(map[string]any)
	if r, ok := responses[fmt.Sprint(status)]; ok {
		return o.spec.deref(r)
	}
	return nil
}

func (o operation) statuses() []string {
	responses, _ := o.node["responses"].(map[string]any)
	return slices.Sorted(maps.Keys(responses))
}

// body is the schema of what is sent in JSON; nil: nothing is.
func (o operation) body() map[string]any {
	body, _ := o.node["requestBody"].(map[string]any)
	content, _ := body["content"].(map[string]any)
	sent, _ := content["application/json"].(map[string]any)
	if sent == nil {
		return nil
	}
	return o.spec.deref(sent["schema"])
}

// csv is the text that is sent in place of JSON; empty: none is.
func (o operation) csv() string {
	body, _ := o.node["requestBody"].(map[string]any)
	content, _ := body["content"].(map[string]any)
	sent, _ := content["text/csv"].(map[string]any)
	text, _ := sent["example"].(string)
	return text
}

// parameters are those in one place: path, query or header.
func (o operation) parameters(in string) []string {
	var names []string
	list, _ := o.node["parameters"].([]any)
	for _, p := range list {
		if p := o.spec.deref(p); p["in"] == in {
			names = append(names, p["name"].(string))
		}
	}
	return names
}

// security returns whether anybody may ask, and the scopes that a token needs; none: no token does.
func (o operation) security() (open bool, scopes []string) {
	ways, _ := o.node["security"].([]any)
	for _, way := range ways {
		way := way.(map[string]any)
		if len(way) == 0 {
			open = true
		}
		names, _ := way["token"].([]any)
		for _, name := range names {
			scopes = append(scopes, name.(string))
		}
	}
	return open, scopes
}

// violation says what the document does not say of an answer; empty: it says all.
func (o operation) violation(a answer) string {
	if a.header.Get("X-Request-Id") == "" {
		return "X-Request-Id is missing"
	}
	response := o.response(a.status)
	if a.status >= 500 || response == nil {
		return fmt.Sprintf("status %d; the document has %v", a.status, o.statuses())
	}
	content, _ := response["content"].(map[string]any)
	contentType, _, _ := strings.Cut(a.header.Get("Content-Type"), ";")
	if len(content) == 0 {
		if a.body != "" {
			return "there is a body"
		}
		return ""
	}
	media, ok := content[contentType].(map[string]any)
	if !ok {
		return fmt.Sprintf("status %d is of %q; the document has %v", a.status, contentType, slices.Sorted(maps.Keys(content)))
	}
	if !strings.HasSuffix(contentType, "json") || media["schema"] == nil {
		return ""
	}
	var v any
	if err := json.Unmarshal([]byte(a.body), &v); err != nil {
		return err.Error()
	}
	if why := o.spec.invalid(media["schema"].(map[string]any), v); why != "" {
		return fmt.Sprintf("the body of status %d: %s", a.status, why)
	}
	return ""
}
