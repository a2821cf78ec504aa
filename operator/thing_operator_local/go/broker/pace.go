package main

import (
	"sync"
	"time"

	mqtt "github.com/mochi-mqtt/server/v2"
)

// paces holds every connection to so many publishes a second, those of both directions together. AWS discards
// what is beyond; so does this. The cloud's own services are free.
type paces struct {
	perSecond float64  // 0 for no limit
	held      sync.Map // *mqtt.Client -> *pace
}

// admit counts one publish; false when it is to be discarded.
func (p *paces) admit(cl *mqtt.Client) bool {
	if p.perSecond == 0 || isServiceID(cl.ID) {
		return true
	}
	now := time.Now()
	held, known := p.held.Load(cl)
	if !known {
		held, _ = p.held.LoadOrStore(cl, &pace{tokens: p.perSecond, at: now})
	}
	admitted, first := held.(*pace).take(now, p.perSecond)
	if first {
		note(cl, "lost a message: more than AWS's publishes a second, in and out together (said once)")
	}
	return admitted
}

func (p *paces) forget(cl *mqtt.Client) { p.held.Delete(cl) }

// pace is a bucket that holds what may be published within one second.
type pace struct {
	mutex    sync.Mutex
	tokens   float64
	at       time.Time
	exceeded bool
}

// take says whether there was a token, and whether it is the first that there was not.
func (p *pace) take(now time.Time, perSecond float64) (admitted, first bool) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.tokens = min(perSecond, p.tokens+now.Sub(p.at).Seconds()*perSecond)
	p.at = now
	if p.tokens < 1 {
		first, p.exceeded = !p.exceeded, true
		return false, first
	}
	p.tokens--
	return true, false
}
