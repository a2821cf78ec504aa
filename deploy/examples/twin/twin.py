"""The mind of a freezer: it reads a setpoint, and reports how its temperature follows."""

import os
import time

from bridge import Refused, Thing


def main():
    freezer = Thing(
        os.environ["BRIDGE_URL"], os.environ["NAMESPACE"], os.environ["THING"], os.environ["TOKEN_FILE"]
    )
    for _, document in freezer.events("document"):
        setpoint = document["desired"].get("setpoint")
        temperature = document["reported"].get("temperature", 20.0)
        if setpoint is None or abs(temperature - setpoint) < 0.1:
            continue
        # Half of the way with each step; what is reported comes back as the next document.
        temperature = round((temperature + setpoint) / 2, 1)
        if abs(temperature - setpoint) < 0.5:
            temperature = float(setpoint)
        try:
            freezer.report({"temperature": temperature})
        except Refused as refused:
            if refused.retry_after is None:
                raise
            time.sleep(refused.retry_after)
        print(f"{temperature} on the way to {setpoint}", flush=True)


if __name__ == "__main__":
    main()
