package sheet_test

import (
	"bytes"
	"compress/zlib"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"testing"
	"time"

	"talktime/models"
	"talktime/money"
	"talktime/voucher/sheet"
)

func batch(n int) sheet.Sheet {
	until := time.Date(2030, 2, 1, 0, 0, 0, 0, time.UTC)
	s := sheet.Sheet{Location: time.UTC, Batch: models.Batch{
		NewBatch:  models.NewBatch{Kind: models.BatchVouchers, Name: "Größe (1)", Count: n, Amount: 12*money.Unit + money.Unit/2, Currency: "EUR", ValidUntil: &until},
		CreatedAt: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC),
	}}
	for i := range n {
		s.Codes = append(s.Codes, models.PrintedCode{Serial: fmt.Sprintf("%011d", i+1), Code: fmt.Sprintf("%016d", 1000+i)})
	}
	return s
}

func written(t *testing.T, s sheet.Sheet, format string) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := s.Write(&b, format); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestCSV(t *testing.T) {
	t.Parallel()
	told := 0
	s := batch(2500)
	s.Progress = func(done int) { told = done }
	rows, err := csv.NewReader(bytes.NewReader(written(t, s, sheet.CSV))).ReadAll()
	if err != nil || len(rows) != 2501 || told != 2500 {
		t.Fatalf("%d rows, told %d, %v", len(rows), told, err)
	}
	if got := strings.Join(rows[0], "|") + " " + strings.Join(rows[2500], "|"); got != "serial|code|amount|currency|valid_until|batch 00000002500|0000 0000 0000 3499|12.5|EUR|2030-01-31|Größe (1)" {
		t.Error(got)
	}
}

// TestPDF: it has as many pages as it takes, and each code once.
func TestPDF(t *testing.T) {
	t.Parallel()
	for n, pages := range map[int]int{1: 1, 24: 1, 25: 2, 100: 5} {
		text := written(t, batch(n), sheet.PDF)
		if !bytes.HasPrefix(text, []byte("%PDF-1.")) || !bytes.HasSuffix(bytes.TrimSpace(text), []byte("%%EOF")) {
			t.Fatalf("it begins with %q", text[:20])
		}
		if got := bytes.Count(text, []byte("/Type /Page\n")); got != pages {
			t.Errorf("%d cards are on %d pages, want %d", n, got, pages)
		}
		shown := contents(t, text)
		codes := regexp.MustCompile(`\((\d{4} \d{4} \d{4} \d{4})\) ?Tj`).FindAllStringSubmatch(shown, -1)
		if len(codes) != n || codes[0][1] != "0000 0000 0000 1000" {
			t.Errorf("%d codes, %v", len(codes), codes[:min(len(codes), 1)])
		}
		for _, want := range []string{"(12.5 EUR)", "(valid until 2030-01-31)", "(no. 00000000001)", "Gr\xf6\xdfe"} {
			if !strings.Contains(shown, want) {
				t.Errorf("%q is missing", want)
			}
		}
	}
}

// contents is the text of all streams of a PDF.
func contents(t *testing.T, text []byte) string {
	t.Helper()
	var all strings.Builder
	for _, part := range bytes.Split(text, []byte("stream\n"))[1:] {
		r, err := zlib.NewReader(bytes.NewReader(part))
		if err != nil {
			continue // what is behind endstream
		}
		if _, err := io.Copy(&all, r); err != nil {
			t.Fatal(err)
		}
	}
	return all.String()
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left on device") }

func TestDiskFull(t *testing.T) {
	t.Parallel()
	for _, format := range []string{sheet.CSV, sheet.PDF, "odt"} {
		if err := batch(30).Write(full{}, format); err == nil {
			t.Errorf("%s: no error", format)
		}
	}
}

func TestValid(t *testing.T) {
	t.Parallel()
	s := batch(1)
	at := time.Date(2030, 2, 1, 12, 30, 0, 0, time.UTC)
	s.Batch.ValidUntil = &at
	if text := written(t, s, sheet.CSV); !bytes.Contains(text, []byte("2030-02-01 12:30")) {
		t.Errorf("%s", text)
	}
	s.Batch.ValidUntil = nil
	if shown := contents(t, written(t, s, sheet.PDF)); strings.Contains(shown, "valid") {
		t.Error("valid until when?")
	}
}
