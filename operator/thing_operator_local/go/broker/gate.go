package main

import (
	"net"
	"sync/atomic"
	"time"
)

// connectWithin is how long a client may take for its handshake and its CONNECT.
const connectWithin = 30 * time.Second

// gate stands before TLS: it turns clients away or keeps them waiting on demand.
type gate struct {
	net.Listener
	refuse   atomic.Bool
	tlsDelay atomic.Int64 // nanoseconds
}

func (g *gate) Accept() (net.Conn, error) {
	for {
		conn, err := g.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if g.refuse.Load() {
			noteConnection(conn, "refused: on demand, the gate is shut")
			_ = conn.Close()
			continue
		}
		delay := time.Duration(g.tlsDelay.Load())
		// Afterwards the keep-alive takes over.
		_ = conn.SetDeadline(time.Now().Add(connectWithin + delay))
		if delay > 0 {
			conn = &delayedConn{Conn: conn, delay: delay}
		}
		return conn, nil
	}
}

// delayedConn reads nothing for a while: the handshake hangs.
type delayedConn struct {
	net.Conn
	delay time.Duration
}

func (c *delayedConn) Read(buffer []byte) (int, error) {
	if c.delay > 0 {
		time.Sleep(c.delay)
		c.delay = 0
	}
	return c.Conn.Read(buffer)
}
