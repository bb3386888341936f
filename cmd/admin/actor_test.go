package main

import (
	"testing"

	"talktime/models"
)

// TestActorsAreNoUsers: nobody can take a name that stands for this program in the ledger and the audit log.
func TestActorsAreNoUsers(t *testing.T) {
	t.Parallel()
	for _, name := range []string{actor(), byItself} {
		if (models.NewUser{Username: name}).Validate() == nil {
			t.Errorf("a user may be called %q", name)
		}
	}
}
