package main

import (
	"talktime/adminapi"
	"talktime/pbx"
)

// openCore lets the API ask Asterisk how it is doing, where there is a manager interface.
func openCore(p *adminapi.PBX, manager *pbx.Client) {
	if manager != nil {
		p.Core = manager
	}
}
