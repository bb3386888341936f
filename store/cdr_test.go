package store_test

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"talktime/billing"
	"talktime/models"
	"talktime/store"
	"talktime/store/storetest"
)

// asterisk is a CDR database with the rows of calls as Asterisk 22 wrote them, in the time of Montevideo.
func asterisk(t *testing.T) (storetest.Database, *time.Location) {
	t.Helper()
	d := storetest.OnShared(t)
	schema, err := os.ReadFile("../dialplan/cdr.sql")
	if err != nil {
		t.Fatal(err)
	}
	db := d.SQL(t)
	if _, err := db.ExecContext(t.Context(), string(schema)); err != nil {
		t.Fatal(err)
	}
	if _, err := db.ExecContext(t.Context(), "ALTER TABLE cdr MODIFY src VARCHAR(80) NULL, MODIFY clid VARCHAR(80) NULL, MODIFY duration DOUBLE NULL, MODIFY billsec DECIMAL(10,3) NULL"); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(`
		1.0 22:10:52 59899000001 Dial 3 3 ANSWERED
		1.0 22:10:55 59899000001 Verbose 0 0 ANSWERED
		2.0 22:19:30 59899000001 Dial 3 3 ANSWERED
		2.0 22:19:30 59899000001 Dial 0 0 NO_ANSWER
		3.0 22:19:36 59899000001 Dial 0 0 BUSY
		3.0 22:19:36 59899000001 Dial 3 3 ANSWERED
		4.0 22:19:43 59899000001 Dial 4 4 ANSWERED
		4.0 22:19:43 59899000001 Dial 4 4 ANSWERED
		4.0 22:19:47 59899000001 Verbose 0 0 ANSWERED
		5.0 22:19:57 59899000001 Dial 1 1 ANSWERED
		5.0 22:19:58 59899000001 Dial 3 3 ANSWERED
		6.0 22:12:13 59899000001 Dial 0 0 BUSY
		7.0 22:12:16 59899000001 Dial 0 0 FAILED
		8.0 22:12:26 59899000001 Dial 4 0 NO_ANSWER
		9.0 22:15:59 59899000001 Dial 0.501 0.501 ANSWERED
		10.0 22:16:53 59899000001 Dial 8.9 5.9 ANSWERED
		11.0 22:10:52 59899000002 Dial 3 3 ANSWERED
		12.0 22:20:50 59899000001 Queue 3 3 ANSWERED
		13.0 22:10:52 NULL Dial 3 3 ANSWERED
		14.0 22:10:52 NULL Dial NULL NULL ANSWERED
		15.0 22:10:00 59899000001 Dial 3 3 ANSWERED
		15.0 22:10:30 59899000001 Dial 6 6 ANSWERED`) {
		f := strings.Fields(line)
		if len(f) == 0 {
			continue
		}
		null := func(s string) any {
			if s == "NULL" {
				return nil
			}
			return s
		}
		_, err := db.ExecContext(t.Context(), "INSERT INTO cdr (uniqueid, calldate, src, clid, lastapp, duration, billsec, disposition) VALUES (?,?,?,?,?,?,?,?)",
			f[0], "2026-11-20 "+f[1], null(f[2]), null(f[2]), f[3], null(f[4]), null(f[5]), strings.ReplaceAll(f[6], "_", " "))
		if err != nil {
			t.Fatal(err)
		}
	}
	location, err := time.LoadLocation("America/Montevideo")
	if err != nil {
		t.Skip(err)
	}
	return d, location
}

func TestCallRecordsAsEvidence(t *testing.T) {
	t.Parallel()
	d, location := asterisk(t)
	c, err := store.OpenCDR(store.CDRConfig{
		Label: "DB1", Addr: d.Config.Addr, User: d.Config.User, Password: d.Config.Password, Name: d.Config.Name, Location: location,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.Ping(t.Context()); err != nil || c.Name() != "DB1" {
		t.Errorf("%s: %v", c.Name(), err)
	}
	at := time.Date(2026, 11, 20, 22, 10, 0, 0, location)
	call := func(id string, edit ...func(*models.Call)) models.Call {
		c := models.Call{CallID: "10.0.0.5/" + id, CallerID: "59899000001", Authorized: at}
		for _, e := range edit {
			e(&c)
		}
		return c
	}
	talked := func(seconds int64) models.Evidence {
		return models.Evidence{Source: billing.SourceCDR, DialStatus: "ANSWER", BillSec: &seconds, Over: true}
	}
	ended := func(status string) models.Evidence {
		return models.Evidence{Source: billing.SourceCDR, DialStatus: status, Over: true}
	}
	onLeg := func(leg int, e models.Evidence) models.Evidence { e.Leg = leg; return e }
	from := func(caller string) func(*models.Call) { return func(c *models.Call) { c.CallerID = caller } }
	var calls []models.Call
	want := map[string]models.Evidence{}
	for _, c := range []struct {
		name string
		call models.Call
		want models.Evidence // empty: there are no rows of it
	}{
		{"a call, and the row of its h extension", call("1.0"), talked(3)},
		{"a parallel dial", call("2.0"), talked(3)},
		{"busy, then answered", call("3.0"), talked(3)},
		{"a forked record is one talk", call("4.0"), talked(4)},
		{"a redirect is two", call("5.0", func(c *models.Call) { c.Legs = make([]models.Leg, 1) }), onLeg(1, talked(4))},
		{"busy", call("6.0"), ended("BUSY")},
		{"failed", call("7.0"), ended("CHANUNAVAIL")},
		{"no answer", call("8.0"), ended("NOANSWER")},
		{"half a second, with a fraction in the table", call("9.0"), talked(0)},
		{"ringing is no talk", call("10.0"), talked(5)},
		{"of another caller", call("11.0"), models.Evidence{}},
		{"of another application", call("12.0"), models.Evidence{}},
		{"of an unknown caller", call("13.0", from("unknown")), talked(3)},
		{"of an empty caller, without numbers", call("14.0", from("")), talked(0)},
		{"the second call of a channel", call("15.0#2", func(c *models.Call) { c.Authorized = at.Add(29 * time.Second) }), talked(6)},
		{"no rows at all", call("99.0"), models.Evidence{}},
		{"an id that means something to SQL", call("1.0' OR '1"), models.Evidence{}},
	} {
		calls = append(calls, c.call)
		if c.want.Source != "" {
			want[c.call.CallID] = c.want
		}
	}
	got, err := c.Evidence(t.Context(), calls, nil)
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got)\n%s", err, diff)
	}
	if none, err := c.Evidence(t.Context(), nil, nil); err != nil || len(none) != 0 {
		t.Errorf("%v, %v", none, err)
	}
	// The same unique id two days later is another Asterisk's, or another life of this one.
	later := call("1.0", func(c *models.Call) { c.Authorized = at.Add(48 * time.Hour) })
	if old, err := c.Evidence(t.Context(), []models.Call{later, call("2.0")}, nil); err != nil || len(old) != 1 {
		t.Errorf("%v, %v", old, err)
	}
}

func TestACallRecordDatabaseThatIsAway(t *testing.T) {
	t.Parallel()
	c, err := store.OpenCDR(store.CDRConfig{Label: "DB2", Addr: "127.0.0.1:1"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if _, err := c.Evidence(t.Context(), []models.Call{{CallID: "x/1.0"}}, nil); err == nil {
		t.Error("it is away, but no error")
	}
	if err := c.Ping(t.Context()); err == nil || errors.Is(err, models.ErrNotFound) || !strings.Contains(err.Error(), "DB2") {
		t.Error(err)
	}
}
