"""How fast the commands of one connection are carried out: a burst at once, then so many a second. Pure."""

from __future__ import annotations

from collections import deque
from enum import Enum

from offhook.clock import Now
from offhook.gateway.interface import Limits


class Turn(Enum):
    """When a command may be carried out."""

    NOW = "now"
    LATER = "later"
    NEVER = "never"


class Turns:
    """The commands of one connection. `trusted`: all of them now."""

    def __init__(self, limits: Limits, now: Now, *, trusted: bool) -> None:
        self._limits = limits
        self._trusted = trusted
        self._waiting: deque[tuple[str, int]] = deque()
        self._octets = 0
        """Of what waits."""
        self._tokens = float(limits.burst)
        self._counted_at = now.monotonic

    def ask(self, command: str, size: int, now: Now) -> Turn:
        """When this one may be carried out. LATER: `next` gives it then. NEVER: too many wait, or too much.

        `size` is what it counts towards `Limits.waiting_bytes`.
        """
        if not self._waiting and self._take(now):
            return Turn.NOW
        if len(self._waiting) >= self._limits.waiting or self._octets + size > self._limits.waiting_bytes:
            return Turn.NEVER
        self._waiting.append((command, size))
        self._octets += size
        return Turn.LATER

    def next(self, now: Now) -> str | None:
        """The oldest command that waits, where it may be carried out now."""
        if not self._waiting or not self._take(now):
            return None
        command, size = self._waiting.popleft()
        self._octets -= size
        return command

    def due(self) -> float | None:
        """When the next one that waits may be carried out, monotonic; a millisecond late, so that rounding is never
        early. None where none waits."""
        if not self._waiting:
            return None
        return self._counted_at + (1.0 - self._tokens) / self._limits.per_second + 0.001

    def drop(self) -> None:
        """Forget what waits."""
        self._waiting.clear()
        self._octets = 0

    def _take(self, now: Now) -> bool:
        """Whether one may be carried out now; counts it."""
        if self._trusted:
            return True
        earned = (now.monotonic - self._counted_at) * self._limits.per_second
        self._tokens = min(float(self._limits.burst), self._tokens + earned)
        self._counted_at = now.monotonic
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True
