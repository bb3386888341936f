// Package webhook posts JSON to an address, signed so that its owner can tell who sent it. It tries once: whoever calls it tries
// again.
//
//	status, err := webhook.New().Send(ctx, webhook.Message{URL: "https://example.net/notices", Secret: secret, Key: "notice-7", Body: body, At: now})
package webhook
