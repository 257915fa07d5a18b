"""How often someone may do something, in tables that stay finite: for addresses, agents and refused logins. Pure."""

from __future__ import annotations

from collections import OrderedDict

from offhook.clock import Now


class Rates:
    """A burst at once, then so many a second, for each key. Keys beyond `keys` push out those unused longest."""

    def __init__(self, burst: int, per_second: float, *, keys: int = 10_000) -> None:
        self._burst = float(burst)
        self._per_second = per_second
        self._keys = keys
        self._tokens: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._tokens)

    def take(self, key: str, now: Now) -> float:
        """0.0: it may, and it is counted. Else the seconds until it may."""
        tokens, at = self._tokens.pop(key, (self._burst, now.monotonic))
        tokens = min(self._burst, tokens + (now.monotonic - at) * self._per_second)
        wait = 0.0 if tokens >= 1.0 else (1.0 - tokens) / self._per_second
        self._tokens[key] = (tokens if wait else tokens - 1.0, now.monotonic)
        if len(self._tokens) > self._keys:
            self._tokens.popitem(last=False)
        return wait


class Slowing:
    """Refused logins of a pair of address and extension: some are free, then each doubles the time until the next.

    Nobody else is slowed: another address may log the same extension in, and the same address another extension.
    """

    FREE = 3
    FIRST = 1.0
    """Seconds after the first that is not free."""
    LONGEST = 60.0
    FORGOTTEN = 900.0
    """Seconds after the last refusal."""

    def __init__(self, *, pairs: int = 10_000) -> None:
        self._pairs = pairs
        self._refused: OrderedDict[tuple[str, str], tuple[int, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._refused)

    def wait(self, address: str, extension: str, now: Now) -> float:
        """Seconds until a login is looked at; 0.0: now. Without an address (this very process) always now."""
        times, at = self._refused.get((address, extension), (0, 0.0))
        if not address or times < self.FREE:
            return 0.0
        pause = min(self.LONGEST, self.FIRST * 2.0 ** min(times - self.FREE, 30))
        return max(0.0, at + pause - now.monotonic)

    def refused(self, address: str, extension: str, now: Now) -> None:
        """A login was refused."""
        if not address:
            return
        times, at = self._refused.pop((address, extension), (0, now.monotonic))
        if now.monotonic - at > self.FORGOTTEN:
            times = 0
        self._refused[address, extension] = (times + 1, now.monotonic)
        if len(self._refused) > self._pairs:
            self._refused.popitem(last=False)

    def proved(self, address: str, extension: str) -> None:
        """A login was right."""
        self._refused.pop((address, extension), None)
