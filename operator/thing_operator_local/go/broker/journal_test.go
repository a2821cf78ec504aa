package main

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mochi-mqtt/server/v2/packets"
)

func linesOf(t *testing.T, path string) []entry {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	found := []entry{}
	for line := range strings.Lines(string(data)) {
		var each entry
		if err := json.Unmarshal([]byte(line), &each); err != nil {
			t.Fatal(err)
		}
		found = append(found, each)
	}
	return found
}

func TestAJournalGoesOnWhereItWasAndLeavesTheServiceOut(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sessions.jsonl")
	server := newServer(config{})
	for _, event := range []string{"connected", "will"} {
		noted, err := openJournal(path)
		if err != nil {
			t.Fatal(err)
		}
		noted.note(connection(t, server, "hub"), event, "")
		noted.note(connection(t, server, feedClient), event, "")
	}
	found := linesOf(t, path)
	if len(found) != 2 || found[0].Event != "connected" || found[1].Event != "will" || found[1].Client != "hub" {
		t.Errorf("noted %v", found)
	}
	if found[0].AtMicros > found[1].AtMicros || found[0].AtMicros == 0 {
		t.Errorf("not in time: %v", found)
	}
}

func TestAJournalThatIsFullMovesAway(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sessions.jsonl")
	noted, err := openJournal(path)
	if err != nil {
		t.Fatal(err)
	}
	client := connection(t, newServer(config{}), "hub")
	noted.size = journalLimit
	noted.note(client, "connected", "")
	noted.note(client, "subscribed", "")
	older, newer := linesOf(t, path+".1"), linesOf(t, path)
	if len(older) != 1 || older[0].Event != "connected" || len(newer) != 1 || newer[0].Event != "subscribed" {
		t.Errorf("noted %v, then %v", older, newer)
	}
}

func TestWithoutAPathNothingIsNoted(t *testing.T) {
	noted, err := openJournal("")
	if err != nil {
		t.Fatal(err)
	}
	noted.note(connection(t, newServer(config{}), "hub"), "connected", "")
}

func TestWhoEndedAConnectionIsKnown(t *testing.T) {
	server := newServer(config{})
	for want, cause := range map[string]error{
		"disconnect": packets.CodeDisconnect,
		"takenOver":  packets.ErrSessionTakenOver,
		"kicked":     errKicked,
		"lost":       errors.New("connection reset by peer"),
	} {
		client := connection(t, server, "hub")
		client.Stop(cause)
		if got := howEnded(client); got != want {
			t.Errorf("%v: %q", cause, got)
		}
	}
	silent := connection(t, server, "hub")
	silent.Stop(nil)
	if got := howEnded(silent); got != "lost" {
		t.Errorf("without a cause: %q", got)
	}
}
