"""What of the agents and their calls goes into the journal, and what comes back from it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from offhook.clock import Now
from offhook.cti.agent import Publish
from offhook.cti.records import AgentRecord, decode_event, encode_event
from offhook.cti.stream import Held, Persist
from offhook.gateway.desks import Attended
from offhook.gateway.history import History, LiveCall
from offhook.gateway.resources import CallRecord
from offhook.journal.entries import Entry, Keep, Kept, Over, Told
from offhook.ordered import Ordered

VERSION = 1


class AgentRow(msgspec.Struct, frozen=True, kw_only=True):
    """An agent as the journal has it. `live`: what the history knows of its calls, by dialog id."""

    version: int = VERSION
    tenant: str
    live: dict[str, LiveCall]
    agent: AgentRecord


class OverRow(msgspec.Struct, frozen=True, kw_only=True):
    """A call of the history."""

    tenant: str
    call: CallRecord


class Keeping:
    """Makes the entries of an agent's outputs. `owner` names this process."""

    def __init__(self, owner: str, history: History) -> None:
        self._owner = owner
        self._history = history
        self._over: list[Over] = []

    def over(self, tenant: str, call: CallRecord) -> None:
        """A call of the agent whose outputs are being performed is over."""
        self._over.append(Over(msgspec.json.encode(OverRow(tenant=tenant, call=call))))

    def order(self, agent: Attended, outputs: Sequence[Any], performed: Iterable[Any], now: Now) -> Ordered:
        """What the outputs of an agent's session became, with what has to be on the disk before it."""
        entries: list[Entry] = []
        extension = agent.session.extension
        for output in outputs:
            if isinstance(output, Persist) and (agent.kept or output.record is not None):
                entries.append(self._keep(agent, output))
                agent.kept = output.record is not None
            elif isinstance(output, Publish) and agent.kept:
                event = output.event
                if isinstance(event.seq, int) and isinstance(event.stream, str):
                    entries.append(Told(extension, event.stream, event.seq, now.wall, encode_event(event)))
        entries += self._over
        self._over = []
        return Ordered(extension, tuple(entries), tuple(performed))

    def _keep(self, agent: Attended, given: Persist) -> Keep:
        if given.record is None:
            return Keep(given.extension, self._owner, given.epoch, None)
        row = AgentRow(tenant=agent.tenant, live=self._history.live(given.extension), agent=given.record)
        return Keep(given.extension, self._owner, given.epoch, msgspec.json.encode(row))


def forgotten(kept: Kept) -> Ordered:
    """For an agent whose record is of no use: it is not to come up again."""
    return Ordered(kept.extension, (Keep(kept.extension, kept.owner, kept.epoch, None),), ())


def read_agent(kept: Kept) -> tuple[AgentRow, list[Held]]:
    """An agent from the journal, and its events. Raises msgspec.ValidationError, or msgspec.DecodeError, for what is
    none of ours, or of another version."""
    row = msgspec.json.decode(kept.record, type=AgentRow)
    if row.version != VERSION or row.agent.extension != kept.extension:
        raise msgspec.ValidationError(f"a row of version {row.version}, not {VERSION}, or another agent's")
    tail = []
    for wall, event in kept.events:
        try:
            tail.append(Held(wall, decode_event(event)))
        except msgspec.DecodeError:
            tail.clear()  # those before a gap are of no use
    return row, tail


def read_calls(rows: Iterable[bytes]) -> list[tuple[str, CallRecord]]:
    """The history from the journal, with the tenants; without what is none of ours."""
    found = []
    for data in rows:
        try:
            row = msgspec.json.decode(data, type=OverRow)
        except msgspec.DecodeError:
            continue
        found.append((row.tenant, row.call))
    return found
