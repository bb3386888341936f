package extension

import (
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxValue is how many characters the tables of both back ends take.
const maxValue = 255

// plain refuses what no value may have: Asterisk's files and its dialplan would read it as something else. Of a secret nothing is
// told, and it may look like a variable, since it never gets to the dialplan.
func plain(value string, secret bool) error {
	switch at := strings.IndexFunc(value, func(r rune) bool {
		return unicode.IsControl(r) || strings.ContainsRune(";[]", r) || r == '\u2028' || r == '\u2029'
	}); {
	case !utf8.ValidString(value):
		return errors.New("must be text in UTF-8; send it as such")
	case at >= 0 && secret:
		return errors.New("must have no line breaks, control characters, semicolons or brackets; choose other characters")
	case at >= 0:
		return fmt.Errorf("must have no line breaks, control characters, semicolons or brackets; take %q out", []rune(value[at:])[0])
	case strings.HasPrefix(value, ">"):
		return errors.New("must not begin with >; take it off") // key=>value is read as key=value
	case !secret && strings.Contains(value, "${"):
		return errors.New("must have no variable of the dialplan; take ${ out")
	case utf8.RuneCountInString(value) > maxValue:
		return fmt.Errorf("must have at most %d characters; shorten it", maxValue)
	}
	return nil
}

func pattern(re, must string) clean {
	compiled := regexp.MustCompile(`\A(?:` + re + `)\z`)
	return func(value string) (string, error) {
		if !compiled.MatchString(value) {
			return "", fmt.Errorf("must be %s, but is %.80q", must, value)
		}
		return value, nil
	}
}

// words takes one of some words, in small letters or capitals.
func words(of ...string) clean {
	return func(value string) (string, error) {
		for _, word := range of {
			if strings.EqualFold(word, value) {
				return word, nil
			}
		}
		last := len(of) - 1
		return "", fmt.Errorf("must be %s or %s, but is %.80q", strings.Join(of[:last], ", "), of[last], value)
	}
}

func number(from, to int) clean {
	return func(value string) (string, error) {
		n, err := strconv.Atoi(value)
		if err != nil || n < from || n > to || strings.HasPrefix(value, "+") {
			return "", fmt.Errorf("must be a number from %d to %d, but is %.80q", from, to, value)
		}
		return strconv.Itoa(n), nil
	}
}

func anything(most int) clean {
	return func(value string) (string, error) {
		if utf8.RuneCountInString(value) > most {
			return "", fmt.Errorf("must have at most %d characters; shorten it", most)
		}
		return value, nil
	}
}

// either takes what one of some would.
func either(must string, of ...clean) clean {
	return func(value string) (string, error) {
		for _, c := range of {
			if cleaned, err := c(value); err == nil {
				return cleaned, nil
			}
		}
		return "", fmt.Errorf("must be %s, but is %.80q", must, value)
	}
}

// cleanName is a name to show. Quotes and angle brackets would end it within a caller id.
func cleanName(value string) (string, error) {
	if value == "" || strings.ContainsAny(value, `"<>\`) || utf8.RuneCountInString(value) > 50 {
		return "", fmt.Errorf("must be 1 to 50 characters without quotes, angle brackets or backslashes, but is %.80q", value)
	}
	return value, nil
}

// networks is a list of addresses with masks, with & between them as FreePBX keeps it.
func networks(value string) (string, error) {
	var kept []string
	for _, item := range strings.FieldsFunc(value, func(r rune) bool { return r == '&' || r == ',' }) {
		item = strings.Trim(item, " ")
		if !network(item) {
			return "", fmt.Errorf("must be a list of address/mask, such as 192.0.2.0/24&10.0.0.0/255.0.0.0, but has %.80q", item)
		}
		kept = append(kept, item)
	}
	return strings.Join(kept, "&"), nil
}

func network(item string) bool {
	address, mask, found := strings.Cut(item, "/")
	a, err := netip.ParseAddr(address)
	if err != nil || !found || a.Zone() != "" {
		return false
	}
	if m, err := netip.ParseAddr(mask); err == nil {
		return a.Is4() && m.Is4() && contiguous(m.As4())
	}
	_, err = netip.ParsePrefix(item)
	return err == nil
}

// contiguous tells whether a mask is ones and then zeros.
func contiguous(mask [4]byte) bool {
	m := uint32(mask[0])<<24 | uint32(mask[1])<<16 | uint32(mask[2])<<8 | uint32(mask[3])
	return ^m&(^m+1) == 0
}

func cleanHost(value string) (string, error) {
	if strings.EqualFold(value, dynamic) {
		return dynamic, nil
	}
	if a, err := netip.ParseAddr(value); err == nil && a.Zone() == "" {
		return value, nil
	}
	return hostName(value)
}

// groups are those that ring for each other: numbers from 0 to 63, and ranges.
func groups(value string) (string, error) {
	if value == "" {
		return "", nil
	}
	for item := range strings.SplitSeq(value, ",") {
		from, to, ranged := strings.Cut(item, "-")
		_, err := number(0, 63)(from)
		if ranged && err == nil {
			_, err = number(0, 63)(to)
		}
		if err != nil {
			return "", fmt.Errorf("must be groups from 0 to 63 and ranges of them, such as 1,3-5, but is %.80q", value)
		}
	}
	return value, nil
}

// splitNumbers reads a list of numbers: commas, dashes, line breaks and blanks stand between them.
func splitNumbers(value string) []string {
	return strings.FieldsFunc(value, func(r rune) bool { return strings.ContainsRune(",- \t\r\n", r) })
}

// ParseNumbers reads a follow-me list as clients send it: commas, dashes, line breaks and blanks stand between the numbers. The error
// says what is wrong with one.
func ParseNumbers(list string) ([]string, error) {
	items := splitNumbers(list)
	for _, item := range items {
		if !listed(item) {
			return nil, &FieldError{"grplist", fmt.Sprintf("must be numbers of digits, * and +, those outside with # behind them, but has %.40q", item)}
		}
	}
	switch {
	case len(items) == 0:
		return nil, &FieldError{"grplist", "must have a number to ring; give one"}
	case len(strings.Join(items, "-")) > maxValue:
		return nil, &FieldError{"grplist", fmt.Sprintf("must have at most %d characters with a dash between the numbers; take some out", maxValue)}
	}
	return items, nil
}

func listed(item string) bool {
	item = strings.TrimSuffix(item, "#")
	return item != "" && strings.Trim(item, "0123456789*+") == ""
}

// ValidAccount tells whether a text can be the number of an extension: 1 to 20 digits.
func ValidAccount(account string) bool {
	return len(account) >= 1 && len(account) <= 20 && strings.Trim(account, "0123456789") == ""
}

// secretKey tells whether what stands under a key of sip.conf is a secret.
func secretKey(key string) bool {
	return slices.Contains([]string{"secret", "md5secret", "remotesecret", "password"}, strings.ToLower(key))
}
