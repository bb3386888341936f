package main

import (
	"context"
	"strconv"
	"strings"

	"talktime/internal/config"
	"talktime/models"
	"talktime/routing"
	"talktime/store"
)

// carrierFlags are what can be said of a carrier.
type carrierFlags struct {
	c        *command
	dial     *string
	strip    *int
	prepend  *string
	tariff   *string
	channels *int
	enabled  *bool
}

func (c *command) carrierFlags() carrierFlags {
	c.reports()
	return carrierFlags{
		c, c.flags.String("dial", "", "TEMPLATE|what is dialled, with {number} where the number goes, such as PJSIP/{number}@carrier1"),
		c.wholeNumber("strip", 0, 0, 40, "N|digits that are taken off the front of the number; a + before it is never sent"),
		c.flags.String("prepend", "", "DIGITS|what is put in front of the rest, such as 00 or +"),
		c.flags.String("tariff", "", "NAME|the tariff with what he asks; empty: nobody knows"),
		c.wholeNumber("channels", 0, 0, 1_000_000, "N|calls that he takes at once; 0: any number"),
		c.flags.Bool("enabled", true, "he gets calls; --enabled=false: none"),
	}
}

// change is what the flags say that were given.
func (f carrierFlags) change() models.CarrierChange {
	var change models.CarrierChange
	channels := int64(*f.channels)
	for flag, field := range map[string]func(){
		"dial":     func() { change.Dial = f.dial },
		"strip":    func() { change.Strip = f.strip },
		"prepend":  func() { change.Prepend = f.prepend },
		"tariff":   func() { change.Deck = f.tariff },
		"channels": func() { change.Channels = &channels },
		"enabled":  func() { change.Enabled = f.enabled },
	} {
		if f.c.isGiven(flag) {
			field()
		}
	}
	return change
}

const aboutCarriers = `
A number is sent to a carrier without the + that may stand before it, without the digits that --strip takes off its front, and
behind what --prepend puts there: --strip 2 --prepend 0 makes 030123456 of 4930123456. What he asks for calls is a tariff like
any other, see admin tariff -h; nobody needs to be given it. Calls in progress stay where they are, whatever is changed.`

func carrierAdd(c *command) action {
	f := c.carrierFlags()
	c.about = aboutCarriers
	c.examples = []string{"admin carrier add north --dial 'PJSIP/{number}@north' --prepend 00 --tariff north-buys --channels 30"}
	return func(ctx context.Context, operands []string) error {
		if *f.dial == "" {
			return usagef("--dial is missing")
		}
		carrier := models.Carrier{
			Name: operands[0], Dial: *f.dial, Strip: *f.strip, Prepend: *f.prepend, Deck: *f.tariff, Channels: int64(*f.channels), Enabled: *f.enabled,
		}
		if err := carrier.Validate(); err != nil {
			return usageError{validation(err)}
		}
		return c.withStore(ctx, func(db *store.Store, cfg config.Config) error {
			if err := routing.CheckDial(carrier.Dial, cfg.Calls.DialTechs); err != nil {
				return usageError{validation(err)}
			}
			made, err := db.AddCarrier(ctx, carrier, actor())
			if err != nil {
				return aboutTariff(err)
			}
			return c.printCarriers([]models.Carrier{made})
		})
	}
}

func carrierList(c *command) action {
	c.reports()
	return func(ctx context.Context, _ []string) error {
		return c.withStore(ctx, func(db *store.Store, _ config.Config) error {
			carriers, err := db.Carriers(ctx)
			if err != nil {
				return err
			}
			return c.printCarriers(carriers)
		})
	}
}

func carrierShow(c *command) action {
	c.reports()
	return func(ctx context.Context, operands []string) error {
		return c.withStore(ctx, func(db *store.Store, _ config.Config) error {
			carrier, err := db.Carrier(ctx, operands[0])
			if err != nil {
				return aboutTariff(err)
			}
			return c.printCarriers([]models.Carrier{carrier})
		})
	}
}

func carrierChange(c *command) action {
	f := c.carrierFlags()
	c.about = "\nWhat is left out stays." + aboutCarriers
	c.examples = []string{"admin carrier change north --channels 60", "admin carrier change north --enabled=false"}
	return func(ctx context.Context, operands []string) error {
		change := f.change()
		if change == (models.CarrierChange{}) {
			return usagef("nothing is to be changed; admin carrier change -h shows what can be")
		}
		return c.withStore(ctx, func(db *store.Store, cfg config.Config) error {
			if change.Dial != nil {
				if err := routing.CheckDial(*change.Dial, cfg.Calls.DialTechs); err != nil {
					return usageError{validation(err)}
				}
			}
			carrier, err := db.ChangeCarrier(ctx, operands[0], change, actor())
			if err != nil {
				return aboutTariff(err)
			}
			return c.printCarriers([]models.Carrier{carrier})
		})
	}
}

func carrierRemove(c *command) action {
	c.about = "\nA carrier that a route names cannot be removed. Calls in progress go on."
	return func(ctx context.Context, operands []string) error {
		return c.withStore(ctx, func(db *store.Store, _ config.Config) error {
			if err := db.RemoveCarrier(ctx, operands[0], actor()); err != nil {
				return aboutTariff(err)
			}
			c.out.f("carrier %s is removed\n", operands[0])
			return nil
		})
	}
}

func (c *command) printCarriers(carriers []models.Carrier) error {
	shown := make([]routing.ShownCarrier, len(carriers))
	rows := make([][]string, len(carriers))
	for i, one := range carriers {
		shown[i] = routing.ShowCarrier(one)
		channels := "any"
		if one.Channels > 0 {
			channels = strconv.FormatInt(one.Calls, 10) + " of " + strconv.FormatInt(one.Channels, 10)
		}
		asks := "-"
		if one.DeckID != 0 {
			asks = one.Deck + " (" + one.Currency + ")"
		}
		rows[i] = []string{one.Name, one.Dial, strconv.Itoa(one.Strip), orNone(one.Prepend), asks, channels, yesNo(one.Enabled)}
	}
	if c.json {
		return c.out.json(shown)
	}
	table{{"NAME", false}, {"DIAL", false}, {"STRIP", true}, {"PREPEND", false}, {"ASKS", false}, {"CALLS", true}, {"ENABLED", false}}.write(c.out, rows)
	return nil
}

// namesIn splits a list at its commas.
func namesIn(text string) []string {
	var parts []string
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part != "" {
			parts = append(parts, part)
		}
	}
	return parts
}
