"""When tests take place."""

from datetime import UTC, datetime

MONDAY = datetime(2026, 10, 19, 7, 30, tzinfo=UTC)
"""Monday 19 October 2026, 09:30 in Heidelberg, 15:30 in Manila; a week later the clocks have changed."""
