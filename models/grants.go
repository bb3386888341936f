package models

import (
	"fmt"
	"slices"
)

// Grants are what a user who is no administrator may see of the statistics. Each list is in order and has no name twice.
type Grants struct {
	Queues   []string `json:"queues"`
	Agents   []string `json:"agents"`
	Accounts []string `json:"accounts"` // ids or account_ids of users and groups
}

// Bounds of what one user is granted. The audit log keeps all of it in one field.
const (
	maxGrants     = 1000
	maxGrantBytes = 10_000
)

// Clean returns the grants in order and without repeats. Its lists are never nil.
func (g Grants) Clean() Grants {
	clean := func(names []string) []string {
		names = append([]string{}, names...)
		slices.Sort(names)
		return slices.Compact(names)
	}
	return Grants{clean(g.Queues), clean(g.Agents), clean(g.Accounts)}
}

// With returns the grants with further ones.
func (g Grants) With(more Grants) Grants {
	return Grants{slices.Concat(g.Queues, more.Queues), slices.Concat(g.Agents, more.Agents), slices.Concat(g.Accounts, more.Accounts)}.Clean()
}

// Without returns the grants without some of them.
func (g Grants) Without(less Grants) Grants {
	without := func(names, less []string) []string {
		return slices.DeleteFunc(slices.Clone(names), func(name string) bool { return slices.Contains(less, name) })
	}
	return Grants{without(g.Queues, less.Queues), without(g.Agents, less.Agents), without(g.Accounts, less.Accounts)}.Clean()
}

// Empty reports whether nothing is granted.
func (g Grants) Empty() bool { return len(g.Queues)+len(g.Agents)+len(g.Accounts) == 0 }

// Validate returns the first mistake; nil when there is none.
func (g Grants) Validate() error {
	n, bytes := 0, 0
	for _, list := range []struct {
		of    string
		names []string
	}{{"queue", g.Queues}, {"agent", g.Agents}, {"account", g.Accounts}} {
		for _, name := range list.names {
			if !printable(name, 1, 64) {
				return fmt.Errorf("%w: the %s %q must have 1 to 64 printable characters, and no space at its ends", ErrInvalid, list.of, name)
			}
			n, bytes = n+1, bytes+len(name)
		}
	}
	if n > maxGrants || bytes > maxGrantBytes {
		return fmt.Errorf("%w: a user may be granted at most %d names of altogether %d bytes, not %d of %d", ErrInvalid, maxGrants, maxGrantBytes, n, bytes)
	}
	return nil
}
