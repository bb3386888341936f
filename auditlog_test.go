package talktime_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestAuditActionsAreListed: what the audit log calls a change is a noun and a verb, and stands in the operator's manual.
func TestAuditActionsAreListed(t *testing.T) {
	t.Parallel()
	manual, err := os.ReadFile("docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	written := regexp.MustCompile(`(?:logIn\(db, actor, |log\.add\(|auditLine\(\w+\.Transaction, |\bAction: |\.Log\(ctx, actor\(\), |\bAudit\{(?:Verb: )?)"([^"]*)"`)
	form := regexp.MustCompile(`^[a-z]+\.[a-z]+$`)
	found := 0
	for _, dir := range []string{"billing", "store", "adminapi", "cmd"} {
		err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || strings.Contains(path, "storetest") {
				return err
			}
			text, err := os.ReadFile(path)
			for _, match := range written.FindAllStringSubmatch(string(text), -1) {
				action := match[1]
				if strings.HasPrefix(action, "/") { // of a form
					continue
				}
				found++
				if !form.MatchString(action) || !strings.Contains(string(manual), "`"+action+"`") {
					t.Errorf("%s: the action %q is no noun and verb, or docs/operations.md does not list it", path, action)
				}
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if found < 15 {
		t.Errorf("found only %d actions", found)
	}
}
