package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	_ "github.com/glebarez/go-sqlite" // the helper sql
	"github.com/rogpeppe/go-internal/testscript"

	"talktime/agi"
	"talktime/billing"
	"talktime/store"
	"talktime/store/storetest"
)

func TestMain(m *testing.M) {
	testscript.Main(withServers{m}, map[string]func(){"admin": main})
}

// withServers ends what the tests of this package started.
type withServers struct{ *testing.M }

func (m withServers) Run() int { return storetest.Main(m.M) }

// TestScripts runs the command on SQLite, in one empty folder for each script.
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{Dir: "testdata/script", Cmds: helpers(), RequireExplicitExec: true})
}

// TestServerScripts runs the command on a real MariaDB.
func TestServerScripts(t *testing.T) {
	t.Parallel()
	server := storetest.Shared(t)
	testscript.Run(t, testscript.Params{
		Dir: "testdata/server", Cmds: helpers(), RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			tb, ok := env.T().(interface{ testing.TB })
			if !ok {
				tb = t
			}
			env.Setenv("TALKTIME_DATABASE_URL", server.NewDatabase(tb))
			return nil
		},
	})
}

// helpers are what the scripts may use besides testscript's own commands:
//
//	exits CODE PROGRAM ARGS…   the program ends with exactly this code
//	json FILE PATH WANT        the value at a path such as 0.username
//	keys FILE PATH KEY…        the object there has exactly these keys
//	sql STATEMENT              on the SQLite file of the script
//	fastagi [dear|deaf]        starts a fastagi on that file, to charge a second too much, or settle nothing
//	queries VERB               runs each query that the verb's help shows
//	users N FILE               writes a CSV file of so many users
//	utf16|binary|long FILE     writes a file that is no such CSV file
func helpers() map[string]func(*testscript.TestScript, bool, []string) {
	return map[string]func(*testscript.TestScript, bool, []string){
		"utf16": write("\xff\xfeu\x00s\x00"), "binary": write("\x7fELF\x02\x01\x01\x00\x00"), "long": write("username\n" + strings.Repeat("x", 20<<20) + "\n"),
		"exits": exits, "digest": keepDigest, "json": jsonIs, "keys": jsonKeys, "sql": runSQL, "fastagi": startFastAGI, "users": writeUsers, "queries": runQueries,
	}
}

// write makes a helper that writes a file.
func write(text string) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, _ bool, args []string) {
		ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(text), 0o600))
	}
}

// shownQuery is a query in a help.
var shownQuery = regexp.MustCompile(`'(\{"filters".*?\})'`)

func runQueries(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(ts.Exec("admin", append(args, "-h")...))
	found := shownQuery.FindAllStringSubmatch(ts.ReadFile("stdout"), -1)
	if len(found) == 0 {
		ts.Fatalf("the help of %q shows no query", args)
	}
	for _, query := range found {
		ts.Check(ts.Exec("admin", append(args, "--query", query[1], "--json")...))
		if value(ts, "stdout", "length") == 0 {
			ts.Fatalf("%s finds nothing", query[1])
		}
	}
}

func exits(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// value finds a path of keys and indexes in a JSON document; "." is the document.
func value(ts *testscript.TestScript, file, path string) any {
	var v any
	if err := json.Unmarshal([]byte(ts.ReadFile(file)), &v); err != nil {
		ts.Fatalf("%s is not one JSON document: %v", file, err)
	}
	if path == "." {
		return v
	}
	for key := range strings.SplitSeq(path, ".") {
		switch node := v.(type) {
		case map[string]any:
			found := false
			if v, found = node[key]; !found {
				ts.Fatalf("%s has no key %q", path, key)
			}
		case []any:
			if key == "length" {
				return len(node)
			}
			i, err := strconv.Atoi(key)
			if err != nil || i >= len(node) {
				ts.Fatalf("%s has no element %q of %d", path, key, len(node))
			}
			v = node[i]
		default:
			ts.Fatalf("%s: there is nothing below %v", path, node)
		}
	}
	return v
}

func jsonIs(ts *testscript.TestScript, neg bool, args []string) {
	got := value(ts, args[0], args[1])
	text, ok := got.(string)
	if !ok {
		data, err := json.Marshal(got)
		ts.Check(err)
		text = string(data)
	} else if _, err := strconv.ParseFloat(text, 64); err == nil {
		text = strconv.Quote(text) // tell "5" from 5
	}
	if (text == args[2]) == neg {
		ts.Fatalf("%s is %s, want %s", args[1], text, args[2])
	}
}

func jsonKeys(ts *testscript.TestScript, _ bool, args []string) {
	object, ok := value(ts, args[0], args[1]).(map[string]any)
	if !ok {
		ts.Fatalf("%s is no object", args[1])
	}
	var got []string
	for key := range object {
		got = append(got, key)
	}
	want := slices.Clone(args[2:])
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		ts.Fatalf("%s has the keys %q, want %q", args[1], got, want)
	}
}

// keepDigest makes $DIGEST what the preview of a re-rating asks to be given back.
func keepDigest(ts *testscript.TestScript, _ bool, args []string) {
	_, digest, found := strings.Cut(ts.ReadFile(args[0]), "--expect ")
	if !found {
		ts.Fatalf("there is no digest")
	}
	ts.Setenv("DIGEST", strings.TrimSpace(digest))
}

func runSQL(ts *testscript.TestScript, _ bool, args []string) {
	db, err := sql.Open("sqlite", ts.MkAbs("data/talktime.db")+"?_pragma=busy_timeout(5000)")
	ts.Check(err)
	defer db.Close()
	_, err = db.Exec(args[0])
	ts.Check(err)
}

func writeUsers(ts *testscript.TestScript, _ bool, args []string) {
	n, err := strconv.Atoi(args[0])
	ts.Check(err)
	var b strings.Builder
	b.WriteString("username,clid,imsi,balance\n")
	for i := range n {
		fmt.Fprintf(&b, "user%07d,7%08d,99%08d,600\n", i, i, i)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(b.String()), 0o600))
}

// startFastAGI is the helper fastagi.
func startFastAGI(ts *testscript.TestScript, _ bool, args []string) {
	address, stop, err := fastAGI(ts.MkAbs("data/talktime.db"), strings.Join(args, " "))
	ts.Check(err)
	ts.Defer(stop)
	ts.Setenv("TALKTIME_FASTAGI_LISTEN", address)
}

// fastAGI runs the call scripts on a database as the command fastagi does, until it is stopped.
func fastAGI(path, manner string) (address string, stop func(), err error) {
	db, err := store.Open(store.Config{Path: path})
	if err != nil {
		return "", nil, err
	}
	if _, err := db.Migrate(context.Background()); err != nil {
		return "", nil, err
	}
	service := billing.New(billing.Options{Store: db, Policy: billing.Policy{
		MaxCallSeconds: 60, RingSeconds: 40, Identify: []string{billing.ByCallerID}, Dial: "PJSIP/{number}@trunk", DialTechs: []string{"PJSIP"},
	}})
	var biller agi.Billing = service
	switch manner {
	case "dear":
		biller = dear{service}
	case "deaf":
		biller = deaf{service}
	}
	mux := agi.NewMux()
	(&agi.Scripts{Billing: biller, Spool: noSpool{}, Logger: slog.New(slog.DiscardHandler)}).Register(mux)
	listener, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = (&agi.Server{Handler: mux}).Serve(ctx, listener)
	}()
	return listener.Addr().String(), func() {
		cancel()
		<-ended
		service.Close()
		_ = db.Close()
	}, nil
}

// dear bills a second more than was talked.
type dear struct{ *billing.Service }

func (d dear) Settle(ctx context.Context, res billing.CallResult) (billing.Charge, error) {
	if ms := res.Evidence.AnsweredMS; ms != nil {
		more := *ms + 1000
		res.Evidence.AnsweredMS, res.Evidence.EndedMS = &more, nil
	}
	return d.Service.Settle(ctx, res)
}

// deaf settles nothing.
type deaf struct{ *billing.Service }

func (deaf) Settle(context.Context, billing.CallResult) (billing.Charge, error) {
	return billing.Charge{}, nil
}

type noSpool struct{}

func (noSpool) Put(agi.Record) error { return errors.New("there is no spool in this test") }
