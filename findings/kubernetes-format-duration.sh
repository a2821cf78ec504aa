#!/bin/sh
# `format: duration` of a CRD accepts any text in which a number is followed by a unit; 1.5d is 5 days, 1h30 one hour.
#
# Kubernetes checks it by `ParseDuration` of kube-openapi (the version of Kubernetes 1.37.2): Go's syntax first, and if
# that fails, it adds up whatever looks like digits and a unit, anywhere in the text, and leaves out the rest: a sign, what
# stands before a decimal point, a number at the end that has no unit. So the API server stores what a controller's
# `time.ParseDuration` then refuses, and a CEL rule, for which such a field is a duration, counts with another one than the
# person meant: `self.every <= duration('1h')` is true for 1h30. A pattern beside the format says what is meant.
#
# Seen with Go 1.26.8:
#     90m: accepted as 1h30m0s, in Go's syntax
#     1h30: accepted as 1h0m0s, no duration to Go
#     1.5d: accepted as 120h0m0s, no duration to Go
#     -1d: accepted as 24h0m0s, no duration to Go
#     5m or 2d: accepted as 48h5m0s, no duration to Go
#     1 month: refused
#
# Run it anywhere with Go: the library is fetched into a folder that is removed again. It fails when the library behaves
# otherwise.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
cat >main.go <<'GO'
package main

import (
	"fmt"
	"os"
	"time"

	"k8s.io/kube-openapi/pkg/validation/strfmt"
)

func main() {
	for _, text := range os.Args[1:] {
		if !strfmt.Default.Validates("duration", text) {
			fmt.Printf("%s: refused\n", text)
			continue
		}
		taken, err := strfmt.ParseDuration(text)
		if err != nil {
			panic(err)
		}
		note := "in Go's syntax"
		if _, err := time.ParseDuration(text); err != nil {
			note = "no duration to Go"
		}
		fmt.Printf("%s: accepted as %s, %s\n", text, taken, note)
	}
}
GO
go mod init finding >/dev/null 2>&1
go get k8s.io/kube-openapi/pkg/validation/strfmt@v0.0.0-20260721132016-d427ff9ee9ad >/dev/null 2>&1
go build -o ask . >/dev/null
./ask 90m 1h30 1.5d -1d "5m or 2d" "1 month" | tee seen
cat >expected <<'TEXT'
90m: accepted as 1h30m0s, in Go's syntax
1h30: accepted as 1h0m0s, no duration to Go
1.5d: accepted as 120h0m0s, no duration to Go
-1d: accepted as 24h0m0s, no duration to Go
5m or 2d: accepted as 48h5m0s, no duration to Go
1 month: refused
TEXT
cmp -s seen expected || { echo "kube-openapi has changed" >&2; exit 1; }
