package store_test

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"talktime/billing"
	"talktime/models"
	"talktime/stats"
	"talktime/store"
	"talktime/store/storetest"
)

func cdrLine(start time.Time, uniqueID, src, dst string) *stats.Record {
	return &stats.Record{
		Start: start.Unix(), Duration: 12, BillSec: 7, UniqueID: []byte(uniqueID), CNum: []byte(src), CNam: []byte("Ana"), CallerID: []byte(`"Ana" <` + src + `>`),
		Src: []byte(src), Dst: []byte(dst), Context: []byte("default"), Channel: []byte("PJSIP/a-1"), DstChannel: []byte("PJSIP/b-2"), LastApp: []byte("Dial"),
		Disposition: []byte("ANSWERED"),
	}
}

// imported writes records as one batch, and returns how the import is then.
func imported(t *testing.T, s *store.Store, i store.CDRImport, records ...*stats.Record) store.CDRImport {
	t.Helper()
	if i.ID == 0 {
		begun, err := s.BeginCDRImport(t.Context(), store.CDRImport{Kind: store.ImportFile, Name: "Master.csv", Zone: "UTC", Actor: "test"})
		if err != nil {
			t.Fatal(err)
		}
		i = begun
	}
	w, err := s.NewCDRWriter(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var b store.CDRBatch
	memory := new(store.CDRMemory)
	for _, r := range records {
		b.Add(r, memory)
	}
	to := i.CDRPosition
	to.Position += int64(len(records))
	to.Read += int64(len(records))
	if err := w.Write(t.Context(), &b, &i, to); err != nil {
		t.Fatal(err)
	}
	return i
}

// rowsOf are what cdr_records has: start, source, destination, users, whether it is of a call of ours.
func rowsOf(t *testing.T, d storetest.Database) (all []string) {
	t.Helper()
	rows, err := d.SQL(t).QueryContext(t.Context(), "SELECT CAST(started_at AS CHAR), unique_id, src, dst, user_id, callee_id, ours FROM cdr_records ORDER BY started_at, unique_id, src, dst, id")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var at, id, src, dst string
		var user, callee int64
		var ours bool
		if err := rows.Scan(&at, &id, &src, &dst, &user, &callee, &ours); err != nil {
			t.Fatal(err)
		}
		all = append(all, fmt.Sprint(at, " ", id, " ", src, ">", dst, " ", user, " ", callee, " ", ours))
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

// TestImportedRecords come in once, each as often as it was in its file, and belong to whom they name.
func TestImportedRecords(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, d storetest.Database) {
		s := d.Migrated(t)
		id := func(u models.NewUser, account string) int64 {
			made, err := s.AddUser(t.Context(), u, "test")
			if err != nil {
				t.Fatal(err)
			}
			if account != "" {
				code := &account
				if _, err := s.ChangeUsers(t.Context(), []int64{made.ID}, models.UserChange{AccountID: &code}, "test"); err != nil {
					t.Fatal(err)
				}
			}
			return made.ID
		}
		ana, bob := id(models.NewUser{Username: "ana", CLID: "2001"}, ""), id(models.NewUser{Username: "bob", CLID: "2002"}, "shop-7")
		at := time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)
		byCode := cdrLine(at, "1.4", "999", "1")
		byCode.Account = []byte("shop-7")
		byName := cdrLine(at, "1.5", "999", "1")
		byName.Account = []byte("2001")
		same := []*stats.Record{cdrLine(at, "1.1", "2001", "2002"), cdrLine(at, "1.1", "2001", "2002"), cdrLine(at, "1.2", "5", "6"), cdrLine(at.Add(time.Second), "1.1", "2001", "2002"), byCode, byName}
		i := imported(t, s, store.CDRImport{}, same...)
		if i.Added != 6 || i.Read != 6 || i.Ours != 0 {
			t.Errorf("%+v", i)
		}
		want := []string{
			fmt.Sprint("2026-03-01 10:00:00 1.1 2001>2002 ", ana, " ", bob, " false"), fmt.Sprint("2026-03-01 10:00:00 1.1 2001>2002 ", ana, " ", bob, " false"),
			"2026-03-01 10:00:00 1.2 5>6 0 0 false", fmt.Sprint("2026-03-01 10:00:00 1.4 999>1 ", bob, " 0 false"), fmt.Sprint("2026-03-01 10:00:00 1.5 999>1 ", ana, " 0 false"),
			fmt.Sprint("2026-03-01 10:00:01 1.1 2001>2002 ", ana, " ", bob, " false"),
		}
		if diff := cmp.Diff(want, rowsOf(t, d)); diff != "" {
			t.Error(diff)
		}
		// The same again, on the same import and on another, with a name that Master.csv does not have: nothing comes in.
		same[0].CNum, same[0].CNam = []byte("other"), nil
		if i = imported(t, s, i, same...); i.Added != 6 || i.Read != 12 {
			t.Errorf("again: %+v", i)
		}
		if other := imported(t, s, store.CDRImport{}, same...); other.Added != 0 {
			t.Errorf("elsewhere: %+v", other)
		}
		// One more of what was there twice is one more; another length is another record.
		longer := cdrLine(at, "1.2", "5", "6")
		longer.Duration++
		if other := imported(t, s, store.CDRImport{}, same[0], same[0], same[0], longer); other.Added != 2 {
			t.Errorf("a third: %+v", other)
		}
		all, err := s.CDRImports(t.Context())
		if err != nil || len(all) != 3 || all[2].ID != i.ID || all[2].CDRPosition != i.CDRPosition || all[2].Added != 6 || all[2].StartedAt.IsZero() {
			t.Errorf("%+v, %v", all, err)
		}
	})
}

// TestImportedCallsOfOurs are marked: records of calls that we billed ourselves.
func TestImportedCallsOfOurs(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, d storetest.Database) {
		s := d.Migrated(t)
		if _, err := s.AddUser(t.Context(), models.NewUser{Username: "ana", CLID: "2001", Balance: 1000 * 1000 * 1000}, "test"); err != nil {
			t.Fatal(err)
		}
		k := billing.New(billing.Options{Store: s, Policy: policy(2), Lanes: s.Lanes()})
		t.Cleanup(k.Close)
		for _, callID := range []string{"10.0.0.1/100.1", "10.0.0.1/100.2", "10.0.0.2/100.3", "pbx-a-100.4", "pbx-b-100.5", "10.0.0.11/100.6"} {
			if _, err := k.Authorize(t.Context(), request("2001", callID)); err != nil {
				t.Fatal(err)
			}
			if _, err := k.Settle(t.Context(), oneSecond("2001", callID)); err != nil {
				t.Fatal(err)
			}
		}
		now := time.Now().UTC().Truncate(time.Second)
		var records []*stats.Record
		for id, at := range map[string]time.Time{
			"100.1": now, "100.2": now.Add(-23 * time.Hour), "100.3": now.Add(25 * time.Hour), "pbx-a-100.4": now, "100.5": now, "100.6": now, "100.7": now, "": now, "pbx-c-100.1": now,
			strings.Repeat("9", 200): now, "100.ä": now,
		} {
			records = append(records, cdrLine(at, id, "2001", "1"))
		}
		i := imported(t, s, store.CDRImport{}, records...)
		var ours []string
		for _, row := range rowsOf(t, d) {
			if strings.HasSuffix(row, " true") {
				ours = append(ours, strings.Fields(row)[2])
			}
		}
		slices.Sort(ours)
		if diff := cmp.Diff([]string{"100.1", "100.2", "100.6", "pbx-a-100.4"}, ours); diff != "" || i.Ours != 4 || i.Added != 11 {
			t.Errorf("%+v\n%s", i, diff)
		}
	})
}

// TestImportedTexts fit their columns, whatever a file has.
func TestImportedTexts(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, d storetest.Database) {
		s := d.Migrated(t)
		r := cdrLine(time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC), strings.Repeat("u", 300), "☎\U0001F4DE\xff", "1  ")
		r.CNam, r.Disposition, r.Duration = []byte(strings.Repeat("ä", 100)), []byte(strings.Repeat("x", 50)), 1<<40
		again := *r
		again.Dst = []byte("1")
		if i := imported(t, s, store.CDRImport{}, r); i.Added != 1 {
			t.Errorf("%+v", i)
		}
		if i := imported(t, s, store.CDRImport{}, &again); i.Added != 0 {
			t.Errorf("again: %+v", i)
		}
		var id, src, name, disposition, dst string
		var duration int64
		err := d.SQL(t).QueryRowContext(t.Context(), "SELECT unique_id, src, cnam, disposition, dst, duration FROM cdr_records").Scan(&id, &src, &name, &disposition, &dst, &duration)
		if err != nil || len(id) != 150 || src != "☎\U0001F4DE\ufffd" || name != strings.Repeat("ä", 80) || len(disposition) != 45 || dst != "1" || duration != 1<<31-1 {
			t.Errorf("%v: %d %q %q %q %q %d", err, len(id), src, name, disposition, dst, duration)
		}
	})
}

// TestTwoImportsAtOnce do not count for one another.
func TestTwoImportsAtOnce(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, d storetest.Database) {
		s := d.Migrated(t)
		at := time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)
		first := imported(t, s, store.CDRImport{}, cdrLine(at, "1.1", "1", "2"))
		late := first
		imported(t, s, first, cdrLine(at, "1.2", "1", "2"))
		w, err := s.NewCDRWriter(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var b store.CDRBatch
		b.Add(cdrLine(at, "1.3", "1", "2"), new(store.CDRMemory))
		to := late.CDRPosition
		to.Position += 100
		if err := w.Write(t.Context(), &b, &late, to); !errors.Is(err, store.ErrImported) {
			t.Errorf("it says %v", err)
		}
		if rows := rowsOf(t, d); len(rows) != 2 {
			t.Errorf("%q", rows)
		}
	})
}

// TestMemory: whoever remembers the last thousand records gives those that follow the same ids as who has seen all.
func TestMemory(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)
	var all []*stats.Record
	for n := range 5000 {
		all = append(all, cdrLine(at, fmt.Sprint("1.", n/300*100+n%100), "1", "2")) // three are the same each time
	}
	d := storetest.SQLite(t)
	s := d.Migrated(t)
	write := func(records []*stats.Record, memory *store.CDRMemory) store.CDRImport {
		i, err := s.BeginCDRImport(t.Context(), store.CDRImport{Kind: store.ImportFile, Name: "x", Zone: "UTC", Actor: "test"})
		if err != nil {
			t.Fatal(err)
		}
		w, err := s.NewCDRWriter(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var b store.CDRBatch
		for n, r := range records {
			memory.At(int64(n))
			b.Add(r, memory)
		}
		if err := w.Write(t.Context(), &b, &i, store.CDRPosition{Position: 1}); err != nil {
			t.Fatal(err)
		}
		return i
	}
	full := new(store.CDRMemory)
	if i := write(all, full); i.Added != 5000 {
		t.Errorf("%d of 5000 differ", i.Added)
	}
	if full.From() != 4000 {
		t.Errorf("it knows the records from %d on", full.From())
	}
	for _, from := range []int{0, 1, 999, 1000, 2500, 4000} {
		memory := new(store.CDRMemory)
		begin := max(from-store.CDRMemorySize, 0)
		var warm store.CDRBatch
		for _, r := range all[begin:from] {
			warm.Add(r, memory)
		}
		if i := write(all[from:], memory); i.Added != 0 || memory.Sum() != full.Sum() {
			t.Errorf("from %d on %d are new", from, i.Added)
		}
	}
}

// TestForeignTable: what a CDR database has from when to when, and how it is filled.
func TestForeignTable(t *testing.T) {
	t.Parallel()
	d := storetest.OnShared(t)
	schema, err := os.ReadFile("../dialplan/cdr.sql")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.SQL(t).ExecContext(t.Context(), string(schema)); err != nil {
		t.Fatal(err)
	}
	c := store.CDRConfig{Label: "DB1", Addr: d.Config.Addr, User: d.Config.User, Password: d.Config.Password, Name: d.Config.Name}
	cdr, err := store.OpenCDR(c)
	if err != nil {
		t.Fatal(err)
	}
	defer cdr.Close()
	source, err := store.OpenCDRStatistics(c, discard)
	if err != nil {
		t.Fatal(err)
	}
	defer source.Close()
	if r, err := source.Range(t.Context(), time.Time{}, time.Time{}); err != nil || r.Records != 0 || !r.First.IsZero() {
		t.Errorf("%+v, %v", r, err)
	}
	fill := func(force bool, day int) error {
		return cdr.Fill(t.Context(), []string{"calldate", "src", "nothing", "dst"}, force, func(yield func([]any) error) error {
			for n := range 1000 {
				if err := yield([]any{fmt.Sprintf("2026-03-%02d 10:00:%02d", day, n%60), "1", "x", fmt.Sprint(n)}); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := fill(false, 1); err != nil {
		t.Fatal(err)
	}
	if err := fill(false, 2); !errors.Is(err, store.ErrFilled) {
		t.Errorf("it says %v", err)
	}
	if err := fill(true, 3); err != nil {
		t.Fatal(err)
	}
	r, err := source.Range(t.Context(), time.Time{}, time.Time{})
	if err != nil || r.Records != 2000 || !r.First.Equal(time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)) || !r.Last.Equal(time.Date(2026, 3, 3, 10, 0, 59, 0, time.UTC)) {
		t.Errorf("%+v, %v", r, err)
	}
	r, err = source.Range(t.Context(), time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC), time.Date(2026, 3, 3, 10, 0, 10, 0, time.UTC))
	if err != nil || r.Records != 170 {
		t.Errorf("%+v, %v", r, err)
	}
}
