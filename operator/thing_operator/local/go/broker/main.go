// The local cloud's broker: mochi-mqtt with the strictness of AWS IoT Core (rules.go) and certificates as
// the only identity (identities.go). It knows nothing of shadows: the shadow service is an ordinary client.
package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"syscall"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/listeners"
)

func main() {
	address := flag.String("address", "127.0.0.1:0", "address and port to listen on, over TLS")
	certificate := flag.String("certificate", "", "the server's certificate (PEM)")
	key := flag.String("key", "", "the server's private key (PEM)")
	ca := flag.String("ca", "", "the CA of the clients' certificates (PEM)")
	identities := flag.String("identities", "", "JSON file: fingerprint of a certificate -> thing name")
	service := flag.String("service", "", "fingerprint of the shadow service's certificate")
	ready := flag.String("ready", "", "file to write when listening: {\"port\", \"admin\"}")
	flag.Parse()
	if err := run(*address, *certificate, *key, *ca, *identities, *service, *ready); err != nil {
		fmt.Fprintln(os.Stderr, "broker:", err)
		os.Exit(1)
	}
}

func run(address, certificate, key, ca, identities, service, ready string) error {
	known, err := loadIdentities(identities, service)
	if err != nil {
		return err
	}
	config, err := tlsConfig(certificate, key, ca)
	if err != nil {
		return err
	}
	server := mqtt.New(&mqtt.Options{
		InlineClient: true,
		Capabilities: capabilities(),
		Logger:       slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})),
	})
	gate := &rules{server: server, identities: known}
	if err := server.AddHook(gate, nil); err != nil {
		return err
	}
	listener := listeners.NewTCP(listeners.Config{ID: "tls", Address: address, TLSConfig: config})
	if err := server.AddListener(listener); err != nil {
		return err
	}
	if err := server.Serve(); err != nil {
		return err
	}
	admin, err := serveAdmin(server, gate, os.Getenv("BROKER_ADMIN_TOKEN"))
	if err != nil {
		return err
	}
	if err := announce(ready, listener.Address(), admin); err != nil {
		return err
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGINT, syscall.SIGTERM)
	<-stop
	return server.Close()
}

func capabilities() *mqtt.Capabilities {
	limits := mqtt.NewDefaultServerCapabilities()
	limits.MaximumPacketSize = maxPayload + 1024
	limits.MaximumSessionExpiryInterval = 3600
	limits.MaximumInflight = 65535
	limits.ReceiveMaximum = 65535
	limits.MaximumClientWritesPending = 64 * 1024
	return limits
}

func tlsConfig(certificate, key, ca string) (*tls.Config, error) {
	pair, err := tls.LoadX509KeyPair(certificate, key)
	if err != nil {
		return nil, err
	}
	pem, err := os.ReadFile(ca)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("no certificate in %s", ca)
	}
	return &tls.Config{
		Certificates: []tls.Certificate{pair},
		ClientAuth:   tls.RequireAndVerifyClientCert,
		ClientCAs:    roots,
		MinVersion:   tls.VersionTLS12,
		NextProtos:   []string{"x-amzn-mqtt-ca"},
		// AWS resumes no session: each connection is a full handshake.
		SessionTicketsDisabled: true,
	}, nil
}

// announce tells the parent the ports, in one step so that it never reads half a file.
func announce(file, listening, admin string) error {
	_, port, err := net.SplitHostPort(listening)
	if err != nil {
		return err
	}
	text, err := json.Marshal(map[string]string{"port": port, "admin": admin})
	if err != nil {
		return err
	}
	if err := os.WriteFile(file+".new", text, 0o600); err != nil {
		return err
	}
	return os.Rename(file+".new", file)
}
