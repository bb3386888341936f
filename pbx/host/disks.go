package host

import (
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/shirou/gopsutil/v4/disk"
	"golang.org/x/sync/singleflight"
)

// Disk is a file system. Bytes.
type Disk struct {
	Device, Mount     string
	Size, Used, Avail uint64
	Percent           int // used of used and available, rounded up, as df does
}

// ReadDisk says how full the file system is on which a path lies.
func ReadDisk(ctx context.Context, path string) (Disk, error) {
	usage, err := disk.UsageWithContext(ctx, path)
	if err != nil {
		return Disk{}, fmt.Errorf("file system of %s: %w", path, err)
	}
	d := Disk{Mount: path, Size: usage.Total, Used: usage.Used, Avail: usage.Free}
	if all := d.Used + d.Avail; all > 0 {
		d.Percent = int(math.Ceil(float64(d.Used) * 100 / float64(all)))
	}
	// Device and mount point are for people: without them the figures are still right.
	parts, err := disk.PartitionsWithContext(ctx, true)
	if err != nil {
		return d, nil //nolint:nilerr // see above
	}
	within := slices.DeleteFunc(parts, func(p disk.PartitionStat) bool { return !below(path, p.Mountpoint) })
	if len(within) > 0 {
		nearest := slices.MaxFunc(within, func(a, b disk.PartitionStat) int { return cmp.Compare(len(a.Mountpoint), len(b.Mountpoint)) })
		d.Device, d.Mount = nearest.Device, nearest.Mountpoint
	}
	return d, nil
}

func below(path, folder string) bool {
	return folder == "/" || path == folder || strings.HasPrefix(path, folder+"/")
}

// Folders measures folders, which takes long for large ones, and remembers what it found.
type Folders struct {
	Now      func() time.Time
	Fresh    time.Duration // for so long; 0: five minutes
	Patience time.Duration // for one folder, after which what was found until then counts; 0: ten seconds

	flight singleflight.Group
	turn   sync.Mutex // one walk at a time is load enough

	mu    sync.Mutex
	sizes map[string]measured
}

type measured struct {
	bytes int64
	at    time.Time
}

// Size is the bytes that the files below a folder take on its disk: each once, however many names it has, without other file systems
// and without following links. What is missing or cannot be read counts nothing. An error is that of ctx, after which what is being
// measured is measured to its end and remembered.
func (f *Folders) Size(ctx context.Context, path string) (int64, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	if bytes, ok := f.known(path); ok {
		return bytes, nil
	}
	found := f.flight.DoChan(path, func() (any, error) {
		f.turn.Lock()
		defer f.turn.Unlock()
		limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), cmp.Or(f.Patience, 10*time.Second))
		defer cancel()
		bytes := walk(limited, path)
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.sizes == nil {
			f.sizes = make(map[string]measured)
		}
		f.sizes[path] = measured{bytes, f.Now()}
		return bytes, nil
	})
	select {
	case <-ctx.Done():
		return 0, ctx.Err()
	case <-found:
		bytes, _ := f.known(path)
		return bytes, nil
	}
}

// known is what a folder takes, if it was measured lately.
func (f *Folders) known(path string) (bytes int64, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	m, ok := f.sizes[path]
	return m.bytes, ok && f.Now().Sub(m.at) < cmp.Or(f.Fresh, 5*time.Minute)
}

type inode struct{ device, number uint64 }

func walk(ctx context.Context, path string) (bytes int64) {
	const sector = 512 // the unit of st_blocks, whatever the file system's is
	info, err := os.Lstat(path)
	if err != nil {
		return 0
	}
	root, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0
	}
	seen := make(map[inode]bool)
	_ = filepath.WalkDir(path, func(_ string, d fs.DirEntry, err error) error {
		if ctx.Err() != nil {
			return filepath.SkipAll
		}
		if err != nil {
			return skipped(d)
		}
		info, err := d.Info()
		if err != nil {
			return nil //nolint:nilerr // gone since
		}
		s, ok := info.Sys().(*syscall.Stat_t)
		if !ok {
			return nil
		}
		if s.Dev != root.Dev {
			return skipped(d)
		}
		if s.Nlink > 1 && !d.IsDir() {
			id := inode{s.Dev, s.Ino}
			if seen[id] {
				return nil
			}
			seen[id] = true
		}
		bytes += s.Blocks * sector
		return nil
	})
	return bytes
}

func skipped(d fs.DirEntry) error {
	if d != nil && d.IsDir() {
		return fs.SkipDir
	}
	return nil
}

// HumanText is a number of bytes as du -h writes it: 0, 88K, 9.6G, 412M; rounded up.
func HumanText(bytes uint64) string { return human(bytes, 1024) }

// DecimalText is a number of bytes as df -H writes it, in thousands.
func DecimalText(bytes uint64) string { return human(bytes, 1000) }

func human(bytes, unit uint64) string {
	if bytes < unit {
		return strconv.FormatUint(bytes, 10)
	}
	const suffixes = "KMGTPE"
	for i, scale := 0, unit; ; i, scale = i+1, scale*unit {
		whole, rest := bytes/scale, bytes%scale
		tenths := whole*10 + (rest*10+scale-1)/scale
		if rest > 0 {
			whole++
		}
		switch {
		case tenths < 100:
			return fmt.Sprintf("%d.%d%c", tenths/10, tenths%10, suffixes[i])
		case whole < unit || i == len(suffixes)-1:
			return fmt.Sprintf("%d%c", whole, suffixes[i])
		}
	}
}
