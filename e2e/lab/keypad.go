package lab

import (
	"encoding/binary"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// Keypad is the audio of a calling phone whose keys can be pressed: it sends silence, and keys as RFC 4733 events. One
// serves one call.
type Keypad struct {
	t    testing.TB
	conn *net.UDPConn
	done chan struct{}
	over sync.WaitGroup

	mu       sync.Mutex
	asterisk *net.UDPAddr // where its audio comes from; nil before there was some
	heard    time.Time    // the last of it
	loud     int          // packets of it that were no silence
	sequence uint16
	stamp    uint32
	keys     string // that wait to be sent
}

// Payload types of the packets, and their length.
const (
	pcmu      = 0
	events    = 101
	frame     = 20 * time.Millisecond
	frameSize = 160
	silence   = 0xff
	keyFrames = 5 // 100 ms
	gapFrames = 5
)

// NewKeypad opens the audio port of a phone; it is closed when the test ends.
func NewKeypad(t testing.TB) *Keypad {
	t.Helper()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.ParseIP(phoneIP)})
	if err != nil {
		t.Fatal(err)
	}
	k := &Keypad{t: t, conn: conn, done: make(chan struct{})}
	k.over.Go(k.listen)
	k.over.Go(k.talk)
	t.Cleanup(func() {
		close(k.done)
		_ = conn.Close()
		k.over.Wait()
	})
	return k
}

func (k *Keypad) port() int { return k.conn.LocalAddr().(*net.UDPAddr).Port }

// listen notes when something is heard.
func (k *Keypad) listen() {
	packet := make([]byte, 1500)
	for {
		n, from, err := k.conn.ReadFromUDP(packet)
		if err != nil {
			return
		}
		if n > 12 && packet[1]&0x7f == pcmu {
			k.mu.Lock()
			k.asterisk, k.heard = from, time.Now()
			if isLoud(packet[12:n]) {
				k.loud++
			}
			k.mu.Unlock()
		}
	}
}

// isLoud reports whether somebody with a telephone would hear PCMU. Its sign is the first bit, and its other bits are inverted: so whatever has
// one of the next three bits clear is louder than a whisper of the line.
func isLoud(pcmu []byte) bool {
	return slices.ContainsFunc(pcmu, func(sample byte) bool { return sample&0x70 != 0x70 })
}

// Loud is for how long something was heard that was no silence, in all.
func (k *Keypad) Loud() time.Duration {
	k.mu.Lock()
	defer k.mu.Unlock()
	return time.Duration(k.loud) * frame
}

// talk sends a packet every 20 ms.
func (k *Keypad) talk() {
	ticker := time.NewTicker(frame)
	defer ticker.Stop()
	pause := 0
	for {
		select {
		case <-k.done:
			return
		case <-ticker.C:
		}
		k.mu.Lock()
		to, key := k.asterisk, ""
		if pause--; pause < 0 && to != nil && k.keys != "" {
			key, k.keys = k.keys[:1], k.keys[1:]
		}
		k.mu.Unlock()
		if to == nil {
			continue
		}
		if key == "" {
			k.send(to, pcmu, false, nil)
			continue
		}
		k.press(to, key, ticker)
		pause = gapFrames
	}
}

// press sends one key: an event that grows, and its end three times.
func (k *Keypad) press(to *net.UDPAddr, key string, ticker *time.Ticker) {
	code := byte(strings.Index("0123456789*#", key))
	for i := 1; i <= keyFrames+2; i++ {
		event := []byte{code, 10, 0, 0}
		if i >= keyFrames {
			event[1] |= 0x80
		}
		binary.BigEndian.PutUint16(event[2:], uint16(min(i, keyFrames)*frameSize))
		k.send(to, events, i == 1, event)
		<-ticker.C
	}
	k.stamp += uint32((keyFrames + 2) * frameSize)
}

// send sends one packet. Those of a key have one time stamp.
func (k *Keypad) send(to *net.UDPAddr, payload byte, marker bool, body []byte) {
	packet := make([]byte, 12, 12+frameSize)
	packet[0], packet[1] = 0x80, payload
	if marker {
		packet[1] |= 0x80
	}
	if payload == pcmu {
		for range frameSize {
			body = append(body, silence)
		}
		k.stamp += frameSize
	}
	k.sequence++
	binary.BigEndian.PutUint16(packet[2:], k.sequence)
	binary.BigEndian.PutUint32(packet[4:], k.stamp)
	binary.BigEndian.PutUint32(packet[8:], 0x7a1c7153)
	_, _ = k.conn.WriteToUDP(append(packet, body...), to)
}

// Press types keys, each for a tenth of a second, and returns when the last has been sent.
func (k *Keypad) Press(keys string) {
	k.t.Helper()
	k.mu.Lock()
	k.keys += keys
	k.mu.Unlock()
	Eventually(k.t, time.Duration(len(keys)+10)*time.Second, func() bool {
		k.mu.Lock()
		defer k.mu.Unlock()
		return k.keys == ""
	}, "the keys are typed")
}

// Quiet waits until something was heard, from now on, and then nothing for as long as quiet.
func (k *Keypad) Quiet(quiet time.Duration, what string) {
	k.t.Helper()
	begun := time.Now()
	Eventually(k.t, 30*time.Second, func() bool {
		k.mu.Lock()
		defer k.mu.Unlock()
		return k.heard.After(begun) && time.Since(k.heard) > quiet
	}, "%s", what)
}

// offer is what the phone's SDP says of its audio, from the port on.
func (k *Keypad) offer() string {
	if k == nil {
		return "[media_port] RTP/AVP 0"
	}
	return fmt.Sprintf("%d RTP/AVP 0 %d\na=rtpmap:%d telephone-event/8000\na=fmtp:%d 0-16", k.port(), events, events, events)
}
