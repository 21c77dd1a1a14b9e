// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"bytes"
	"net"
	"os/exec"
	"testing"
	"time"
)

// FreeAddr is a loopback address on which nothing listens at the moment.
func FreeAddr(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// Serve starts a program that listens on addr, waits until it does, and ends it with the test.
func Serve(t testing.TB, addr, bin string, args ...string) {
	t.Helper()
	var out bytes.Buffer
	cmd := exec.Command(bin, args...)
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may have ended
		<-done
		if t.Failed() {
			t.Logf("output of %s %v:\n%s", bin, args, &out)
		}
	})
	limit := time.After(time.Minute)
	for {
		if conn, err := net.Dial("tcp", addr); err == nil {
			_ = conn.Close() // only asked whether somebody answers
			return
		}
		select {
		case err := <-done:
			done <- err
			t.Fatalf("%s ended at once: %v\n%s", bin, err, &out)
		case <-limit:
			t.Fatalf("nothing listens on %s after a minute", addr)
		case <-time.After(10 * time.Millisecond):
		}
	}
}
