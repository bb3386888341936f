// Package host says how the machine is doing on which Asterisk runs: its load, its disks and its firewall. It reads, and changes
// nothing; it runs no shell.
package host
