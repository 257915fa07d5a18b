"""The tokens by which connections are logged in: told when they end soon, renewed, and the end of what is not. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from offhook.clock import Now, Timers
from offhook.cti.events import TokenExpiring, TokenExpiringResponse, iso_time
from offhook.gateway.interface import Token


class Passes:
    """One token a connection. `warn` is told `warning` seconds before the end of one, `end` at its end."""

    def __init__(
        self,
        timers: Timers,
        warning: float,
        *,
        warn: Callable[[str, TokenExpiring], None],
        end: Callable[[str, Now], None],
    ) -> None:
        self._timers = timers
        self._warning = warning
        self._warn = warn
        self._end = end
        self._tokens: dict[str, Token] = {}

    def of(self, connection: str) -> Token | None:
        return self._tokens.get(connection)

    def use(self, connection: str, token: Token | None, now: Now) -> None:
        """From now on this is what the connection proves; None: a password."""
        self.drop(connection)
        if token is not None:
            self._tokens[connection] = token
            end = now.monotonic + token.expires - now.wall
            self._timers.set(self, f"soon {connection}", max(now.monotonic, end - self._warning))
            self._timers.set(self, f"over {connection}", end)

    def drop(self, connection: str) -> None:
        """The connection is gone, or its agent is."""
        if self._tokens.pop(connection, None) is not None:
            self._timers.cancel(self, f"soon {connection}", f"over {connection}")

    def supervise(self, connections: Iterable[str]) -> bool:
        """Whether one of these has the token of a supervisor."""
        tokens = (self._tokens.get(connection) for connection in connections)
        return any(token is not None and token.role == "supervisor" for token in tokens)

    def handle_timer(self, timer: str, now: Now) -> None:
        kind, _, connection = timer.partition(" ")
        token = self._tokens[connection]
        if kind == "over":
            self._end(connection, now)
            return
        left = max(0, round(token.expires - now.wall))
        told = TokenExpiringResponse(loginId=token.extension, expiresAt=iso_time(token.expires), seconds=left)
        self._warn(connection, TokenExpiring(response=told))
