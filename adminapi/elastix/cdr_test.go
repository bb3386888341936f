package elastix_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"talktime/adminapi/elastix"
	"talktime/models"
	"talktime/pbx"
)

// cdrs keeps what it was asked.
type cdrs struct {
	rows  models.CDRRows
	err   error
	asked models.CDRQuery
	times int
}

func (c *cdrs) LatestCDRs(_ context.Context, q models.CDRQuery) (models.CDRRows, error) {
	c.asked = q
	c.times++
	return c.rows, c.err
}

func TestCDRQueries(t *testing.T) {
	t.Parallel()
	four := []string{"ANSWERED", "BUSY", "FAILED", "NO ANSWER"}
	for _, tt := range []struct {
		form string
		want models.CDRQuery // where Dispositions and Limit are not given: four, 100
		bad  string          // the parameter that is wrong
	}{
		{"", models.CDRQuery{}, ""},
		{"start_date=2027-03-09+14:02:11", models.CDRQuery{From: "2027-03-09 14:02:11"}, ""},
		{"end_date=2027-03-09+14:02:11", models.CDRQuery{To: "2027-03-09 14:02:11"}, ""},
		{"start_date=2027-03-09&end_date=2027-03-09", models.CDRQuery{From: "2027-03-09 00:00:00", To: "2027-03-09 23:59:59"}, ""},
		{"start_date=2027-03-09+00:00:00&end_date=2027-03-09+00:00:00", models.CDRQuery{From: "2027-03-09 00:00:00", To: "2027-03-09 00:00:00"}, ""},
		{"start_date=2027-03-10&end_date=2027-03-09", models.CDRQuery{}, "start_date"},
		{"start_date=2027-02-29", models.CDRQuery{}, "start_date"},
		{"start_date=2027-03-09+24:00:00", models.CDRQuery{}, "start_date"},
		{"start_date=2027-03-09+1:02:03.5", models.CDRQuery{}, "start_date"},
		{"end_date=yesterday", models.CDRQuery{}, "end_date"},
		{"end_date=2027-03-09'+OR+1=1+--+", models.CDRQuery{}, "end_date"},
		{"start_date=&end_date=", models.CDRQuery{}, ""},
		{"field_name=src&field_pattern=20%25_%5C'", models.CDRQuery{Column: "src", Contains: `20%_\'`}, ""},
		{"field_name=dst&field_pattern=2", models.CDRQuery{Column: "dst", Contains: "2"}, ""},
		{"field_name=channel&field_pattern=2", models.CDRQuery{Column: "channel", Contains: "2"}, ""},
		{"field_name=dstchannel&field_pattern=2", models.CDRQuery{Column: "dstchannel", Contains: "2"}, ""},
		{"field_name=accountcode&field_pattern=2", models.CDRQuery{Column: "accountcode", Contains: "2"}, ""},
		{"field_name=clid&field_pattern=2", models.CDRQuery{}, "field_name"},
		{"field_name=src+OR+1=1&field_pattern=2", models.CDRQuery{}, "field_name"},
		{"field_name=src", models.CDRQuery{}, "field_pattern"},
		{"field_pattern=2", models.CDRQuery{}, "field_name"},
		{"field_name=src&field_pattern=", models.CDRQuery{}, ""},
		{"field_name=&field_pattern=", models.CDRQuery{}, ""},
		{"field_name=src&field_pattern=%00", models.CDRQuery{}, "field_pattern"},
		{"field_name=src&field_pattern=%ff", models.CDRQuery{}, "field_pattern"},
		{"field_name=src&field_pattern=%zz", models.CDRQuery{}, "field_pattern"},
		{"status=ALL", models.CDRQuery{}, ""},
		{"status=all", models.CDRQuery{}, ""},
		{"status=", models.CDRQuery{}, ""},
		{"status=answered", models.CDRQuery{Dispositions: []string{"ANSWERED"}}, ""},
		{"status=BUSY", models.CDRQuery{Dispositions: []string{"BUSY"}}, ""},
		{"status=FAILED", models.CDRQuery{Dispositions: []string{"FAILED"}}, ""},
		{"status=no%20answer", models.CDRQuery{Dispositions: []string{"NO ANSWER"}}, ""},
		{"status=CONGESTION", models.CDRQuery{}, "status"},
		{"status=BUSY')--", models.CDRQuery{}, "status"},
		{"limit=1", models.CDRQuery{Limit: 1}, ""},
		{"limit=100", models.CDRQuery{Limit: 100}, ""},
		{"limit=10000", models.CDRQuery{Limit: 10_000}, ""},
		{"limit=0", models.CDRQuery{}, "limit"},
		{"limit=-1", models.CDRQuery{}, "limit"},
		{"limit=%2B5", models.CDRQuery{}, "limit"},
		{"limit=10001", models.CDRQuery{}, "limit"},
		{"limit=20000", models.CDRQuery{}, "limit"},
		{"limit=text", models.CDRQuery{}, "limit"},
		{"limit=5;DROP+TABLE+cdr", models.CDRQuery{}, "limit"},
		{"limit=99999999999999999999", models.CDRQuery{}, "limit"},
		{"recordings=all", models.CDRQuery{}, ""},
		{"recordings=only", models.CDRQuery{Recordings: "only"}, ""},
		{"recordings=without", models.CDRQuery{Recordings: "without"}, ""},
		{"recordings=some", models.CDRQuery{}, "recordings"},
		{"include_s=1", models.CDRQuery{IncludeS: true}, ""},
		{"include_s=0", models.CDRQuery{}, ""},
		{"include_s=yes", models.CDRQuery{}, "include_s"},
		{"custom=", models.CDRQuery{}, ""},
		{"custom=AND+1=1", models.CDRQuery{}, "custom"},
		{"limit=%zz&limit=7", models.CDRQuery{Limit: 7}, ""},
		{"limit=7&limit=%zz", models.CDRQuery{}, "limit"},
		{"nobody=%zz&%zz=1", models.CDRQuery{}, ""},
	} {
		if tt.want.Dispositions == nil {
			tt.want.Dispositions = four
		}
		if tt.want.Limit == 0 {
			tt.want.Limit = 100
		}
		for _, in := range []string{"the body", "the query"} {
			table := &cdrs{}
			r := elastix.Request{Method: "POST", Query: "cmd=cdrreport", Form: tt.form, Sent: true, Key: everything}
			if in == "the query" {
				r.Method, r.Query, r.Form = "GET", "cmd=cdrreport&"+tt.form, ""
			}
			answer := api(elastix.API{CDRs: table}).Do(t.Context(), r)
			if tt.bad != "" {
				says(t, tt.form, answer, 400, wrong(tt.bad))
				if table.times != 0 {
					t.Errorf("%s in %s: the database was asked", tt.form, in)
				}
				continue
			}
			says(t, tt.form, answer, 200, "[]")
			if diff := cmp.Diff(tt.want, table.asked); diff != "" {
				t.Errorf("%s in %s: %s", tt.form, in, diff)
			}
		}
	}
}

// TestBodyWins: where both have a parameter.
func TestBodyWins(t *testing.T) {
	t.Parallel()
	table := &cdrs{}
	a := api(elastix.API{CDRs: table, IncludeS: true})
	a.Do(t.Context(), elastix.Request{Method: "POST", Query: "cmd=cdrreport&limit=5&status=BUSY&include_s=0", Form: "limit=6&cmd=activecall", Sent: true, Key: everything})
	if table.asked.Limit != 6 || table.asked.Dispositions[0] != "BUSY" || !table.asked.IncludeS {
		t.Errorf("%+v", table.asked)
	}
}

func TestCDRReport(t *testing.T) {
	t.Parallel()
	columns := strings.Fields("calldate clid src dst dcontext channel dstchannel lastapp lastdata duration billsec disposition amaflags accountcode uniqueid userfield recordingfile cnum cnam outbound_cnum outbound_cnam dst_cnam did")
	row := []string{
		"2027-03-09 14:02:11", `"Nora" <204>`, "204", "0551234567", "from-internal", "SIP/204-0000001a", "SIP/trunk1-0000001b", "Dial", "SIP/trunk1/0551234567,300,T",
		"61", "48", "ANSWERED", "3", "", "1804596131.52", "", "out-0551234567-204-20270309-140211-1804596131.52.wav", "204", "Nora", "", "", "", "",
	}
	const want = `{"calldate":"2027-03-09 14:02:11","clid":"\"Nora\" <204>","src":"204","dst":"0551234567","dcontext":"from-internal","channel":"SIP/204-0000001a","dstchannel":"SIP/trunk1-0000001b","lastapp":"Dial","lastdata":"SIP/trunk1/0551234567,300,T","duration":"61","billsec":"48","disposition":"ANSWERED","amaflags":"3","accountcode":"","uniqueid":"1804596131.52","userfield":"","recordingfile":"out-0551234567-204-20270309-140211-1804596131.52.wav","cnum":"204","cnam":"Nora","outbound_cnum":"","outbound_cnam":"","dst_cnam":"","did":""}`
	table := &cdrs{rows: models.CDRRows{Columns: columns, Rows: [][]string{row, row}}}
	a := elastix.API{CDRs: table}
	says(t, "two rows", post(t, a, "cdrreport", ""), 200, "["+want+","+want+"]")

	const empty = `[{"calldate":"2027-03-09 00:00:00","clid":"","src":"` + "\ufffd" + `","dst":"","dcontext":"","channel":"","dstchannel":"","lastapp":"","lastdata":"","duration":"","billsec":"","disposition":"","amaflags":"","accountcode":"","uniqueid":"","userfield":"","recordingfile":"","cnum":"","cnam":"","outbound_cnum":"","outbound_cnam":"","dst_cnam":"","did":""`
	table.rows = models.CDRRows{Columns: []string{"src", "linkedid", "calldate", "sequence"}, Rows: [][]string{{"\xff", "1.1", "2027-03-09 00:00:00", "7"}}}
	says(t, "few columns", post(t, a, "cdrreport", ""), 200, strings.ReplaceAll(empty, "\ufffd", `\ufffd`)+"}]")
	a.AllColumns = true
	says(t, "all columns", post(t, a, "cdrreport", ""), 200, strings.ReplaceAll(empty, "\ufffd", `\ufffd`)+`,"linkedid":"1.1","sequence":"7"}]`)
	if !table.asked.AllColumns {
		t.Error("all columns were not asked for")
	}
	table.err = errors.New("down")
	says(t, "down", post(t, a, "cdrreport", ""), 503, noDatabase)
	says(t, "none", post(t, elastix.API{}, "cdrreport", ""), 501, noCommand)
}

// TestGetWAVFile: files within the folder, and no other, whatever the name.
func TestGetWAVFile(t *testing.T) {
	t.Parallel()
	above := t.TempDir()
	root := filepath.Join(above, "monitor")
	write := func(path, text string) {
		t.Helper()
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o750), os.WriteFile(path, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	write(filepath.Join(root, "2027/03/09/out-1.wav"), "RIFF0123456789")
	write(filepath.Join(root, `2027/03/09/odd "é.wav`), "odd")
	write(filepath.Join(root, "2027/03/09/notes.txt"), "no recording")
	write(filepath.Join(above, "monitor-old/a.wav"), "canary")
	write(filepath.Join(above, "a.wav"), "canary")
	if err := errors.Join(
		os.Symlink(filepath.Join(above, "a.wav"), filepath.Join(root, "link.wav")), os.Symlink("../monitor-old", filepath.Join(root, "old")),
		os.Mkdir(filepath.Join(root, "folder.wav"), 0o750),
	); err != nil {
		t.Fatal(err)
	}
	a := api(elastix.API{Recordings: pbx.NewRecordings(root)})
	get := func(r elastix.Request) elastix.Answer {
		t.Helper()
		r.Sent, r.Key = true, everything
		answer := a.Do(t.Context(), r)
		if answer.File != nil {
			t.Cleanup(func() { _ = answer.File.Close() })
		}
		return answer
	}
	for name, r := range map[string]elastix.Request{
		"query":           {Method: "GET", Query: "cmd=getwavfile&name=/2027/03/09/out-1.wav"},
		"without a slash": {Method: "HEAD", Query: "cmd=getwavfile&name=2027/03/09/out-1.wav"},
		"encoded":         {Method: "GET", Query: "cmd=getwavfile&name=%2F2027%2F03%2F09%2Fout-1.wav"},
		"body":            {Method: "POST", Query: "cmd=getwavfile", Form: "name=%2F2027%2F03%2F09%2Fout-1.wav"},
		"body wins":       {Method: "POST", Query: "cmd=getwavfile&name=/a.wav", Form: "name=/2027/03/09/out-1.wav"},
	} {
		answer := get(r)
		if answer.Status != 200 || answer.File == nil || answer.Type != "application/octet-stream" || answer.File.Size != 14 || answer.File.Disposition != `attachment; filename="out-1.wav"` {
			t.Errorf("%s: %d %s", name, answer.Status, answer.Body)
			continue
		}
		if answer.Audit == nil || answer.Audit.Verb != "recording.read" || !strings.HasSuffix(answer.Audit.Target, "2027/03/09/out-1.wav") {
			t.Errorf("%s: %+v", name, answer.Audit)
		}
		if bytes, err := io.ReadAll(answer.File); string(bytes) != "RIFF0123456789" || err != nil {
			t.Errorf("%s: %q %v", name, bytes, err)
		}
	}
	for _, name := range []string{
		"", "/", "/2027/03/09/out-2.wav", "/2027/03/09", "folder.wav", "/folder.wav", "../a.wav", "/../a.wav", "2027/../../a.wav", "..%2Fa.wav", "%2e%2e/a.wav", "/../monitor-old/a.wav",
		"//etc/passwd", "/etc/passwd", url.QueryEscape(filepath.Join(above, "a.wav")), url.QueryEscape(filepath.Join(root, "2027/03/09/out-1.wav")), "link.wav", "old/a.wav", "/2027/03/09/notes.txt",
		"/2027/03/09/out-1.wav%00", "%00", "/2027/03/09/out-1.wav%00.wav", "/2027/03/09/out-1.wav%0a", "..%5Ca.wav", "/2027//03/09/out-1.wav", "%zz", "%ff.wav", strings.Repeat("a", 5000) + ".wav",
	} {
		answer := get(elastix.Request{Method: "GET", Query: "cmd=getwavfile&name=" + name})
		says(t, name, answer, 404, noFile)
		if answer.File != nil || answer.Audit != nil {
			t.Errorf("%s: a file", name)
		}
	}
	says(t, "no name", get(elastix.Request{Method: "GET", Query: "cmd=getwavfile"}), 404, noFile)
	odd := get(elastix.Request{Method: "GET", Query: "cmd=getwavfile&name=/2027/03/09/odd+%22%C3%A9.wav"})
	if odd.File == nil || odd.File.Disposition != `attachment; filename="odd __.wav"; filename*=UTF-8''odd%20%22%C3%A9.wav` {
		t.Errorf("%d %+v", odd.Status, odd.File)
	}
	serve := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer := a.Do(r.Context(), elastix.Request{Method: r.Method, Query: r.URL.RawQuery, Sent: true, Key: everything})
		defer func() { _ = answer.File.Close() }()
		w.Header().Set("Content-Type", answer.Type)
		w.Header().Set("Content-Disposition", answer.File.Disposition)
		http.ServeContent(w, r, "", answer.File.Modified, answer.File)
	}))
	defer serve.Close()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, serve.URL+"/api/api.php?cmd=getwavfile&name=/2027/03/09/out-1.wav", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Range", "bytes=4-6")
	response, err := serve.Client().Do(request)
	if err != nil {
		t.Fatal(err)
	}
	part, err := io.ReadAll(response.Body)
	_ = response.Body.Close()
	if response.StatusCode != http.StatusPartialContent || string(part) != "012" || err != nil {
		t.Errorf("a range: %d %q %v", response.StatusCode, part, err)
	}
	says(t, "none", post(t, elastix.API{}, "getwavfile", "name=a.wav"), 501, noCommand)
}
