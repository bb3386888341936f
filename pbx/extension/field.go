package extension

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"strings"

	"talktime/models"
)

// Patch has the fields that are to be set, by their names in the old interface. What is not in it stays.
type Patch map[string]string

// masked is the patch as it may be shown.
func (p Patch) masked() map[string]string {
	shown := maps.Clone(map[string]string(p))
	for name := range shown {
		if secretKey(name) {
			shown[name] = Mask
		}
	}
	return shown
}

// Format implements fmt.Formatter: no verb shows a secret.
func (p Patch) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, fmt.Sprint(p.masked())) }

// LogValue implements slog.LogValuer.
func (p Patch) LogValue() slog.Value { return slog.AnyValue(p.masked()) }

// FieldError says what is wrong with one field. It is models.ErrInvalid.
type FieldError struct {
	Field string
	Wrong string // "must be …"; never with a secret in it
}

func (e *FieldError) Error() string { return e.Field + " " + e.Wrong }

// Unwrap makes it models.ErrInvalid.
func (e *FieldError) Unwrap() error { return models.ErrInvalid }

// Difference is what a change does to one field. A secret is [Mask] on both sides.
type Difference struct {
	Field  string `json:"field"`
	Before string `json:"before"`
	After  string `json:"after"`
}

// field is one of a record T, which is an Extension or a FollowMe.
type field[T any] struct {
	name  string
	flags int            // of its row in FreePBX's table sip; 0: it has none
	at    func(*T) any   // where it is: a pointer to a string, a number, …, see text
	clean clean          // what a value must be
	is    func(T) string // what it is unless somebody says it; nil: as a constant
	usual string         // that constant
	must  bool           // somebody has to say it
}

// clean checks a value and gives it as it is kept. The error is what must be.
type clean func(string) (string, error)

// Kinds of fields that are written otherwise than Go's own.
type (
	positive int      // 0 is empty
	checked  bool     // CHECKED, or empty
	numbers  []string // with - between them
)

// text writes a field.
func text(at any) string {
	switch at := at.(type) {
	case *string:
		return *at
	case *Secret:
		return string(*at)
	case *int:
		return strconv.Itoa(*at)
	case *positive:
		if *at == 0 {
			return ""
		}
		return strconv.Itoa(int(*at))
	case *bool:
		if *at {
			return "yes"
		}
		return "no"
	case *checked:
		if *at {
			return "CHECKED"
		}
		return ""
	case *numbers:
		return strings.Join(*at, "-")
	}
	panic(fmt.Sprintf("extension: a field is %T", at))
}

// load reads a field as somebody else may have written it: what makes no sense is empty.
func load(at any, value string) {
	switch at := at.(type) {
	case *string:
		*at = value
	case *Secret:
		*at = Secret(value)
	case *int:
		*at, _ = strconv.Atoi(strings.TrimSpace(value))
	case *positive:
		n, _ := strconv.Atoi(strings.TrimSpace(value))
		*at = positive(max(n, 0))
	case *bool:
		*at = truth(value)
	case *checked:
		*at = checked(strings.EqualFold(strings.TrimSpace(value), "CHECKED"))
	case *numbers:
		*at = splitNumbers(value)
	default:
		panic(fmt.Sprintf("extension: a field is %T", at))
	}
}

// truth is what Asterisk takes for yes.
func truth(value string) bool {
	return slices.Contains([]string{"yes", "true", "y", "t", "1", "on"}, strings.ToLower(strings.TrimSpace(value)))
}

// set checks a value and sets a field to it.
func (f field[T]) set(to *T, value string, more func(*T, field[T], string) error) error {
	at := f.at(to)
	_, secret := at.(*Secret)
	if !secret {
		value = strings.Trim(value, " ")
	}
	err := plain(value, secret)
	if err == nil {
		value, err = f.clean(value)
	}
	if err == nil && more != nil {
		err = more(to, f, value)
	}
	if err != nil {
		return &FieldError{f.name, err.Error()}
	}
	load(at, value)
	return nil
}

// change sets the fields of a patch. The error joins a FieldError for each that is wrong, in the order of the fields.
func change[T any](fields []field[T], of T, p Patch, more func(*T, field[T], string) error) (T, error) {
	var wrong []error
	known := 0
	for _, f := range fields {
		value, sent := p[f.name]
		if !sent {
			continue
		}
		known++
		if err := f.set(&of, value, more); err != nil {
			wrong = append(wrong, err)
		}
	}
	if known < len(p) {
		for _, name := range slices.Sorted(maps.Keys(p)) {
			if !slices.ContainsFunc(fields, func(f field[T]) bool { return f.name == name }) {
				wrong = append(wrong, &FieldError{fmt.Sprintf("%.40q", name), "is not a field; leave it out"})
			}
		}
	}
	return of, errors.Join(wrong...)
}

// create makes a record of a patch and of what is usual. A field that is sent empty is as one that is not sent.
func create[T any](fields []field[T], p Patch, more func(*T, field[T], string) error) (T, error) {
	full := maps.Clone(p)
	if full == nil {
		full = Patch{}
	}
	var of T
	var wrong []error
	for _, f := range fields {
		if strings.Trim(full[f.name], " ") != "" {
			load(f.at(&of), full[f.name]) // for what is usual of others
			continue
		}
		switch {
		case f.must:
			delete(full, f.name)
			wrong = append(wrong, &FieldError{f.name, "is missing; give one"})
		case f.is != nil:
			full[f.name] = f.is(of)
		default:
			full[f.name] = f.usual
		}
	}
	if wrong != nil { // else what is usual of others would be wrong too
		for name := range full {
			if strings.Trim(p[name], " ") == "" {
				delete(full, name)
			}
		}
	}
	made, err := change(fields, *new(T), full, more)
	return made, errors.Join(append(wrong, err)...)
}

// validate checks every field of a record as it stands.
func validate[T any](fields []field[T], of T, more func(*T, field[T], string) error) error {
	var wrong []error
	for _, f := range fields {
		value := text(f.at(&of))
		if f.must && value == "" {
			wrong = append(wrong, &FieldError{f.name, "is missing; give one"})
			continue
		}
		again := of
		if err := f.set(&again, value, more); err != nil {
			wrong = append(wrong, err)
		}
	}
	return errors.Join(wrong...)
}

// again sets the fields of a patch as they were before: no rule is asked.
func again[T any](fields []field[T], of T, p Patch) T {
	for _, f := range fields {
		if value, sent := p[f.name]; sent {
			load(f.at(&of), value)
		}
	}
	return of
}

// values are all fields by their names. Secrets are masked unless they are asked for.
func values[T any](fields []field[T], of T, secrets bool) map[string]string {
	all := make(map[string]string, len(fields))
	for _, f := range fields {
		all[f.name] = text(f.at(&of))
		if !secrets && secretKey(f.name) {
			all[f.name] = Mask
		}
	}
	return all
}

func diff[T any](fields []field[T], before, after T) []Difference {
	differences := []Difference{}
	for _, f := range fields {
		b, a := text(f.at(&before)), text(f.at(&after))
		if a == b {
			continue
		}
		if secretKey(f.name) {
			a, b = Mask, Mask
		}
		differences = append(differences, Difference{f.name, b, a})
	}
	return differences
}

// inverse is the patch that takes a change back.
func inverse[T any](fields []field[T], before, after T) Patch {
	p := Patch{}
	for _, f := range fields {
		if b := text(f.at(&before)); b != text(f.at(&after)) {
			p[f.name] = b
		}
	}
	return p
}
