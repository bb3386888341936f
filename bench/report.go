package main

import (
	"bytes"
	_ "embed"
	"fmt"
	"io"
	"os"
	"text/tabwriter"
	"time"
)

// notes say what is behind the figures. They are ours and not measured anew.
//
//go:embed notes.md
var notes string

// print writes the table for people at a terminal.
func (b *bench) print(w io.Writer) {
	for _, line := range b.about() {
		fmt.Fprintln(w, line)
	}
	fmt.Fprintln(w)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "FIGURE\tGOAL\tMEDIAN\tMIN–MAX\t")
	for _, f := range b.figures {
		verdict := "met"
		if !f.met() {
			verdict = "MISSED"
		}
		fmt.Fprintf(t, "%s\t%s\t%s %s\t%s–%s\t%s\n", f.name, f.goalText(), number(f.got.median()), f.unit, number(f.got.min()), number(f.got.max()), verdict)
	}
	_ = t.Flush()
	for _, f := range b.figures {
		fmt.Fprintf(w, "\n%s\n", f.name)
		for _, r := range f.rows {
			fmt.Fprintf(w, "  %-52s %s\n", r.name, r)
		}
		for _, remark := range f.remarks {
			fmt.Fprintf(w, "  %s\n", remark)
		}
	}
}

// about is what the figures depend on.
func (b *bench) about() []string {
	lines := b.machine.lines()
	if len(b.others) > 0 {
		lines = append(lines, fmt.Sprintf("Other programs used %.0f %% of the CPU time meanwhile (median; %.0f–%.0f %%)",
			100*b.others.median(), 100*b.others.min(), 100*b.others.max()))
	}
	return lines
}

// write writes the results as a page.
func (b *bench) write(path string) error {
	var w bytes.Buffer
	fmt.Fprintf(&w, "# Benchmark results\n\nWritten by `make bench` on %s; do not edit. ", b.started.UTC().Format(time.DateOnly))
	fmt.Fprintf(&w, "Each figure was measured in %d rounds of %s, in turn with what it is compared to;\n", b.rounds, b.each)
	fmt.Fprint(&w, "the median counts, ratios are taken round by round, and lowest and highest stand beside it. ")
	fmt.Fprint(&w, "All commits are durable, and every database\nwas audited after the load: the books balanced.\n\n")
	for _, line := range b.about() {
		fmt.Fprintf(&w, "- %s\n", line)
	}
	fmt.Fprint(&w, "\n| figure | goal | median | min–max | |\n|---|---|---|---|---|\n")
	for _, f := range b.figures {
		fmt.Fprintf(&w, "| %s | %s | %s %s | %s–%s | %s |\n", f.name, f.goalText(), number(f.got.median()), f.unit,
			number(f.got.min()), number(f.got.max()), f.verdict())
	}
	fmt.Fprint(&w, "\n## What was measured\n")
	for _, f := range b.figures {
		fmt.Fprintf(&w, "\n### %s\n\n", f.name)
		if len(f.rows) > 0 {
			fmt.Fprint(&w, "| | median | min–max | CPU time each |\n|---|---|---|---|\n")
			for _, r := range f.rows {
				cpu := ""
				if len(r.cpu) > 0 {
					cpu = number(r.cpu.median()) + " µs"
				}
				fmt.Fprintf(&w, "| %s | %s %s | %s–%s | %s |\n", r.name, number(r.got.median()), r.unit, number(r.got.min()), number(r.got.max()), cpu)
			}
		}
		for _, remark := range f.remarks {
			fmt.Fprintf(&w, "\n%s\n", remark)
		}
	}
	fmt.Fprint(&w, notes)
	return os.WriteFile(path, w.Bytes(), 0o644)
}
