// Package cdrcsv reads call records from lines of text: Asterisk's Master.csv, and tables that were exported with a first line of
// names. A line that is none costs nothing but itself.
//
//	r, err := cdrcsv.New(file)
//	for {
//		switch err := r.Next(&record); {
//		case err == io.EOF:
//			return nil
//		case errors.As(err, &bad): // one line; go on
//		}
//	}
package cdrcsv
