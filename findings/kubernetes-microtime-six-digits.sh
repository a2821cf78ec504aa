#!/bin/sh
# A Lease's times need exactly six digits after the point; Python's isoformat() leaves them away once in a million times.
#
# `renewTime` is a `MicroTime` (apimachinery, the version of Kubernetes 1.37.2), in the OpenAPI document a `date-time` as
# any other, of which RFC 3339 says that the fraction may be absent or of any length. But it is parsed by a layout with six
# digits, while a `Time`, as in metadata and conditions, takes all. Python's `datetime.isoformat()` writes six, except when
# the microseconds are 0: a leader that renews its Lease by it is refused with 400 then, and nobody sees it again.
# `isoformat(timespec="microseconds")` is always right; JavaScript's toISOString(), with three digits, never.
#
# Seen with Go 1.26.8 and Python 3.11.7:
#     2026-01-02T03:04:05.000001+00:00: Time taken, MicroTime taken
#     2026-01-02T03:04:05+00:00: Time taken, MicroTime refused
#     2026-01-02T03:04:05.000000+00:00: Time taken, MicroTime taken
#     2026-01-02T03:04:05.000Z: Time taken, MicroTime refused
#
# Run it anywhere with Go and Python: the library is fetched into a folder that is removed again; its first build takes a
# minute. It fails when the library behaves otherwise.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
cat >main.go <<'GO'
package main

import (
	"encoding/json"
	"fmt"
	"os"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func outcome(text string, into any) string {
	if json.Unmarshal([]byte(`"`+text+`"`), into) != nil {
		return "refused"
	}
	return "taken"
}

func main() {
	for _, text := range os.Args[1:] {
		time, micro := outcome(text, new(metav1.Time)), outcome(text, new(metav1.MicroTime))
		fmt.Printf("%s: Time %s, MicroTime %s\n", text, time, micro)
	}
}
GO
go mod init finding >/dev/null 2>&1
go get k8s.io/apimachinery/pkg/apis/meta/v1@v0.37.2 >/dev/null 2>&1
go build -o ask . >/dev/null
python3 - <<'PYTHON'
import subprocess
import sys
from datetime import datetime, timezone

whole = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)
texts = (
    whole.replace(microsecond=1).isoformat(),
    whole.isoformat(),
    whole.isoformat(timespec="microseconds"),
    whole.strftime("%Y-%m-%dT%H:%M:%S.000Z"),  # as JavaScript's toISOString() has it
)
answer = subprocess.run(["./ask", *texts], capture_output=True, text=True, check=True).stdout
print(answer, end="")
outcomes = [line.split(": ")[1] for line in answer.splitlines()]
taken, refused = "Time taken, MicroTime taken", "Time taken, MicroTime refused"
sys.exit(0 if outcomes == [taken, refused, taken, refused] else "apimachinery has changed")
PYTHON
