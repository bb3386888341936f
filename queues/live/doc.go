// Package live joins what Asterisk says of its queues now with what the log says of today, into a Picture that all readers share:
//
//	pictures := live.New(live.Options{Asterisk: client, Log: reports, Location: zone})
//	picture, err := pictures.Now(ctx)
//	mine := picture.Only(scope, nil)
//
// However many ask, Asterisk is asked at most once in two seconds. Without it the figures of today are there all the same, and the
// picture says that it is not live. Nothing of it is ever stored.
package live
