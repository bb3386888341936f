package cdrgen

import (
	"math"
	"math/rand/v2"
	"strconv"
)

// country is where calls go: its calling code with what numbers there begin with, how many digits follow, and its share.
type country struct {
	code   string
	digits int
	weight float64
}

//nolint:gochecknoglobals // a table
var countries = []country{
	{"49151", 8, 14},
	{"4930", 8, 9},
	{"4989", 7, 6},
	{"4940", 7, 5},
	{"43664", 7, 6},
	{"431", 7, 3},
	{"4179", 7, 5},
	{"336", 8, 5},
	{"331", 8, 2},
	{"447", 9, 5},
	{"4420", 8, 4},
	{"39347", 7, 4},
	{"34612", 6, 4},
	{"48601", 6, 4},
	{"316", 8, 3.5},
	{"324", 8, 2},
	{"420602", 6, 2.5},
	{"1212", 7, 2.5},
	{"1415", 7, 1.5},
	{"1416", 7, 0.8},
	{"1242", 7, 0.1},
	{"7495", 7, 1},
	{"77012", 6, 0.3},
	{"90532", 7, 2.5},
	{"45", 8, 1},
	{"467", 8, 1.2},
	{"479", 7, 0.7},
	{"35840", 7, 0.6},
	{"353871", 6, 0.6},
	{"3519", 8, 0.8},
	{"30694", 7, 0.7},
	{"3670", 7, 0.8},
	{"4072", 7, 0.9},
	{"35988", 7, 0.4},
	{"38091", 7, 0.3},
	{"381601", 5, 0.5},
	{"385912", 5, 0.6},
	{"38670", 6, 0.4},
	{"421901", 6, 0.7},
	{"97252", 7, 0.5},
	{"97150", 7, 0.3},
	{"9198", 8, 0.8},
	{"8613", 9, 0.6},
	{"8190", 8, 0.3},
	{"6141", 7, 0.3},
	{"6421", 6, 0.2},
	{"5511", 9, 0.4},
	{"59899", 6, 0.2},
	{"5255", 8, 0.3},
	{"2782", 7, 0.3},
	{"20100", 7, 0.2},
	{"2126", 8, 0.3},
	{"6799", 6, 0.1},
}

//nolint:gochecknoglobals // tables
var (
	givenNames = []string{
		"Ines", "Marta", "Jonas", "Amir", "Lea", "Tomáš", "Yuki", "Paula", "Viktor", "Noor", "Søren", "Ilse", "Bruno", "Chiara", "Dmitri", "Esra", "Frieda",
		"Goran", "Hanna", "Ivo", "Jana", "Karel", "Lukas", "Mia", "Nils", "Olga", "Pavel", "Rosa", "Stefan", "Tereza",
	}
	familyNames = []string{
		"Roth", "Novak", "Lindqvist", "O'Neill", "Müller", "Kaya", "Bianchi", "Dvořák", "Petrov", "Weiss", "Haddad", "Costa", "Jensen", "Kowalska", "Tanaka",
		"Berg", "Fischer", "Horvat", "Ilić", "Keller", "Lange", "Moreau", "Nagy", "Peeters", "Richter", "Santos", "Toth", "Vogel", "Wagner",
	}
	accounts = []string{"sales", "support", "office", "warehouse"}
	trunks   = [][]byte{[]byte("trunk-a"), []byte("trunk-b"), []byte("trunk-c")}
)

// dispositions by outcome.
const (
	answered = iota
	noAnswer
	busy
	failed
	congestion
)

//nolint:gochecknoglobals // tables
var (
	dispositions   = [...]string{"ANSWERED", "NO ANSWER", "BUSY", "FAILED", "CONGESTION"}
	outcomeWeights = []float64{55, 25, 10, 6, 4}
)

// kinds of calls.
const (
	outbound = iota
	internal
	inbound
	ringGroup
	queue
	service
)

var kindWeights = []float64{54, 16, 14, 4, 8, 4} //nolint:gochecknoglobals // a table

// extension is a telephone and whoever sits at it.
type extension struct {
	number, name, callerID, account []byte
}

func newExtensions(n int) []extension {
	all := make([]extension, n)
	for i := range all {
		number := strconv.Itoa(firstExtension + i)
		var name string
		switch given, family := givenNames[i%len(givenNames)], familyNames[i*7%len(familyNames)]; {
		case i%30 == 17:
		case i%97 == 5:
			name = family + ", " + given
		case i%211 == 8:
			name = given + ` \"` + given[:1] + `\" ` + family
		default:
			name = given + " " + family
		}
		all[i] = extension{number: []byte(number), name: []byte(name), callerID: []byte(`"` + name + `" <` + number + `>`)}
		if i%3 == 0 {
			all[i].account = []byte(accounts[i/3%len(accounts)])
		}
	}
	return all
}

// picker draws whole numbers with given weights, all in the same time (the alias method).
type picker struct {
	share []float64 // of a place that is its own
	alias []int32
}

func newPicker(weights []float64) picker {
	n := len(weights)
	p := picker{make([]float64, n), make([]int32, n)}
	var total float64
	for _, w := range weights {
		total += w
	}
	var small, large []int
	for i, w := range weights {
		p.share[i] = w * float64(n) / total
		if p.alias[i] = int32(i); p.share[i] < 1 {
			small = append(small, i)
		} else {
			large = append(large, i)
		}
	}
	for len(small) > 0 && len(large) > 0 {
		s, l := small[len(small)-1], large[len(large)-1]
		small = small[:len(small)-1]
		p.alias[s] = int32(l) //nolint:gosec // far below 2³¹
		if p.share[l] -= 1 - p.share[s]; p.share[l] < 1 {
			large = large[:len(large)-1]
			small = append(small, l)
		}
	}
	for _, i := range append(small, large...) {
		p.share[i] = 1
	}
	return p
}

func (p picker) draw(r *rand.Rand) int {
	x := r.Float64() * float64(len(p.share))
	i := int(x)
	if x-float64(i) < p.share[i] {
		return i
	}
	return int(p.alias[i])
}

// zipf are the weights of n things of which the first is the most frequent.
func zipf(n int, exponent float64) []float64 {
	weights := make([]float64, n)
	for i := range weights {
		weights[i] = math.Pow(float64(i+1), -exponent)
	}
	return weights
}

// lengths are the quantiles of a log-normal distribution, in seconds.
type lengths []int64

func newLengths(median, sigma float64, most int64) lengths {
	q := make(lengths, 1<<13)
	for i := range q {
		p := (float64(i) + 0.5) / float64(len(q))
		q[i] = min(int64(median*math.Exp(sigma*math.Sqrt2*math.Erfinv(2*p-1))), most)
	}
	return q
}

func (q lengths) draw(r *rand.Rand) int64 { return q[r.IntN(len(q))] }
