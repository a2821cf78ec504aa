package main

import (
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"sync"

	mqtt "github.com/mochi-mqtt/server/v2"
)

// identities says whose a certificate is. The file is the registry's; this is its copy in memory.
type identities struct {
	mutex   sync.RWMutex
	file    string
	service string
	things  map[string]string
}

func loadIdentities(file, service string) (*identities, error) {
	known := &identities{file: file, service: service}
	return known, known.reload()
}

func (i *identities) reload() error {
	text, err := os.ReadFile(i.file)
	if err != nil {
		return err
	}
	things := map[string]string{}
	if err := json.Unmarshal(text, &things); err != nil {
		return fmt.Errorf("%s: %w", i.file, err)
	}
	i.mutex.Lock()
	defer i.mutex.Unlock()
	i.things = things
	return nil
}

// identity is what a certificate gives: a thing's name, or the right to everything.
type identity struct {
	thing   string
	service bool
}

func (i *identities) find(fingerprint string) (identity, bool) {
	i.mutex.RLock()
	defer i.mutex.RUnlock()
	if fingerprint == i.service {
		return identity{service: true}, true
	}
	thing, known := i.things[fingerprint]
	return identity{thing: thing}, known
}

// fingerprint is the SHA-256 of the client's certificate, AWS's certificate id; empty without one.
func fingerprint(client *mqtt.Client) string {
	connection, ok := client.Net.Conn.(*tls.Conn)
	if !ok {
		return ""
	}
	shown := connection.ConnectionState().PeerCertificates
	if len(shown) == 0 {
		return ""
	}
	digest := sha256.Sum256(shown[0].Raw)
	return hex.EncodeToString(digest[:])
}
