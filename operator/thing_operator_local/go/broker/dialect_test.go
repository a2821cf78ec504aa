package main

import (
	"fmt"
	"strings"
	"testing"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"
)

const own = "$aws/things/hub/shadow/update"

var hub = identity{thing: "hub"}

func dialectOf(t *testing.T, settings config) *dialect {
	t.Helper()
	return newDialect(newServer(settings), &identities{}, &journal{}, settings)
}

func clientOf(d *dialect, id string) *mqtt.Client {
	return d.server.NewClient(nil, mqtt.LocalListener, id, false)
}

func publication(topic string, change func(*packets.Packet)) packets.Packet {
	packet := packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Publish, Qos: 1}, TopicName: topic}
	if change != nil {
		change(&packet)
	}
	return packet
}

func TestWhatClosesAConnectionThatPublishes(t *testing.T) {
	retained := func(packet *packets.Packet) { packet.FixedHeader.Retain = true }
	cases := []struct {
		name   string
		packet packets.Packet
		want   string
	}{
		{"its own topic", publication(own, nil), ""},
		{"another's", publication("$aws/things/other/shadow/update", nil), "which is not its own"},
		{"QoS 2", publication(own, func(packet *packets.Packet) { packet.FixedHeader.Qos = 2 }), "QoS 2"},
		{"retained", publication(own, retained), "RETAIN on a reserved topic"},
		{"retained at MIC's", publication("tcxn/things/hub/shadow/update", retained), ""},
		{"128 KiB", publication(own, func(packet *packets.Packet) { packet.Payload = make([]byte, maxPayload) }), ""},
		{
			"more than 128 KiB",
			publication(own, func(packet *packets.Packet) { packet.Payload = make([]byte, maxPayload+1) }),
			"a payload of more than 128 KiB",
		},
		{"too deep", publication(own+"/a/b/c/d", nil), "more than 7 slashes"},
		{"its jobs", publication("$aws/things/hub/jobs/get", nil), ""},
		{"a wildcard", publication("$aws/things/hub/shadow/+", nil), "has no wildcard"},
		{"nowhere", publication("", nil), "is not empty"},
	}
	for _, each := range cases {
		if got := publishFault(hub, each.packet); !says(got, each.want) {
			t.Errorf("%s: %q, want %q", each.name, got, each.want)
		}
	}
}

func TestWhatClosesAConnectionThatSubscribes(t *testing.T) {
	filters := func(count int) (list packets.Subscriptions) {
		for number := range count {
			list = append(list, packets.Subscription{Filter: fmt.Sprintf("$aws/things/hub/shadow/%d", number), Qos: 1})
		}
		return list
	}
	one := func(filter string, qos byte) packets.Subscriptions {
		return packets.Subscriptions{{Filter: filter, Qos: qos}}
	}
	cases := []struct {
		name    string
		filters packets.Subscriptions
		want    string
	}{
		{"eight", filters(8), ""},
		{"nine", filters(9), "more than 8 filters"},
		{"QoS 2", one(own, 2), "SUBSCRIBE with QoS 2"},
		{"another's", one("$aws/things/other/#", 1), "which is not its own"},
		{"everybody's", one("#", 1), "which is not its own"},
		{"too deep", one("$aws/things/hub/a/b/c/d/e/f", 1), "more than 7 slashes"},
		{"its jobs", one("$aws/things/hub/jobs/notify-next", 1), ""},
		{"neither shadow nor job", one("$aws/things/hub/tunnels/notify", 1), "which is not its own"},
		{"an empty one", one("", 1), "an empty filter"},
		{"# inside", one("$aws/things/hub/shadow/#/accepted", 1), "an invalid filter"},
		{"# in a name", one("$aws/things/hub/shadow/up#", 1), "an invalid filter"},
		{"+ in a name", one("$aws/things/hub/shadow/up+", 1), "an invalid filter"},
		{"wildcards where they may be", one("$aws/things/hub/shadow/+/#", 1), ""},
		{"one of many", append(filters(2), one("#", 1)...), "which is not its own"},
	}
	for _, each := range cases {
		if got := subscribeFault(hub, packets.Packet{Filters: each.filters}); !says(got, each.want) {
			t.Errorf("%s: %q, want %q", each.name, got, each.want)
		}
	}
}

func TestAWillIsHeldToTheRulesOfAPublication(t *testing.T) {
	cases := []struct {
		name string
		will packets.ConnectParams
		want string
	}{
		{"none", packets.ConnectParams{WillTopic: "$aws/things/other/shadow/update"}, ""},
		{"its own", packets.ConnectParams{WillFlag: true, WillTopic: own, WillQos: 1}, ""},
		{"another's", packets.ConnectParams{WillFlag: true, WillTopic: "tcxn/things/other/shadow/update"}, "a will with PUBLISH"},
		{"retained", packets.ConnectParams{WillFlag: true, WillTopic: own, WillRetain: true}, "a will with RETAIN"},
		{"QoS 2", packets.ConnectParams{WillFlag: true, WillTopic: own, WillQos: 2}, "a will with QoS 2"},
		{
			"too large",
			packets.ConnectParams{WillFlag: true, WillTopic: own, WillPayload: make([]byte, maxPayload+1)},
			"a will with a payload",
		},
	}
	for _, each := range cases {
		each.will.ProtocolName = []byte("MQTT")
		if each.will.WillPayload == nil {
			each.will.WillPayload = []byte("{}")
		}
		if got := connectFault(hub, packets.Packet{ProtocolVersion: mqtt311, Connect: each.will}); !says(got, each.want) {
			t.Errorf("%s: %q, want %q", each.name, got, each.want)
		}
	}
}

// says: nothing where nothing is wanted, else the words.
func says(fault, want string) bool {
	return (fault == "") == (want == "") && strings.Contains(fault, want)
}

func TestTheKeepAliveIsBroughtIntoItsBounds(t *testing.T) {
	cases := map[uint16]uint16{0: 1200, 5: 30, 29: 30, 30: 30, 300: 300, 1200: 1200, 1201: 1200, 65535: 1200}
	dialect := dialectOf(t, config{MinimumKeepAlive: 30})
	for asked, want := range cases {
		client := clientOf(dialect, "hub")
		client.State.Keepalive = asked
		if err := dialect.OnConnect(client, packets.Packet{}); err != nil {
			t.Fatal(err)
		}
		if client.State.Keepalive != want {
			t.Errorf("%d s became %d s", asked, client.State.Keepalive)
		}
	}
}

func TestADisconnectIsNotSent(t *testing.T) {
	dialect := dialectOf(t, config{})
	for sent, want := range map[byte]byte{packets.Disconnect: noPacket, packets.Publish: packets.Publish} {
		packet := packets.Packet{FixedHeader: packets.FixedHeader{Type: sent}}
		if got := dialect.OnPacketEncode(clientOf(dialect, "hub"), packet).FixedHeader.Type; got != want {
			t.Errorf("packet %d: %d is sent", sent, got)
		}
	}
}

func TestABridgesProtocolLevelIsThatOfMQTT311(t *testing.T) {
	for version, want := range map[byte]byte{4: 4, 0x84: 4, 3: 3, 0x83: 0x83, 5: 5, 0x85: 0x85} {
		if got := levelOf(version); got != want {
			t.Errorf("level %#x is taken for %#x, want %#x", version, got, want)
		}
	}
}

func TestTheFiftyFirstSubscriptionIsRefusedAndOneHeldAlreadyIsNot(t *testing.T) {
	dialect := dialectOf(t, config{})
	client := clientOf(dialect, "hub")
	for number := range maxSubscriptions - 1 {
		filter := fmt.Sprint(number)
		client.State.Subscriptions.Add(filter, packets.Subscription{Filter: filter})
	}
	asked := packets.Packet{Filters: packets.Subscriptions{{Filter: "0"}, {Filter: "a"}, {Filter: "b"}, {Filter: "a"}}}
	answered := dialect.OnSubscribe(client, asked)
	got := []string{}
	for _, each := range answered.Filters {
		got = append(got, each.Filter)
	}
	if want := "0 a  a"; strings.Join(got, " ") != want {
		t.Errorf("left of the filters: %q, want %q", strings.Join(got, " "), want)
	}
}

func TestAParentsWildcardDoesNotDeliverWhatIsSentToTheParent(t *testing.T) {
	cases := []struct {
		filters []string
		want    bool
	}{
		{[]string{"a/b/#"}, false},
		{[]string{"a/b/#", "a/b"}, true},
		{[]string{"a/b/#", "a/+"}, true},
		{[]string{"a/+"}, true},
	}
	dialect := dialectOf(t, config{})
	for _, each := range cases {
		client := clientOf(dialect, "hub")
		for _, filter := range each.filters {
			client.State.Subscriptions.Add(filter, packets.Subscription{Filter: filter})
		}
		if got := dialect.OnACLCheck(client, "a/b", false); got != each.want {
			t.Errorf("%v delivers a/b: %v", each.filters, got)
		}
	}
}

func TestAFilterThatIsBeingAskedForIsNoDelivery(t *testing.T) {
	dialect := dialectOf(t, config{PublishesPerSecond: 1})
	client := clientOf(dialect, "hub")
	client.State.Subscriptions.Add("a/#", packets.Subscription{Filter: "a/#"})
	dialect.OnSubscribe(client, packets.Packet{Filters: packets.Subscriptions{{Filter: "a"}}})
	if !dialect.OnACLCheck(client, "a", false) {
		t.Error("the filter is refused while it is asked for")
	}
	dialect.OnSubscribed(client, packets.Packet{}, nil)
	if dialect.OnACLCheck(client, "a", false) {
		t.Error("a/# delivers what is sent to a")
	}
}

func TestAPublicationBeyondTheRateIsDiscarded(t *testing.T) {
	dialect := dialectOf(t, config{PublishesPerSecond: 1})
	client := clientOf(dialect, "hub")
	if _, err := dialect.OnPublish(client, publication(own, nil)); err != nil {
		t.Errorf("the first: %v", err)
	}
	if _, err := dialect.OnPublish(client, publication(own, nil)); err != packets.ErrRejectPacket {
		t.Errorf("the second: %v", err)
	}
	dialect.OnDisconnect(client, nil, false)
	if _, err := dialect.OnPublish(client, publication(own, nil)); err != nil {
		t.Errorf("after a new connection: %v", err)
	}
}
