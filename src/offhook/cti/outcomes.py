"""One outcome for every command: a ticket is opened when it comes, and closed once, by done or failed, in time.

Contract §1: the commandResult goes to the connection that asked, and only if the command had an `id`; that something
failed is an `Error` event for every desk of the agent.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from msgspec import UNSET

from offhook.clock import Now, TimerOwner, Timers
from offhook.cti.commands import BargeIn, Command, SilentMonitor, Whisper
from offhook.cti.errors import TARGET, Failure
from offhook.cti.events import CommandResult, result_error
from offhook.cti.stream import Audit, Outbox

TIMER = "ticket:"
_UNHEARD = ("not-logged-in", "out-of-service", "unknown-dialog")
"""Why a supervisor's command may fail before those who carry it out hear of it, and audit it."""


@dataclass(slots=True, eq=False)
class Ticket:
    """A command that has no outcome yet. `origin` is where the result goes."""

    serial: int
    command: Command
    origin: str | None
    dialog_id: str | None
    closed: bool = field(default=False)

    @property
    def timer(self) -> str:
        return f"{TIMER}{self.serial}"


class Outcomes:
    """The open tickets of an agent. Their timers are `owner`'s, named `ticket:<serial>`."""

    def __init__(self, outbox: Outbox, timers: Timers, owner: TimerOwner, timeout: float) -> None:
        self.open: dict[int, Ticket] = {}
        self._outbox = outbox
        self._timers = timers
        self._owner = owner
        self._timeout = timeout
        self._serial = 0

    def begin(self, command: Command, origin: str | None) -> Ticket:
        self._serial += 1
        ticket = Ticket(self._serial, command, origin, getattr(command, "dialogId", None))
        self.open[ticket.serial] = ticket
        return ticket

    def start(self, ticket: Ticket, now: Now) -> None:
        """Its execution begins: from now on its time runs. Begun once, it is not begun anew by its next step."""
        if not ticket.closed and not self._timers.is_set(self._owner, ticket.timer):
            self._timers.set(self._owner, ticket.timer, now.monotonic + self._timeout)

    def of_timer(self, timer: str) -> Ticket:
        """The ticket whose timer that is; a closed one has none."""
        return self.open[int(timer.removeprefix(TIMER))]

    def done(self, ticket: Ticket | None, result: Any = UNSET) -> None:
        """It came about; `result` is the answer of a query. A closed ticket stays as it is."""
        if ticket is None or not self._close(ticket) or ticket.command.id is None:
            return
        command = ticket.command
        self._outbox.reply(
            ticket.origin,
            CommandResult(
                id=str(command.id), action=command.action, status="done", dialogId=ticket.dialog_id, result=result
            ),
        )

    def failed(self, ticket: Ticket | None, why: Failure, now: Now, *, tell: bool = True) -> None:
        """It did not come about. `tell`: by an Error event too; not where another event tells it already."""
        if ticket is None or not self._close(ticket):
            return
        if tell:
            self._outbox.error(why, ticket.dialog_id, now)
        self._audit(ticket, why, now)
        command = ticket.command
        if command.id is not None:
            self._outbox.reply(
                ticket.origin,
                CommandResult(
                    id=command.id,
                    action=command.action,
                    status="failed",
                    error=result_error(why, ticket.dialog_id),
                    dialogId=ticket.dialog_id,
                ),
            )

    def _audit(self, ticket: Ticket, why: Failure, now: Now) -> None:
        """Attempts to listen that nobody else notes: by a number that monitors, or at the wrong time."""
        command, target = ticket.command, ""
        if isinstance(command, SilentMonitor | Whisper | BargeIn):
            if why.code not in _UNHEARD:
                return
            target = command.calledNumber if isinstance(command, SilentMonitor) else ""
        elif why.code == "monitoring-number":
            target = why.description.removeprefix(TARGET)
        else:
            return
        audit = Audit(command.action, self._outbox.login_id, target, ticket.dialog_id, why.code, now.wall)
        self._outbox.put(audit)

    def _close(self, ticket: Ticket) -> bool:
        if ticket.closed:
            return False
        ticket.closed = True
        del self.open[ticket.serial]
        self._timers.cancel(self._owner, ticket.timer)
        return True
