//go:build tools

// Package tools pins the scanners that the tests show the chart's manifests to.
package tools

import (
	_ "github.com/yannh/kubeconform/cmd/kubeconform"
	_ "github.com/zegl/kube-score/cmd/kube-score"
)
