package main

import (
	"encoding/binary"
	"sync"
)

const (
	feedClient = "$service" // the client id of the shadow service
	feedPrefix = "$service/"
	feedLimit  = 512 // below what mochi queues for one client
)

// feed holds publishers back while the service is behind, so that no request is lost and none piles up.
type feed struct {
	mutex       sync.Mutex
	room        *sync.Cond
	isOpen      bool
	outstanding int
}

func newFeed() *feed {
	feed := &feed{}
	feed.room = sync.NewCond(&feed.mutex)
	return feed
}

// admit waits for room; false when there is no service to hand anything to.
func (f *feed) admit() bool {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	for f.isOpen && f.outstanding >= feedLimit {
		f.room.Wait()
	}
	f.outstanding++
	return f.isOpen
}

func (f *feed) sent() {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	f.outstanding--
	f.room.Signal()
}

func (f *feed) open()  { f.set(true) }
func (f *feed) close() { f.set(false) }

func (f *feed) set(isOpen bool) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	f.isOpen, f.outstanding = isOpen, 0
	f.room.Broadcast()
}

// nextField takes one field off what the service sends: four bytes of length, most significant first, and so
// many bytes. What is cut off short counts as empty, and as the end.
func nextField(data []byte) (field, rest []byte) {
	if len(data) < 4 {
		return nil, nil
	}
	length := uint64(binary.BigEndian.Uint32(data))
	if data = data[4:]; uint64(len(data)) < length {
		return nil, nil
	}
	return data[:length], data[length:]
}
