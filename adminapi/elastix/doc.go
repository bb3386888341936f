// Package elastix answers as the script api.php of elastix-api did on a FreePBX host: peers and extensions of the telephone system,
// live calls, call records and recordings, and how the machine is doing. It reads what was asked for, asks whoever knows, and writes what
// they say in the words and the order of keys of that script's clients, where nearly every value is a text. It runs no shell and puts no
// SQL together. Who asks is found out by whoever serves it, who also sends the answer and keeps the audit log.
//
//	answer := api.Do(ctx, elastix.Request{Method: "GET", Query: "cmd=sippeers", Sent: true, Key: &elastix.Key{Name: "reports", Scopes: []string{"read"}}})
//	w.WriteHeader(answer.Status)
//	_, err := w.Write(answer.Body)
package elastix
