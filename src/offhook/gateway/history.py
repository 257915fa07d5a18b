"""The calls that are over, the latest some thousand, as events told them. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping

import msgspec

from offhook.cti.events import Dialog, DialogMessage, Event, iso_time
from offhook.gateway.resources import CallRecord, Direction, other_number

MAX_CALLS = 10_000


class LiveCall(msgspec.Struct):
    """A call that is not over; times in seconds since 1970."""

    direction: Direction
    started: float
    answered: float | None = None


class History:
    """Watches what agents' desks are told."""

    def __init__(self, calls: int = MAX_CALLS) -> None:
        self._over: deque[tuple[str, CallRecord]] = deque(maxlen=calls)
        self._live: dict[str, dict[str, LiveCall]] = {}

    def __len__(self) -> int:
        return len(self._over)

    def see(self, extension: str, tenant: str, event: Event, wall: float) -> CallRecord | None:
        """An event of that agent, told at that time; gives the call that is over with it."""
        if not isinstance(event, DialogMessage) or event.response.dialog is None:
            return None
        dialog = event.response.dialog
        live = self._live.setdefault(extension, {})
        call = live.get(dialog.id)
        if call is None:
            if dialog.state == "DROPPED":
                return None  # the answer to a question about a call that is over
            direction: Direction = "outbound" if dialog.state in ("INITIATING", "INITIATED") else "inbound"
            call = live[dialog.id] = LiveCall(direction, wall)
        if call.answered is None and dialog.state in ("ACTIVE", "HELD"):
            call.answered = wall
        if dialog.state != "DROPPED":
            return None
        del live[dialog.id]
        record = _record(extension, dialog, call, wall)
        self._over.append((tenant, record))
        return record

    def live(self, extension: str) -> dict[str, LiveCall]:
        """What is known of that agent's calls that are not over, by dialog id."""
        return dict(self._live.get(extension, {}))

    def resume(self, extension: str, live: Mapping[str, LiveCall]) -> None:
        """An agent from another process comes with what that knew of its calls."""
        self._live[extension] = dict(live)

    def refill(self, calls: Iterable[tuple[str, CallRecord]]) -> None:
        """Tenants and calls of another process, the oldest first."""
        self._over.extend(calls)

    def forget(self, extension: str) -> None:
        """The agent is gone, and what it had open with it."""
        self._live.pop(extension, None)

    def read(self, tenant: str, extension: str | None, limit: int, before: str | None) -> list[CallRecord]:
        """The latest first."""
        found: list[CallRecord] = []
        for of, record in reversed(self._over):
            if of == tenant and extension in (None, record.extension) and (before is None or record.endedAt < before):
                found.append(record)
                if len(found) == limit:
                    break
        return found


def _record(extension: str, dialog: Dialog, call: LiveCall, wall: float) -> CallRecord:
    return CallRecord(
        id=dialog.id,
        extension=extension,
        direction=call.direction,
        number=other_number(dialog),
        callType=dialog.callType,
        queue=dialog.queueName,
        startedAt=iso_time(call.started),
        answeredAt=None if call.answered is None else iso_time(call.answered),
        endedAt=iso_time(wall),
        seconds=0.0 if call.answered is None else round(max(0.0, wall - call.answered), 3),
        endReason=dialog.callEndReason,
    )
