#!/bin/sh
# PyYAML 6.0.3 writes texts without quotes that Kubernetes' YAML reads as numbers: 00000089 becomes 89, 8812e45 8.812e+48.
#
# PyYAML quotes what it would itself read as something else, by YAML 1.1 as it has it: a number with a leading 0 has
# digits up to 7 only, and one with an exponent has a point and a sign. sigs.k8s.io/yaml, which kubectl, Helm and kustomize
# read with, knows neither of these two limits. So of names that are digits, such as serial numbers, PyYAML quotes those
# without an 8 or 9, and of short commit ids one in some hundred is a number: the API server refuses it ("must be of type
# string"), or stores another one where any JSON may stand.
#
# Seen with Python 3.11.7 and Go 1.26.8:
#     '00001721': PyYAML writes '00001721', Kubernetes reads "00001721"
#     '00000089': PyYAML writes 00000089, Kubernetes reads 89
#     '8812e45': PyYAML writes 8812e45, Kubernetes reads 8.812e+48
#
# Run it anywhere with Go and Python: everything is fetched into a folder that is removed again. It fails when one of the
# two behaves otherwise.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check "PyYAML==6.0.3"
cd "$folder"
cat >main.go <<'GO'
package main

import (
	"fmt"
	"io"
	"os"

	"sigs.k8s.io/yaml"
)

func main() {
	text, err := io.ReadAll(os.Stdin)
	if err != nil {
		panic(err)
	}
	found, err := yaml.YAMLToJSON(text)
	if err != nil {
		panic(err)
	}
	fmt.Print(string(found))
}
GO
go mod init finding >/dev/null 2>&1
go get sigs.k8s.io/yaml@v1.6.0 >/dev/null 2>&1
go build -o read . >/dev/null
"$folder/venv/bin/python" - <<'PYTHON'
import subprocess
import sys

import yaml

seen = []
for text in ("00001721", "00000089", "8812e45"):
    written = yaml.safe_dump({"value": text})
    assert yaml.safe_load(written) == {"value": text}
    read = subprocess.run(["./read"], input=written, capture_output=True, text=True, check=True).stdout
    seen.append(read.removeprefix('{"value":').removesuffix("}"))
    print(f"{text!r}: PyYAML writes {written.removeprefix('value: ').strip()}, Kubernetes reads {seen[-1]}")
sys.exit(0 if seen == ['"00001721"', "89", "8.812e+48"] else "one of them has changed")
PYTHON
