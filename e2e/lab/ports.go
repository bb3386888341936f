package lab

import (
	"errors"
	"fmt"
	"net"
	"strconv"
)

// Addresses on loopback. Asterisk tells its peers apart by them.
const (
	asteriskIP     = "127.0.0.1"
	phoneIP        = "127.0.0.2"
	calleeIP       = "127.0.0.3"
	accountPhoneIP = "127.0.0.4"
	openBTSIP      = "127.0.0.5"
	telephoneIP    = "127.0.0.6" // of all that register
	providerIP     = "127.0.0.7"
)

// Each lab has a block of ports, below those that the kernel hands out for outgoing connections.
const (
	firstBlock = 12000
	lastBlock  = 30000
	blockSize  = 2000

	callerPorts    = 100 // from here on in the block: SIPp as caller, a few ports for each run
	callerPortsEnd = 400
	portsPerCaller = 6
	rtpPorts       = 400 // from here to the block's end: Asterisk's audio, enough for 400 calls of two legs
)

// ports is a block of ports that belongs to one lab, for as long as the claim is open.
type ports struct {
	claim net.PacketConn
	base  int
	next  int // offset of the next run of SIPp as caller
}

func (p *ports) sip() int      { return p.base + 1 }
func (p *ports) ami() int      { return p.base + 2 }
func (p *ports) http() int     { return p.base + 3 }
func (p *ports) callee() int   { return p.base + 4 } // and the three after it, see startSIPp
func (p *ports) dead() int     { return p.base + 10 }
func (p *ports) rtpStart() int { return p.base + rtpPorts }
func (p *ports) rtpEnd() int   { return p.base + blockSize - 1 }

// claimPorts takes the first block that is free. The claim is a socket on the block's first port: it holds on the whole
// machine, and the kernel takes it back from a process that is killed.
func claimPorts() (*ports, error) {
	for base := firstBlock; base <= lastBlock; base += blockSize {
		claim, err := net.ListenPacket("udp", hostPort(asteriskIP, base))
		if err != nil {
			continue
		}
		p := &ports{claim: claim, base: base, next: callerPorts}
		if freeUDP(asteriskIP, p.sip()) && freeTCP(p.ami()) && freeTCP(p.http()) && freeUDP(calleeIP, p.callee()) {
			return p, nil
		}
		_ = claim.Close()
	}
	return nil, fmt.Errorf("no block of %d ports is free between %d and %d", blockSize, firstBlock, lastBlock+blockSize-1)
}

// caller returns the first of a few ports for a run of SIPp.
func (p *ports) caller() (int, error) {
	for range (callerPortsEnd - callerPorts) / portsPerCaller {
		port := p.base + p.next
		if p.next += portsPerCaller; p.next+portsPerCaller > callerPortsEnd {
			p.next = callerPorts
		}
		if freeUDP(phoneIP, port) && freeUDP(accountPhoneIP, port) && freeUDP(openBTSIP, port) {
			return port, nil
		}
	}
	return 0, errors.New("too many callers at once")
}

func freeUDP(ip string, port int) bool {
	conn, err := net.ListenPacket("udp", hostPort(ip, port))
	if err != nil {
		return false
	}
	return conn.Close() == nil
}

func freeTCP(port int) bool {
	listener, err := net.Listen("tcp", hostPort(asteriskIP, port))
	if err != nil {
		return false
	}
	return listener.Close() == nil
}

func hostPort(ip string, port int) string { return net.JoinHostPort(ip, strconv.Itoa(port)) }
