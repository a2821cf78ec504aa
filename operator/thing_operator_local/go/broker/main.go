// The local cloud's MQTT broker: mochi-mqtt behind mutual TLS, as strict as AWS IoT Core.
//
//	broker CONFIG.json
//
// When it listens it prints one line of JSON, {"mqttPort": ..., "adminPort": ...}, and after that one line of
// text for everything it refuses. It ends at once on SIGTERM: sessions are held in memory only.
package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/listeners"
)

type config struct {
	Listen             string `json:"listen"`             // host:port of MQTT, port 0 for a free one
	AdminListen        string `json:"adminListen"`        // host:port of the admin API
	AdminToken         string `json:"adminToken"`         // bearer token of the admin API
	Certificates       []pair `json:"certificates"`       // its own; a client gets the first that it can use
	ClientCAFile       string `json:"clientCaFile"`       // issuer of the things' certificates, PEM
	IdentitiesFile     string `json:"identitiesFile"`     // {"<sha256 of the DER>": "<thing>"}
	ServiceFile        string `json:"serviceFile"`        // the service's certificate, PEM
	MinimumKeepAlive   uint16 `json:"minimumKeepAlive"`   // seconds
	SessionLog         string `json:"sessionLog"`         // what becomes of sessions is appended here; empty for nowhere
	SessionExpirySecs  uint32 `json:"sessionExpirySecs"`  // how long a session that is not clean is kept
	PublishesPerSecond uint32 `json:"publishesPerSecond"` // of one connection, in and out together; 0 for no limit
}

// pair is a certificate and its key, two PEM files.
type pair struct {
	Certificate string `json:"certificate"`
	Key         string `json:"key"`
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	if len(os.Args) != 2 {
		return errors.New("usage: broker CONFIG.json")
	}
	config, err := readConfig(os.Args[1])
	if err != nil {
		return err
	}
	identities, err := newIdentities(config.IdentitiesFile, config.ServiceFile)
	if err != nil {
		return err
	}
	tlsConfig, err := serverTLS(config, identities)
	if err != nil {
		return err
	}
	plain, err := net.Listen("tcp", config.Listen)
	if err != nil {
		return err
	}
	gate := &gate{Listener: plain}
	server := newServer(config)
	sessions, err := openJournal(config.SessionLog)
	if err != nil {
		return err
	}
	dialect := newDialect(server, identities, sessions, config)
	if err := server.AddHook(dialect, nil); err != nil {
		return err
	}
	incoming := listeners.NewNet("mqtt", tls.NewListener(gate, tlsConfig))
	if err := server.AddListener(&listener{Net: incoming, takeovers: dialect.takeovers}); err != nil {
		return err
	}
	if err := server.Serve(); err != nil {
		return err
	}
	control, err := net.Listen("tcp", config.AdminListen)
	if err != nil {
		return err
	}
	ready := map[string]int{"mqttPort": port(plain), "adminPort": port(control)}
	if err := json.NewEncoder(os.Stdout).Encode(ready); err != nil {
		return err
	}
	admin := &admin{server: server, dialect: dialect, identities: identities, gate: gate, token: config.AdminToken}
	return (&http.Server{Handler: admin.handler(), ReadHeaderTimeout: 10 * time.Second}).Serve(control)
}

func readConfig(path string) (config, error) {
	config := config{MinimumKeepAlive: 30, SessionExpirySecs: 3600}
	data, err := os.ReadFile(path)
	if err != nil {
		return config, err
	}
	return config, json.Unmarshal(data, &config)
}

func serverTLS(config config, identities *identities) (*tls.Config, error) {
	own := []tls.Certificate{}
	for _, files := range config.Certificates {
		loaded, err := tls.LoadX509KeyPair(files.Certificate, files.Key)
		if err != nil {
			return nil, err
		}
		own = append(own, loaded)
	}
	clients := x509.NewCertPool()
	pem, err := os.ReadFile(config.ClientCAFile)
	if err != nil {
		return nil, err
	}
	clients.AppendCertsFromPEM(pem)
	return &tls.Config{
		MinVersion:             tls.VersionTLS12,
		Certificates:           own,
		ClientAuth:             tls.RequireAndVerifyClientCert,
		ClientCAs:              clients,
		NextProtos:             []string{"x-amzn-mqtt-ca"}, // what clients offer on port 443
		SessionTicketsDisabled: true,                       // as AWS: each connect is a full handshake
		VerifyConnection:       identities.verify,
	}, nil
}

func newServer(config config) *mqtt.Server {
	capabilities := mqtt.NewDefaultServerCapabilities()
	capabilities.MaximumQos = 1
	capabilities.MaximumPacketSize = maxPayload + 1024 // the payload itself is checked by the dialect
	capabilities.MaximumSessionExpiryInterval = config.SessionExpirySecs
	capabilities.MaximumMessageExpiryInterval = 3600 // AWS tries for an hour
	// Both bound the memory of a client that does not read: messages beyond are dropped.
	capabilities.MaximumClientWritesPending = 1024
	capabilities.MaximumInflight = 1024
	return mqtt.New(&mqtt.Options{
		Capabilities:           capabilities,
		SysTopicResendInterval: 24 * 3600, // AWS has no $SYS
		Logger:                 slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{Level: slog.LevelError})),
	})
}

func port(listener net.Listener) int {
	return listener.Addr().(*net.TCPAddr).Port
}
