package config

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Ways to find out who calls, in the words of TALKTIME_IDENTIFY.
const (
	IdentifyCallerID = "callerid" // the caller id number is a user's clid
	IdentifyAccount  = "account"  // the channel's account code names a user
	IdentifyIMSI     = "imsi"     // an IMSI in the channel or caller id is a user's
)

var (
	techName     = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9]{0,19}$`)
	dialResource = regexp.MustCompile(`^[A-Za-z0-9+*#._@:/-]{1,200}$`)
	dialNumber   = regexp.MustCompile(`^[0-9+*#]{1,40}$`)
	placeholder  = regexp.MustCompile(`\{[^{}]*\}`)
)

// checkTarget reports what is wrong with a dial template: Tech/resource[&Tech/resource…], where the
// resource may hold the placeholders allowed. Each value put in later is digits, + * #, so a template
// that passes here with a digit in every placeholder is a valid target with any of them.
func checkTarget(template string, techs, allowed []string) error {
	for _, name := range placeholder.FindAllString(template, -1) {
		if !slices.Contains(allowed, name) {
			return fmt.Errorf("has the placeholder %s, but only %s is filled in", name, strings.Join(allowed, ", "))
		}
	}
	filled := placeholder.ReplaceAllString(template, "0")
	for part := range strings.SplitSeq(filled, "&") {
		tech, resource, found := strings.Cut(part, "/")
		if !found {
			return fmt.Errorf("must have the form Tech/resource, several joined by &, such as PJSIP/{number}@trunk")
		}
		if !slices.Contains(techs, tech) {
			return fmt.Errorf("names the technology %q, but TALKTIME_DIAL_TECHS allows only %s", tech, strings.Join(techs, ", "))
		}
		if !dialResource.MatchString(resource) {
			return fmt.Errorf("must have 1 to 200 letters, digits or + * # . _ @ : / - after %s/, and nothing else", tech)
		}
	}
	return nil
}
