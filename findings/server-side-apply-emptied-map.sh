#!/bin/sh
# structured-merge-diff 6.4.2: server-side apply of `x: {}` after `x: {a: 1}` stores null, and `{}` the second time only.
#
# Kubernetes 1.37 merges by this version. What an applier no longer names is taken out of what is stored, and of an object
# that this empties the library makes null, although the applier still names the object, as empty. In a field
# that has a type the API server then refuses its own null ("must be of type object"), in a free-form one a controller
# reads it: to a JSON Merge Patch that it sends on, null says delete. 6.3.0 did it too, 6.3.2 and 6.4.0 did not.
#
# Seen with Go 1.26.8, one applier:
#     structured-merge-diff v6.4.0
#         applied {"x":{"a":1}}, stored {"x":{"a":1}}
#         applied {"x":{}}, stored {"x":{}}
#         applied {"x":{}}, stored {"x":{}}
#     structured-merge-diff v6.4.2
#         applied {"x":{"a":1}}, stored {"x":{"a":1}}
#         applied {"x":{}}, stored {"x":null}
#         applied {"x":{}}, stored {"x":{}}
#
# Run it anywhere with Go: the library is fetched into a folder that is removed again. It fails when one of the versions
# behaves otherwise.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
cat >main.go <<'GO'
package main

import (
	"fmt"

	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
	"sigs.k8s.io/structured-merge-diff/v6/merge"
	"sigs.k8s.io/structured-merge-diff/v6/typed"
	"sigs.k8s.io/structured-merge-diff/v6/value"
)

// oneVersion is the converter of an API with one version.
type oneVersion struct{}

func (oneVersion) Convert(object *typed.TypedValue, _ fieldpath.APIVersion) (*typed.TypedValue, error) {
	return object, nil
}

func (oneVersion) IsMissingVersionError(error) bool { return false }

func must[T any](found T, err error) T {
	if err != nil {
		panic(err)
	}
	return found
}

func main() {
	updater := (&merge.UpdaterBuilder{Converter: oneVersion{}}).BuildUpdater()
	stored, managers := must(typed.DeducedParseableType.FromYAML("{}")), fieldpath.ManagedFields{}
	for _, text := range []typed.YAMLObject{`{"x":{"a":1}}`, `{"x":{}}`, `{"x":{}}`} {
		applied := must(typed.DeducedParseableType.FromYAML(text))
		merged, owners, err := updater.Apply(stored, applied, "v1", managers, "git", false)
		if err != nil {
			panic(err)
		}
		if managers = owners; merged != nil { // nil: nothing has changed
			stored = merged
		}
		fmt.Printf("applied %s, stored %s\n", text, must(value.ToJSON(stored.AsValue())))
	}
}
GO
go mod init finding >/dev/null 2>&1
ask() {
    go get "sigs.k8s.io/structured-merge-diff/v6/merge@$1" >/dev/null 2>&1
    go run . >seen
    echo "structured-merge-diff $1"
    sed 's/^/    /' seen
    [ "$(sed -n '2,3s/.*stored //p' seen | tr '\n' ' ')" = "$2 " ] || { echo "it has changed" >&2; exit 1; }
}
ask v6.4.0 '{"x":{}} {"x":{}}'
ask v6.4.2 '{"x":null} {"x":{}}'
