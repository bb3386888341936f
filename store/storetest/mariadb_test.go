package storetest

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestMain(m *testing.M) {
	if os.Getenv("STORETEST_PARENT") != "" {
		parent()
	}
	os.Exit(Main(m))
}

func TestDatabasesAreApart(t *testing.T) {
	server := Shared(t)
	first := Open(t, server.NewDatabase(t))
	second := Open(t, server.NewDatabase(t))
	for _, statement := range []string{"CREATE TABLE a (n BIGINT)", "INSERT INTO a VALUES (1)"} {
		if _, err := first.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	var n int
	if err := first.QueryRowContext(t.Context(), "SELECT n FROM a").Scan(&n); err != nil || n != 1 {
		t.Errorf("read %d, %v", n, err)
	}
	if err := second.QueryRowContext(t.Context(), "SELECT n FROM a").Scan(&n); err == nil {
		t.Error("the second database sees the table of the first")
	}
}

func TestCommittedRowsSurviveKill(t *testing.T) {
	if os.Getenv(URLVariable) != "" {
		t.Skip("the server is not ours to kill")
	}
	Shared(t) // skips where nothing is installed
	server, err := Start(t.Context(), Options{BufferPoolMB: 64})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	db := Open(t, server.NewDatabase(t))
	if _, err := db.ExecContext(t.Context(), "CREATE TABLE a (n BIGINT) ENGINE=InnoDB"); err != nil {
		t.Fatal(err)
	}

	for n := range 3 {
		if _, err := db.ExecContext(t.Context(), "INSERT INTO a VALUES (?)", n); err != nil {
			t.Fatal(err)
		}
		if err := server.Kill(); err != nil {
			t.Fatal(err)
		}
		if err := db.PingContext(t.Context()); err == nil {
			t.Error("a killed server answers")
		}
		if err := server.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
		var rows int
		if err := db.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM a").Scan(&rows); err != nil || rows != n+1 {
			t.Fatalf("after kill and restart: %d rows, %v; want %d", rows, err, n+1)
		}
	}
}

// TestServerEndsWithItsProcess kills a process that started a server, and looks for the server.
func TestServerEndsWithItsProcess(t *testing.T) {
	Shared(t)
	helper := exec.CommandContext(t.Context(), os.Args[0])
	helper.Env = append(os.Environ(), "STORETEST_PARENT=1")
	out, err := helper.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := helper.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, 0); err != nil {
		t.Fatalf("mariadbd %d is not there: %v", pid, err)
	}
	_ = helper.Process.Kill()
	_ = helper.Wait()
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		// The state is the field after the name in parentheses; Z waits for its new parent to notice that it has ended.
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil || strings.Contains(string(stat), ") Z ") {
			return
		}
	}
	t.Errorf("mariadbd %d outlived the process that started it", pid)
}

// parent starts a server, prints its pid and stays. The threads of the start are given every chance to end: the server
// must survive that.
func parent() {
	server, err := Start(context.Background(), Options{BufferPoolMB: 32})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	for range 20 {
		done := make(chan struct{})
		go func() {
			runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
			close(done)
		}()
		<-done
	}
	time.Sleep(200 * time.Millisecond)
	fmt.Println(server.child.PID())
	select {}
}
