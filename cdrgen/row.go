package cdrgen

import (
	"strconv"
	"time"

	"talktime/stats"
)

// Row is a row of a CDR table as FreePBX has it. Its texts are valid until the next row is handed out.
type Row struct {
	Wall     int64 // calldate: what a clock in the zone showed, as seconds since 1970 as if it were UTC
	Start    int64 // the same moment, in Unix seconds; of a time that comes twice in autumn the earlier one
	Duration int64 // seconds, ringing included
	BillSec  int64 // seconds from the answer on
	AMAFlags int64
	Sequence int64

	CallerID      []byte // clid
	Src           []byte
	Dst           []byte
	Context       []byte // dcontext
	Channel       []byte
	DstChannel    []byte
	LastApp       []byte
	LastData      []byte
	Disposition   []byte
	Account       []byte // accountcode
	UniqueID      []byte
	UserField     []byte
	DID           []byte
	RecordingFile []byte
	CNum          []byte
	CNam          []byte
	OutboundCNum  []byte
	OutboundCNam  []byte
	DstCNam       []byte
	LinkedID      []byte
	PeerAccount   []byte

	of *call
}

// Columns are those of the table in the order of [Row.AppendTSV].
const Columns = "calldate,clid,src,dst,dcontext,channel,dstchannel,lastapp,lastdata,duration,billsec,disposition,amaflags,accountcode," +
	"uniqueid,userfield,did,recordingfile,cnum,cnam,outbound_cnum,outbound_cnam,dst_cnam,linkedid,peeraccount,sequence"

// Values are those of Columns, as database/sql takes them.
func (r *Row) Values() []any {
	return []any{
		string(appendTime(nil, r.Wall)), string(r.CallerID), string(r.Src), string(r.Dst), string(r.Context), string(r.Channel), string(r.DstChannel),
		string(r.LastApp), string(r.LastData), r.Duration, r.BillSec, string(r.Disposition), r.AMAFlags, string(r.Account), string(r.UniqueID),
		string(r.UserField), string(r.DID), string(r.RecordingFile), string(r.CNum), string(r.CNam), string(r.OutboundCNum), string(r.OutboundCNam),
		string(r.DstCNam), string(r.LinkedID), string(r.PeerAccount), r.Sequence,
	}
}

// AppendTSV writes the row as LOAD DATA reads it: Columns, parted by tabs, with a backslash before what would be mistaken.
func (r *Row) AppendTSV(b []byte) []byte {
	b = appendTime(b, r.Wall)
	for _, text := range [...][]byte{r.CallerID, r.Src, r.Dst, r.Context, r.Channel, r.DstChannel, r.LastApp, r.LastData} {
		b = appendEscaped(append(b, '\t'), text)
	}
	b = strconv.AppendInt(append(b, '\t'), r.Duration, 10)
	b = strconv.AppendInt(append(b, '\t'), r.BillSec, 10)
	b = append(append(b, '\t'), r.Disposition...)
	b = strconv.AppendInt(append(b, '\t'), r.AMAFlags, 10)
	for _, text := range [...][]byte{
		r.Account, r.UniqueID, r.UserField, r.DID, r.RecordingFile, r.CNum, r.CNam, r.OutboundCNum, r.OutboundCNam, r.DstCNam, r.LinkedID, r.PeerAccount,
	} {
		b = appendEscaped(append(b, '\t'), text)
	}
	b = strconv.AppendInt(append(b, '\t'), r.Sequence, 10)
	return append(b, '\n')
}

func appendEscaped(b, text []byte) []byte {
	for _, c := range text {
		switch c {
		case '\t', '\n', '\\':
			b = append(b, '\\')
		}
		b = append(b, c)
	}
	return b
}

// AppendCSV writes the row as a line of Asterisk's Master.csv, with uniqueid and userfield.
func (r *Row) AppendCSV(b []byte) []byte {
	for _, text := range [...][]byte{r.Account, r.Src, r.Dst, r.Context, r.CallerID, r.Channel, r.DstChannel, r.LastApp, r.LastData} {
		b = append(appendQuoted(b, text), ',')
	}
	end := r.Wall + r.Duration
	b = append(appendTime(append(b, '"'), r.Wall), `","`...)
	if answered := string(r.Disposition) == dispositions[answered]; answered {
		b = appendTime(b, end-r.BillSec)
	}
	b = append(appendTime(append(b, `","`...), end), `",`...)
	b = append(strconv.AppendInt(b, r.Duration, 10), ',')
	b = append(strconv.AppendInt(b, r.BillSec, 10), ',')
	b = append(appendQuoted(b, r.Disposition), `,"DOCUMENTATION",`...)
	b = append(appendQuoted(b, r.UniqueID), ',')
	return append(appendQuoted(b, r.UserField), '\n')
}

func appendQuoted(b, text []byte) []byte {
	b = append(b, '"')
	for _, c := range text {
		if c == '"' {
			b = append(b, '"')
		}
		b = append(b, c)
	}
	return append(b, '"')
}

// appendTime writes a time of the wall as 2026-03-01 09:05:00.
func appendTime(b []byte, wall int64) []byte {
	t := time.Unix(wall, 0).UTC()
	year, month, day := t.Date()
	hour, minute, second := t.Clock()
	b = append2(append2(b, year/100), year%100)
	b = append2(append(b, '-'), int(month))
	b = append2(append(b, '-'), day)
	b = append2(append(b, ' '), hour)
	b = append2(append(b, ':'), minute)
	return append2(append(b, ':'), second)
}

func append2(b []byte, n int) []byte { return append(b, byte('0'+n/10), byte('0'+n%10)) } //nolint:gosec // n is below 100

// Record fills in what statistics need of the row. The record's texts are the row's.
func (r *Row) Record(into *stats.Record) {
	*into = stats.Record{
		Wall: r.Wall, Start: r.Start, Duration: r.Duration, BillSec: r.BillSec, UniqueID: r.UniqueID, CNum: r.CNum, CNam: r.CNam, CallerID: r.CallerID,
		Src: r.Src, Dst: r.Dst, Context: r.Context, Channel: r.Channel, DstChannel: r.DstChannel, LastApp: r.LastApp, Disposition: r.Disposition,
		Account: r.Account,
	}
}
