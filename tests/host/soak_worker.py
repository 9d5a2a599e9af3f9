"""A server under load in a process that will be killed: `soak_worker.py FOLDER`.

The link is in the process too, but what it sends is written to a file before its light is
simulated, as a fibre would have it: gone, whatever happens to the sender.
"""

import json
import os
import sys
import threading
from pathlib import Path

from tests.host.parties import IMAGES, parties


def main(folder: Path) -> None:
    log = os.open(folder / "light", os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def record(shot):
        fields = ("session", "batch", "layer", "first", "stop", "images")
        line = json.dumps([getattr(shot, name) for name in fields])
        os.write(log, (line + "\n").encode())

    with parties(folder, record=record) as (_, _, client):
        print("ready", flush=True)

        def ask(name):
            while True:
                client(name).classify(IMAGES, 20)

        for number in range(2):
            threading.Thread(target=ask, args=[f"client-{number}"], daemon=True).start()
        threading.Event().wait()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
