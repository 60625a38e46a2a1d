"""Named steps at which a test may pull the plug.

`reached("inbox.stored")` does nothing unless the setting `crash_at` names this step; then the
process kills itself with SIGKILL, as a power cut would. Production settings refuse it.
"""

import os
import signal

STEPS = (
    "inbox.stored",
    "sync.taken",
    "turn.understood",
    "turn.decided",
    "turn.committed",
    "delivery.claimed",
    "delivery.sent",
    "booking.held",
    "booking.confirmed",
    "queue.joined",
    "queue.admitted",
    "desk.said",
    "case.closed",
    "poll.fetched",
    "poll.stored",
    "call.opened",
    "call.offered",
    "call.accepted",
    "file.received",
    "fee.requested",
    "fee.started",
    "webhook.stored",
    "fee.settled",
)

_crash_at: set[str] = set()


def arm(step: str | None) -> None:
    """Name the step at which this process dies, None for never."""
    _crash_at.clear()
    if step is not None:
        if step not in STEPS:
            raise ValueError(f"{step!r} is no named step; choose one of {', '.join(STEPS)}")
        _crash_at.add(step)


def reached(step: str) -> None:
    if step in _crash_at:
        os.kill(os.getpid(), signal.SIGKILL)
