package main

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestWhatMayBePublishedWithinASecondComesBackWithTime(t *testing.T) {
	start := time.Unix(0, 0)
	bucket := &pace{tokens: 2, at: start}
	steps := []struct {
		after           time.Duration
		admitted, first bool
	}{
		{0, true, false},
		{0, true, false},
		{0, false, true}, // the first that is too much
		{0, false, false},
		{499 * time.Millisecond, false, false},
		{500 * time.Millisecond, true, false},
		{501 * time.Millisecond, false, false},
		{time.Hour, true, false}, // no more than a second's worth is saved
		{time.Hour, true, false},
		{time.Hour, false, false},
	}
	for number, step := range steps {
		admitted, first := bucket.take(start.Add(step.after), 2)
		if admitted != step.admitted || first != step.first {
			t.Errorf("step %d: admitted %v, first %v", number, admitted, first)
		}
	}
}

func TestEveryConnectionHasItsOwnPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dialect := dialectOf(t, config{PublishesPerSecond: 1})
		one, other, service := clientOf(dialect, "one"), clientOf(dialect, "other"), clientOf(dialect, feedClient)
		rates := &dialect.paces
		if !rates.admit(one) || rates.admit(one) || !rates.admit(other) {
			t.Error("one publish a second for each: not so")
		}
		for range 10 {
			if !rates.admit(service) {
				t.Fatal("the cloud's own service is held back")
			}
		}
		time.Sleep(time.Second)
		if !rates.admit(one) {
			t.Error("held back a second later")
		}
	})
}

func TestWithoutALimitEverythingIsAdmitted(t *testing.T) {
	dialect := dialectOf(t, config{})
	client := clientOf(dialect, "one")
	for range 1000 {
		if !dialect.paces.admit(client) {
			t.Fatal("held back")
		}
	}
}
