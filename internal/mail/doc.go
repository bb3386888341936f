// Package mail hands plain mails to one server by SMTP. It tries once: whoever calls it tries again.
//
//	c := mail.Client{Addr: "mail.example.net:587", User: "talktime", Password: secret, From: "talktime@example.net"}
//	err := c.Send(ctx, mail.Message{To: []string{"ops@example.net"}, ID: "notice-7", Subject: "Low balance of marta", Text: text, At: now})
package mail
