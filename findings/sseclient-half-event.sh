#!/bin/sh
# sseclient-py 1.9.0 hands out an event that the connection was cut in, and forgets the last id with each event.
#
# An event ends with an empty line. What is there at the end of the stream without one is to be discarded (HTML standard,
# section 9.2.6), and the last id stands until another one comes (9.2.4). This library dispatches the rest, as an event
# like any other: of `data: -18` a proxy that ends in time-out leaves `data: -1`, which is JSON and a setpoint. And
# whoever goes on with the id of the last event asks for everything again if that event had none. httpx-sse 0.4.3
# discards the one and keeps the other.
#
# Seen with Python 3.11.7, each time b'id: 7\ndata: 4\n\ndata: 5\n\ndata: -1':
#     sseclient-py: [('7', '4'), (None, '5'), (None, '-1')]
#     httpx-sse: [('7', '4'), ('7', '5')]
#
# Run it anywhere with Python: the libraries are fetched into a folder that is removed again. It fails when one of them
# behaves otherwise.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check "sseclient-py==1.9.0" "httpx-sse==0.4.3" "httpx==0.28.1"
"$folder/venv/bin/python" - <<'PYTHON'
import http.server
import threading

import httpx
import httpx_sse
import sseclient

STREAM = b"id: 7\ndata: 4\n\ndata: 5\n\ndata: -1"  # then the connection ends


class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        self.wfile.write(STREAM)

    def log_message(self, *_) -> None:
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_port}/"
with httpx.stream("GET", url, trust_env=False) as response:
    by_sseclient = [(event.id, event.data) for event in sseclient.SSEClient(response.iter_bytes()).events()]
with httpx.stream("GET", url, trust_env=False) as response:
    by_httpx_sse = [(event.id, event.data) for event in httpx_sse.EventSource(response).iter_sse()]
server.shutdown()
print("sseclient-py:", by_sseclient)
print("httpx-sse:", by_httpx_sse)
assert by_sseclient == [("7", "4"), (None, "5"), (None, "-1")], "sseclient-py behaves otherwise"
assert by_httpx_sse == [("7", "4"), ("7", "5")], "httpx-sse behaves otherwise"
PYTHON
