package config

import (
	"net/mail"
	"regexp"
	"strconv"
	"strings"
	"time"

	"talktime/money"
)

var currencyName = regexp.MustCompile(`^[A-Z]{3,8}$`)

func (l *loader) notices() Notices {
	const addr, from, to = "TALKTIME_SMTP_ADDR", "TALKTIME_SMTP_FROM", "TALKTIME_NOTICE_MAIL"
	n := Notices{
		LowBalance: l.amounts("TALKTIME_LOW_BALANCE"),
		Mail:       l.list(to),
		SMTP: SMTP{
			Addr: l.addr(addr, 587), User: l.text("TALKTIME_SMTP_USER"), Password: l.secret("TALKTIME_SMTP_PASSWORD"), From: l.text(from),
		},
	}
	n.Refusals, n.Window = l.burst("TALKTIME_NOTICE_REFUSALS")
	l.distinct(to, n.Mail)
	for _, address := range n.Mail {
		if !mailAddress(address) {
			l.mistake(to, "must be a list of mail addresses; %q is none", address)
		}
	}
	switch {
	case l.text(addr) == "" && len(n.Mail) > 0:
		l.mistake(addr, "must be given with %s", to)
	case l.text(addr) == "":
		if n.SMTP.User != "" || n.SMTP.From != "" || n.SMTP.Password != "" {
			l.warn("%s is not set, so that the other settings of TALKTIME_SMTP are ignored", addr)
		}
	case !mailAddress(n.SMTP.From):
		l.mistake(from, "must be a mail address, and given with %s", addr)
	case len(n.Mail) == 0:
		l.warn("%s is not set, so that no notices are sent by mail", to)
	}
	if n.SMTP.Addr != "" && n.SMTP.Password != "" && n.SMTP.User == "" {
		l.mistake("TALKTIME_SMTP_USER", "must be given with TALKTIME_SMTP_PASSWORD")
	}
	return n
}

// mailAddress reports whether text is an address and nothing else, in ASCII: not every server takes others.
func mailAddress(text string) bool {
	a, err := mail.ParseAddress(text)
	ascii := !strings.ContainsFunc(text, func(r rune) bool { return r > '~' })
	return err == nil && a.Address == text && ascii
}

// amounts reads amounts by currency, such as EUR:5,SEC:300.
func (l *loader) amounts(name string) map[string]money.Amount {
	var amounts map[string]money.Amount
	for _, item := range l.list(name) {
		currency, text, _ := strings.Cut(item, ":")
		amount, err := money.Parse(text)
		if _, twice := amounts[currency]; err != nil || twice || !currencyName.MatchString(currency) {
			l.mistake(name, "must be amounts by currency such as EUR:5,SEC:300, each currency once; %q is none", item)
			continue
		}
		if amounts == nil {
			amounts = make(map[string]money.Amount)
		}
		amounts[currency] = amount
	}
	return amounts
}

// burst reads how many within how many minutes, such as 20/5.
func (l *loader) burst(name string) (many int, window time.Duration) {
	text := l.text(name)
	if text == "off" {
		return 0, 0
	}
	count, minutes, _ := strings.Cut(text, "/")
	many, errMany := strconv.Atoi(count)
	long, errLong := strconv.Atoi(minutes)
	if errMany != nil || errLong != nil || many < 1 || many > 100_000 || long < 1 || long > 1440 {
		l.mistake(name, "must be off, or a number from 1 to 100000 and minutes from 1 to 1440, such as 20/5")
		return 0, 0
	}
	return many, time.Duration(long) * time.Minute
}
