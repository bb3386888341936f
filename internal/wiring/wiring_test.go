package wiring_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"talktime/internal/wiring"
)

// TestTryWriting leaves nothing behind.
func TestTryWriting(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, folder := range []string{dir, filepath.Join(dir, "not", "yet")} {
		if err := wiring.TryWriting(folder); err != nil {
			t.Error(err)
		}
	}
	if err := wiring.TryWriting(file); err == nil || err.Error() != file+" is not a folder" {
		t.Errorf("a file: %v", err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("left are %v, %v", entries, err)
	}
}

// TestFullDisk: on one that is full an empty file can still be made.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=64k"); err != nil {
		t.Skipf("a small disk cannot be had: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, 0) })
	if err := wiring.TryWriting(dir); err == nil || !strings.Contains(err.Error(), "no space left on device") {
		t.Errorf("it says %v", err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 0 {
		t.Errorf("left are %v, %v", entries, err)
	}
}
