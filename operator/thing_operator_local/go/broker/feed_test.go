package main

import (
	"bytes"
	"testing"
	"testing/synctest"
)

func TestAFieldIsTakenOffAndWhatIsCutShortIsTheEnd(t *testing.T) {
	cases := []struct {
		name              string
		data, field, rest []byte
	}{
		{"one", []byte("\x00\x00\x00\x02ab"), []byte("ab"), nil},
		{"one of two", []byte("\x00\x00\x00\x01a\x00\x00\x00\x00"), []byte("a"), []byte("\x00\x00\x00\x00")},
		{"an empty one", []byte("\x00\x00\x00\x00x"), nil, []byte("x")},
		{"no length", []byte("\x00\x00\x00"), nil, nil},
		{"nothing", nil, nil, nil},
		{"cut off", []byte("\x00\x00\x00\x03ab"), nil, nil},
		{"a length beyond all", []byte("\xff\xff\xff\xffab"), nil, nil},
	}
	for _, each := range cases {
		field, rest := nextField(each.data)
		if !bytes.Equal(field, each.field) || !bytes.Equal(rest, each.rest) {
			t.Errorf("%s: %q and %q", each.name, field, rest)
		}
	}
}

func TestAPublisherWaitsWhileTheServiceIsBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		feed := newFeed()
		feed.open()
		for range feedLimit {
			if !feed.admit() {
				t.Fatal("an open feed with room turns away")
			}
		}
		admitted := make(chan bool, 1)
		go func() { admitted <- feed.admit() }()
		synctest.Wait()
		if len(admitted) != 0 {
			t.Fatal("admitted beyond the limit")
		}
		feed.sent()
		if !<-admitted {
			t.Error("turned away although there is room again")
		}
	})
}

func TestAPublisherThatWaitsIsLetGoWhenTheServiceEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		feed := newFeed()
		if feed.admit() {
			t.Fatal("a feed that nobody opened admits")
		}
		feed.open()
		for range feedLimit {
			feed.admit()
		}
		admitted := make(chan bool, 1)
		go func() { admitted <- feed.admit() }()
		synctest.Wait()
		feed.close()
		if <-admitted {
			t.Error("admitted to a service that is no more")
		}
	})
}
