package cdrgen

import (
	"container/heap"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"
)

// Config says which rows to invent.
type Config struct {
	Seed       uint64
	From, To   time.Time      // of calldate, half open
	Rows       int64          // exactly so many
	Calls      int64          // or the rows of so many calls; either this or Rows
	Extensions int            // from 2000 on; 0 = 2,000
	Location   *time.Location // of the clock on the wall; nil = UTC
}

const (
	firstExtension = 2000
	maxExtensions  = 1_000_000
)

// Check says what is wrong with it.
func (c Config) Check() error {
	_, err := c.withDefaults().schedule()
	return err
}

func (c Config) withDefaults() Config {
	if c.Extensions == 0 {
		c.Extensions = 2000
	}
	if c.Location == nil {
		c.Location = time.UTC
	}
	return c
}

func (c Config) schedule() (*schedule, error) {
	switch {
	case c.Rows < 0 || c.Calls < 0 || (c.Rows == 0) == (c.Calls == 0):
		return nil, errors.New("either rows or calls must be above 0")
	case c.Extensions < 0 || c.Extensions > maxExtensions:
		return nil, fmt.Errorf("extensions must be from 1 to %d", maxExtensions)
	}
	return newSchedule(c.From, c.To, c.Location)
}

// Each hands out the rows, ascending by calldate. It ends at the first error of the function, and returns it. The row is reused.
func Each(c Config, each func(*Row) error) error {
	c = c.withDefaults()
	s, err := c.schedule()
	if err != nil {
		return err
	}
	return newGenerator(c, s, each).run()
}

// generator invents calls one after the other. Rows that begin later than their call wait until it is their turn.
type generator struct {
	*schedule
	each func(*Row) error
	rand *rand.Rand

	rowsLeft, callsLeft int64 // one of them is far more than there can be
	rows, calls         int64 // begun

	extensions                              []extension
	whichExtension, whichCountry, whichKind picker
	whichOutcome                            picker
	numbers                                 []int64 // of each country, that are called
	ringing, talk, setup                    lengths
	channels, sequence                      int64
	waiting                                 waiting
	free                                    []*call
	external, dialled, digits               []byte // scratch
}

func newGenerator(c Config, s *schedule, each func(*Row) error) *generator {
	g := &generator{
		schedule: s, each: each, rowsLeft: c.Rows, callsLeft: c.Calls,
		rand:       rand.New(rand.NewPCG(c.Seed, 0x7461_6c6b)), //nolint:gosec // whoever knows the seed shall know the rows
		extensions: newExtensions(c.Extensions),
		whichKind:  newPicker(kindWeights), whichOutcome: newPicker(outcomeWeights),
		ringing: newLengths(9, 0.6, 60), talk: newLengths(75, 1.28, 4*60*60), setup: newLengths(2, 0.7, 8),
	}
	if g.rowsLeft == 0 {
		g.rowsLeft = math.MaxInt64
	} else {
		g.callsLeft = math.MaxInt64
	}
	busiest := zipf(c.Extensions, 0.8)
	g.rand.Shuffle(len(busiest), func(i, j int) { busiest[i], busiest[j] = busiest[j], busiest[i] })
	g.whichExtension = newPicker(busiest)
	weights := make([]float64, len(countries))
	for i, there := range countries {
		weights[i] = there.weight
		g.numbers = append(g.numbers, int64(min(math.Pow10(there.digits), 4_000*there.weight)))
	}
	g.whichCountry = newPicker(weights)
	return g
}

// run lets calls come: each after a pause that is as likely as when so many calls as are left came at any time of what is left of
// the range, weighed by the hour.
func (g *generator) run() error {
	var passed, before float64 // of the schedule's weights: so far, and before the slot
	i := 0
	for g.rowsLeft > 0 && g.callsLeft > 0 {
		left := float64(g.callsLeft)
		if g.rowsLeft < math.MaxInt64 {
			left = float64(g.rowsLeft) * float64(g.calls+20) / float64(g.rows+26) // 1.3 rows a call, until there are enough to tell
		}
		passed += (g.total - passed) * -math.Expm1(-g.rand.ExpFloat64()/max(left, 1))
		for i < len(g.slots)-1 && passed >= before+g.slots[i].weight {
			before += g.slots[i].weight
			i++
		}
		now := &g.slots[i]
		for now.weight == 0 && i > 0 { // rounding has led us behind the last hour
			i--
			now = &g.slots[i]
			before -= now.weight
		}
		into := min(int64((passed-before)/now.weight*float64(now.seconds)), now.seconds-1)
		if err := g.emit(now.begin + into); err != nil {
			return err
		}
		if err := g.call(now.begin+into, now.offset); err != nil {
			return err
		}
	}
	return g.emit(math.MaxInt64)
}

// emit hands out the rows that begin before a moment or then.
func (g *generator) emit(until int64) error {
	for len(g.waiting) > 0 && g.waiting[0].Wall <= until {
		if err := g.hand(heap.Pop(&g.waiting).(*Row)); err != nil {
			return err
		}
	}
	return nil
}

func (g *generator) hand(r *Row) error {
	err := g.each(r)
	if r.of.left--; r.of.left == 0 {
		g.free = append(g.free, r.of)
	}
	return err
}

// waiting is a heap of rows by their time.
type waiting []*Row

func (w waiting) Len() int { return len(w) }
func (w waiting) Less(i, j int) bool {
	return w[i].Wall < w[j].Wall || w[i].Wall == w[j].Wall && w[i].Sequence < w[j].Sequence
}
func (w waiting) Swap(i, j int) { w[i], w[j] = w[j], w[i] }
func (w *waiting) Push(r any)   { *w = append(*w, r.(*Row)) }
func (w *waiting) Pop() any {
	last := len(*w) - 1
	r := (*w)[last]
	*w = (*w)[:last]
	return r
}

// call is the rows of a call and the room for their texts.
type call struct {
	rows  []Row // never more than fit, so that none moves
	texts []byte
	left  int // not handed out yet
}

const mostRows = 8

// text keeps what is put together of parts for as long as the call's rows.
func (c *call) text(parts ...[]byte) []byte {
	begin := len(c.texts)
	for _, part := range parts {
		c.texts = append(c.texts, part...)
	}
	return c.texts[begin:len(c.texts):len(c.texts)]
}

// call invents a call that begins now.
func (g *generator) call(wall, offset int64) error {
	var c *call
	if n := len(g.free); n > 0 {
		c, g.free = g.free[n-1], g.free[:n-1]
		c.rows, c.texts = c.rows[:0], c.texts[:0]
	} else {
		c = &call{rows: make([]Row, 0, mostRows), texts: make([]byte, 0, 1024)}
	}
	first := c.add(Row{Wall: wall, AMAFlags: 3})
	g.channels++
	g.digits = strconv.AppendInt(append(strconv.AppendInt(g.digits[:0], wall-offset, 10), '.'), g.channels, 10)
	first.UniqueID = c.text(g.digits)
	first.LinkedID = first.UniqueID
	g.kinds(c, first)

	g.calls++
	g.callsLeft--
	kept := c.rows[:0]
	for _, r := range c.rows {
		there, later := g.at(r.Wall)
		if there == nil || g.rowsLeft == 0 { // behind the range, or more than was asked for
			continue
		}
		r.Wall, r.Start, r.Sequence, r.of = later, later-there.offset, g.sequence, c
		g.sequence++
		g.rowsLeft--
		g.rows++
		kept = append(kept, r)
	}
	c.rows = kept
	if c.left = len(kept); c.left == 0 {
		g.free = append(g.free, c)
	}
	for i := range kept {
		if kept[i].Wall > wall {
			heap.Push(&g.waiting, &kept[i])
		} else if err := g.hand(&kept[i]); err != nil {
			return err
		}
	}
	return nil
}

func (c *call) add(r Row) *Row {
	c.rows = append(c.rows, r)
	return &c.rows[len(c.rows)-1]
}

func (g *generator) kinds(c *call, first *Row) {
	switch g.whichKind.draw(g.rand) {
	case outbound:
		g.outbound(c, first)
	case internal:
		g.internal(c, first)
	case inbound:
		g.inbound(c, first)
		g.ring(c, first, 1)
	case ringGroup:
		g.inbound(c, first)
		g.ring(c, first, 2+g.rand.IntN(3))
	case queue:
		g.inbound(c, first)
		g.queue(c, first)
	default:
		g.service(c, first)
	}
}

// chance is true so many times of a thousand.
func (g *generator) chance(perMille int) bool { return g.rand.IntN(1000) < perMille }

// end fills in how a row ends.
func (g *generator) end(r *Row, outcome int) {
	r.Disposition = outcomes[outcome]
	r.LastApp = dial
	switch outcome {
	case answered:
		r.BillSec = g.talk.draw(g.rand)
		r.Duration = g.ringing.draw(g.rand) + r.BillSec
	case noAnswer:
		r.Duration = g.ringing.draw(g.rand) + 8
	default:
		r.Duration = g.setup.draw(g.rand)
		if outcome == busy && g.chance(250) {
			r.LastApp = busyTone
		} else if outcome == congestion && g.chance(600) {
			r.LastApp = congestionTone
		}
	}
}

//nolint:gochecknoglobals // texts
var (
	outcomes = [...][]byte{
		[]byte(dispositions[answered]), []byte(dispositions[noAnswer]), []byte(dispositions[busy]), []byte(dispositions[failed]), []byte(dispositions[congestion]),
	}
	dial, busyTone, congestionTone = []byte("Dial"), []byte("Busy"), []byte("Congestion")
	hangup, queueApp               = []byte("Hangup"), []byte("Queue")
	pjsip, dash, slash, at         = []byte("PJSIP/"), []byte("-"), []byte("/"), []byte("@")
	dialOptions                    = []byte(",300,Tb(func-apply-sipheaders^s^1)")
	ringOptions                    = []byte(",15,HhTtr")
	fromInternal, fromTrunk        = []byte("from-internal"), []byte("from-did-direct")
	extLocal, extGroup, extQueues  = []byte("ext-local"), []byte("ext-group"), []byte("ext-queues")
	hExtension, macroHangup        = []byte("h"), []byte("macro-hangupcall")
	groupNumber                    = []byte("610")
	mainNumber, mainName           = []byte("+493012345600"), []byte("Head office")
)

// channel makes up the name of the next channel of somebody.
func (g *generator) channel(c *call, who []byte) []byte {
	const hex = "0123456789abcdef"
	var id [8]byte
	for i, n := len(id)-1, uint32(g.channels); i >= 0; i, n = i-1, n>>4 { //nolint:gosec // wraps, as Asterisk's does
		id[i] = hex[n&15]
	}
	return c.text(pjsip, who, dash, id[:])
}

// dials makes up the other channel.
func (g *generator) dials(c *call, who []byte) []byte {
	g.channels++
	return g.channel(c, who)
}

func (g *generator) extension() *extension { return &g.extensions[g.whichExtension.draw(g.rand)] }

// from fills in an extension that calls.
func (g *generator) from(c *call, r *Row) {
	e := g.extension()
	r.Src, r.CNum, r.CNam, r.CallerID, r.Account, r.Context = e.number, e.number, e.name, e.callerID, e.account, fromInternal
	r.Channel = g.channel(c, e.number)
}

// number makes up a number abroad or at home without any prefix; few are often called.
func (g *generator) number() []byte {
	which := g.whichCountry.draw(g.rand)
	there := &countries[which]
	u := g.rand.Float64()
	n := uint64(u*u*u*float64(g.numbers[which]))*7_368_787 + 41 // the factor is prime, so that numbers differ
	b := append(g.external[:0], there.code...)
	begin := len(b)
	b = append(b, "000000000"[:there.digits]...)
	for i := len(b) - 1; i >= begin; i, n = i-1, n/10 {
		b[i] = byte('0' + n%10)
	}
	g.external = b
	return b
}

// spelt is a number as people dial it.
func (g *generator) spelt() []byte {
	b := g.dialled[:0]
	switch which := g.rand.IntN(100); {
	case which < 8:
		b = append(append(b, '0'), g.number()[2:]...)
	case which < 10:
		b = append(b, [...]string{"110", "112", "11833", "116117"}[g.rand.IntN(4)]...)
	case which < 55:
		b = append(b, g.number()...)
	case which < 82:
		b = append(append(b, '+'), g.number()...)
	default:
		b = append(append(b, "00"...), g.number()...)
	}
	g.dialled = b
	return b
}

// leg fills in the way out of a row.
func (g *generator) leg(c *call, r *Row) {
	trunk := trunks[g.rand.IntN(len(trunks))]
	r.DstChannel = g.dials(c, trunk)
	r.LastData = c.text(pjsip, r.Dst, at, trunk, dialOptions)
}

func (g *generator) outbound(c *call, r *Row) {
	g.from(c, r)
	r.Dst = c.text(g.spelt())
	r.OutboundCNum, r.OutboundCNam = mainNumber, mainName
	g.leg(c, r)
	outcome := g.whichOutcome.draw(g.rand)
	g.end(r, outcome)
	if outcome >= busy && g.chance(300) {
		again := c.add(*r)
		again.Wall += r.Duration
		g.leg(c, again)
		if outcome = noAnswer; g.chance(700) {
			outcome = answered
		}
		g.end(again, outcome)
		r = again
	}
	if outcome != answered {
		return
	}
	if r.BillSec > 0 && g.chance(200) {
		r.RecordingFile = c.text(r.UniqueID, dash, r.Src, []byte(".wav"))
	}
	if r.BillSec > 10 && g.chance(30) {
		fork := c.add(*r)
		gone := r.Duration - r.BillSec + g.rand.Int64N(r.BillSec)
		fork.Wall += gone
		fork.Duration -= gone
		fork.BillSec = fork.Duration
	}
	g.twin(c, r)
}

// twin adds what the extension h leaves of an answered call.
func (g *generator) twin(c *call, r *Row) {
	if !g.chance(350) {
		return
	}
	twin := c.add(*r)
	twin.Wall += r.Duration
	twin.Dst, twin.DstChannel, twin.LastApp, twin.LastData, twin.RecordingFile = hExtension, nil, hangup, nil, nil
	if g.chance(300) {
		twin.Context = macroHangup
	}
	twin.Duration, twin.BillSec = 0, 0
	if g.chance(100) {
		twin.Duration = 1 + g.rand.Int64N(3)
		twin.BillSec = twin.Duration
	}
}

func (g *generator) internal(c *call, r *Row) {
	g.from(c, r)
	to := g.extension()
	r.Dst, r.DstCNam = to.number, to.name
	switch outcome := [...]int{answered, answered, answered, answered, answered, answered, noAnswer, noAnswer, noAnswer, busy}[g.rand.IntN(10)]; {
	case outcome != answered && g.chance(400):
		g.end(r, answered)
		r.Dst, r.LastApp, r.LastData = c.text([]byte("vmu"), to.number), c.text([]byte("VoiceMail")), c.text(to.number, []byte("@default,u\"\"s"))
	default:
		r.DstChannel = g.dials(c, to.number)
		r.LastData = c.text(pjsip, to.number, slash, to.number, ringOptions)
		g.end(r, outcome)
		if r.LastApp = dial; outcome == answered {
			g.twin(c, r)
		}
	}
}

// inbound fills in somebody from outside who calls.
func (g *generator) inbound(c *call, r *Row) {
	switch g.rand.IntN(20) {
	case 0:
		r.Src = c.text([]byte("anonymous"))
	case 1, 2, 3, 4, 5, 6:
		r.Src = c.text([]byte{'+'}, g.number())
	default:
		r.Src = c.text(g.number())
	}
	r.CNum = r.Src
	if g.chance(300) {
		r.CNam = c.text([]byte(familyNames[int(r.Src[len(r.Src)-1])%len(familyNames)]))
	}
	r.CallerID = c.text([]byte{'"'}, r.CNam, []byte(`" <`), r.Src, []byte{'>'})
	r.Channel = g.channel(c, trunks[g.rand.IntN(len(trunks))])
	r.DID = mainNumber
	r.Context = fromTrunk
}

// ring lets several telephones ring at once, of which one may answer.
func (g *generator) ring(c *call, r *Row, phones int) {
	outcome := noAnswer
	if g.chance(700) {
		outcome = answered
	}
	g.end(r, outcome)
	r.Context = extLocal
	whole := *r
	if phones > 1 {
		whole.Context, whole.Dst = extGroup, groupNumber
	}
	c.rows = c.rows[:0]
	takes := g.rand.IntN(phones)
	for i := range phones {
		to := g.extension()
		leg := c.add(whole)
		leg.DstChannel, leg.DstCNam = g.dials(c, to.number), to.name
		leg.LastData = c.text(pjsip, to.number, slash, to.number, ringOptions)
		if phones == 1 {
			leg.Dst = to.number
		}
		if outcome == answered && i != takes {
			leg.Disposition, leg.Duration, leg.BillSec = outcomes[noAnswer], leg.Duration-leg.BillSec, 0
		}
	}
}

// queue lets a queue ring one member after the other.
func (g *generator) queue(c *call, r *Row) {
	const ringSeconds = 15
	number := [...]byte{'6', '0', "012345"[g.rand.IntN(6)]}
	r.Dst = c.text(number[:])
	r.Context, r.LastApp, r.LastData = extQueues, queueApp, c.text(r.Dst, []byte(",t,,,,,,,,"))
	whole := *r
	if g.chance(200) {
		r.Duration = 2 + g.talk.draw(g.rand)%300
		r.BillSec, r.Disposition = r.Duration, outcomes[noAnswer]
		return
	}
	c.rows = c.rows[:0]
	deaf := slices.Index([]bool{g.chance(600), g.chance(600), true}, true) // members who do not answer
	for i := range deaf + 1 {
		leg := c.add(whole)
		leg.Wall += int64(i) * ringSeconds
		to := g.extension()
		leg.DstChannel, leg.DstCNam = g.dials(c, to.number), to.name
		if i < deaf {
			leg.Disposition, leg.Duration, leg.BillSec = outcomes[noAnswer], ringSeconds, ringSeconds
			continue
		}
		g.end(leg, answered)
		leg.LastApp, leg.Duration = queueApp, leg.BillSec+g.rand.Int64N(ringSeconds)
	}
}

// service is a call that the telephone system itself answers.
func (g *generator) service(c *call, r *Row) {
	switch g.rand.IntN(3) {
	case 0:
		g.from(c, r)
		r.Dst, r.LastApp, r.LastData = c.text([]byte("*97")), c.text([]byte("VoiceMailMain")), c.text(r.Src, []byte("@default"))
	case 1:
		g.from(c, r)
		r.Dst, r.LastApp = c.text([]byte("*43")), c.text([]byte("Echo"))
	default:
		g.inbound(c, r)
		r.Dst, r.Context = c.text([]byte{'s'}), c.text([]byte("ivr-1"))
		r.LastApp, r.LastData = c.text([]byte("BackGround")), c.text([]byte("custom/welcome"))
	}
	r.Disposition = outcomes[answered]
	r.BillSec = g.talk.draw(g.rand) % 240
	r.Duration = r.BillSec
}
