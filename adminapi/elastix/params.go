package elastix

import (
	"net/url"
	"strings"
	"unicode/utf8"
)

// params are those of a query or a form. Of a name that comes twice the last one counts. Unlike net/url, a semicolon is part of a value,
// and one that cannot be read spoils only itself: clients add some of their own.
type params struct {
	values map[string]string
	broken map[string]bool // percent signs without their digits
	wrong  string          // the first that was asked for and is none
}

func parseParams(texts ...string) *params {
	p := &params{values: map[string]string{}, broken: map[string]bool{}}
	for _, text := range texts {
		for part := range strings.SplitSeq(text, "&") {
			name, value, _ := strings.Cut(part, "=")
			name, err := url.QueryUnescape(name)
			if err != nil || name == "" {
				continue
			}
			value, err = url.QueryUnescape(value)
			p.values[name], p.broken[name] = value, err != nil
		}
	}
	return p
}

// sent tells whether a parameter is there, be it empty.
func (p *params) sent(name string) bool {
	_, sent := p.values[name]
	return sent
}

// text is a parameter; empty: it is not there.
func (p *params) text(name string) string {
	value := p.values[name]
	if p.broken[name] || !utf8.ValidString(value) || strings.Contains(value, "\x00") {
		p.mistake(name)
		return ""
	}
	return value
}

func (p *params) mistake(name string) {
	if p.wrong == "" {
		p.wrong = name
	}
}

// one is a parameter that must be one of some words; empty: it is not there.
func (p *params) one(name string, of ...string) string {
	value := p.text(name)
	for _, word := range of {
		if strings.EqualFold(word, value) {
			return word
		}
	}
	if value != "" {
		p.mistake(name)
	}
	return ""
}

// patch has those of some fields that were sent.
func (p *params) patch(fields []string) map[string]string {
	patch := map[string]string{}
	for _, name := range fields {
		if p.sent(name) {
			patch[name] = p.text(name)
		}
	}
	return patch
}
