// Package nodemanager tells an OpenBTS site which SIM cards there are. It speaks to the NodeManager of SIPAuthServe:
// JSON requests over ZeroMQ. It knows nothing of users, and keeps nothing: whoever calls it tries again.
//
//	c := nodemanager.Client{Address: "127.0.0.1:45064"}
//	err := c.Create(ctx, nodemanager.Subscriber{Name: "7", IMSI: "001010000000204", MSISDN: "555000204"})
package nodemanager
