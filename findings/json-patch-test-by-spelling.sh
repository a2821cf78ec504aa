#!/bin/sh
# evanphx/json-patch.v4 4.13.0, by which Kubernetes applies a JSON Patch, compares in `test` how a value is written.
#
# RFC 6902 (section 4.6) calls strings equal that have the same characters, and numbers that are numerically equal. This
# library compares the bytes of the JSON texts: its own document has strings as Go's encoder writes them (ü as it is, < as
# \u003c), so that a `test` by Python's json.dumps, which writes \u00fc and <, fails on both with an equal value, and so
# does 21.0 where the document has 21. kube-apiserver 1.37.2 answers 422 to each of them. `kubectl patch` never meets
# it, since it writes the patch anew by Go's encoder: what works by hand fails in a program, from the first name with an
# umlaut on.
# And where one expects a refusal there is none: `replace` of a member that is not there adds it, while section 4.3 says
# that it must exist. Version 5 of the library has neither, but for the numbers.
#
# Seen with Go 1.26.8 and Python 3.11.7:
#     test of "plain", written "plain": passed
#     test of "Zürich", written "Z\u00fcrich": failed
#     test of "a<b", written "a<b": failed
#     test of 21, written 21.0: failed
#     replace of a member that is absent: added
#
# Run it anywhere with Go and Python: the library is fetched into a folder that is removed again. It fails when the
# library behaves otherwise.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
cat >main.go <<'GO'
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"
)

// The value of the first argument is the document's member "value", in Go's writing; standard input has the patch.
func main() {
	var value any
	if err := json.Unmarshal([]byte(os.Args[1]), &value); err != nil {
		panic(err)
	}
	document, err := json.Marshal(map[string]any{"value": value})
	if err != nil {
		panic(err)
	}
	text, err := io.ReadAll(os.Stdin)
	if err != nil {
		panic(err)
	}
	patch, err := jsonpatch.DecodePatch(text)
	if err != nil {
		panic(err)
	}
	patched, err := patch.Apply(document)
	if err != nil {
		fmt.Print("failed")
		return
	}
	fmt.Print(string(patched))
}
GO
go mod init finding >/dev/null 2>&1
go get gopkg.in/evanphx/json-patch.v4@v4.13.0 >/dev/null 2>&1
go build -o patch . >/dev/null
python3 - <<'PYTHON'
import json
import subprocess
import sys


def patched(value, operation) -> str:
    command = ["./patch", json.dumps(value)]
    return subprocess.run(command, input=json.dumps([operation]), capture_output=True, text=True, check=True).stdout


def passes(value, tested) -> bool:
    assert value == tested
    passed = patched(value, {"op": "test", "path": "/value", "value": tested}) != "failed"
    shown = json.dumps(value, ensure_ascii=False)
    print(f"test of {shown}, written {json.dumps(tested)}: {'passed' if passed else 'failed'}")
    return passed


seen = [passes("plain", "plain"), passes("Zürich", "Zürich"), passes("a<b", "a<b"), passes(21, 21.0)]
replaced = patched(1, {"op": "replace", "path": "/absent", "value": 2})
added = replaced != "failed" and json.loads(replaced) == {"value": 1, "absent": 2}
print(f"replace of a member that is absent: {'added' if added else 'refused'}")
sys.exit(0 if seen == [True, False, False, False] and added else "json-patch has changed")
PYTHON
