"""A process that ends with the one that started it, and says one JSON line at a time on its standard output."""

import ctypes
import json
import os
import signal
import sys
import threading
from typing import Any, Callable, Dict

_PR_SET_PDEATHSIG = 1


def begin(hear: Callable[[Dict[str, Any]], None] = lambda _: None) -> None:
    """Bind this process to its parent: by the kernel where it is Linux, and by the pipe on standard input.

    `hear` gets each JSON object that comes through that pipe, in a thread of its own.
    """
    os.environ["RASA_TELEMETRY_ENABLED"] = "false"
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    threading.Thread(target=_listen, args=(hear,), daemon=True).start()


def _listen(hear: Callable[[Dict[str, Any]], None]) -> None:
    # Not sys.stdin: a thread that waits inside it makes the interpreter crash when it ends.
    unfinished = b""
    while True:
        read = os.read(0, 1 << 16)
        if not read:
            os._exit(0)
        *lines, unfinished = (unfinished + read).split(b"\n")
        for line in lines:
            threading.Thread(target=hear, args=(json.loads(line),), daemon=True).start()


def tell(**what: object) -> None:
    """One line for the house."""
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()
