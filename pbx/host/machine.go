package host

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
)

// Machine is the machine on which this program runs: all that the package can say of it. It is safe for use by many goroutines.
type Machine struct {
	Folders Folders // its Now is the Machine's

	programs [][]string // nil: firewallPrograms
	flight   singleflight.Group
	mu       sync.Mutex
	firewall listing
}

// listing is what became of listing the rules of the firewall.
type listing struct {
	found Firewall
	err   error
	at    time.Time
}

// firewallFresh is for how long a listing is told again: each runs programs of the host.
const firewallFresh = 10 * time.Second

// Resources is ReadResources.
func (*Machine) Resources(ctx context.Context) (Resources, error) { return ReadResources(ctx) }

// Disk is ReadDisk.
func (*Machine) Disk(ctx context.Context, path string) (Disk, error) { return ReadDisk(ctx, path) }

// FolderSize is Folders.Size.
func (m *Machine) FolderSize(ctx context.Context, path string) (int64, error) {
	return m.Folders.Size(ctx, path)
}

// Firewall is ReadFirewall at most ten seconds ago, whatever became of it, or the error of ctx.
func (m *Machine) Firewall(ctx context.Context) (Firewall, error) {
	if err := ctx.Err(); err != nil {
		return Firewall{}, err
	}
	found := m.flight.DoChan("", func() (any, error) {
		if last := m.listed(); m.Folders.Now().Sub(last.at).Abs() < firewallFresh {
			return struct{}{}, nil
		}
		programs := m.programs
		if programs == nil {
			programs = firewallPrograms()
		}
		f, err := readFirewall(context.WithoutCancel(ctx), programs)
		m.mu.Lock()
		defer m.mu.Unlock()
		m.firewall = listing{f, err, m.Folders.Now()}
		return struct{}{}, nil
	})
	select {
	case <-ctx.Done():
		return Firewall{}, ctx.Err()
	case <-found:
		last := m.listed()
		return last.found, last.err
	}
}

func (m *Machine) listed() listing {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.firewall
}
