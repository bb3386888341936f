// Package eventstream sends server-sent events (text/event-stream) for as long as somebody reads them. It must never send anything whose
// reader was not asked for again: Stream.Next decides each time.
//
//	err := eventstream.Stream{Every: time.Second, Beat: 15 * time.Second, Patience: 10 * time.Second, Next: next}.Serve(ctx, w)
package eventstream

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"syscall"
	"time"
)

// Event is what is sent.
type Event struct {
	ID   int64  // what a client that comes back names as the last it had
	Name string // what browsers call it; no line end in it
	Data []byte
}

// Stream says what is sent, and when.
type Stream struct {
	Every    time.Duration // Next is asked this often
	Beat     time.Duration // something is sent at least this often, so that whoever stands between does not take the stream for dead
	Patience time.Duration // whoever does not take what is sent for so long is cut off

	Stop <-chan struct{} // closed when the server is to stop: then the stream ends, which is no error; may be nil

	// Next is what is sent now; nil: nothing is new. Its error ends the stream.
	Next func(context.Context) (*Event, error)
}

// Serve sends events until ctx ends or the client is gone, which are no errors, or the client is too slow, or Next fails. Nothing is sent
// before Next has answered once, so that an error of the first Next can still be told. The server's limit for writing an answer does not count here.
func (s Stream) Serve(ctx context.Context, w http.ResponseWriter) error {
	event, err := s.Next(ctx)
	if err != nil {
		return err
	}
	out := &writer{to: w, control: http.NewResponseController(w), patience: s.Patience}
	if err := out.control.SetWriteDeadline(time.Now().Add(s.Patience)); err != nil {
		return fmt.Errorf("an event stream needs a connection whose limits can be set: %w", err)
	}
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no") // nginx would keep events back
	w.WriteHeader(http.StatusOK)
	if err := out.send([]byte("retry: 3000\n\n"), event); err != nil {
		return unlessGone(err)
	}
	every, beat := time.NewTicker(s.Every), time.NewTicker(s.Beat)
	defer every.Stop()
	defer beat.Stop()
	for {
		var comment []byte
		event = nil
		select {
		case <-ctx.Done():
			return nil
		case <-s.Stop:
			return nil
		case <-beat.C:
			comment = []byte(":\n\n")
		case <-every.C:
			if event, err = s.Next(ctx); ctx.Err() != nil {
				return nil
			} else if err != nil {
				return err
			}
		}
		if comment == nil && event == nil {
			continue
		}
		beat.Reset(s.Beat)
		if err := out.send(comment, event); err != nil {
			return unlessGone(err)
		}
	}
}

// unlessGone is err, unless it says that nobody reads any more, which a write may learn before the request's context does.
func unlessGone(err error) error {
	if errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) {
		return nil
	}
	return err
}

type writer struct {
	to       http.ResponseWriter
	control  *http.ResponseController
	patience time.Duration
}

// send writes what there is at once.
func (w *writer) send(head []byte, e *Event) error {
	text := head
	if e != nil {
		text = fmt.Appendf(text, "id: %d\nevent: %s\n", e.ID, e.Name)
		for line := range bytes.SplitSeq(bytes.TrimRight(e.Data, "\n"), []byte("\n")) {
			text = append(append(append(text, "data: "...), line...), '\n')
		}
		text = append(text, '\n')
	}
	if err := w.control.SetWriteDeadline(time.Now().Add(w.patience)); err != nil {
		return err
	}
	if _, err := w.to.Write(text); err != nil {
		return err
	}
	return w.control.Flush()
}
