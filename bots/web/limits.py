"""How much one visitor may send: a bucket that fills again, per process."""

from collections import OrderedDict
from dataclasses import dataclass, field

from foundation.clock import Clock
from foundation.errors import TooMany

MOST_BUCKETS = 20_000


@dataclass
class Bucket:
    """`burst` at once, then `per_second`; the longest unused buckets are forgotten first."""

    clock: Clock
    burst: float
    per_second: float
    _levels: OrderedDict[str, tuple[float, float]] = field(default_factory=OrderedDict)

    def take(self, who: str) -> None:
        """Errors: TooMany."""
        now = self.clock.now().timestamp()
        level, since = self._levels.pop(who, (self.burst, now))
        level = min(self.burst, level + (now - since) * self.per_second)
        if level < 1:
            self._levels[who] = (level, now)
            raise TooMany
        self._levels[who] = (level - 1, now)
        if len(self._levels) > MOST_BUCKETS:
            self._levels.popitem(last=False)
