package main

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// machine is what the figures depend on.
type machine struct {
	cpu, kernel string
	cores       int
	syncs       []time.Duration // of 512 bytes appended to a file
	mariadb     string
}

func lookAtMachine(dir string) (machine, error) {
	m := machine{cpu: "unknown", kernel: runtime.GOOS, cores: runtime.NumCPU(), mariadb: "not used"}
	if kernel, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		m.kernel = runtime.GOOS + " " + strings.TrimSpace(string(kernel))
	}
	if info, err := os.Open("/proc/cpuinfo"); err == nil {
		defer func() { _ = info.Close() }()
		lines := bufio.NewScanner(info)
		for lines.Scan() {
			if name, value, ok := strings.Cut(lines.Text(), ":"); ok && strings.TrimSpace(name) == "model name" {
				m.cpu = strings.TrimSpace(value)
				break
			}
		}
	}
	var err error
	m.syncs, err = syncs(filepath.Join(dir, "sync"))
	return m, err
}

// syncs measures how long the disk takes to make a small write durable.
func syncs(path string) ([]time.Duration, error) {
	f, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	took := make([]time.Duration, 500)
	block := make([]byte, 512)
	for i := range took {
		start := time.Now()
		if _, err := f.Write(block); err != nil {
			return nil, err
		}
		if err := f.Sync(); err != nil {
			return nil, err
		}
		took[i] = time.Since(start)
	}
	return took, nil
}

func (m machine) lines() []string {
	return []string{
		fmt.Sprintf("CPU: %s, %d cores, shared by client, server and database", m.cpu, m.cores),
		"Kernel: " + m.kernel,
		fmt.Sprintf("fsync of 512 bytes: median %s, p99 %s", micros(percentile(m.syncs, 50)), micros(percentile(m.syncs, 99))),
		"MariaDB: " + m.mariadb,
		"Go: " + runtime.Version(),
	}
}

func micros(d time.Duration) string { return fmt.Sprintf("%d µs", d.Microseconds()) }
