package main

import (
	"encoding/json"
	"net"
	"net/http"
	"strconv"
	"time"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"
)

// serveAdmin offers what a test or the cloud asks of the broker beside MQTT, on loopback and to those who
// know the token only. It returns the address.
func serveAdmin(server *mqtt.Server, gate *rules, token string) (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	routes := http.NewServeMux()
	routes.HandleFunc("POST /reload", func(w http.ResponseWriter, _ *http.Request) {
		if err := gate.identities.reload(); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		gate.dropStrangers()
	})
	routes.HandleFunc("POST /kick", func(w http.ResponseWriter, request *http.Request) {
		client, found := server.Clients.Get(request.FormValue("client"))
		if !found {
			http.Error(w, "no such session", http.StatusNotFound)
			return
		}
		client.Stop(packets.ErrAdministrativeAction)
	})
	routes.HandleFunc("POST /refuse", func(_ http.ResponseWriter, request *http.Request) {
		gate.refusing.Store(request.FormValue("on") == "true")
	})
	routes.HandleFunc("POST /delay", func(w http.ResponseWriter, request *http.Request) {
		seconds, err := strconv.ParseFloat(request.FormValue("seconds"), 64)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		gate.delay.Store(int64(seconds * float64(time.Second)))
	})
	routes.HandleFunc("GET /sessions", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(gate.things())
	})
	guarded := http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		if token == "" || request.Header.Get("X-Token") != token {
			http.Error(w, "forbidden", http.StatusForbidden)
			return
		}
		routes.ServeHTTP(w, request)
	})
	go func() { _ = http.Serve(listener, guarded) }()
	return listener.Addr().String(), nil
}

// dropStrangers ends the sessions whose certificate is no longer known, or is another thing's by now.
func (r *rules) dropStrangers() {
	r.sessions.Range(func(key, value any) bool {
		client, before := key.(*mqtt.Client), value.(identity)
		if now, known := r.identities.find(fingerprint(client)); !known || now != before {
			client.Stop(packets.ErrNotAuthorized)
		}
		return true
	})
}

// things lists the things that are connected.
func (r *rules) things() []string {
	found := []string{}
	r.sessions.Range(func(_, value any) bool {
		if who := value.(identity); !who.service {
			found = append(found, who.thing)
		}
		return true
	})
	return found
}
