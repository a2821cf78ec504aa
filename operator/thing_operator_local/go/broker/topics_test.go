package main

import (
	"strings"
	"testing"
)

func TestATopicIsBoundedInLengthAndDepth(t *testing.T) {
	cases := map[string]string{
		"a/b/c/d/e/f/g/h":        "",
		"a/b/c/d/e/f/g/h/i":      "a topic with more than 7 slashes",
		strings.Repeat("a", 256): "",
		strings.Repeat("a", 257): "a topic of more than 256 bytes",
		strings.Repeat("é", 129): "a topic of more than 256 bytes",
		"":                       "",
		"$aws/things/t/shadow/+": "",
	}
	for topic, want := range cases {
		if got := topicFault(topic); got != want {
			t.Errorf("topicFault(%q) = %q, want %q", topic, got, want)
		}
	}
}

func TestAThingKeepsItsNameAsClientID(t *testing.T) {
	thing, service := identity{thing: "freezer"}, identity{service: true}
	cases := []struct {
		who  identity
		id   string
		want bool
	}{
		{thing, "freezer", true},
		{thing, "Freezer", false},
		{thing, "freezer2", false},
		{thing, "", false},
		{thing, "$service", false},
		{service, "$service", true},
		{service, "freezer", false},
	}
	for _, each := range cases {
		if got := each.who.mayUseClientID(each.id); got != each.want {
			t.Errorf("%v may use %q: %v, want %v", each.who, each.id, got, each.want)
		}
	}
}

func TestWhereAThingMayPublishAndSubscribe(t *testing.T) {
	thing := identity{thing: "hub"}
	cases := []struct {
		topic              string
		publish, subscribe bool
	}{
		{"$aws/things/hub/shadow/update", true, true},
		{"$aws/things/hub/shadow/name/log/get", true, true},
		{"tcxn/things/hub/shadow/update", true, true},
		{"$aws/things/hub__door/shadow/update", true, true},
		{"$aws/things/hub/#", false, true},
		{"$aws/things/hub/+/notify-next", false, true},
		{"$aws/things/hub/jobs/notify-next", true, true},
		{"$aws/things/hub__door/jobs/start-next", true, true},
		{"$aws/things/hub/tunnels/notify", false, false},
		{"$aws/things/other/jobs/get", false, false},
		{"tcxn/things/hub/jobs/get", false, false},
		{"$aws/things/hub/shadow", false, true},
		{"$aws/things/hub", false, false},
		{"$aws/things/hub__/shadow/update", false, false},
		{"$aws/things/hub__+/shadow/update", false, false},
		{"$aws/things/other/shadow/update", false, false},
		{"$aws/things/+/shadow/update", false, false},
		{"$aws/things/#", false, false},
		{"#", false, false},
		{"things/hub/shadow/update/accepted", false, false},
	}
	service := identity{service: true}
	for _, each := range cases {
		if got := thing.mayPublish(each.topic); got != each.publish {
			t.Errorf("may publish to %q: %v", each.topic, got)
		}
		if got := thing.maySubscribe(each.topic); got != each.subscribe {
			t.Errorf("may subscribe to %q: %v", each.topic, got)
		}
		if !service.mayPublish(each.topic) || !service.maySubscribe(each.topic) {
			t.Errorf("the service does not reach %q", each.topic)
		}
	}
}

func TestWhichTopicsAreRequestsOfTheShadowService(t *testing.T) {
	cases := map[string]bool{
		"$aws/things/t/shadow/update":              true,
		"$aws/things/t/shadow/get":                 true,
		"$aws/things/t/shadow/delete":              true,
		"$aws/things/t/shadow/name/n/update":       true,
		"$aws/things/t/shadow/update/accepted":     false,
		"$aws/things/t/shadow/name/n/get/rejected": false,
		"$aws/things/t/shadow/other/n/update":      false,
		"$aws/things/t/shadow/list":                false,
		"$aws/things/t/jobs/get":                   false,
		"$aws/things/shadow/update":                false,
		"tcxn/things/t/shadow/update":              false,
		"prefix/$aws/things/t/shadow/update":       false,
	}
	for topic, want := range cases {
		if got := isShadowRequest(topic); got != want {
			t.Errorf("isShadowRequest(%q) = %v", topic, got)
		}
	}
}

func TestWhatTheJobsServiceAnswers(t *testing.T) {
	cases := map[string]bool{
		"$aws/things/t/jobs/get":                 true,
		"$aws/things/t/jobs/start-next":          true,
		"$aws/things/t/jobs/$next/get":           true,
		"$aws/things/t/jobs/j-1/get":             true,
		"$aws/things/t/jobs/j-1/update":          true,
		"$aws/things/t/jobs/notify-next":         false,
		"$aws/things/t/jobs/get/accepted":        false,
		"$aws/things/t/jobs/start-next/rejected": false,
		"$aws/things/t/jobs/j-1/update/accepted": false,
		"$aws/things/t/shadow/get":               false,
		"tcxn/things/t/jobs/get":                 false,
	}
	for topic, want := range cases {
		if got := isJobRequest(topic); got != want {
			t.Errorf("isJobRequest(%q) = %v", topic, got)
		}
	}
}

func TestWhichTopicsAreMICs(t *testing.T) {
	cases := map[string]bool{
		"tcxn/things/t/shadow/update":          true,
		"tcxn/things/t/shadow/backdate":        true,
		"tcxn/things/t/shadow/get":             false,
		"tcxn/things/t/shadow/update/accepted": false,
		"$aws/things/t/shadow/update":          false,
		"tcxn/things/t/jobs/update":            false,
	}
	for topic, want := range cases {
		if got := isMIC(topic); got != want {
			t.Errorf("isMIC(%q) = %v", topic, got)
		}
	}
}

func TestFiltersMatchByAWSRules(t *testing.T) {
	cases := []struct {
		filter, topic string
		want          bool
	}{
		{"a/b", "a/b", true},
		{"a/b", "a/b/c", false},
		{"a/b/c", "a/b", false},
		{"a/+", "a/b", true},
		{"a/+", "a", false},
		{"a/+", "a/b/c", false},
		{"+/b", "a/b", true},
		{"a/+/c", "a/b/c", true},
		{"a/#", "a/b", true},
		{"a/#", "a/b/c", true},
		{"a/#", "a", false}, // MQTT says true
		{"#", "a/b", true},
		{"a/+/#", "a/b", false},
		{"a/+/#", "a/b/c", true},
		{"a", "A", false},
	}
	for _, each := range cases {
		if got := matches(each.filter, each.topic); got != each.want {
			t.Errorf("matches(%q, %q) = %v", each.filter, each.topic, got)
		}
	}
}
