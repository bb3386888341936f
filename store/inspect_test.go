package store

import (
	"slices"
	"testing"
)

func TestLedgerRights(t *testing.T) {
	t.Parallel()
	for grant, want := range map[string][]string{
		"GRANT ALL PRIVILEGES ON *.* TO `root`@`localhost` WITH GRANT OPTION":                     {"ALL PRIVILEGES"},
		"GRANT SELECT, INSERT, UPDATE, DELETE ON `talktime`.* TO `talktime`@`%`":                  {"UPDATE", "DELETE"},
		"GRANT UPDATE ON `talk%`.* TO `talktime`@`%`":                                             {"UPDATE"},
		"GRANT UPDATE ON `talk\\_time`.* TO `talktime`@`%`":                                       nil,
		"GRANT SELECT, INSERT ON `talktime`.`entries` TO `talktime`@`%`":                          nil,
		"GRANT SELECT, UPDATE (`actor`) ON `talktime`.`transactions` TO `talktime`@`%`":           {"UPDATE"},
		"GRANT SELECT, INSERT, UPDATE ON `talktime`.`accounts` TO `talktime`@`%`":                 nil,
		"GRANT DELETE ON `other`.* TO `talktime`@`%`":                                             nil,
		"GRANT USAGE ON *.* TO `talktime`@`%` IDENTIFIED BY PASSWORD '*9B8A'":                     nil,
		"GRANT `operators` TO `talktime`@`%`":                                                     nil,
		"GRANT SELECT, RELOAD, DROP, SUPER ON *.* TO `talktime`@`%` WITH MAX_USER_CONNECTIONS 10": {"DROP", "SUPER"},
	} {
		if got := ledgerRights(grant, "talktime"); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", grant, got, want)
		}
	}
}
