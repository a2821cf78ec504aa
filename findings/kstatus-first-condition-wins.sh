#!/bin/sh
# kstatus (fluxcd/cli-utils 1.2.2): with Reconciling and Stalled both True, the order of the conditions decides.
#
# Helm 4's `--wait` and Flux's health checks ask this library. An object may have both: the controller still tries, and
# somebody has to act. The one that stands first in status.conditions is the answer: InProgress, which is waited for until
# the time is over, or Failed, which ends the wait at once. The list is a map by type in most kinds
# (`x-kubernetes-list-type: map`), whose order says nothing: it is the one in which a controller has added them. A True
# Ready does not count beside either, wherever it stands. A controller that wants one answer shows one of the two at a time.
#
# Seen with Go 1.26.8:
#     Reconciling Stalled: InProgress
#     Stalled Reconciling: Failed
#     Ready Stalled: Failed
#     Ready: Current
#
# Run it anywhere with Go: the library is fetched into a folder that is removed again; its first build takes a minute. It
# fails when the library behaves otherwise.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
cat >main.go <<'GO'
package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Each argument is the types of conditions, all True, of an object of its own.
func main() {
	for _, kinds := range os.Args[1:] {
		conditions := []any{}
		for _, kind := range strings.Fields(kinds) {
			conditions = append(conditions, map[string]any{"type": kind, "status": "True", "reason": "Because"})
		}
		object := map[string]any{
			"apiVersion": "example.org/v1",
			"kind":       "Freezer",
			"metadata":   map[string]any{"name": "one", "generation": int64(1)},
			"status":     map[string]any{"observedGeneration": int64(1), "conditions": conditions},
		}
		found, err := status.Compute(&unstructured.Unstructured{Object: object})
		if err != nil {
			panic(err)
		}
		fmt.Printf("%s: %s\n", kinds, found.Status)
	}
}
GO
go mod init finding >/dev/null 2>&1
go get github.com/fluxcd/cli-utils/pkg/kstatus/status@v1.2.2 >/dev/null 2>&1
go build -o ask . >/dev/null
./ask "Reconciling Stalled" "Stalled Reconciling" "Ready Stalled" Ready | tee seen
cat >expected <<'TEXT'
Reconciling Stalled: InProgress
Stalled Reconciling: Failed
Ready Stalled: Failed
Ready: Current
TEXT
cmp -s seen expected || { echo "kstatus has changed" >&2; exit 1; }
