package main

import (
	"talktime/billing"
	"talktime/store"
)

// witnesses are the CDR databases as the reconciler asks them.
func witnesses(databases []*store.CDR) []billing.CDRSource {
	sources := make([]billing.CDRSource, len(databases))
	for i, d := range databases {
		sources[i] = d
	}
	return sources
}
