package main

import (
	"testing"

	"github.com/mochi-mqtt/server/v2/packets"
)

func TestWhatADeliveryIsNumberedIsFreeForASubscription(t *testing.T) {
	for asks, answers := range map[byte]byte{packets.Subscribe: packets.Suback, packets.Unsubscribe: packets.Unsuback} {
		dialect := dialectOf(t, config{})
		client := clientOf(dialect, "hub")
		client.State.Inflight.Set(packets.Packet{PacketID: 3, FixedHeader: packets.FixedHeader{Type: packets.Publish}})
		client.State.Inflight.Set(packets.Packet{PacketID: 65535})
		for _, id := range []uint16{3, 4} {
			asked := packets.Packet{PacketID: id, FixedHeader: packets.FixedHeader{Type: asks}}
			known := dialect.packetIDs.asked(client, asked).PacketID
			if _, taken := client.State.Inflight.Get(known); taken {
				t.Errorf("packet %d: mochi knows it by %d, which a delivery has", asks, known)
			}
			delivered := packets.Packet{PacketID: 3, FixedHeader: packets.FixedHeader{Type: packets.Publish}}
			if got := dialect.OnPacketEncode(client, delivered).PacketID; got != 3 {
				t.Errorf("the delivery has become %d", got)
			}
			answer := packets.Packet{PacketID: known, FixedHeader: packets.FixedHeader{Type: answers}}
			if got := dialect.OnPacketEncode(client, answer).PacketID; got != id {
				t.Errorf("packet %d with id %d is answered for %d", asks, id, got)
			}
		}
	}
}
