package main

import (
	"bytes"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"
)

// The limits of AWS IoT Core (reference aws-iot-shadow.md 2).
const (
	maxPayload          = 128 * 1024
	maxFilters          = 8
	maxSubscriptions    = 50
	maxTopicBytes       = 256
	maxTopicSlashes     = 7
	minKeepAlive        = 30
	maxKeepAlive        = 1200
	servicePrefix       = "$service/"
)

// rules is the hook that makes mochi-mqtt behave as AWS IoT Core does: what AWS answers by closing the
// connection is refused by ErrRejectPacket from OnPacketRead, which closes it without an answer.
type rules struct {
	mqtt.HookBase
	server     *mqtt.Server
	identities *identities
	refusing   atomic.Bool
	delay      atomic.Int64
	sessions   sync.Map // *mqtt.Client -> identity
}

func (r *rules) ID() string { return "aws-rules" }

func (r *rules) Provides(event byte) bool {
	return bytes.Contains([]byte{
		mqtt.OnConnect, mqtt.OnConnectAuthenticate, mqtt.OnACLCheck, mqtt.OnPacketRead, mqtt.OnPublish, mqtt.OnDisconnect,
	}, []byte{event})
}

// OnConnect sees a CONNECT before it is answered; an error closes the connection without a CONNACK.
func (r *rules) OnConnect(client *mqtt.Client, packet packets.Packet) error {
	time.Sleep(time.Duration(r.delay.Load()))
	if r.refusing.Load() {
		return packets.ErrServerUnavailable
	}
	will := packet.Connect
	if will.WillFlag && (will.WillQos > 1 || !validTopic(will.WillTopic) || will.WillRetain && reserved(will.WillTopic)) {
		return packets.ErrRejectPacket
	}
	switch keepAlive := client.State.Keepalive; {
	case keepAlive == 0 || keepAlive > maxKeepAlive:
		client.State.Keepalive = maxKeepAlive
	case keepAlive < minKeepAlive:
		client.State.Keepalive = minKeepAlive
	}
	return nil
}

// OnConnectAuthenticate: the certificate decides who it is, and the client id has to say the same.
func (r *rules) OnConnectAuthenticate(client *mqtt.Client, packet packets.Packet) bool {
	who, known := r.identities.find(fingerprint(client))
	if !known || (!who.service && client.ID != who.thing) {
		return false
	}
	if packet.Connect.WillFlag && !allowed(who, packet.Connect.WillTopic, true) {
		return false
	}
	r.sessions.Store(client, who)
	return true
}

func (r *rules) OnDisconnect(client *mqtt.Client, _ error, _ bool) {
	r.sessions.Delete(client)
}

// OnACLCheck is asked for deliveries, too; what a client may not send never gets here.
func (r *rules) OnACLCheck(client *mqtt.Client, topic string, write bool) bool {
	return allowed(r.who(client), topic, write)
}

// OnPacketRead closes the connection for what AWS closes it for.
func (r *rules) OnPacketRead(client *mqtt.Client, packet packets.Packet) (packets.Packet, error) {
	switch packet.FixedHeader.Type {
	case packets.Publish:
		if !r.mayPublish(client, packet) {
			return packet, packets.ErrRejectPacket
		}
	case packets.Subscribe:
		return r.checkSubscribe(client, packet)
	}
	return packet, nil
}

func (r *rules) mayPublish(client *mqtt.Client, packet packets.Packet) bool {
	who := r.who(client)
	if who.service {
		return true
	}
	return packet.FixedHeader.Qos <= 1 &&
		len(packet.Payload) <= maxPayload &&
		validTopic(packet.TopicName) &&
		!(packet.FixedHeader.Retain && reserved(packet.TopicName)) &&
		allowed(who, packet.TopicName, true)
}

func (r *rules) checkSubscribe(client *mqtt.Client, packet packets.Packet) (packets.Packet, error) {
	who := r.who(client)
	if who.service {
		return packet, nil
	}
	if len(packet.Filters) > maxFilters {
		return packet, packets.ErrRejectPacket
	}
	held := client.State.Subscriptions.GetAll()
	count := len(held)
	for i, filter := range packet.Filters {
		if filter.Qos > 1 || !validTopic(filter.Filter) || !allowed(who, filter.Filter, false) {
			return packet, packets.ErrRejectPacket
		}
		if _, again := held[filter.Filter]; again {
			continue
		}
		if count++; count > maxSubscriptions {
			// An invalid filter is what mochi-mqtt answers with 0x80 by itself.
			packet.Filters[i].Filter = "too/many/#/subscriptions"
		}
	}
	return packet, nil
}

// OnPublish hands a client's request to the shadow service under a name of its own. A will does not come
// along here, and that is how the service never processes one that was left on a $aws topic.
func (r *rules) OnPublish(client *mqtt.Client, packet packets.Packet) (packets.Packet, error) {
	if client.Net.Inline || r.who(client).service || !isShadowRequest(packet.TopicName) {
		return packet, nil
	}
	return packet, r.server.Publish(servicePrefix+packet.TopicName, packet.Payload, false, 1)
}

func (r *rules) who(client *mqtt.Client) identity {
	who, _ := r.sessions.Load(client)
	found, _ := who.(identity)
	return found
}

// allowed: a thing reaches its own shadows, those of its networked children, and MIC's two topics.
func allowed(who identity, topic string, write bool) bool {
	if who.service {
		return true
	}
	if who.thing == "" {
		return false
	}
	if rest, found := strings.CutPrefix(topic, "$aws/things/"+who.thing); found {
		if strings.HasPrefix(rest, "__") {
			_, rest, found = strings.Cut(rest, "/")
			return found && strings.HasPrefix(rest, "shadow/")
		}
		return strings.HasPrefix(rest, "/shadow/")
	}
	mic := "tcxn/things/" + who.thing + "/shadow/"
	return write && (topic == mic+"update" || topic == mic+"backdate")
}

func isShadowRequest(topic string) bool {
	if !strings.HasPrefix(topic, "$aws/things/") {
		return false
	}
	for _, operation := range []string{"update", "get", "delete"} {
		if strings.HasSuffix(topic, "/"+operation) {
			return true
		}
	}
	return false
}

func reserved(topic string) bool { return strings.HasPrefix(topic, "$aws/") }

func validTopic(topic string) bool {
	return len(topic) > 0 && len(topic) <= maxTopicBytes && strings.Count(topic, "/") <= maxTopicSlashes
}
