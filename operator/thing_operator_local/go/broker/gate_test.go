package main

import (
	"errors"
	"net"
	"testing"
	"testing/synctest"
	"time"
)

// door is a listener that hands out the connections in it, and then fails.
type door chan net.Conn

var errEmpty = errors.New("nobody is left")

func (d door) Accept() (net.Conn, error) {
	if conn, some := <-d; some {
		return conn, nil
	}
	return nil, errEmpty
}

func (d door) Close() error   { return nil }
func (d door) Addr() net.Addr { return nil }

// gateWith stands before one client; far is the client's end.
func gateWith(t *testing.T) (front *gate, far net.Conn) {
	t.Helper()
	near, far := net.Pipe()
	t.Cleanup(func() { _, _ = near.Close(), far.Close() })
	waiting := make(door, 1)
	waiting <- near
	close(waiting)
	return &gate{Listener: waiting}, far
}

func TestAGateThatRefusesClosesWhoComesAndGoesOnToTheNext(t *testing.T) {
	front, far := gateWith(t)
	front.refuse.Store(true)
	if conn, err := front.Accept(); !errors.Is(err, errEmpty) {
		t.Errorf("let in: %v, %v", conn, err)
	}
	if _, err := far.Write([]byte("hello")); err == nil {
		t.Error("the client's connection is still open")
	}
}

func TestWhoSaysNothingIsGivenHalfAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		front, _ := gateWith(t)
		conn, err := front.Accept()
		if err != nil {
			t.Fatal(err)
		}
		begun := time.Now()
		if _, err := conn.Read(make([]byte, 1)); err == nil {
			t.Error("read from a client that says nothing")
		}
		if waited := time.Since(begun); waited != connectWithin {
			t.Errorf("gave it %v", waited)
		}
	})
}

func TestADelayedHandshakeIsReadOnceTheDelayIsOverAndOnlyOnceDelayed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		front, far := gateWith(t)
		front.tlsDelay.Store(int64(time.Minute))
		conn, err := front.Accept()
		if err != nil {
			t.Fatal(err)
		}
		go func() { _, _ = far.Write([]byte("ab")) }()
		begun := time.Now()
		for range 2 {
			if _, err := conn.Read(make([]byte, 1)); err != nil {
				t.Fatal(err) // the deadline has to be moved by the delay
			}
			if waited := time.Since(begun); waited != time.Minute {
				t.Errorf("read after %v", waited)
			}
		}
	})
}
