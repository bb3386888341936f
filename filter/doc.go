// Package filter reads the search language of the API and turns it into SQL.
//
// A query is a JSON object; everything in it is optional, and nothing else may be in it (but see [Options.Others]):
//
//	{"filters": [{"name": "admin", "op": "eq", "val": false},
//	             {"or": [{"name": "clid", "op": "like", "val": "5989%"},
//	                     {"name": "groups__name", "op": "any", "val": "field-team"}]}],
//	 "order_by": [{"field": "username", "direction": "desc"}],
//	 "group_by": [{"field": "admin"}], "limit": 20, "offset": 40, "single": false}
//
// Filters of a list must all hold; {"or": […]} and {"and": […]} nest. A filter compares a field with "val", or with
// another field named by "field", which counts when both are there. What is null satisfies no comparison, and nothing
// compares with null: that is what is_null and is_not_null are for. The operators are
//
//	==  eq  equals  equal_to  equals_to        !=  ne  neq  not_equal_to  does_not_equal
//	>   gt         >=  ge  gte  geq            <   lt         <=  le  lte  leq
//	in  not_in     is_null  is_not_null        like  ilike    any  has
//
// A field of a related row is relation__field; "any" (where there may be many related rows) and "has" (where there is
// one) ask whether some related row satisfies a value or a filter of its own.
//
// The same query finds the same rows in SQLite, MySQL and MariaDB, whatever the collations of their columns. Texts are
// the same when they are so byte by byte, blanks behind them included. In a pattern % stands for anything, _ for one
// character, and a backslash takes the meaning from what follows. like tells small letters from capitals. ilike does not,
// as far as the server's tables go: those of older servers lack what Unicode was given after version 3.2.
//
// Times are ISO 8601; those without a zone are in [Options.Location], where an hour that is left out is put forward and
// one that comes twice is the first. Blank ones are null; CURRENT_TIMESTAMP, LOCALTIMESTAMP and CURRENT_DATE are now and today.
//
// What a query may cost the database is bounded, by the constants whose names begin with Max. A column costs a point, what is
// computed and a relation ten.
//
// The package knows no table. Whoever uses it says with a [Table] which fields there are, of which kind, and where they
// are in the database; nothing else can be reached. Values are always bound, never written into the SQL. What is wrong
// with a query is an [Error], which knows what the original's language told the client.
package filter
