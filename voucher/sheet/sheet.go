// Package sheet writes the only file that ever has the codes of a batch: CSV for a printer's shop, or PDF to be cut.
package sheet

import (
	"bufio"
	"encoding/csv"
	"fmt"
	"io"
	"strings"
	"time"

	"codeberg.org/go-pdf/fpdf"

	"talktime/models"
	"talktime/voucher"
)

// Formats of the file.
const (
	CSV = "csv"
	PDF = "pdf"
)

// Sheet is what a file is made of.
type Sheet struct {
	Batch    models.Batch
	Codes    []models.PrintedCode
	Location *time.Location // of the date until which they are valid
	Progress func(done int) // may be nil
}

// Write writes a file of a format.
func (s Sheet) Write(w io.Writer, format string) error {
	buffered := bufio.NewWriterSize(w, 1<<16)
	var err error
	switch format {
	case CSV:
		err = s.csv(buffered)
	case PDF:
		err = s.pdf(buffered)
	default:
		err = fmt.Errorf("there is no format %q", format)
	}
	if err != nil {
		return err
	}
	return buffered.Flush()
}

func (s Sheet) told(done int) {
	if s.Progress != nil {
		s.Progress(done)
	}
}

// valid is the last day on which a card is good, or the minute if it is not good for the whole of that day; empty: for ever.
func (s Sheet) valid() string {
	if s.Batch.ValidUntil == nil {
		return ""
	}
	end := s.Batch.ValidUntil.In(s.Location)
	if end.Hour() == 0 && end.Minute() == 0 && end.Second() == 0 {
		return end.AddDate(0, 0, -1).Format(time.DateOnly)
	}
	return end.Format("2006-01-02 15:04")
}

// csv has a column of one name for codes and PINs, so that one mould prints both.
func (s Sheet) csv(w io.Writer) error {
	out := csv.NewWriter(w)
	rows := [][]string{{"serial", "code", "amount", "currency", "valid_until", "batch"}}
	for i, c := range s.Codes {
		rows = append(rows, []string{c.Serial, voucher.Grouped(c.Code), s.Batch.Amount.String(), s.Batch.Currency, s.valid(), s.Batch.Name})
		if len(rows) >= 1000 || i == len(s.Codes)-1 {
			if err := out.WriteAll(rows); err != nil {
				return fmt.Errorf("write the CSV: %w", err)
			}
			rows = rows[:0]
			s.told(i + 1)
		}
	}
	return nil
}

// A page of A4 has 3 × 8 cards of 70 by 37 mm, as sheets of labels have.
const (
	acrossPage = 3
	downPage   = 8
	PerPage    = acrossPage * downPage

	cardWidth, cardHeight = 210.0 / acrossPage, 297.0 / downPage // mm
)

func (s Sheet) pdf(w io.Writer) error {
	doc := fpdf.New("P", "mm", "A4", "")
	doc.SetMargins(0, 0, 0)
	doc.SetAutoPageBreak(false, 0)
	doc.SetTitle(s.Batch.Name, true)
	doc.SetCreator("Talktime", false)
	doc.SetCreationDate(s.Batch.CreatedAt)
	doc.SetModificationDate(s.Batch.CreatedAt)
	doc.SetDrawColor(190, 190, 190)
	doc.SetLineWidth(0.1)
	latin := doc.UnicodeTranslatorFromDescriptor("") // the letters that the fonts of every reader have
	worth := s.Batch.Amount.String() + " " + s.Batch.Currency
	title := "Voucher"
	if s.Batch.Kind == models.BatchCards {
		title = "Calling card"
	}
	valid := s.valid()
	if valid != "" {
		valid = "valid until " + valid
	}
	for i, c := range s.Codes {
		place := i % PerPage
		if place == 0 {
			doc.AddPage()
			s.told(i)
		}
		x, y := float64(place%acrossPage)*cardWidth, float64(place/acrossPage)*cardHeight
		doc.Rect(x, y, cardWidth, cardHeight, "D")
		line := func(down, height float64, align, text string) {
			doc.SetXY(x+4, y+down)
			doc.CellFormat(cardWidth-8, height, latin(text), "", 0, align, false, 0, "")
		}
		doc.SetFont("Helvetica", "", 9)
		line(4, 5, "L", title)
		doc.SetFont("Helvetica", "B", 12)
		line(4, 5, "R", worth)
		doc.SetFont("Courier", "B", 14)
		line(14, 8, "C", voucher.Grouped(c.Code))
		doc.SetFont("Helvetica", "", 7)
		line(25, 4, "L", valid)
		line(29, 4, "L", "no. "+c.Serial)
		line(29, 4, "R", short(s.Batch.Name))
	}
	s.told(len(s.Codes))
	if err := doc.Output(w); err != nil {
		return fmt.Errorf("write the PDF: %w", err)
	}
	return nil
}

// short is a name that fits beside the serial.
func short(name string) string {
	letters := []rune(name)
	if len(letters) <= 24 {
		return name
	}
	return strings.TrimSpace(string(letters[:23])) + "…"
}
