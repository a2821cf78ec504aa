#!/bin/sh
# sparkplug-payload 1.0.3 (JavaScript) reads every value of a message from pysparkplug 0.3.0 (Python) as null, but in births.
#
# A birth message tells each metric's datatype, and Sparkplug 3.0 says that data and command messages should not repeat it
# ([tck-id-payloads-metric-datatype-not-req]). pysparkplug does not. sparkplug-payload looks at the datatype alone to find
# out in which field of the message the value is, takes no list of what was said at birth, and without a datatype gives
# null and no error. So a host in JavaScript sees a node's values once and from then on null, which in Sparkplug means
# something: the metric has no value. With the datatype of the birth put into each metric again, all is well.
#
# Seen with Python 3.11.7 and Node.js 20.20.2, the same two metrics each time:
#     NBIRTH: temperature -18, door "shut"
#     NDATA: temperature null, door null
#
# Run it anywhere with Python and Node.js 20 or newer: the libraries are fetched into a folder that is removed again. It
# fails when one of them behaves otherwise.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check "pysparkplug==0.3.0"
npm install --silent --no-audit --no-fund --prefix "$folder" sparkplug-payload@1.0.3 >/dev/null
cat >say.py <<'PYTHON'
from pysparkplug import DataType, Metric, NBirth, NData

METRICS = (Metric(1, "temperature", DataType.INT32, -18), Metric(1, "door", DataType.STRING, "shut"))
for kind in NBirth, NData:
    print(kind.__name__.upper(), kind(timestamp=1, seq=0, metrics=METRICS).encode().hex())
PYTHON
cat >hear.mjs <<'JS'
import sparkplug from "sparkplug-payload";

const [kind, message] = process.argv.slice(2);
const { metrics } = sparkplug.get("spBv1.0").decodePayload(Buffer.from(message, "hex"));
console.log(`${kind}: ${metrics.map(({ name, value }) => `${name} ${JSON.stringify(value)}`).join(", ")}`);
JS
venv/bin/python say.py | while read -r kind message; do node hear.mjs "$kind" "$message"; done | tee seen
cat >expected <<'TEXT'
NBIRTH: temperature -18, door "shut"
NDATA: temperature null, door null
TEXT
cmp -s seen expected || { echo "one of the libraries has changed" >&2; exit 1; }
