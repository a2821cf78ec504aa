#!/bin/sh
# moto 5.2.5: the delta of its IoT shadow stays for ever where a device reports more in an object than is desired.
#
# A delta holds what is desired and reported otherwise. Of an object whose every desired key is reported moto leaves `{}`
# (`_compute_delta_dict` of iotdata/models.py keeps what is not None): a test that waits for an empty delta waits in vain,
# though the device has done all. Beside it, three rules of AWS's shadows are missing: `desired: null`, which clears the
# section, changes nothing but the version; the times in `metadata` are all new at each update, where AWS has one for each
# key, so that who asks when a value was set is told of the last update of any; and the answer has no `clientToken`, by
# which a client knows its own.
#
# Seen with Python 3.11.7 and boto3 1.44.8:
#     desired {"valve": {"open": true}}, reported {"valve": {"open": true, "position": 80}}: delta {"valve": {}}
#     desired {"a": 1}, then desired null: desired {"a": 1}
#     desired {"a": 1}, a second later {"b": 1}: the time of a has changed
#     an update with a clientToken: the answer has state, metadata, timestamp, version
#
# Run it anywhere with Python: the libraries are fetched into a folder that is removed again. It fails when moto behaves
# otherwise.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check "moto==5.2.5" "boto3==1.44.8"
export AWS_ACCESS_KEY_ID=none AWS_SECRET_ACCESS_KEY=none AWS_DEFAULT_REGION=eu-west-1 # moto sends nothing anywhere
"$folder/venv/bin/python" - <<'PYTHON'
import json
import sys
import time

import boto3
from moto import mock_aws


class Shadow:
    def __init__(self, name):
        self.name, self.data = name, boto3.client("iot-data")
        boto3.client("iot").create_thing(thingName=name)

    def update(self, _more=None, **state):
        body = json.dumps({"state": state, **(_more or {})})
        return json.loads(self.data.update_thing_shadow(thingName=self.name, payload=body)["payload"].read())

    def get(self):
        return json.loads(self.data.get_thing_shadow(thingName=self.name)["payload"].read())


with mock_aws():
    freezer = Shadow("freezer-1")
    desired, reported = {"valve": {"open": True}}, {"valve": {"open": True, "position": 80}}
    freezer.update(desired=desired, reported=reported)
    delta = freezer.get()["state"].get("delta")
    print(f"desired {json.dumps(desired)}, reported {json.dumps(reported)}: delta {json.dumps(delta)}")

    freezer = Shadow("freezer-2")
    freezer.update(desired={"a": 1})
    freezer.update(desired=None)
    kept = freezer.get()["state"].get("desired")
    print(f'desired {{"a": 1}}, then desired null: desired {json.dumps(kept)}')

    freezer = Shadow("freezer-3")
    freezer.update(desired={"a": 1})
    first = freezer.get()["metadata"]["desired"]["a"]["timestamp"]
    while int(time.time()) <= first:
        time.sleep(0.05)
    answer = freezer.update({"clientToken": "mine"}, desired={"b": 1})
    renewed = freezer.get()["metadata"]["desired"]["a"]["timestamp"] != first
    print(f'desired {{"a": 1}}, a second later {{"b": 1}}: the time of a has {"" if renewed else "not "}changed')
    print(f"an update with a clientToken: the answer has {', '.join(answer)}")

same = delta == {"valve": {}} and kept == {"a": 1} and renewed and "clientToken" not in answer
sys.exit(0 if same else "moto has changed")
PYTHON
