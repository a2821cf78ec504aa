package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"sync"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"
)

const (
	noPacket  = packets.Reserved // a packet type that mochi does not send
	mqtt311   = 4                // protocol level of MQTT 3.1.1
	bridgeBit = 0x80             // of a CONNECT's protocol level: mosquitto's way to say that a broker is the client
)

// dialect makes mochi behave as AWS IoT Core does: who may do what, and what closes a connection.
type dialect struct {
	mqtt.HookBase
	server           *mqtt.Server
	identities       *identities
	journal          *journal
	minimumKeepAlive uint16
	feed             *feed
	paces            paces
	takeovers        *takeovers
	packetIDs        packetIDs
	inside           *mqtt.Client // publishes in the broker's own name, past all checks
	subscribing      sync.Map     // *mqtt.Client -> packets.Subscriptions that it is asking for now
}

func newDialect(server *mqtt.Server, identities *identities, journal *journal, config config) *dialect {
	return &dialect{
		server:           server,
		identities:       identities,
		journal:          journal,
		minimumKeepAlive: config.MinimumKeepAlive,
		feed:             newFeed(),
		paces:            paces{perSecond: float64(config.PublishesPerSecond)},
		takeovers:        newTakeovers(),
		inside:           server.NewClient(nil, mqtt.LocalListener, "$inside", true),
	}
}

func (d *dialect) ID() string { return "dialect" }

func (d *dialect) Provides(b byte) bool {
	switch b {
	case mqtt.OnConnect, mqtt.OnConnectAuthenticate, mqtt.OnSessionEstablish, mqtt.OnSessionEstablished,
		mqtt.OnDisconnect, mqtt.OnClientExpired, mqtt.OnACLCheck, mqtt.OnPacketRead, mqtt.OnPacketEncode, mqtt.OnPacketSent,
		mqtt.OnSubscribe, mqtt.OnSubscribed, mqtt.OnPublish, mqtt.OnPublished, mqtt.OnPublishDropped, mqtt.OnWillSent:
		return true
	}
	return false
}

// OnConnect lowers or raises the keep-alive silently, as AWS does, and empties a will that is to be empty.
func (d *dialect) OnConnect(cl *mqtt.Client, pk packets.Packet) error {
	if isEmptyWill(pk) {
		cl.Properties.Will.Payload = nil
	}
	asked := cl.State.Keepalive
	if asked == 0 || asked > maxKeepAlive {
		cl.State.Keepalive = maxKeepAlive
	} else if asked < d.minimumKeepAlive {
		cl.State.Keepalive = d.minimumKeepAlive
	}
	return nil
}

// OnConnectAuthenticate answers CONNACK 5 to a client id that is not the certificate's thing.
func (d *dialect) OnConnectAuthenticate(cl *mqtt.Client, _ packets.Packet) bool {
	who, known := d.identities.behind(cl.Net.Conn)
	if !known || !who.mayUseClientID(cl.ID) {
		note(cl, "refused: the certificate belongs to "+who.String())
		return false
	}
	return true
}

// OnSessionEstablish ends the connection that this one takes over.
func (d *dialect) OnSessionEstablish(cl *mqtt.Client, _ packets.Packet) {
	d.takeovers.enter(d.server, cl)
}

func (d *dialect) OnSessionEstablished(cl *mqtt.Client, _ packets.Packet) {
	d.journal.note(cl, "connected", "")
	if cl.ID == feedClient {
		d.feed.open()
	}
}

func (d *dialect) OnDisconnect(cl *mqtt.Client, err error, _ bool) {
	d.journal.note(cl, "ended", howEnded(cl))
	d.paces.forget(cl)
	d.packetIDs.forget(cl)
	if cl.ID == feedClient && !cl.IsTakenOver() {
		d.feed.close()
	}
	var code packets.Code
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		note(cl, fmt.Sprintf("closed: silent for 1.5 times its keep-alive of %d s", cl.State.Keepalive))
	case errors.As(err, &code) && code != packets.ErrRejectPacket: // the others are noted where they are rejected
		note(cl, "closed: "+code.Reason)
	}
}

// OnClientExpired clears what mochi leaves of a session that was kept long enough.
func (d *dialect) OnClientExpired(cl *mqtt.Client) {
	d.paces.forget(cl)
	d.server.UnsubscribeClient(cl)
	cl.ClearInflights()
}

// OnACLCheck is asked about deliveries and about filters. Who may do what is OnPacketRead's; here it is only
// that AWS's "a/#" does not match "a", as MQTT's does, and that a connection gets so much a second.
func (d *dialect) OnACLCheck(cl *mqtt.Client, topic string, write bool) bool {
	if write || d.asksFor(cl, topic) {
		return true
	}
	return holds(cl, topic) && d.paces.admit(cl)
}

// asksFor: the topic is a filter that the client is subscribing to.
func (d *dialect) asksFor(cl *mqtt.Client, topic string) bool {
	asked, isAsking := d.subscribing.Load(cl)
	if !isAsking {
		return false
	}
	isFilter := func(each packets.Subscription) bool { return each.Filter == topic }
	return slices.ContainsFunc(asked.(packets.Subscriptions), isFilter)
}

// holds: one of the client's filters matches the topic by AWS's rules. mochi has found one that does by MQTT's.
func holds(cl *mqtt.Client, topic string) bool {
	if _, parent := cl.State.Subscriptions.Get(topic + "/#"); !parent {
		return true
	}
	for filter := range cl.State.Subscriptions.GetAll() {
		if matches(filter, topic) {
			return true
		}
	}
	return false
}

// OnPacketRead closes the connection, without any answer, where AWS does.
func (d *dialect) OnPacketRead(cl *mqtt.Client, pk packets.Packet) (packets.Packet, error) {
	who, known := d.identities.behind(cl.Net.Conn)
	isConnect := pk.FixedHeader.Type == packets.Connect
	if isConnect {
		cl.ID = pk.Connect.ClientIdentifier // for the log: mochi sets it after this
		pk.ProtocolVersion = levelOf(pk.ProtocolVersion)
		if pk.Connect.WillFlag && len(pk.Connect.WillPayload) == 0 {
			pk.Connect.WillPayload = emptyWill
		}
	}
	fault := ""
	switch {
	case !known:
		fault = unregistered
	case isConnect && pk.ProtocolVersion != mqtt311:
		d.refuseVersion(cl, pk.ProtocolVersion)
		return pk, packets.ErrRejectPacket
	case who.service:
	case isConnect:
		fault = connectFault(who, pk)
	case pk.FixedHeader.Type == packets.Publish:
		fault = publishFault(who, pk)
	case pk.FixedHeader.Type == packets.Subscribe:
		fault = subscribeFault(who, pk)
	case pk.FixedHeader.Type == packets.Unsubscribe && len(pk.Filters) > maxFilters:
		fault = "more than 8 filters in one UNSUBSCRIBE"
	}
	if fault != "" {
		note(cl, "closed: "+fault)
		return pk, packets.ErrRejectPacket
	}
	return d.packetIDs.asked(cl, pk), nil
}

// refuseVersion answers a CONNECT as the protocol that it speaks has it: 1 with MQTT 3, 0x84 with MQTT 5.
func (d *dialect) refuseVersion(cl *mqtt.Client, version byte) {
	note(cl, fmt.Sprintf("refused: protocol level %d, and MIC's Thing API has MQTT 3.1.1 (level 4) alone", version))
	cl.Properties.ProtocolVersion = version
	_ = d.server.SendConnack(cl, packets.ErrUnsupportedProtocolVersion, false, nil)
}

// emptyWill stands for a payload of no bytes, which MQTT allows in a will and mochi does not.
var emptyWill = []byte{0}

func isEmptyWill(pk packets.Packet) bool {
	return len(pk.Connect.WillPayload) > 0 && &pk.Connect.WillPayload[0] == &emptyWill[0]
}

// levelOf is a CONNECT's protocol level without the bit by which a bridge of mosquitto says that it is one.
func levelOf(version byte) byte {
	if version == mqtt311|bridgeBit {
		return mqtt311
	}
	return version
}

// OnPacketEncode keeps mochi from sending DISCONNECT, which only clients of MQTT 3.1.1 may. See packetIDs for answers.
func (d *dialect) OnPacketEncode(cl *mqtt.Client, pk packets.Packet) packets.Packet {
	if pk.FixedHeader.Type == packets.Disconnect {
		pk.FixedHeader.Type = noPacket
	}
	return d.packetIDs.answered(cl, pk)
}

func (d *dialect) OnPacketSent(cl *mqtt.Client, pk packets.Packet, _ []byte) {
	if cl.ID == feedClient && pk.FixedHeader.Type == packets.Publish {
		d.feed.sent()
	}
}

// OnSubscribe makes the subscriptions beyond the 50th invalid, which is answered with 0x80.
func (d *dialect) OnSubscribe(cl *mqtt.Client, pk packets.Packet) packets.Packet {
	d.subscribing.Store(cl, pk.Filters)
	held := cl.State.Subscriptions.GetAll()
	for index, filter := range pk.Filters {
		if _, again := held[filter.Filter]; again {
			continue
		}
		if len(held) >= maxSubscriptions {
			note(cl, "refused: a subscription beyond the 50th")
			pk.Filters[index].Filter = ""
			continue
		}
		held[filter.Filter] = filter
	}
	return pk
}

func (d *dialect) OnSubscribed(cl *mqtt.Client, _ packets.Packet, _ []byte) {
	d.subscribing.Delete(cl)
	d.journal.note(cl, "subscribed", "")
}

// OnPublish unpacks what the service publishes, many messages in one, and sends them on with QoS 1. What a thing
// publishes beyond its rate is discarded, without a PUBACK.
func (d *dialect) OnPublish(cl *mqtt.Client, pk packets.Packet) (packets.Packet, error) {
	if cl.ID != feedClient {
		if !d.paces.admit(cl) {
			return pk, packets.ErrRejectPacket
		}
		return pk, nil
	}
	for rest := pk.Payload; len(rest) > 0; {
		var topic, payload []byte
		topic, rest = nextField(rest)
		payload, rest = nextField(rest)
		d.publish(message(string(topic), payload, 1))
	}
	return pk, packets.ErrRejectPacket
}

// OnPublished hands the service what clients publish. It is not called for wills, so the shadow service never
// sees a will on a $aws topic.
func (d *dialect) OnPublished(cl *mqtt.Client, pk packets.Packet) {
	switch {
	case isShadowRequest(pk.TopicName) || isMIC(pk.TopicName) || isJobRequest(pk.TopicName):
		d.hand(pk)
	case isJob(pk.TopicName):
		note(cl, fmt.Sprintf("published to %q: nothing answers, it is no request of AWS IoT Jobs", pk.TopicName))
	}
}

// OnWillSent hands the service the wills that MIC takes.
func (d *dialect) OnWillSent(cl *mqtt.Client, pk packets.Packet) {
	d.journal.note(cl, "will", "")
	if isMIC(pk.TopicName) {
		d.hand(pk)
	}
}

func (d *dialect) OnPublishDropped(cl *mqtt.Client, _ packets.Packet) {
	note(cl, "lost a message: it reads too slowly")
	if cl.ID == feedClient {
		d.feed.sent()
	}
}

func (d *dialect) hand(pk packets.Packet) {
	if d.feed.admit() {
		d.publish(message(feedPrefix+pk.TopicName, pk.Payload, 0))
	}
}

// publish sends a message on in the broker's own name, as if a client had published it.
func (d *dialect) publish(pk packets.Packet) {
	_ = d.server.InjectPacket(d.inside, pk)
}

func message(topic string, payload []byte, qos byte) packets.Packet {
	return packets.Packet{
		FixedHeader: packets.FixedHeader{Type: packets.Publish, Qos: qos},
		TopicName:   topic,
		Payload:     payload,
		PacketID:    uint16(qos), // has to be set with QoS 1 and is not used
	}
}

func connectFault(who identity, pk packets.Packet) string {
	if code := pk.ConnectValidate(); code != packets.CodeSuccess {
		return code.Reason
	}
	if !pk.Connect.WillFlag {
		return ""
	}
	will := packets.Packet{
		FixedHeader: packets.FixedHeader{Qos: pk.Connect.WillQos, Retain: pk.Connect.WillRetain},
		TopicName:   pk.Connect.WillTopic,
		Payload:     pk.Connect.WillPayload,
	}
	if fault := publishFault(who, will); fault != "" {
		return "a will with " + fault
	}
	return ""
}

func publishFault(who identity, pk packets.Packet) string {
	switch fault := topicFault(pk.TopicName); {
	case fault != "":
		return fault
	case pk.TopicName == "" || strings.ContainsAny(pk.TopicName, "+#"):
		return fmt.Sprintf("PUBLISH to %q: a topic is not empty and has no wildcard", pk.TopicName)
	case pk.FixedHeader.Qos > 1:
		return "QoS 2"
	case pk.FixedHeader.Retain && strings.HasPrefix(pk.TopicName, "$"):
		return "RETAIN on a reserved topic"
	case len(pk.Payload) > maxPayload:
		return "a payload of more than 128 KiB"
	case !who.mayPublish(pk.TopicName):
		return foreign("PUBLISH", pk.TopicName)
	}
	return ""
}

func subscribeFault(who identity, pk packets.Packet) string {
	if len(pk.Filters) > maxFilters {
		return "more than 8 filters in one SUBSCRIBE"
	}
	for _, filter := range pk.Filters {
		switch fault := filterFault(filter.Filter); {
		case fault != "":
			return fault
		case filter.Qos > 1:
			return "SUBSCRIBE with QoS 2"
		case !who.maySubscribe(filter.Filter):
			return foreign("SUBSCRIBE", filter.Filter)
		}
	}
	return ""
}

func foreign(what, topic string) string {
	return fmt.Sprintf("%s to %q, which is not its own", what, topic)
}

func (i identity) String() string {
	if i.service {
		return "the cloud's services"
	}
	return fmt.Sprintf("thing %q", i.thing)
}

// note tells the user, in the log, what AWS would not.
func note(cl *mqtt.Client, text string) {
	fmt.Printf("client %q (%s) %s\n", cl.ID, cl.Net.Remote, text)
}

// noteConnection does so of a connection whose client id is not known.
func noteConnection(conn net.Conn, text string) {
	fmt.Printf("connection from %s %s\n", conn.RemoteAddr(), text)
}
