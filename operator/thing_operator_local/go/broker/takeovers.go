package main

import (
	"net"
	"sync"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"
)

// takeovers lets a connection in when the one before it with its client id has ended for good, one at a time.
//
// mochi removes what a connection leaves by its client id: with the old one still on its way out it would be the
// new one's subscriptions that go, and its place in the list of clients. And two connections that come at once
// would not know of each other. Either leaves a connection that is up, gets nothing, and that no other one ends.
type takeovers struct {
	mutex   sync.Mutex
	holders map[string]*holder // by client id
	ids     map[net.Conn]string
}

func newTakeovers() *takeovers {
	return &takeovers{holders: map[string]*holder{}, ids: map[net.Conn]string{}}
}

// holder is a connection that has been let in. ended is closed when mochi is done with it.
type holder struct {
	client *mqtt.Client
	ended  chan struct{}
}

// enter ends the connection that holds the client id, and returns when this one holds it.
func (t *takeovers) enter(server *mqtt.Server, cl *mqtt.Client) {
	for before := t.take(cl); before != nil; before = t.take(cl) {
		note(before.client, "closed: another connection has its client id now")
		_ = server.DisconnectClient(before.client, packets.ErrSessionTakenOver)
		<-before.ended
	}
}

// take gives the client id to a connection, or returns who holds it.
func (t *takeovers) take(cl *mqtt.Client) *holder {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	if before := t.holders[cl.ID]; before != nil {
		return before
	}
	t.holders[cl.ID] = &holder{client: cl, ended: make(chan struct{})}
	t.ids[cl.Net.Conn] = cl.ID
	return nil
}

func (t *takeovers) ended(conn net.Conn) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	id, held := t.ids[conn]
	if !held {
		return // it never got that far
	}
	close(t.holders[id].ended)
	delete(t.holders, id)
	delete(t.ids, conn)
}
