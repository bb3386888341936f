package models

import "talktime/money"

// Rate is the price of talk to one destination. Amounts are in Currency.
type Rate struct {
	Currency   string       `json:"currency"`
	Prefix     string       `json:"prefix,omitempty"`
	ConnectFee money.Amount `json:"connect_fee,omitzero"` // once for each answered call
	PerMinute  money.Amount `json:"per_minute"`
	First      int64        `json:"first"`             // seconds of the first increment, at least 1
	Increment  int64        `json:"increment"`         // seconds of each further increment, at least 1
	Minimum    money.Amount `json:"minimum,omitzero"`  // an answered call costs at least this
	Grace      int64        `json:"grace,omitempty"`   // talk of at most this many seconds costs nothing; 0 = no grace
	Name       string       `json:"name,omitempty"`    // of the destination, for people
	Deck       string       `json:"tariff,omitempty"`  // name of the rate deck; empty for the built-in tariff
	Version    int          `json:"version,omitempty"` // of the deck
}

// SecondRate is the built-in tariff: one SEC for each second.
func SecondRate() Rate {
	return Rate{Currency: SEC, PerMinute: 60 * money.Unit, First: 1, Increment: 1, Name: "built-in"}
}
