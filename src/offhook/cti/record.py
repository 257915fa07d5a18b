"""Calls as values: what another process needs to show and to end them. Small, JSON-able, without media."""

from __future__ import annotations

from typing import Any

import msgspec

from offhook.cti.call import Call, Phase
from offhook.cti.dialog import Kind
from offhook.cti.events import Dialog
from offhook.cti.workplace import Workplace


class CallRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One call. `up`: it was established, so it can go on; others cannot outlive their process."""

    dialog: Dialog
    kind: Kind
    session: str
    up: bool
    held: bool
    parked: bool
    customer: str | None = None
    """Of a consult that we made: the dialog id of the call that it is about."""
    customer_id: str | None = None
    queued: bool = False
    listens: bool = False
    conference: str | None = None


def write_calls(work: Workplace) -> list[Any]:
    """The calls that desks know of."""
    return [
        msgspec.to_builtins(
            CallRecord(
                dialog=call.dialog,
                kind=call.kind,
                session=call.session,
                up=call.phase is Phase.UP,
                held=call.held,
                parked=call.parked,
                customer=None if call.customer is None else call.customer.id,
                customer_id=call.customer_id,
                queued=call.queued,
                listens=call.listens,
                conference=call.conference,
            )
        )
        for call in work.calls.values()
        if call.announced and call.session is not None
    ]


def read_calls(records: list[Any], work: Workplace, alive: frozenset[str]) -> list[Call]:
    """Put the calls of another process into `work`; returns those that are gone: not up, or not `alive` sessions.

    Raises msgspec.ValidationError for what is no record.
    """
    gone = []
    read = msgspec.convert(records, list[CallRecord])
    for record in read:
        call = Call(
            record.dialog,
            record.kind,
            work.new_media(),
            Phase.UP,
            announced=True,
            answered=True,
            held=record.held,
            parked=record.parked,
            restored=True,
            customer_id=record.customer_id,
            queued=record.queued,
            listens=record.listens,
            silent=record.listens,
            conference=record.conference,
        )
        work.calls[call.id] = call
        work.attach(call, record.session)
        if not record.up or record.session not in alive:
            gone.append(call)
    for record in read:
        work.calls[record.dialog.id].customer = work.calls.get(record.customer or "")
    return gone
