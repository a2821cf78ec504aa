package main

import (
	"math"
	"sync"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"
)

// packetIDs keeps mochi from refusing a SUBSCRIBE or UNSUBSCRIBE whose packet id a delivery to the client has just then.
// Each side chooses its own ids (MQTT 3.1.1, 2.3.1), and mochi looks both up in one table.
type packetIDs struct {
	chosen sync.Map // *mqtt.Client -> the client's own packet id, while mochi knows what it asks for by another one
}

// asked gives what a client asks for an id that no delivery has. Those of deliveries grow from 1.
func (p *packetIDs) asked(cl *mqtt.Client, pk packets.Packet) packets.Packet {
	if pk.FixedHeader.Type != packets.Subscribe && pk.FixedHeader.Type != packets.Unsubscribe {
		return pk
	}
	if _, taken := cl.State.Inflight.Get(pk.PacketID); !taken {
		return pk
	}
	for id := uint16(math.MaxUint16); id > 0; id-- {
		if _, taken := cl.State.Inflight.Get(id); !taken {
			p.chosen.Store(cl, pk.PacketID)
			pk.PacketID = id
			break
		}
	}
	return pk
}

// answered gives the answer the id that the client has chosen.
func (p *packetIDs) answered(cl *mqtt.Client, pk packets.Packet) packets.Packet {
	if pk.FixedHeader.Type != packets.Suback && pk.FixedHeader.Type != packets.Unsuback {
		return pk
	}
	if id, isOther := p.chosen.LoadAndDelete(cl); isOther {
		pk.PacketID = id.(uint16)
	}
	return pk
}

func (p *packetIDs) forget(cl *mqtt.Client) { p.chosen.Delete(cl) }
