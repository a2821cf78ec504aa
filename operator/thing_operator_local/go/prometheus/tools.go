//go:build tools

// Package tools pins Prometheus, which the tests show the alerts, the dashboards and the operator's metrics to.
package tools

import (
	_ "github.com/prometheus/prometheus/cmd/prometheus"
	_ "github.com/prometheus/prometheus/cmd/promtool"
)
