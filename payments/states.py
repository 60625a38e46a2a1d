"""How far a fee and each attempt to pay it may go. Nothing that was paid is ever unpaid again.

The vendor's word about money counts even for an attempt that was given up: it may have been paid at the same moment.
"""

from collections.abc import Mapping

LIVE = ("open", "processing")
"""States of a fee that waits for money."""
UNDER_WAY = ("starting", "open", "processing")
"""States of an attempt whose end is not known."""

ATTEMPT_NEXT: Mapping[str, frozenset[str]] = {
    "starting": frozenset({"open", "processing", "paid", "failed", "expired", "cancelled"}),
    "open": frozenset({"processing", "paid", "failed", "expired", "cancelled"}),
    "processing": frozenset({"paid", "failed"}),
    "failed": frozenset({"paid"}),
    "expired": frozenset({"paid"}),
    "cancelled": frozenset({"paid"}),
    "paid": frozenset({"refunded"}),
    "refunded": frozenset(),
}

FEE_NEXT: Mapping[str, frozenset[str]] = {
    "open": frozenset({"processing", "paid", "cancelled", "expired"}),
    # Back to open only when the bank has refused what was under way: the fee can then be paid once more.
    "processing": frozenset({"open", "paid"}),
    "cancelled": frozenset({"paid"}),
    "expired": frozenset({"paid"}),
    "paid": frozenset({"refunded"}),
    "refunded": frozenset(),
}


def advance(steps: Mapping[str, frozenset[str]], state: str, seen: str) -> str:
    """The state after `seen` was reported: news that would lead back changes nothing."""
    return seen if seen in steps[state] else state
