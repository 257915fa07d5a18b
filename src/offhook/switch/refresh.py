"""The session timer of one call leg (RFC 4028), as FreeSWITCH runs it.

Called parties are sent a re-INVITE every 57 to 61 s (trace 28) unless they have taken the refreshing over (trace 45);
who has, and does not refresh, is hung up on after nine tenths of the interval (81 of 90 s in trace 42).
"""

from __future__ import annotations

from typing import Protocol

from offhook.clock import Now, Timers


class Refreshed(Protocol):
    """The leg whose session is kept alive."""

    def refresh_session(self, now: Now) -> None:
        """It is time to send a refresh."""
        ...

    def session_expired(self, now: Now) -> None:
        """The peer has not refreshed in time."""
        ...


class SessionTimer:
    """Says when to refresh, or when the peer should have."""

    def __init__(self, leg: Refreshed, timers: Timers, interval: int) -> None:
        self._leg = leg
        self._timers = timers
        self._interval = interval

    def refresh_ourselves(self, now: Now, chance: float) -> None:
        """We are the refresher from now on; `chance` in [0, 1) spreads the moment over four seconds."""
        self._timers.cancel(self, "expire")
        self._timers.set(self, "refresh", now.monotonic + self._interval / 2 - 3 + 4 * chance)

    def expect_refresh(self, now: Now) -> None:
        """The peer is the refresher, and has just refreshed."""
        self._timers.cancel(self, "refresh")
        self._timers.set(self, "expire", now.monotonic + 0.9 * self._interval)

    def stop(self) -> None:
        self._timers.cancel(self, "refresh", "expire")

    def handle_timer(self, timer: str, now: Now) -> None:
        if timer == "refresh":
            self._leg.refresh_session(now)
        else:
            self._leg.session_expired(now)
