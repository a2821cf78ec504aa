//go:build tools

// Package tools pins the Helm 3 client that the tests run the chart with.
package tools

import _ "helm.sh/helm/v3/cmd/helm"
