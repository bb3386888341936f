// Package e2e tests the built commands with a real Asterisk, real SIP calls and real databases: what a site would
// see. It holds nothing but tests; package lab brings up Asterisk.
package e2e
