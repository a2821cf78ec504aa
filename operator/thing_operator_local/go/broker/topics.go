package main

import (
	"fmt"
	"slices"
	"strings"
)

const (
	maxPayload       = 128 * 1024
	maxTopic         = 256 // bytes
	maxSlashes       = 7
	maxFilters       = 8 // in one SUBSCRIBE or UNSUBSCRIBE
	maxSubscriptions = 50
	maxKeepAlive     = 1200 // seconds
)

// identity is who holds a connection: a thing, or the cloud's own services, which reach everything.
type identity struct {
	thing   string
	service bool
}

// mayUseClientID holds a thing to its own name. Services take names that no thing can have.
func (i identity) mayUseClientID(id string) bool {
	if i.service {
		return isServiceID(id)
	}
	return id == i.thing
}

// isServiceID: no thing's name begins like that.
func isServiceID(id string) bool { return strings.HasPrefix(id, "$") }

// reachable is what a thing has to do with below its name: what it may subscribe to it may publish to as well.
var reachable = map[string][]string{"$aws": {"shadow", "jobs"}, "tcxn": {"shadow"}}

// mayPublish: a thing reaches its own shadows and jobs, those of its networked children, and MIC's own topics for them.
func (i identity) mayPublish(topic string) bool {
	if i.service {
		return true
	}
	levels := strings.Split(topic, "/")
	return i.owns(levels) && len(levels) > 4 && slices.Contains(reachable[levels[0]], levels[3])
}

// maySubscribe: as mayPublish, with wildcards below the thing's name.
func (i identity) maySubscribe(filter string) bool {
	if i.service {
		return true
	}
	levels := strings.Split(filter, "/")
	return i.owns(levels) && (levels[3] == "+" || levels[3] == "#" || slices.Contains(reachable[levels[0]], levels[3]))
}

func (i identity) owns(levels []string) bool {
	if len(levels) < 4 || levels[0] != "$aws" && levels[0] != "tcxn" || levels[1] != "things" {
		return false
	}
	name := levels[2]
	if child, isChild := strings.CutPrefix(name, i.thing+"__"); isChild {
		return child != "" && !strings.ContainsAny(child, "+#")
	}
	return name == i.thing
}

// topicFault says what is wrong with the form of a topic or filter, or nothing.
func topicFault(topic string) string {
	switch {
	case len(topic) > maxTopic:
		return "a topic of more than 256 bytes"
	case strings.Count(topic, "/") > maxSlashes:
		return "a topic with more than 7 slashes"
	}
	return ""
}

// filterFault says what is wrong with the form of a filter, or nothing. MQTT has a server end the connection then.
func filterFault(filter string) string {
	if fault := topicFault(filter); fault != "" {
		return fault
	}
	levels := strings.Split(filter, "/")
	for index, level := range levels {
		if strings.ContainsAny(level, "+#") && len(level) > 1 || level == "#" && index != len(levels)-1 {
			return fmt.Sprintf("an invalid filter %q: + and # stand alone in a level, and # in the last one", filter)
		}
	}
	if filter == "" {
		return "an empty filter"
	}
	return ""
}

// isJob finds the topics of AWS IoT Jobs.
func isJob(topic string) bool {
	levels := strings.Split(topic, "/")
	return len(levels) > 4 && levels[0] == "$aws" && levels[1] == "things" && levels[3] == "jobs"
}

// isJobRequest finds what the jobs service answers: get and start-next, and get and update of one job.
func isJobRequest(topic string) bool {
	if !isJob(topic) {
		return false
	}
	switch levels := strings.Split(topic, "/")[4:]; len(levels) {
	case 1:
		return levels[0] == "get" || levels[0] == "start-next"
	case 2:
		return levels[1] == "get" || levels[1] == "update"
	}
	return false
}

// isShadowRequest finds what the shadow service answers: update, get and delete, not its own answers.
func isShadowRequest(topic string) bool {
	rest, found := strings.CutPrefix(topic, "$aws/things/")
	if !found {
		return false
	}
	levels := strings.Split(rest, "/")
	switch len(levels) {
	case 3: // <thing>/shadow/<request>
	case 5: // <thing>/shadow/name/<shadow>/<request>
		if levels[2] != "name" {
			return false
		}
	default:
		return false
	}
	request := levels[len(levels)-1]
	return levels[1] == "shadow" && (request == "update" || request == "get" || request == "delete")
}

// isMIC finds what MIC's own rules act on.
func isMIC(topic string) bool {
	levels := strings.Split(topic, "/")
	return len(levels) == 5 && levels[0] == "tcxn" && levels[1] == "things" && levels[3] == "shadow" &&
		(levels[4] == "update" || levels[4] == "backdate")
}

// matches: MQTT's rules, but "a/#" does not match "a".
func matches(filter, topic string) bool {
	wanted, levels := strings.Split(filter, "/"), strings.Split(topic, "/")
	for index, level := range wanted {
		switch {
		case level == "#":
			return index < len(levels)
		case index >= len(levels) || level != "+" && level != levels[index]:
			return false
		}
	}
	return len(wanted) == len(levels)
}
