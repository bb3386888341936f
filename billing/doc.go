// Package billing decides everything about money: who may call, where, how long, and what it cost.
//
// Each decision (authorise, settle, release, top up…) is a pure function over loaded rows: no SQL, no clock, no
// network. [Service] collects the operations that arrive at once and hands them to a [Store], which locks and
// loads their rows, lets each decide in turn, and commits once; nobody is answered before that commit.
//
//	auth, err := service.Authorize(ctx, billing.CallRequest{CallID: "pbx-1732143.12", CallerID: "555000204", Number: "555000205"})
//	charge, err := service.Settle(ctx, billing.CallResult{CallID: auth.CallID, Evidence: seen})
//
// The package must never reach a database, a socket or the time of day by itself, and never use floating point.
package billing
