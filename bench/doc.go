// Command bench measures what this program promises about speed: each figure side by side with what it is compared
// to, in turn, in one run, so that the ratio holds on any machine and while others use it too. It prints a table and
// writes it to bench/RESULTS.md.
//
//	make bench                        all figures, in about a quarter of an hour
//	go run ./bench -short             a look, in about a minute; writes nothing
//	go run ./bench -only engine,lists  some figures; writes nothing
//	go run ./bench -full              growth up to a million users and ten million ledger entries
//	go run ./bench -only statistics -cdrs 2000000   statistics over fewer call records
//	go run ./bench -only queues -lines 500000       queues over a shorter queue_log
//	go run ./bench -only midcall       5,000 live calls that are extended while they go on, in two minutes
//
// The databases are real and durable: a MariaDB of our own that flushes at every commit, and SQLite with
// synchronous=FULL. After the load every database is audited, and books that do not balance fail the run. Exit status: 0
// measured, 1 something failed, 2 usage; a goal that is missed is printed as missed and does not change it.
package main
