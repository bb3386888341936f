// Command admin is the operator's side of Talktime: the admin server, and one verb for each thing that an operator
// does by hand.
//
//	admin                                   # the admin server
//	admin user add --username marta --clid 555000204 --balance 600
//	admin topup marta 300 --ref receipt-1017
//	admin audit
//
// Results go to standard output, as a table or with --json as one document; everything else goes to standard error.
// It exits with 0 when all is well, 1 when something failed or differs, 2 when the command line makes no sense.
package main
