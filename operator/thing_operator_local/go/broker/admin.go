package main

import (
	"crypto/subtle"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"sort"
	"strconv"
	"time"

	mqtt "github.com/mochi-mqtt/server/v2"
)

var errKicked = errors.New("kicked")

// admin is how the local cloud steers the broker, over HTTP on loopback.
type admin struct {
	server     *mqtt.Server
	dialect    *dialect
	identities *identities
	gate       *gate
	token      string
}

type session struct {
	ClientID      string   `json:"clientId"`
	Connected     bool     `json:"connected"`
	Clean         bool     `json:"clean"`
	KeepAlive     uint16   `json:"keepAlive"`
	Subscriptions []string `json:"subscriptions"`
}

func (a *admin) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /reload", a.reload)
	mux.HandleFunc("GET /sessions", a.sessions)
	mux.HandleFunc("DELETE /sessions", a.forget)
	mux.HandleFunc("POST /kick/{client}", a.kick)
	mux.HandleFunc("PUT /gate", a.setGate)
	mux.HandleFunc("POST /publish", a.publish)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		given := []byte(r.Header.Get("Authorization"))
		if subtle.ConstantTimeCompare(given, []byte("Bearer "+a.token)) != 1 {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// reload takes over the identities file and closes the sessions whose certificate is no longer in it.
func (a *admin) reload(w http.ResponseWriter, _ *http.Request) {
	if err := a.identities.reload(); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	for id, client := range a.server.Clients.GetAll() {
		if client.Closed() {
			continue
		}
		if who, known := a.identities.behind(client.Net.Conn); !known || !who.mayUseClientID(id) {
			note(client, "closed: "+unregistered)
			client.Stop(errKicked)
		}
	}
}

func (a *admin) sessions(w http.ResponseWriter, _ *http.Request) {
	list := []session{}
	for id, client := range a.server.Clients.GetAll() {
		filters := []string{}
		for filter := range client.State.Subscriptions.GetAll() {
			filters = append(filters, filter)
		}
		sort.Strings(filters)
		list = append(list, session{
			ClientID: id, Connected: !client.Closed(), Clean: client.Properties.Clean,
			KeepAlive: client.State.Keepalive, Subscriptions: filters,
		})
	}
	sort.Slice(list, func(i, j int) bool { return list[i].ClientID < list[j].ClientID })
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(list)
}

// forget drops all sessions but the service's, kept ones included.
func (a *admin) forget(http.ResponseWriter, *http.Request) {
	for id, client := range a.server.Clients.GetAll() {
		if id == feedClient {
			continue
		}
		note(client, "closed: on demand")
		client.Stop(errKicked)
		a.server.UnsubscribeClient(client)
		client.ClearInflights()
		a.server.Clients.Delete(id)
	}
}

func (a *admin) kick(w http.ResponseWriter, r *http.Request) {
	client, found := a.server.Clients.Get(r.PathValue("client"))
	if !found || client.Closed() {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	note(client, "closed: on demand")
	client.Stop(errKicked)
}

// publish does what a PUBLISH of a thing does: ?thing=, which is empty for the cloud's services, &topic=, &qos= and
// &retain=; the body is the payload. What is wrong with it is the answer, 403 for a topic that is not the thing's.
func (a *admin) publish(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	who := identity{thing: query.Get("thing")}
	who.service = who.thing == ""
	payload, err := io.ReadAll(io.LimitReader(r.Body, maxPayload+1))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	qos, _ := strconv.ParseUint(query.Get("qos"), 10, 1)
	packet := message(query.Get("topic"), payload, byte(qos))
	packet.FixedHeader.Retain = query.Get("retain") == "true"
	if fault := publishFault(who, packet); fault != "" {
		status := http.StatusBadRequest
		if fault == foreign("PUBLISH", packet.TopicName) {
			status = http.StatusForbidden
		}
		http.Error(w, fault, status)
		return
	}
	a.dialect.publish(packet)
}

// setGate: {"refuse": bool, "tlsDelaySeconds": number}
func (a *admin) setGate(w http.ResponseWriter, r *http.Request) {
	var wanted struct {
		Refuse          bool    `json:"refuse"`
		TLSDelaySeconds float64 `json:"tlsDelaySeconds"`
	}
	if err := json.NewDecoder(r.Body).Decode(&wanted); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	a.gate.refuse.Store(wanted.Refuse)
	a.gate.tlsDelay.Store(int64(wanted.TLSDelaySeconds * float64(time.Second)))
}
