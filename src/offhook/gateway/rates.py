"""How often someone may do something, in tables that stay finite: for addresses, agents and refused logins. Pure."""

from __future__ import annotations

from collections import Counter, OrderedDict

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

    Nobody else is slowed: another address may log the same extension in, and the same address another extension. But
    an address has at most `of_address` pairs: its further extensions are counted, and wait, together.
    """

    FREE = 3
    FIRST = 1.0
    """Seconds after the first that is not free."""
    LONGEST = 60.0
    FORGOTTEN = 900.0
    """Seconds after the last refusal."""

    def __init__(self, *, pairs: int = 100_000, of_address: int = 1000) -> None:
        self._pairs = pairs
        self._of_address = of_address
        self._refused: OrderedDict[tuple[str, str], tuple[int, float]] = OrderedDict()
        """The one that was refused last stands last."""
        self._counts: Counter[str] = Counter()
        """Pairs of each address."""

    def __len__(self) -> int:
        return len(self._refused)

    def wait(self, address: str, extension: str, now: Now) -> float:
        """Seconds until a login is looked at; 0.0: now. Without an address (this very process) always now."""
        if not address:
            return 0.0
        times, at = self._refused.get(self._pair(address, extension), (0, 0.0))
        if times < self.FREE or now.monotonic - at > self.FORGOTTEN:
            return 0.0
        pause = min(self.LONGEST, self.FIRST * 2.0 ** min(times - self.FREE, 30))
        return max(0.0, at + pause - now.monotonic)

    def refused(self, address: str, extension: str, now: Now) -> None:
        """A login was refused."""
        if not address:
            return
        while self._refused and now.monotonic - next(iter(self._refused.values()))[1] > self.FORGOTTEN:
            self._drop(next(iter(self._refused)))
        pair = self._pair(address, extension)
        times, _ = self._refused.get(pair, (0, 0.0))
        self._drop(pair)
        self._refused[pair] = (times + 1, now.monotonic)
        self._counts[address] += 1
        if len(self._refused) > self._pairs:
            self._drop(next(iter(self._refused)))

    def proved(self, address: str, extension: str) -> None:
        """A login was right."""
        self._drop((address, extension))

    def _pair(self, address: str, extension: str) -> tuple[str, str]:
        """Under which a login counts; an extension is never empty."""
        full = self._counts[address] >= self._of_address and (address, extension) not in self._refused
        return (address, "") if full else (address, extension)

    def _drop(self, pair: tuple[str, str]) -> None:
        if self._refused.pop(pair, None) is not None:
            self._counts[pair[0]] -= 1
            if not self._counts[pair[0]]:
                del self._counts[pair[0]]
