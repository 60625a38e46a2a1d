"""How fast a bot may write: Telegram's limits (Bot FAQ, "My bot is hitting limits"), kept by this process."""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

OVERALL_PER_SECOND = 30.0
CHAT_PER_SECOND = 1.0
CHAT_BURST = 3.0
"""An answer of two or three messages may come at once; a second each holds on average."""
MOST_CHATS = 20_000


@dataclass
class Bucket:
    """`burst` at once, then `per_second`; `level` may be negative while somebody waits."""

    burst: float
    per_second: float
    level: float
    since: float

    def take(self, now: float) -> float:
        """Seconds until it is one's turn. Nothing is taken when that is not now."""
        self.level = min(self.burst, self.level + (now - self.since) * self.per_second)
        self.since = now
        if self.level >= 1:
            return 0.0
        return (1 - self.level) / self.per_second


@dataclass
class Limiter:
    """`take` before each message. `clock` counts seconds and never goes back."""

    clock: Callable[[], float] = time.monotonic
    _all: Bucket | None = None
    _chats: OrderedDict[str, Bucket] = field(default_factory=OrderedDict)

    def take(self, chat: str) -> float:
        """0 when the message may go now (it then counts), else the seconds to wait."""
        now = self.clock()
        overall = self._all = self._all or Bucket(
            OVERALL_PER_SECOND, OVERALL_PER_SECOND, OVERALL_PER_SECOND, now
        )
        own = self._chat(chat, now)
        wait = max(own.take(now), overall.take(now))
        if wait == 0:
            own.level -= 1
            overall.level -= 1
        return wait

    def pause(self, chat: str, seconds: float) -> None:
        """Telegram asked for a pause: nothing goes to this chat before it is over."""
        own = self._chat(chat, now := self.clock())
        own.level, own.since = 1.0 - CHAT_PER_SECOND * seconds, now

    def _chat(self, chat: str, now: float) -> Bucket:
        own = self._chats.pop(chat, None) or Bucket(CHAT_BURST, CHAT_PER_SECOND, CHAT_BURST, now)
        self._chats[chat] = own
        if len(self._chats) > MOST_CHATS:
            self._chats.popitem(last=False)
        return own
