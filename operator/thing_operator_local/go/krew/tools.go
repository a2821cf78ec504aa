//go:build tools

// Package tools pins krew's own check of plugin manifests, which the tests show ours to.
package tools

import (
	_ "sigs.k8s.io/krew/cmd/validate-krew-manifest"
)
