package elastix

import (
	"bytes"
	"encoding/json"
)

// object is keys and their texts in turn: unlike those of a map, its keys keep their order.
type object []string

// MarshalJSON implements json.Marshaler.
func (o object) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	texts := encoder(&b)
	b.WriteByte('{')
	for i, text := range o {
		switch {
		case i%2 == 1:
			b.WriteByte(':')
		case i > 0:
			b.WriteByte(',')
		}
		if err := texts.Encode(text); err != nil {
			return nil, err
		}
		b.Truncate(b.Len() - 1) // the line end
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// encoder leaves < and > as they are, which are in every caller id.
func encoder(to *bytes.Buffer) *json.Encoder {
	e := json.NewEncoder(to)
	e.SetEscapeHTML(false)
	return e
}

// encode writes texts, numbers and what is made of them, which cannot fail.
func encode(v any) []byte {
	var b bytes.Buffer
	if err := encoder(&b).Encode(v); err != nil {
		panic("elastix: " + err.Error())
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}
