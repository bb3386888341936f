package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
)

// system is everything outside ourselves; tests hand in their own.
type system struct {
	getenv  func(string) (string, bool)
	environ []string
	stdin   io.Reader
	stdout  io.Writer
	stderr  io.Writer
}

// Exit codes.
const (
	exitWell   = 0
	exitFailed = 1 // or differences were found
	exitUsage  = 2 // the command line makes no sense
)

// verb is a row of the table of everything that admin can do.
type verb struct {
	name     string // one word or two
	operands string // as the usage shows them; those in brackets may be left out
	does     string // one line
	setup    func(*command) action
}

// action does what a verb is for, once its flags are read.
type action func(ctx context.Context, operands []string) error

func verbs() []verb {
	return []verb{
		{"serve", "", "runs the admin server; the default", serve},
		{"migrate", "", "brings the database schema up to this version", migrate},
		{"user add", "[USERNAME]", "makes a user with an account", userAdd},
		{"user list", "", "lists all users with their balances", userList},
		{"user show", "USERNAME", "shows all that is known of a user", userShow},
		{"user change", "USERNAME", "changes a user", userChange},
		{"user remove", "USERNAME", "removes a user; the books stay", userRemove},
		{"user passwd", "[USERNAME]", "changes a user's password and ends his sessions", userPasswd},
		{"user import", "FILE.csv", "makes the users of a CSV file, all or none", userImport},
		{"user grant", "USERNAME", "gives a user the right to see queues, agents or accounts in the statistics", userGrant},
		{"topup", "USERNAME AMOUNT", "puts money on a user's account; a negative amount takes it", topUp},
		{"transfer", "FROM TO AMOUNT", "moves money from one user to another", transfer},
		{"ledger", "[USERNAME]", "lists what was posted on users' accounts", ledger},
		{"call list", "", "lists calls in any state", callList},
		{"call explain", "ID", "tells how the charge of a call came about", callExplain},
		{"call refused", "", "lists the calls that users were refused, and why", callRefused},
		{"cdr import", "[FILE]", "reads call records of Asterisk, so that statistics count them", cdrImport},
		{"cdr imports", "", "lists from where call records were imported", cdrImports},
		{"cdr install-country-codes", "", "makes a table and a function of country codes in a CDR database", installCountryCodes},
		{"cdr generate", "", "invents call records, for demonstrations and measurements", cdrGenerate},
		{"hold list", "", "lists the calls that hold money", holdList},
		{"hold release", "ID", "gives back the money that a call holds", holdRelease},
		{"group add", "NAME", "makes a group of users that is refilled on monthly dates", groupAdd},
		{"group list", "", "lists all groups", groupList},
		{"group show", "NAME", "shows a group's members and dates", groupShow},
		{"group change", "NAME", "changes a group's members, value, mode or name", groupChange},
		{"group refill", "NAME", "applies a group's due refills, or forces the next", groupRefill},
		{"group remove", "NAME", "removes a group", groupRemove},
		{"tariff add", "NAME", "makes a tariff, which has no rates yet", tariffAdd},
		{"tariff list", "", "lists all tariffs", tariffList},
		{"tariff show", "NAME", "lists the versions of a tariff", tariffShow},
		{"tariff import", "NAME FILE.csv", "reads a new version of a tariff, all rates or none", tariffImport},
		{"tariff activate", "NAME VERSION", "lets a version of a tariff count, now or from a time on", tariffActivate},
		{"tariff rollback", "NAME [VERSION]", "takes back a version, so that the one before counts", tariffRollback},
		{"tariff rates", "NAME", "lists the rates of a tariff", tariffRates},
		{"tariff default", "NAME", "makes a tariff the default of its currency", tariffDefault},
		{"tariff assign", "[NAME]", "gives a user or a group a tariff", tariffAssign},
		{"tariff remove", "NAME", "removes a tariff", tariffRemove},
		{"carrier add", "NAME", "makes a carrier, to whom routes may give calls", carrierAdd},
		{"carrier list", "", "lists all carriers", carrierList},
		{"carrier show", "NAME", "shows a carrier", carrierShow},
		{"carrier change", "NAME", "changes a carrier, or enables or disables him", carrierChange},
		{"carrier remove", "NAME", "removes a carrier that no route names", carrierRemove},
		{"route add", "PREFIX", "gives calls to numbers with a prefix to carriers", routeAdd},
		{"route list", "", "lists all routes", routeList},
		{"route change", "PREFIX", "changes the carriers of a route, their order or its loss guard", routeChange},
		{"route remove", "PREFIX", "removes a route", routeRemove},
		{"route explain", "NUMBER", "tells which carriers are tried for a call, and why others are not", routeExplain},
		{"rate explain", "NUMBER", "tells what a call to a number costs a user, and why", rateExplain},
		{"rerate preview", "", "tells what calls would have cost by another version of a tariff", reratePreview},
		{"rerate post", "NAME", "posts that difference for each call", reratePost},
		{"rerate list", "", "lists all re-ratings", rerateList},
		{"rerate show", "NAME", "lists what a re-rating did to each call", rerateShow},
		{"voucher add", "BATCH", "makes vouchers, whose codes are written to one file once", voucherAdd},
		{"voucher list", "", "lists all batches of vouchers with what became of them", voucherList},
		{"voucher show", "SERIAL", "shows what became of a voucher", voucherShow},
		{"voucher block", "BATCH", "keeps a batch of vouchers, or a series, from being redeemed", voucherBlock},
		{"voucher unblock", "BATCH", "ends that", voucherUnblock},
		{"voucher expire", "BATCH", "ends a batch of vouchers, or a series, for good", voucherExpire},
		{"voucher redeem", "USERNAME [CODE]", "puts a voucher's amount on a user's account", voucherRedeem},
		{"card add", "BATCH", "makes calling cards, whose PINs are written to one file once", cardAdd},
		{"card list", "", "lists all batches of calling cards", cardList},
		{"card show", "SERIAL", "shows a calling card", cardShow},
		{"card block", "BATCH", "keeps a batch of calling cards, or a series, from calling", cardBlock},
		{"card unblock", "BATCH", "ends that", cardUnblock},
		{"card expire", "BATCH", "ends a batch of calling cards, or a series, for good", cardExpire},
		{"limit show", "[USER]", "shows the limits of a user, a group or the site", limitShow},
		{"limit set", "[USER]", "sets limits of a user, a group or the site", limitSet},
		{"limit clear", "[USER]", "takes all limits of a user, a group or the site away", limitClear},
		{"notice list", "", "lists notices with what was done to tell of them", noticeList},
		{"notice webhook add", "NAME", "makes an address to which notices are sent", webhookAdd},
		{"notice webhook list", "", "lists all webhooks", webhookList},
		{"notice webhook change", "NAME", "changes a webhook, or enables or disables it", webhookChange},
		{"notice webhook remove", "NAME", "removes a webhook", webhookRemove},
		{"notice webhook test", "NAME", "has a notice sent to one webhook", webhookTest},
		{"token add", "", "makes a token for a program", tokenAdd},
		{"token list", "", "lists all tokens", tokenList},
		{"token revoke", "NAME", "ends a token", tokenRevoke},
		{"log", "", "lists who did what", auditLog},
		{"stats rebuild", "", "counts whole days of calls anew, of which it is kept what was counted", statsRebuild},
		{"stats verify", "", "compares what is kept of whole days of calls with their records", statsVerify},
		{"queues import", "FILE...", "reads files of Asterisk's queue_log, rotated and packed ones too", queuesImport},
		{"queues status", "", "shows how far the queue_log was read, and which lines of it are none", queuesStatus},
		{"queues verify", "", "proves that everybody who entered a queue went in exactly one way", queuesVerify},
		{"queues rebuild", "", "packs anew what is kept of whole days of queues", queuesRebuild},
		{"queues name", "[NAME] [SHOWN]", "gives a queue or an agent the name that people see", queuesName},
		{"audit", "", "derives all balances anew and reports every difference", audit},
		{"reconcile", "", "settles calls that ended without telling us", reconcile},
		{"simulate", "", "plays Asterisk to a running fastagi, then audits", simulate},
		{"provision", "[USERNAME]", "shows what a node manager is still to be told of SIM cards, or has it told anew", provision},
		{"doctor", "", "checks the installation and says what to do", doctor},
		{"dialplan", "[NAME]", "lists the Asterisk samples, prints one, or writes them to a folder", samples},
		{"version", "", "prints the version", showVersion},
	}
}

// usageError is a mistake in the command line itself.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// run is the whole command, from its arguments to its exit code.
func run(ctx context.Context, args []string, sys system) int {
	out := printer{bufio.NewWriter(sys.stdout)}
	who, err := perform(ctx, args, sys, out)
	if flushErr := out.Flush(); err == nil && flushErr != nil {
		err = fmt.Errorf("write the output: %w", flushErr)
	}
	var usage usageError
	switch {
	case err == nil:
		return exitWell
	case ctx.Err() != nil && errors.Is(err, ctx.Err()):
		err = errors.New("interrupted")
	}
	for line := range strings.SplitSeq(err.Error(), "\n") {
		_, _ = fmt.Fprintf(sys.stderr, "%s: %s\n", who, shortened(line))
	}
	if errors.As(err, &usage) {
		return exitUsage
	}
	return exitFailed
}

// perform finds the verb and does it. It returns in whose name an error is to be told.
func perform(ctx context.Context, args []string, sys system, out printer) (who string, err error) {
	global, args := cutGlobal(args)
	switch {
	case len(args) > 0 && isHelp(args[0]):
		printVerbs(out, "")
		return "admin", nil
	case len(args) > 0 && args[0] == "--version":
		args = append([]string{"version"}, args[1:]...)
	}
	v, rest, err := findVerb(args)
	if err != nil || v.setup == nil {
		if err == nil {
			printVerbs(out, args[0]+" ")
		}
		return "admin", err
	}
	c := newCommand(v, sys, out)
	do := v.setup(c)
	operands, err := c.parse(append(global, rest...))
	switch {
	case err != nil:
	case c.help:
		c.explain()
	case c.validate:
		err = c.validateSettings()
	default:
		err = do(ctx, operands)
	}
	return "admin " + v.name, err
}

// cutGlobal takes the flags that every verb knows from before the verb.
func cutGlobal(args []string) (global, rest []string) {
	n := 0
	for n < len(args) && (args[n] == "--validate" || args[n] == "--json") {
		n++
	}
	return args[:n:n], args[n:]
}

// findVerb takes the verb from the front of the arguments. Without one it is serve. A verb without setup is the
// first word of several, whose list is wanted.
func findVerb(args []string) (v verb, rest []string, err error) {
	if len(args) == 0 || isFlag(args[0]) {
		return verbs()[0], args, nil
	}
	for _, v := range verbs() {
		words := strings.Fields(v.name)
		if len(args) >= len(words) && strings.Join(args[:len(words)], " ") == v.name {
			return v, args[len(words):], nil
		}
	}
	switch {
	case !isGroup(args[0]):
		return verb{}, nil, usagef("there is no verb %q; admin -h lists them", args[0])
	case len(args) == 1:
		return verb{}, nil, usagef("%s needs a further word; admin %s -h lists them", args[0], args[0])
	case isHelp(args[1]):
		return verb{}, nil, nil
	}
	return verb{}, nil, usagef("there is no verb %q; admin %s -h lists them", args[0]+" "+args[1], args[0])
}

// isGroup reports whether word begins verbs of two words.
func isGroup(word string) bool {
	for _, v := range verbs() {
		if strings.HasPrefix(v.name, word+" ") {
			return true
		}
	}
	return false
}

func isHelp(arg string) bool {
	return arg == "-h" || arg == "-help" || arg == "--help" || arg == "help"
}

// printVerbs lists the verbs that begin with prefix.
func printVerbs(out printer, prefix string) {
	out.f("Talktime: prepaid billing for Asterisk.\n\nUsage: admin VERB [arguments and flags in any order]\n\n")
	rows := [][]string{}
	for _, v := range verbs() {
		if strings.HasPrefix(v.name, prefix) {
			rows = append(rows, []string{"  " + strings.TrimSpace(v.name+" "+v.operands), v.does})
		}
	}
	table{{}, {}}.write(out, rows)
	out.f("\nadmin VERB -h explains a verb. With every verb, --validate only checks the settings.\n" +
		"Settings are environment variables; admin serve -h lists them.\n")
}
