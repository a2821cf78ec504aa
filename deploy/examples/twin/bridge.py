"""A client of thing-operator's bridge, in Python's standard library alone: read a shadow, report, follow."""

import json
import time
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen


class Refused(Exception):
    """The bridge has refused a request; ``retry_after`` are seconds, None where another try is in vain."""

    def __init__(self, status, body, retry_after):
        super().__init__(f"{status} {body['reason']}: {body['message']}: {body['remedy']}")
        self.status = status
        self.reason = body["reason"]
        self.retry_after = float(retry_after) if retry_after else None


class Thing:
    """One Thing, by the bridge at ``url``. The token is read for each request: the kubelet renews its file."""

    def __init__(self, url, namespace, name, token_file="/var/run/secrets/bridge/token"):
        self._path = f"{url}/v1/namespaces/{namespace}/things/{name}"
        self._token = Path(token_file)

    def shadow(self):
        """The shadow: version, desired, reported, delta."""
        return json.load(self._open("shadow"))

    def report(self, reported, timestamp=None):
        """Merge this into what is reported; returns the shadow's version once it is accepted."""
        body = {"reported": reported} | ({"timestamp": timestamp} if timestamp is not None else {})
        return json.load(self._open("reported", json.dumps(body).encode()))["version"]

    def events(self, kinds="document,delta"):
        """Kind and data of each event, for ever: a stream that ends is opened again where it was."""
        last_id = ""
        while True:
            try:
                event = {}
                for line in self._open(f"events?events={kinds}", last_id=last_id):
                    field, _, value = line.decode().rstrip("\n").partition(": ")
                    if not field and event:
                        last_id = event.get("id", last_id)
                        yield event["event"], json.loads(event["data"])
                        event = {}
                    elif field in {"event", "data", "id"}:
                        event[field] = value
            except Refused as refused:
                if refused.retry_after is None:
                    raise
                time.sleep(refused.retry_after)
            except (OSError, HTTPException):
                time.sleep(2)

    def _open(self, path, body=None, last_id=""):
        headers = {"Authorization": f"Bearer {self._token.read_text().strip()}"}
        headers |= {"Content-Type": "application/json"} if body else {}
        headers |= {"Last-Event-ID": last_id} if last_id else {}
        try:
            return urlopen(Request(f"{self._path}/{path}", body, headers), timeout=60)
        except HTTPError as error:
            content = error.read()
            refusal = {"reason": "Unknown", "message": error.reason, "remedy": "see the operator's log"}
            raise Refused(
                error.code,
                json.loads(content) if content.startswith(b"{") else refusal,
                error.headers["Retry-After"],
            ) from None
