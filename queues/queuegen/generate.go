package queuegen

import (
	"bufio"
	"container/heap"
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"strconv"
	"time"

	"talktime/queues"
)

// Config says what to invent.
type Config struct {
	Seed     uint64
	From, To time.Time      // when calls come, half open; what has begun before To ends after it
	Lines    int64          // exactly so many: calls that have not ended by then are cut off, as in a log that is still being written
	Calls    int64          // or the lines of so many calls; either this or Lines
	Queues   int            // 0 = 8
	Agents   int            // 0 = as many as so many calls need
	Location *time.Location // of the clock on the wall; nil = UTC
}

const (
	maxQueues = 1000
	maxAgents = 20_000
	maxSpan   = 20 * 366 * 24 * time.Hour

	linesPerCall = 3.7
	handling     = 200 // seconds an agent needs for a call, about
)

// Check says what is wrong with it.
func (c Config) Check() error {
	switch {
	case c.Lines < 0 || c.Calls < 0 || (c.Lines == 0) == (c.Calls == 0):
		return errors.New("either lines or calls must be above 0")
	case c.Queues < 0 || c.Queues > maxQueues || c.Agents < 0 || c.Agents > maxAgents:
		return errors.New("there are 1 to 1000 queues and 1 to 20000 agents")
	case c.From.Unix() < 0 || !c.To.After(c.From) || c.To.Sub(c.From) > maxSpan:
		return errors.New("the range begins after 1970, ends behind its begin, and is not longer than 20 years")
	}
	return nil
}

// Write writes the lines, and tells how many there were.
func Write(w io.Writer, c Config) (lines int64, err error) {
	out := bufio.NewWriterSize(w, 1<<18)
	var line []byte
	err = Each(c, func(e *queues.Event) error {
		lines++
		line = append(e.AppendTo(line[:0]), '\n')
		_, err := out.Write(line)
		return err
	})
	return lines, errors.Join(err, out.Flush())
}

// errEnough ends a log in the middle.
var errEnough = errors.New("enough lines")

// Each hands out the events, ascending by time. It ends at the first error of the function, and returns it. The event is reused; its
// texts may be kept.
func Each(c Config, each func(*queues.Event) error) error {
	if err := c.Check(); err != nil {
		return err
	}
	if c.Queues == 0 {
		c.Queues = 8
	}
	if c.Location == nil {
		c.Location = time.UTC
	}
	err := newGenerator(c, each).run()
	if errors.Is(err, errEnough) {
		return nil
	}
	return err
}

// slot is an hour, or what of it is in the range.
type slot struct {
	begin, seconds int64
	weight         float64
}

// hourWeights are the shares of a working day's hours, in thousandths; weekdayWeights begin with Sunday.
var (
	hourWeights    = [24]float64{8, 6, 5, 5, 6, 9, 17, 35, 68, 92, 101, 95, 74, 78, 88, 86, 72, 52, 34, 24, 18, 13, 8, 6} //nolint:gochecknoglobals // a table
	weekdayWeights = [7]float64{0.2, 1, 1.05, 1.05, 1, 0.95, 0.35}                                                        //nolint:gochecknoglobals // a table
)

// generator lets calls come one after the other. Lines that are written later wait until it is their turn.
type generator struct {
	Config
	each func(*queues.Event) error
	rand *rand.Rand

	slots    []slot
	total    float64 // of the weights
	planned  time.Time
	agents   []*agent
	queues   []*queue
	busiest  float64 // weights of all queues
	channels int64
	digits   []byte

	waiting       waiting
	free          []*item
	order         int64 // of items
	pending       int64 // lines among those that wait
	lines, calls  int64 // handed out; begun
	last, restart int64 // seconds
}

func newGenerator(c Config, each func(*queues.Event) error) *generator {
	g := &generator{
		Config: c, each: each,
		rand: rand.New(rand.NewPCG(c.Seed, 0x7175_6575)), //nolint:gosec // whoever knows the seed shall know the lines
	}
	days := 0.0
	for at := c.From.Unix(); at < c.To.Unix(); {
		wall := time.Unix(at, 0).In(c.Location)
		next := min(at-int64(wall.Minute()*60+wall.Second())+3600, c.To.Unix())
		s := slot{begin: at, seconds: next - at, weight: hourWeights[wall.Hour()] * weekdayWeights[wall.Weekday()] * float64(next-at)}
		days += s.weight / (1000 * 3600) // of the load of a working day
		g.total += s.weight
		g.slots = append(g.slots, s)
		at = next
	}
	calls := float64(c.Calls)
	if c.Calls == 0 {
		calls = float64(c.Lines) / linesPerCall
	}
	g.people(calls / max(days, 1e-6))
	g.planned = c.From.In(c.Location).AddDate(0, 0, -2)
	return g
}

// run lets calls come: each after a pause that is as likely as when so many calls as are left came at any time of what is left of
// the range, weighed by the hour.
func (g *generator) run() error {
	var passed, before float64 // of the weights: so far, and before the slot
	i := 0
	for g.wanted() {
		left := float64(g.Calls - g.calls)
		if g.Lines > 0 {
			left = float64(g.Lines-g.lines-g.pending) * float64(g.calls+100) / (float64(g.lines+g.pending) + 100*linesPerCall)
		}
		passed += (g.total - passed) * -math.Expm1(-g.rand.ExpFloat64()/max(left, 1))
		for i < len(g.slots)-1 && passed >= before+g.slots[i].weight {
			before += g.slots[i].weight
			i++
		}
		s := &g.slots[i]
		at := max(s.begin+min(int64((passed-before)/s.weight*float64(s.seconds)), s.seconds-1), g.last)
		g.plan(at)
		if err := g.emit(at); err != nil {
			return err
		}
		g.call(at)
		for g.Lines > 0 && !g.wanted() && g.lines < g.Lines {
			if err := g.emit(math.MaxInt64); err != nil {
				return err
			}
		}
	}
	return g.emit(math.MaxInt64)
}

// wanted tells whether more calls are.
func (g *generator) wanted() bool {
	if g.Lines > 0 {
		return g.lines+g.pending < g.Lines
	}
	return g.calls < g.Calls
}

// item is a line that waits for its time, or a caller who then enters another queue.
type item struct {
	queues.Event
	order  int64
	born   int64   // seconds; of a call: when it came. 0: of no call
	caller *caller // who enters; else it is a line
}

// write has a line written at a second.
func (g *generator) write(at, born int64, id, queue, agent, name string, params ...string) {
	it := g.item(at, born)
	it.Event = queues.Event{At: at * queues.Second, Kind: queues.KindOf(name), CallID: id, Queue: queue, Agent: agent, Name: name}
	copy(it.Params[:], params)
	g.pending++
	heap.Push(&g.waiting, it)
}

func (g *generator) item(at, born int64) *item {
	var it *item
	if n := len(g.free); n > 0 {
		it, g.free = g.free[n-1], g.free[:n-1]
	} else {
		it = new(item)
	}
	g.order++
	*it = item{Event: queues.Event{At: at * queues.Second}, order: g.order, born: born}
	return it
}

// emit hands out the lines until a second, that included.
func (g *generator) emit(until int64) error {
	for len(g.waiting) > 0 && g.waiting[0].At/queues.Second <= until {
		it := heap.Pop(&g.waiting).(*item) //nolint:forcetypeassert // nothing else is in it
		at, gone := it.At/queues.Second, it.born > 0 && it.born < g.restart
		g.last = max(g.last, at)
		if it.caller != nil {
			if !gone {
				g.enter(it.caller, at)
			}
			continue
		}
		g.pending--
		switch {
		case gone || at < g.From.Unix(): // Asterisk was not there any more, or the log not yet
		case g.Lines > 0 && g.lines == g.Lines:
			return errEnough
		default:
			if it.Kind == queues.QueueStart {
				g.restart = at
			}
			g.lines++
			if err := g.each(&it.Event); err != nil {
				return err
			}
		}
		g.free = append(g.free, it)
	}
	return nil
}

// waiting is a heap of items by their time.
type waiting []*item

func (w waiting) Len() int { return len(w) }
func (w waiting) Less(i, j int) bool {
	return w[i].At < w[j].At || w[i].At == w[j].At && w[i].order < w[j].order
}
func (w waiting) Swap(i, j int) { w[i], w[j] = w[j], w[i] }
func (w *waiting) Push(x any)   { *w = append(*w, x.(*item)) } //nolint:forcetypeassert // nothing else is pushed
func (w *waiting) Pop() any {
	last := len(*w) - 1
	it := (*w)[last]
	*w = (*w)[:last]
	return it
}

// chance is true so many times of a thousand.
func (g *generator) chance(perMille int) bool { return g.rand.IntN(1000) < perMille }

// length draws seconds: log-normal around a median.
func (g *generator) length(median, sigma float64, most int64) int64 {
	return min(int64(median*math.Exp(sigma*g.rand.NormFloat64())+0.5), most)
}

func (g *generator) uniqueID(at int64) string {
	g.channels++
	g.digits = strconv.AppendInt(append(strconv.AppendInt(g.digits[:0], at, 10), '.'), g.channels, 10)
	return string(g.digits)
}

func number(n int64) string { return strconv.FormatInt(n, 10) }
