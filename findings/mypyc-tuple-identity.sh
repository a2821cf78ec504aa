#!/bin/sh
# mypyc (mypy 2.4.1): a tuple with a fixed type loses its identity on the way through a dict, so `is` is False.
#
# Compiled code keeps such a tuple as a C struct, and makes a new object of it each time that one is needed. A queue
# that knows its current entries by identity (`entries[key] is entry`) takes every entry for outdated, and what waits
# for it waits for ever, without an error.
# Interpreted, the same module works. A class or a list keeps its identity.
#
# Seen with Python 3.11.7 on Linux:
#     interpreted: True
#     compiled:    False
#
# Run it anywhere with Python and a C compiler: the compiler is fetched into a folder that is removed again. It fails
# when mypyc behaves otherwise.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check "mypy==2.4.1" "setuptools==80.9.0"
cd "$folder"
cat >queue_of_entries.py <<'PYTHON'
class Queue:
    def __init__(self) -> None:
        self.entries: dict[str, tuple[float, str]] = {}
        self.order: list[tuple[float, str]] = []

    def put(self, key: str, due: float) -> None:
        entry = (due, key)
        self.entries[key] = entry
        self.order.append(entry)

    def is_current(self) -> bool:
        entry = self.order[0]
        return self.entries[entry[1]] is entry


def one_entry() -> bool:
    queue = Queue()
    queue.put("thing-1", 2.0)
    return queue.is_current()
PYTHON
ask='import queue_of_entries as q; print(q.one_entry())'
interpreted=$("$folder/venv/bin/python" -c "$ask")
"$folder/venv/bin/mypyc" queue_of_entries.py >build.log 2>&1 || { cat build.log; exit 1; }
compiled=$("$folder/venv/bin/python" -c "$ask")
echo "interpreted: $interpreted"
echo "compiled:    $compiled"
[ "$interpreted" = True ] && [ "$compiled" = False ]
