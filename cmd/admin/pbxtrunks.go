package main

import (
	"context"

	"talktime/adminapi"
	"talktime/pbx"
	"talktime/pbx/extension"
)

// openTrunks puts the trunks of the telephone system together that a back end of extensions is of. The changes of those of realtime are
// recorded beside these.
func openTrunks(p *adminapi.PBX, recorded *extension.Recorded, manager *pbx.Client) {
	if manager != nil {
		p.TrunkStates = manager
	}
	switch back := recorded.Backend.(type) {
	case extension.Applied:
		p.Trunks, _ = back.Backend.(extension.Trunks)
	case extension.Checked:
		tables, ok := back.Tables.(extension.TrunkBackend)
		if !ok {
			return
		}
		trunks := extension.CheckedTrunks{TrunkBackend: tables}
		switch checker := back.Checker.(type) {
		case pbx.Checker:
			trunks.Asterisk = trunkChecker{checker, checker.REST, manager}
		case restChecker:
			trunks.Asterisk = trunkChecker{checker, checker.REST, nil}
		}
		recorded.Trunks = trunks
		p.Trunks = extension.RecordedTrunks{TrunkBackend: trunks, Recorded: *recorded}
	}
}

// trunkChecker asks Asterisk about trunks.
type trunkChecker struct {
	extension.Checker

	rest    *pbx.REST
	manager *pbx.Client // nil: there is none
}

// Register implements extension.TrunkChecker.
func (c trunkChecker) Register(ctx context.Context, name string) error {
	return c.rest.Register(ctx, name)
}

// RegisterAnew implements extension.TrunkChecker. Without a manager interface the new secret is for the next registration.
func (c trunkChecker) RegisterAnew(ctx context.Context, name string) error {
	if c.manager == nil {
		return nil
	}
	return c.manager.PJSIPRegister(ctx, name)
}

// Unregister implements extension.TrunkChecker.
func (c trunkChecker) Unregister(ctx context.Context, name string) error {
	return c.rest.Unregister(ctx, name)
}
