package adminapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"slices"
	"strconv"
	"unicode/utf8"

	"talktime/money"
)

// object is a JSON object from a client. The kept paths take some values in several forms, so each is read by what it is
// for.
type object map[string]json.RawMessage

// object reads the body as one JSON object and nothing behind it.
func (r *request) object() (object, error) {
	body, err := io.ReadAll(r.Request.Body)
	if err != nil {
		if f, ok := failureOf(err); ok {
			return nil, f
		}
		return nil, undecodable()
	}
	var o object
	if !utf8.Valid(body) || json.Unmarshal(body, &o) != nil || o == nil {
		return nil, undecodable()
	}
	return o, nil
}

// names are the keys, in order.
func (o object) names() []string { return slices.Sorted(maps.Keys(o)) }

func (o object) has(name string) bool { _, ok := o[name]; return ok }

func (o object) isNull(name string) bool { return bytes.Equal(o[name], []byte("null")) }

// missing returns the answer to an object without one of these keys.
func (o object) missing(names ...string) error {
	for _, name := range names {
		if !o.has(name) {
			return badRequest("missing field: " + name)
		}
	}
	return nil
}

// unknown returns the answer to an object with other keys than these.
func (o object) unknown(known ...string) error {
	faults := map[string]string{}
	for _, name := range o.names() {
		if !slices.Contains(known, name) {
			faults[name] = "unknown field"
		}
	}
	if len(faults) > 0 {
		return invalidFields(faults)
	}
	return nil
}

// text reads a string. One of digits may also be given as a number.
func (o object) text(name string) (string, error) {
	var s string
	if json.Unmarshal(o[name], &s) == nil && !o.isNull(name) {
		return s, nil
	}
	if digits(string(o[name])) {
		return string(o[name]), nil
	}
	return "", badRequest(name + " must be a string")
}

// bool reads true or false, which may also be given as a string.
func (o object) bool(name string) (bool, error) {
	switch string(o[name]) {
	case "true", `"true"`:
		return true, nil
	case "false", `"false"`:
		return false, nil
	}
	return false, badRequest(name + " must be true or false")
}

// whole reads a whole number between two others, which may also be given as a string.
func (o object) whole(name string, least, most int64) (int64, error) {
	text, err := o.number(name)
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < least || n > most {
		return 0, badRequest(name + " must be a whole number between " + strconv.FormatInt(least, 10) + " and " + strconv.FormatInt(most, 10))
	}
	return n, nil
}

// amount reads an amount of money, a decimal number or a string of one.
func (o object) amount(name string) (money.Amount, error) {
	text, err := o.number(name)
	if err != nil {
		return 0, err
	}
	amount, err := money.Parse(text)
	if errors.Is(err, money.ErrOverflow) {
		return 0, badRequest(name + " is out of range")
	}
	if err != nil {
		return 0, badRequest(name + " must be a decimal number with at most 6 decimals")
	}
	return amount, nil
}

// number is the text of a number, in quotes or without.
func (o object) number(name string) (string, error) {
	raw := string(o[name])
	var s string
	if json.Unmarshal(o[name], &s) == nil && !o.isNull(name) {
		return s, nil
	}
	var n json.Number
	if json.Unmarshal(o[name], &n) != nil || n == "" {
		return "", badRequest(name + " must be a number")
	}
	return raw, nil
}

func digits(s string) bool {
	for _, c := range s {
		if c < '0' || c > '9' {
			return false
		}
	}
	return s != ""
}
