// Package models holds the records that every other package agrees on: users, accounts, rates, calls and ledger
// transactions. They are plain data; they know neither SQL nor HTTP nor AGI, and decide nothing about money.
//
//	call := models.Call{CallID: "10.0.0.5-1732143.12", Number: "59899123000", State: models.CallOpen}
package models
