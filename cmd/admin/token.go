package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"talktime/internal/config"
	"talktime/models"
	"talktime/store"
)

// tokenJSON is a token as --json shows it.
type tokenJSON struct {
	ID        int64      `json:"id"`
	Name      string     `json:"name"`
	Scopes    []string   `json:"scopes"`
	Account   string     `json:"account"`
	CreatedAt time.Time  `json:"created_at"`
	ExpiresAt *time.Time `json:"expires_at"`
	LastUsed  *time.Time `json:"last_used"`
	Token     string     `json:"token,omitempty"` // the secret, when it was just made
}

func showToken(t models.Token) tokenJSON {
	return tokenJSON{t.ID, t.Name, t.Scopes, t.Account, t.CreatedAt.UTC(), t.ExpiresAt, t.LastUsed, ""}
}

// most is how many tokens or groups are read at a time.
const most = 1000

func tokenAdd(c *command) action {
	c.reports()
	name := c.flags.String("name", "", "NAME|what the token is for; each name once")
	scopes := c.flags.String("scopes", "", "LIST|what it is good for, separated by commas: "+strings.Join(models.Scopes(), ", "))
	account := c.flags.String("account", "", "ID|the only user or group whose figures it may read, by account_id or id; bound to none when left out")
	expires := c.flags.String("expires", "", "DATE|the first day on which it is no longer valid, as 2030-12-31; never when left out")
	c.about = "\nThe secret is shown this once: only a hash of it is kept. No scope implies another:\n"
	for _, scope := range models.Scopes() {
		c.about += fmt.Sprintf("\n  %-10s  %s", scope, models.ScopePermits(scope))
	}
	c.about += "\n\nWith --account it reads what is of that user, or of those who are in that group at the moment,\nand is refused everything else, whatever its scopes."
	c.examples = []string{"admin token add --name reports --scopes read,cdr --expires 2030-12-31"}
	return func(ctx context.Context, _ []string) error {
		made := models.NewToken{Name: *name, Account: *account, Scopes: strings.FieldsFunc(*scopes, func(r rune) bool { return r == ',' || r == ' ' })}
		switch {
		case !goodName(*name):
			return usagef("--name must be 1 to 64 printable characters, without blanks at the ends")
		case len(made.Scopes) == 0:
			return usagef("--scopes must name at least one of %s", strings.Join(models.Scopes(), ", "))
		case c.isGiven("account") && !goodName(*account): // an empty one must not make a token that sees everybody
			return usagef("--account must be 1 to 64 printable characters, without blanks at the ends")
		}
		for _, scope := range made.Scopes {
			if !slices.Contains(models.Scopes(), scope) {
				return usagef("--scopes: there is no scope %q; there are %s", scope, strings.Join(models.Scopes(), ", "))
			}
		}
		slices.Sort(made.Scopes)
		made.Scopes = slices.Compact(made.Scopes)
		return c.withStore(ctx, func(db *store.Store, cfg config.Config) error {
			if *expires != "" {
				day, err := time.ParseInLocation(time.DateOnly, *expires, cfg.Location)
				if err != nil {
					return usagef("--expires is %q, but must be a date such as 2030-12-31", *expires)
				}
				now, err := db.Clock(ctx)
				if err != nil {
					return err
				}
				if !day.After(now) {
					return usagef("--expires is %s, which is over: the token would never be valid", *expires)
				}
				made.ExpiresAt = &day
			}
			token, secret, err := db.NewToken(ctx, made, actor())
			if err != nil {
				return err
			}
			if c.json {
				shown := showToken(token)
				shown.Token = secret
				return c.out.json(shown)
			}
			c.out.f("token %s for %s: %s\nIt is shown this once.\n", token.Name, strings.Join(token.Scopes, ", "), secret)
			return nil
		})
	}
}

// goodName reports whether text can be the name of a token or an account.
func goodName(text string) bool {
	odd := func(r rune) bool { return !unicode.IsPrint(r) }
	return text != "" && utf8.ValidString(text) && utf8.RuneCountInString(text) <= 64 && strings.TrimSpace(text) == text &&
		strings.IndexFunc(text, odd) < 0
}

// everything reads all pages of a list.
func everything[T any](list func(models.ListRequest) (models.List[T], error)) ([]T, error) {
	all := []T{}
	for page := 1; ; page++ {
		part, err := list(models.ListRequest{Number: page, Size: most})
		all = append(all, part.Items...)
		if err != nil || len(part.Items) < most {
			return all, err
		}
	}
}

func tokenList(c *command) action {
	c.reports()
	return func(ctx context.Context, _ []string) error {
		return c.withStore(ctx, func(db *store.Store, _ config.Config) error {
			tokens, err := everything(func(r models.ListRequest) (models.List[models.Token], error) { return db.ListTokens(ctx, r) })
			if err != nil {
				return err
			}
			shown := make([]tokenJSON, len(tokens))
			rows := make([][]string, len(tokens))
			for i, t := range tokens {
				shown[i] = showToken(t)
				account := t.Account
				if account == "" {
					account = "all"
				}
				rows[i] = []string{strconv.FormatInt(t.ID, 10), t.Name, strings.Join(t.Scopes, ","), account, dayOrNever(t.ExpiresAt), dayOrNever(t.LastUsed)}
			}
			if c.json {
				return c.out.json(shown)
			}
			table{{"ID", true}, {"NAME", false}, {"SCOPES", false}, {"ACCOUNT", false}, {"EXPIRES", false}, {"LAST USED", false}}.write(c.out, rows)
			return nil
		})
	}
}

func dayOrNever(t *time.Time) string {
	if t == nil {
		return "never"
	}
	return t.UTC().Format("2006-01-02 15:04")
}

func tokenRevoke(c *command) action {
	c.about = "\nIt ends at once, for every server."
	return func(ctx context.Context, operands []string) error {
		return c.withStore(ctx, func(db *store.Store, _ config.Config) error {
			tokens, err := everything(func(r models.ListRequest) (models.List[models.Token], error) { return db.ListTokens(ctx, r) })
			if err != nil {
				return err
			}
			i := slices.IndexFunc(tokens, func(t models.Token) bool { return t.Name == operands[0] })
			if i < 0 {
				return fmt.Errorf("there is no token %q; admin token list shows them", operands[0])
			}
			if err := db.RevokeToken(ctx, tokens[i].ID, actor()); err != nil {
				return err
			}
			c.out.f("token %s is revoked\n", operands[0])
			return nil
		})
	}
}
