"""Stands between this package and one child process, and ends the child's whole group once we have ended.

Run by path, ``python -I -S child_guard.py LIFELINE COMMAND...``, so that it starts in a tenth of a second and needs
nothing but the standard library. ``LIFELINE`` is the read end of a pipe whose write end only our process
holds: it reads as closed however that process ends, SIGKILL included, and on every Unix. (Linux has
PR_SET_PDEATHSIG for this, but it is tied to the thread that started the child, and macOS has nothing.)
The guard is the last of the group to end: who waits for it knows that the command has given up its ports.
"""

import os
import signal
import subprocess
import sys
import threading

_NOT_STARTED = 127  # what shells answer for a command that cannot be run


def _end_with_parent(lifeline: int, child: subprocess.Popen[bytes], parent_ended: threading.Event) -> None:
    while os.read(lifeline, 1):
        pass
    parent_ended.set()
    child.kill()


def main() -> int:
    lifeline, command = int(sys.argv[1]), sys.argv[2:]
    # SIGTERM goes to the whole group: the child decides when to end, and the guard reports how it ended.
    # A handler and not SIG_IGN, because the child would inherit that.
    signal.signal(signal.SIGTERM, lambda *_: None)
    try:
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    except OSError as error:
        sys.stderr.write(f"cannot start {command[0]}: {error.strerror}\n")
        return _NOT_STARTED
    parent_ended = threading.Event()
    threading.Thread(target=_end_with_parent, args=(lifeline, child, parent_ended), daemon=True).start()
    code = child.wait()
    if parent_ended.is_set():
        os.killpg(0, signal.SIGKILL)
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main())
