package main

import (
	"io"
	"net"
	"testing"
	"testing/synctest"

	mqtt "github.com/mochi-mqtt/server/v2"
)

func connection(t *testing.T, server *mqtt.Server, id string) *mqtt.Client {
	t.Helper()
	near, far := net.Pipe()
	t.Cleanup(func() { _, _ = near.Close(), far.Close() })
	go func() { _, _ = io.Copy(io.Discard, far) }() // what the broker says in the end
	return server.NewClient(near, "mqtt", id, false)
}

func TestAConnectionIsLetInWhenTheOneBeforeItHasEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, held := newServer(config{}), newTakeovers()
		first, second, third := connection(t, server, "hub"), connection(t, server, "hub"), connection(t, server, "hub")
		held.enter(server, first)
		in := make(chan *mqtt.Client, 2)
		for _, each := range []*mqtt.Client{second, third} {
			go func() {
				held.enter(server, each)
				in <- each
			}()
		}
		synctest.Wait()
		if !first.Closed() {
			t.Error("the first is not closed")
		}
		if len(in) != 0 {
			t.Fatal("let in while the first is still on its way out")
		}
		held.ended(first.Net.Conn)
		synctest.Wait()
		if len(in) != 1 {
			t.Fatalf("%d were let in at once", len(in))
		}
		entered := <-in
		held.ended(entered.Net.Conn)
		synctest.Wait()
		if len(in) != 1 {
			t.Fatal("the last is never let in")
		}
		held.ended((<-in).Net.Conn)
		if len(held.holders) != 0 || len(held.ids) != 0 {
			t.Error("something is remembered of connections that have ended")
		}
	})
}

func TestOtherClientIDsDoNotWaitAndAnUnknownEndIsNone(t *testing.T) {
	server, held := newServer(config{}), newTakeovers()
	one, other, late := connection(t, server, "one"), connection(t, server, "other"), connection(t, server, "one")
	held.enter(server, one)
	held.enter(server, other)
	held.ended(late.Net.Conn) // it never got in
	if one.Closed() || other.Closed() {
		t.Error("closed by somebody else's connection")
	}
	if held.take(late) == nil {
		t.Error("the client id is free although its connection is up")
	}
}
