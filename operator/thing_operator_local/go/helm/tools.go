//go:build tools

// Package tools pins the helm client that the tests run the chart with.
package tools

import _ "helm.sh/helm/v4/cmd/helm"
