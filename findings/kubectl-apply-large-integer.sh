#!/bin/sh
# kubectl 1.37.2: `kubectl apply` rounds an integer above 2^53 that it changes in a custom resource, and overlooks small changes.
#
# The API server keeps integers up to 2^63 - 1 as they are. But the patch of a client-side apply, kubectl's default, comes
# for a custom resource from `CreateThreeWayJSONMergePatch` of apimachinery, and evanphx/json-patch.v4 4.13.0 under it
# compares and writes numbers as floats of 64 bits. So a time in nanoseconds or a serial number is stored as the file says
# when the object is created, and rounded when it is changed. From then on the file says one thing and the API server another:
# `kubectl apply` answers "configured" and changes the annotation only, `kubectl diff` shows nothing. `kubectl apply
# --server-side`, replace and patch are exact; the next client-side apply may overlook what they have to change.
# Version 5 of the library, by which controller-runtime makes its patches, is exact.
#
# Seen with Go 1.26.8; kubectl and kube-apiserver 1.37.2 do what the first line of each says:
#     1764360000000000000 becomes 1764360000123456789
#         apimachinery 0.37.2 sends {"until":1764360000123456800}
#         json-patch 5.9.11 sends {"until":1764360000123456789}
#     1764360000123456800 becomes 1764360000123456789
#         apimachinery 0.37.2 sends {}
#         json-patch 5.9.11 sends {"until":1764360000123456789}
#
# Run it anywhere with Go: the libraries are fetched into a folder that is removed again. It fails when one of them behaves
# otherwise.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
cat >main.go <<'GO'
package main

import (
	"fmt"

	jsonpatch "github.com/evanphx/json-patch/v5"
	"k8s.io/apimachinery/pkg/util/jsonmergepatch"
)

func text(patch []byte, err error) string {
	if err != nil {
		panic(err)
	}
	return string(patch)
}

func main() {
	for _, change := range [][2]string{
		{"1764360000000000000", "1764360000123456789"},
		{"1764360000123456800", "1764360000123456789"}, // what is stored after the first, and the same file
	} {
		stored, file := []byte(`{"until":`+change[0]+`}`), []byte(`{"until":`+change[1]+`}`)
		fmt.Println(change[0], "becomes", change[1])
		fmt.Println("    apimachinery 0.37.2 sends", text(jsonmergepatch.CreateThreeWayJSONMergePatch(stored, file, stored)))
		fmt.Println("    json-patch 5.9.11 sends", text(jsonpatch.CreateMergePatch(stored, file)))
	}
}
GO
go mod init finding >/dev/null 2>&1
go get k8s.io/apimachinery/pkg/util/jsonmergepatch@v0.37.2 github.com/evanphx/json-patch/v5@v5.9.11 >/dev/null 2>&1
go build -o ask . >/dev/null
./ask | tee seen
cat >expected <<'TEXT'
1764360000000000000 becomes 1764360000123456789
    apimachinery 0.37.2 sends {"until":1764360000123456800}
    json-patch 5.9.11 sends {"until":1764360000123456789}
1764360000123456800 becomes 1764360000123456789
    apimachinery 0.37.2 sends {}
    json-patch 5.9.11 sends {"until":1764360000123456789}
TEXT
cmp -s seen expected || { echo "one of the libraries has changed" >&2; exit 1; }
