"""An agent and its calls as values: what another process needs to go on with them. Small, JSON-able, without media.

A record is a secret: with a Call-ID and its tags a call is taken over, with an HA1 the agent logs in.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from offhook.cti.call import Call, Outgoing, Phase
from offhook.cti.dialog import Kind
from offhook.cti.events import Dialog, Dtmf, Event
from offhook.cti.words import Stream
from offhook.cti.workplace import Workplace
from offhook.media.engine import Direction

VERSION = 2
HIDDEN = "*"


class CallRecord(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One call. `up`: it was established, or we had accepted it, so it can go on; others cannot outlive their process.

    That it is muted, held by the other side, or what its variables are stands in `dialog`.
    """

    dialog: Dialog
    kind: Kind
    session: str
    """The user agent's name of its SIP dialog, in `AgentRecord.user_agent`."""
    up: bool
    held: bool
    parked: bool
    customer: str | None = None
    """Of a consult that we made: the dialog id of the call that it is about."""
    customer_id: str | None = None
    queued: bool = False
    listens: bool = False
    whispering: bool = False
    conference: str | None = None
    referred: bool = False
    known_as: str | None = None
    agent: str | None = None
    video: Direction | None = None
    stream: Stream | None = None
    headers: tuple[tuple[str, str], ...] = ()
    """Of the INVITE that we made it by."""


class StreamRecord(msgspec.Struct, frozen=True, kw_only=True):
    """How far the agent's events were numbered."""

    name: str
    seq: int


class AgentRecord(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One agent, whole. `credentials` are HA1s by realm and algorithm (in lower case), in place of the password.

    `owner` names the process that acts for the agent, and `epoch` rises with each process that takes it over: a record
    of a lower epoch than the one that is kept comes from a process that has lost the agent, and is not to be kept.
    """

    version: int = VERSION
    extension: str
    owner: str = ""
    epoch: int = 0
    logged_in: bool
    available: bool
    supervisor: bool = False
    stream: StreamRecord
    calls: tuple[CallRecord, ...]
    credentials: dict[str, dict[str, str]]
    user_agent: dict[str, Any]


def encode_record(record: AgentRecord) -> bytes:
    """A record as JSON."""
    return msgspec.json.encode(record)


def decode_record(data: bytes | str) -> AgentRecord:
    """The record of `encode_record`. Raises msgspec.ValidationError (a ValueError) for what is none, or of another
    version."""
    return _checked(msgspec.json.decode(data, type=AgentRecord))


def convert_record(value: AgentRecord | dict[str, Any]) -> AgentRecord:
    """A record from its JSON-able form (`AgentSession.snapshot`); raises as `decode_record`."""
    return value if isinstance(value, AgentRecord) else _checked(msgspec.convert(value, AgentRecord))


def _checked(record: AgentRecord) -> AgentRecord:
    if record.version != VERSION:
        raise msgspec.ValidationError(f"a record of version {record.version}, not {VERSION}")
    return record


def encode_event(event: Event) -> bytes:
    """An event as JSON, to be kept: digits, which may be those of a card, are masked (contract §7)."""
    if isinstance(event, Dtmf):
        response = msgspec.structs.replace(event.response, description=HIDDEN)
        event = msgspec.structs.replace(event, response=response)
    return msgspec.json.encode(event)


def decode_event(data: bytes | str) -> Event:
    """The event of `encode_event`. Raises msgspec.ValidationError (a ValueError) for what is none."""
    event: Event = msgspec.json.decode(data, type=Event)
    return event


# The calls


def write_calls(calls: Iterable[Call]) -> tuple[CallRecord, ...]:
    """The calls that desks know of."""
    return tuple(
        CallRecord(
            dialog=call.dialog,
            kind=call.kind,
            session=call.session,
            up=call.phase in (Phase.UP, Phase.ACCEPTED),
            held=call.held,
            parked=call.parked,
            customer=None if call.customer is None else call.customer.id,
            customer_id=call.customer_id,
            queued=call.queued,
            listens=call.listens,
            whispering=call.whispering,
            conference=call.conference,
            referred=call.referred,
            known_as=call.known_as,
            agent=call.agent,
            video=call.video,
            stream=call.stream,
            headers=call.headers,
        )
        for call in calls
        if call.announced and call.session is not None
    )


def _listening(record: CallRecord) -> Outgoing:
    """Who listens sends nothing, in another process neither."""
    direction = Direction.SENDRECV if record.whispering else Direction.RECVONLY
    return Outgoing(None, "", list(record.headers), direction)


def read_calls(records: Iterable[CallRecord], work: Workplace, alive: frozenset[str]) -> list[Call]:
    """Put the calls of another process into `work`; returns those that are gone: not up, or not `alive` sessions.

    One whose 200 was out and whose ACK nobody noted is up (RFC 3261 §13.3.1.4: else the caller ends it), which is told
    when it is back.
    """
    gone = []
    records = tuple(records)
    for record in records:
        up = record.up and record.session in alive
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
            outgoing=_listening(record) if record.listens else None,
            untold=up and record.dialog.state == "ALERTING",
            customer_id=record.customer_id,
            queued=record.queued,
            listens=record.listens,
            silent=record.listens and not record.whispering,
            whispering=record.whispering,
            conference=record.conference,
            referred=record.referred,
            known_as=record.known_as,
            agent=record.agent,
            video=record.video,
            stream=record.stream,
            headers=record.headers,
        )
        work.calls[call.id] = call
        work.attach(call, record.session)
        if not up:
            gone.append(call)
    for record in records:
        work.calls[record.dialog.id].customer = work.calls.get(record.customer or "")
    return gone
