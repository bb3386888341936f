package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// cpuTime is the CPU time that this process and those that it started (the database, the FastAGI server) have used until
// now. Unlike the time of day it depends little on what else the machine is doing. It is 0 where there is no /proc.
func cpuTime() (own, others time.Duration) {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	self := os.Getpid()
	for _, path := range stats {
		stat, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended meanwhile
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		// The name, the second field, stands in parentheses and may hold anything; the second one behind it is the parent.
		fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
		switch {
		case err != nil || len(fields) < 2:
		case pid == self:
			own += threadTime(pid)
		case fields[1] == strconv.Itoa(self):
			others += threadTime(pid)
		}
	}
	return own, others
}

// threadTime is what the threads of a process have used. The kernel counts it in nanoseconds here; the times in stat are
// counted by the tick, which a program that runs in short bursts may well miss.
func threadTime(pid int) time.Duration {
	var sum time.Duration
	threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	for _, path := range threads {
		text, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		running, _, _ := strings.Cut(string(text), " ")
		ns, _ := strconv.ParseInt(running, 10, 64)
		sum += time.Duration(ns)
	}
	return sum
}

// tick is the unit in which the kernel tells the CPU times of the whole machine.
const tick = 10 * time.Millisecond

// machineTime is the CPU time that all programs and the kernel have used until now, on all cores.
func machineTime() time.Duration {
	stat, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0
	}
	line, _, _ := strings.Cut(string(stat), "\n")
	var ticks int64
	for i, field := range strings.Fields(line) {
		const idle, ioWait, guest = 4, 5, 9 // guests' time is part of the users'
		if i == 0 || i == idle || i == ioWait || i >= guest {
			continue
		}
		n, _ := strconv.ParseInt(field, 10, 64)
		ticks += n
	}
	return time.Duration(ticks) * tick
}
