#!/bin/sh
# kopf 1.45.2, json-merge-patch 0.3.0 and dictdiffer 0.10.0: where 1 becomes true, or 0 false, nothing has changed.
#
# In JSON a number is no boolean, and a device that asks for one does not take the other. To Python `1 == True`, also deep
# in dicts and lists, and a diff that begins with `==` sees nothing. So when somebody mends `on: 1` to `on: true` in a custom
# resource, kopf calls no handler of `on.update` or `on.field`, then or later (seen with Kubernetes 1.37.2, too; `on.event`
# hears of it). json-merge-patch makes an empty patch, and who applies it keeps the old value. deepdiff 9.1.0 sees it in
# a dict and not in a list; jsonpatch 1.48 sees both.
#
# Seen with Python 3.11.7:
#     kopf: {"on": 1} to {"on": true}: no change, {"on": [1]} to {"on": [true]}: no change
#     json-merge-patch: {"on": 1} to {"on": true}: no change, {"on": [1]} to {"on": [true]}: no change
#     dictdiffer: {"on": 1} to {"on": true}: no change, {"on": [1]} to {"on": [true]}: no change
#     deepdiff: {"on": 1} to {"on": true}: a change, {"on": [1]} to {"on": [true]}: no change
#     jsonpatch: {"on": 1} to {"on": true}: a change, {"on": [1]} to {"on": [true]}: a change
#
# Run it anywhere with Python: the libraries are fetched into a folder that is removed again. It fails when one of them
# behaves otherwise.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    "kopf==1.45.2" "json-merge-patch==0.3.0" "dictdiffer==0.10.0" "deepdiff==9.1.0" "jsonpatch==1.48"
"$folder/venv/bin/python" - <<'PYTHON' >"$folder/seen"
import json
from copy import deepcopy

import deepdiff
import dictdiffer
import json_merge_patch
import jsonpatch
from kopf._cogs.structs.diffs import diff as kopf_diff  # what on.update and on.field are called by

CHANGES = [({"on": 1}, {"on": True}), ({"on": [1]}, {"on": [True]})]
LIBRARIES = {
    "kopf": kopf_diff,
    "json-merge-patch": json_merge_patch.create_patch,
    "dictdiffer": lambda old, new: list(dictdiffer.diff(old, new)),
    "deepdiff": deepdiff.DeepDiff,
    "jsonpatch": lambda old, new: list(jsonpatch.make_patch(old, new)),
}

for name, diff in LIBRARIES.items():
    assert diff({"on": 1}, {"on": 2}), f"{name} sees no change at all"
    said = []
    for old, new in CHANGES:
        found = "a change" if diff(deepcopy(old), deepcopy(new)) else "no change"
        said.append(f"{json.dumps(old)} to {json.dumps(new)}: {found}")
    print(f"{name}: {', '.join(said)}")
PYTHON
cat "$folder/seen"
sed -n 's/^#     //p' "$0" | cmp -s - "$folder/seen" || { echo "one of the libraries has changed" >&2; exit 1; }
