package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os/user"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/term"

	"talktime/internal/config"
	"talktime/store"
)

// command is one verb at work: its flags, and where its output goes.
type command struct {
	system
	verb  verb
	flags *flag.FlagSet // the usage of a flag that takes a value is NAME|what for
	out   printer       // standard output; flushed at the end

	about    string // what the help says beyond the verb's one line
	examples []string

	help     bool
	validate bool
	json     bool

	repeatable []string // flags that may be given several times

	makes bool // an SQLite database where there is none
}

func newCommand(v verb, sys system, out printer) *command {
	c := &command{system: sys, verb: v, out: out, flags: flag.NewFlagSet(v.name, flag.ContinueOnError)}
	c.flags.BoolVar(&c.validate, "validate", false, "only check the settings, and report all mistakes in them")
	return c
}

// reports gives a verb the flag --json.
func (c *command) reports() {
	c.flags.BoolVar(&c.json, "json", false, "print one JSON document in place of the table")
}

// parse reads the flags, which may stand anywhere, and returns the other arguments. The standard package would stop at
// the first of those, and would take an amount of -5 for a flag.
func (c *command) parse(args []string) (operands []string, err error) {
	for len(args) > 0 {
		arg := args[0]
		args = args[1:]
		switch {
		case arg == "--":
			return c.count(append(operands, args...))
		case !isFlag(arg):
			operands = append(operands, arg)
			continue
		case isHelp(arg):
			c.help = true
			return nil, nil
		}
		if args, err = c.parseFlag(arg, args); err != nil {
			return nil, err
		}
	}
	return c.count(operands)
}

// parseFlag sets one flag, whose value may be the first of the arguments behind it, and returns those that are left.
func (c *command) parseFlag(arg string, args []string) ([]string, error) {
	name, value, given := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(arg, "-"), "-"), "=")
	f := c.flags.Lookup(name)
	if f == nil {
		return nil, usagef("there is no flag --%s; admin %s -h lists them", name, c.verb.name)
	}
	if c.isGiven(name) && !slices.Contains(c.repeatable, name) {
		return nil, usagef("--%s is given twice", name)
	}
	switch {
	case given:
	case isSwitch(f):
		value = "true"
	case len(args) == 0 || isFlag(args[0]) && c.flags.Lookup(strings.Trim(args[0], "-")) != nil:
		return nil, usagef("--%s needs a value; admin %s -h explains it", name, c.verb.name)
	default:
		value, args = args[0], args[1:]
	}
	if err := c.flags.Set(name, value); err != nil {
		if isSwitch(f) {
			return nil, usagef("--%s is %q, but must be true or false", name, value)
		}
		return nil, usagef("--%s is %q, but %w", name, value, err)
	}
	return args, nil
}

// count checks that there are as many operands as the usage shows.
func (c *command) count(operands []string) ([]string, error) {
	if c.validate {
		return nil, nil // they are not used
	}
	known := strings.Fields(c.verb.operands)
	if len(operands) > len(known) && !strings.HasSuffix(c.verb.operands, "...") {
		return nil, usagef("%q is one argument too many; admin %s -h explains them", operands[len(known)], c.verb.name)
	}
	for _, missing := range known[min(len(operands), len(known)):] {
		if !strings.HasPrefix(missing, "[") {
			return nil, usagef("%s is missing; admin %s -h explains it", missing, c.verb.name)
		}
	}
	return operands, nil
}

// isFlag tells flags from operands: "-" and negative numbers are operands.
func isFlag(arg string) bool {
	return len(arg) > 1 && arg[0] == '-' && !strings.ContainsRune("0123456789.", rune(arg[1]))
}

func isSwitch(f *flag.Flag) bool {
	b, ok := f.Value.(interface{ IsBoolFlag() bool })
	return ok && b.IsBoolFlag()
}

// wholeNumber adds a flag that takes a whole number from low to high.
func (c *command) wholeNumber(name string, value, low, high int, usage string) *int {
	n := value
	c.flags.Func(name, usage, func(text string) error {
		given, err := strconv.Atoi(text)
		if err != nil || given < low || given > high {
			return fmt.Errorf("must be a whole number from %d to %d", low, high)
		}
		n = given
		return nil
	})
	return &n
}

// isGiven reports whether a flag was set on the command line.
func (c *command) isGiven(name string) (given bool) {
	c.flags.Visit(func(f *flag.Flag) { given = given || f.Name == name })
	return given
}

// explain prints what admin VERB -h shows.
func (c *command) explain() {
	c.out.f("%s\n\n%s.\n", strings.TrimSpace("Usage: admin "+c.verb.name+" "+c.verb.operands)+" [flags]", sentence(c.verb.does))
	if c.about != "" {
		c.out.f("\n%s\n", strings.TrimSpace(c.about))
	}
	rows := [][]string{}
	c.flags.VisitAll(func(f *flag.Flag) {
		value, usage, takesOne := strings.Cut(f.Usage, "|")
		if !takesOne {
			value, usage = "", f.Usage
		}
		rows = append(rows, []string{"  " + strings.TrimSpace("--"+f.Name+" "+value), usage})
	})
	c.out.f("\nFlags:\n")
	table{{}, {}}.write(c.out, rows)
	c.out.f("\nExample:\n")
	for _, example := range c.examples {
		c.out.f("  %s\n", example)
	}
}

// sentence turns what a verb does into the beginning of a sentence.
func sentence(does string) string { return strings.ToUpper(does[:1]) + does[1:] }

// note tells the operator something on standard error.
func (c *command) note(format string, args ...any) {
	_, _ = fmt.Fprintf(c.stderr, "admin %s: %s\n", c.verb.name, shortened(fmt.Sprintf(format, args...)))
}

// settings reads the configuration. A name that is probably misspelt is told at once: what it should have changed
// is about to happen otherwise.
func (c *command) settings() (config.Config, error) {
	cfg, err := config.Load(c.getenv, c.environ, ".")
	for _, name := range cfg.Unknown {
		c.note("warning: %s is not a setting of Talktime and has no effect", name)
	}
	return cfg, err
}

func (c *command) validateSettings() error {
	cfg, err := c.settings()
	for _, warning := range cfg.Warnings {
		c.note("warning: %s", warning)
	}
	_, errTLS := cfg.Admin.Certificate()
	if err = errors.Join(err, errTLS); err == nil {
		c.out.f("the settings are in order\n")
	}
	return err
}

// withStore opens the database for an action and closes it afterwards.
func (c *command) withStore(ctx context.Context, do func(*store.Store, config.Config) error) error {
	cfg, err := c.settings()
	if err != nil {
		return err
	}
	db, err := c.openStore(cfg)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	if err := prepareSchema(ctx, db, cfg.Database); err != nil {
		return err
	}
	return do(db, cfg)
}

// actor is who acts, for the ledger and the audit log. No user has a slash in his name.
func actor() string {
	who, err := user.Current()
	if err != nil {
		return "cli/unknown"
	}
	return "cli/" + who.Username
}

// terminal returns the descriptor of a stream that is a terminal.
func terminal(stream any) (fd int, ok bool) {
	file, ok := stream.(interface{ Fd() uintptr })
	if !ok {
		return 0, false
	}
	fd = int(file.Fd())
	return fd, term.IsTerminal(fd)
}

// isTerminal reports whether somebody sees what is written to w while it is written.
func isTerminal(w io.Writer) bool {
	_, ok := terminal(w)
	return ok
}
