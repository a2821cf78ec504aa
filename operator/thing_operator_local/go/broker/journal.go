package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"
)

const journalLimit = 64 << 20 // bytes, beyond which the older half moves to a file of its own

// journal notes the life of every session as one JSON object a line, for people and tests to read: who connected when,
// how a connection ended, and whether its will was sent.
type journal struct {
	mutex sync.Mutex
	path  string
	file  *os.File
	size  int
}

// entry is one line. How is said of an end alone: "disconnect", "takenOver", "kicked" or "lost".
type entry struct {
	AtMicros int64  `json:"atMicros"` // since the epoch
	Client   string `json:"client"`
	Remote   string `json:"remote"` // host:port that the connection comes from
	Event    string `json:"event"`  // "connected", "subscribed", "will" or "ended"
	How      string `json:"how,omitempty"`
}

// openJournal appends to a file; with no path nothing is noted.
func openJournal(path string) (*journal, error) {
	journal := &journal{path: path}
	if path == "" {
		return journal, nil
	}
	return journal, journal.open()
}

func (j *journal) open() error {
	file, err := os.OpenFile(j.path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	held, err := file.Stat()
	if err != nil {
		return err
	}
	j.file, j.size = file, int(held.Size())
	return nil
}

// note adds a line; the service's own session is nobody's.
func (j *journal) note(cl *mqtt.Client, event, how string) {
	if j.path == "" || cl.ID == feedClient {
		return
	}
	line, err := json.Marshal(entry{time.Now().UnixMicro(), cl.ID, cl.Net.Remote, event, how})
	if err != nil {
		return // text and numbers: it cannot be
	}
	j.mutex.Lock()
	defer j.mutex.Unlock()
	written, err := j.file.Write(append(line, '\n'))
	if j.size += written; err == nil && j.size > journalLimit {
		err = j.rotate()
	}
	if err != nil {
		fmt.Printf("the log of sessions lacks something: %v\n", err)
	}
}

func (j *journal) rotate() error {
	if err := os.Rename(j.path, j.path+".1"); err != nil {
		return err
	}
	_ = j.file.Close()
	return j.open()
}

// howEnded says who ended a connection.
func howEnded(cl *mqtt.Client) string {
	switch cause := cl.StopCause(); {
	case errors.Is(cause, packets.CodeDisconnect):
		return "disconnect"
	case errors.Is(cause, packets.ErrSessionTakenOver):
		return "takenOver"
	case errors.Is(cause, errKicked):
		return "kicked"
	default:
		return "lost"
	}
}
