package web

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"io/fs"
	"mime"
	"path"
	"strings"
	"time"
)

//go:embed templates static
var files embed.FS

// StaticPath is where the files of [Pages.File] are served.
const StaticPath = "/static/"

// Pages renders pages. It is safe for use by many goroutines.
type Pages struct {
	templates map[string]*template.Template
	files     map[string]File
	names     map[string]string // of files, by the name that they have here
}

// File is a style, a script or a picture. Its name changes with its content, so that browsers may keep it for ever.
type File struct {
	Type    string // media type
	Content []byte
	ETag    string // in quotes
}

// New reads the templates. Times are shown in the given zone.
func New(zone *time.Location) (*Pages, error) {
	p := &Pages{templates: map[string]*template.Template{}, files: map[string]File{}, names: map[string]string{}}
	if err := p.readFiles(); err != nil {
		return nil, err
	}
	base, err := template.New("").Funcs(template.FuncMap{
		"static": func(name string) (string, error) { return p.static(name) },
		"local":  func(t time.Time) string { return t.In(zone).Format("2006-01-02 15:04:05") },
		"stamp":  func(t time.Time) string { return t.In(zone).Format(time.RFC3339) },
		"zone":   func() string { return ZoneName(zone) },
		"list":   func(items ...any) []any { return items },
		"user":   UserPath, "call": CallPath, "group": GroupPath, "clock": Clock,
	}).ParseFS(files, "templates/parts/*.html")
	if err != nil {
		return nil, err
	}
	pages, err := fs.Glob(files, "templates/*.html")
	if err != nil {
		return nil, err
	}
	for _, name := range pages {
		t, err := base.Clone()
		if err == nil {
			t, err = t.ParseFS(files, name)
		}
		if err != nil {
			return nil, err
		}
		p.templates[strings.TrimSuffix(path.Base(name), ".html")] = t
	}
	return p, nil
}

// ZoneName is a zone for people.
func ZoneName(zone *time.Location) string {
	switch name := strings.TrimPrefix(zone.String(), "Etc/"); name {
	case "Local":
		return "the server's time zone"
	case "":
		return "UTC"
	default:
		return name
	}
}

func (p *Pages) readFiles() error {
	entries, err := files.ReadDir("static")
	if err != nil {
		return err
	}
	for _, e := range entries {
		content, err := files.ReadFile("static/" + e.Name())
		if err != nil {
			return err
		}
		sum := sha256.Sum256(content)
		hash, extension := hex.EncodeToString(sum[:8]), path.Ext(e.Name())
		name := strings.TrimSuffix(e.Name(), extension) + "-" + hash + extension
		p.names[e.Name()] = name
		p.files[name] = File{Type: mime.TypeByExtension(extension), Content: content, ETag: `"` + hash + `"`}
	}
	return nil
}

func (p *Pages) static(name string) (string, error) {
	hashed, ok := p.names[name]
	if !ok {
		return "", fmt.Errorf("there is no file %s", name)
	}
	return StaticPath + hashed, nil
}

// File returns the file that is served below [StaticPath] under a name.
func (p *Pages) File(name string) (File, bool) {
	f, ok := p.files[name]
	return f, ok
}

// Part writes the part of a page that changes while somebody looks at it. It panics when there is none.
func (p *Pages) Part(b Body) []byte {
	var text bytes.Buffer
	if err := p.templates[b.template()].ExecuteTemplate(&text, "part", b); err != nil {
		panic(err)
	}
	return text.Bytes()
}

// Render writes a page as HTML. It panics when the page's template is wrong, which is a mistake in this package.
func (p *Pages) Render(page Page) []byte {
	var b bytes.Buffer
	if err := p.templates[page.Body.template()].ExecuteTemplate(&b, "layout", page); err != nil {
		panic(err)
	}
	return b.Bytes()
}
