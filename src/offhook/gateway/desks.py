"""Desks: the connections as the hub sees them, how many there may be, how fast they ask, what they are told. Pure."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable

from offhook.clock import Now, Timers
from offhook.cti import codec
from offhook.cti.agent import AgentSession
from offhook.cti.commands import Command, Login
from offhook.cti.errors import Failure, failure
from offhook.cti.events import ToDesk, error
from offhook.gateway.interface import (
    CloseConnection,
    ConnectionClosed,
    ConnectionOpened,
    ConnectionReceived,
    HubOutput,
    HubSettings,
    Limits,
    Tell,
)
from offhook.gateway.turns import Turn, Turns

logger = logging.getLogger(__name__)

POLICY_VIOLATION, TOO_BIG, TRY_AGAIN_LATER = 1008, 1009, 1013
"""Close codes of RFC 6455 §7.4.1 and its registry."""


def masked(number: str) -> str:
    """A number as logs may show it: its last two characters."""
    return f"..{number[-2:]}" if len(number) > 2 else ".."


class Desk:
    """What is known of one connection."""

    def __init__(self, given: ConnectionOpened, limits: Limits, now: Now) -> None:
        self.name = given.connection
        self.trusted = given.trusted
        self.address = given.address
        self.bearer = given.token
        self.agent: Attended | None = None
        self.closing = False
        self.wrong_passwords = 0
        self.login: Login | None = None
        """A login that is carried out as soon as the agent before it is gone."""
        self.turns = Turns(limits, now, trusted=given.trusted)


class Attended:
    """An agent session with the desks that watch and command it."""

    def __init__(self, session: AgentSession, tenant: str) -> None:
        self.session = session
        self.tenant = tenant
        self.supervisor = False
        """The token of a desk says so."""
        self.desks: dict[str, Desk] = {}
        self.unattended = False
        self.kept = False
        """The journal has it."""
        self.logging_out = False
        self.successors: dict[str, Login] = {}
        """Logins that wait until it is gone, by connection."""

    @property
    def leaving(self) -> bool:
        """It is logging out, or was refused: a login needs a new session, when this one is gone."""
        return self.logging_out or self.session.over


class Desks:
    """All desks, by the name of their connection. `command` is given each text when its turn has come."""

    def __init__(
        self,
        settings: HubSettings,
        timers: Timers,
        *,
        put: Callable[[HubOutput], None],
        command: Callable[[Desk, str, Now], None],
    ) -> None:
        self.stopping = False
        """No new one is let in."""
        self.draining = False
        """No new agent, and no new call, is taken."""
        self._settings = settings
        self._limits = settings.limits
        self._timers = timers
        self._put = put
        self._command = command
        self._desks: dict[str, Desk] = {}
        self._addresses: Counter[str] = Counter()
        """Connections of each."""

    def __len__(self) -> int:
        return len(self._desks)

    def find(self, connection: str) -> Desk | None:
        return self._desks.get(connection)

    def opened(self, given: ConnectionOpened, now: Now) -> None:
        desk = Desk(given, self._limits, now)
        self._desks[given.connection] = desk
        self._addresses[given.address] += 1
        crowded = given.address and self._addresses[given.address] > self._limits.connections_per_address
        if self.stopping:
            self._turn_away(desk, "stopping", now)
        elif crowded or len(self._desks) > self._limits.connections:
            self._turn_away(desk, "too-many-connections", now)

    def _turn_away(self, desk: Desk, code: str, now: Now) -> None:
        self.tell_error(desk, failure(code), now)
        self.close(desk, TRY_AGAIN_LATER, code)

    def received(self, given: ConnectionReceived, now: Now) -> None:
        desk = self._desks.get(given.connection)
        if desk is None or desk.closing:
            return
        # Characters are counted first: octets are at most four times as many, and seldom need counting.
        size = len(given.text)
        if size * 4 > self._limits.message_bytes:
            size = len(given.text.encode(errors="surrogatepass"))
        if size > self._limits.message_bytes:
            self.tell_error(desk, failure("too-large"), now)
            self.close(desk, TOO_BIG, "too-large")
            return
        turn = desk.turns.ask(given.text, size, now)
        if turn is Turn.NOW:
            self._carry_out(desk, given.text, now)
        elif turn is Turn.NEVER:
            self.tell_error(desk, failure("too-fast"), now)
            self.close(desk, POLICY_VIOLATION, "too-fast")
        else:
            self._wait_for_turn(desk)

    def closed(self, given: ConnectionClosed) -> Desk | None:
        """A connection is gone; the desk that it was."""
        desk = self._desks.pop(given.connection, None)
        if desk is not None:
            self._addresses[desk.address] -= 1
            if not self._addresses[desk.address]:
                del self._addresses[desk.address]
            self._timers.cancel(self, f"turn {desk.name}")
        return desk

    def handle_timer(self, timer: str, now: Now) -> None:
        desk = self._desks[timer.removeprefix("turn ")]
        try:
            while (text := desk.turns.next(now)) is not None:
                self._carry_out(desk, text, now)
        finally:
            self._wait_for_turn(desk)

    def _carry_out(self, desk: Desk, text: str, now: Now) -> None:
        try:
            self._command(desk, text, now)
        except Exception:  # broad: a bug must not leave the desk in silence; the driver logs it
            if desk.agent is None:  # an agent tells it to all its desks
                self.tell_error(desk, failure("internal"), now)
            raise

    def _wait_for_turn(self, desk: Desk) -> None:
        if (due := desk.turns.due()) is not None:
            self._timers.set(self, f"turn {desk.name}", due)

    # What they are told

    def tell(self, desk: Desk, *messages: ToDesk | None) -> None:
        for message in messages:
            if message is not None:
                self._put(Tell((desk.name,), message))

    def tell_error(self, desk: Desk, why: Failure, now: Now, extension: str = "") -> None:
        if not extension and desk.agent is not None:
            extension = desk.agent.session.extension
        self.tell(desk, error(extension, why, None, now.wall, self.utc_offset(now)))

    def refuse(self, desk: Desk, command: Command, why: Failure, now: Now) -> None:
        """A command of that desk is not carried out."""
        self.tell_error(desk, why, now, getattr(command, "extension", ""))
        self.tell(desk, codec.failed(command, why))

    def close(self, desk: Desk, code: int, reason: str) -> None:
        logger.warning("= %s is closed: %s", desk.name, reason)
        desk.closing = True
        desk.turns.drop()
        self._put(CloseConnection(desk.name, code, reason))

    def utc_offset(self, now: Now) -> float:
        return self._settings.agent.utc_offset(now.wall)
