package main

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"net"
	"os"
	"sync/atomic"
)

// identities says which certificate is which thing. As with AWS, a certificate names no thing itself.
type identities struct {
	file    string
	service string // the service's fingerprint
	things  atomic.Pointer[map[string]string]
}

func newIdentities(file, serviceFile string) (*identities, error) {
	data, err := os.ReadFile(serviceFile)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(data)
	if block == nil {
		return nil, errors.New(serviceFile + " holds no certificate")
	}
	identities := &identities{file: file, service: fingerprint(block.Bytes)}
	return identities, identities.reload()
}

// reload takes over what the file says now.
func (i *identities) reload() error {
	data, err := os.ReadFile(i.file)
	if err != nil {
		return err
	}
	things := map[string]string{}
	if err := json.Unmarshal(data, &things); err != nil {
		return err
	}
	i.things.Store(&things)
	return nil
}

// verify ends the handshake of a certificate that no thing has (any more).
func (i *identities) verify(state tls.ConnectionState) error {
	if _, known := i.of(state.PeerCertificates); !known {
		return &unregisteredError{state.PeerCertificates[0]}
	}
	return nil
}

// of finds the identity behind a connection's certificates.
func (i *identities) of(certificates []*x509.Certificate) (identity, bool) {
	if len(certificates) == 0 {
		return identity{}, false
	}
	print := fingerprint(certificates[0].Raw)
	if print == i.service {
		return identity{service: true}, true
	}
	thing, known := (*i.things.Load())[print]
	return identity{thing: thing}, known
}

// behind finds the identity of an open connection.
func (i *identities) behind(conn net.Conn) (identity, bool) {
	secure, isTLS := conn.(*tls.Conn)
	if !isTLS {
		return identity{}, false
	}
	return i.of(secure.ConnectionState().PeerCertificates)
}

func fingerprint(der []byte) string {
	sum := sha256.Sum256(der)
	return hex.EncodeToString(sum[:])
}
