"""A call as a record: how it begins, how each state changes it, and by which event it is told. Contract §3, §4; RB §4.

Records are immutable; each call has its own, so no event can show another call's data.
"""

from __future__ import annotations

from enum import Enum
from typing import Any, Literal

from msgspec.structs import replace

from offhook.cti.dialect import Invitation
from offhook.cti.events import (
    Actions,
    CallVariable,
    CallVariables,
    CampaignCall,
    ConsultCall,
    Dialog,
    DialogEvent,
    DialogResponse,
    DialogState,
    Monitoring,
    NewInboundCall,
    OutboundDialing,
    Participant,
    State,
    iso_time,
)

CONFERENCE = "CONFERENCE"
"""The callType of a call with several members."""
MAX_ID = 128
NO_NUMBER = "0000"
"""What a consulted agent is shown where the server does not tell the customer (RB §4.3)."""


class Kind(Enum):
    """What sort of call it is; decides by which event a dialog is told, for its whole life."""

    OUT = "out"
    IN = "in"
    CONSULT = "consult"
    CAMPAIGN = "campaign"
    MONITORING = "monitoring"


_CALL_TYPES: dict[Kind, str] = {
    Kind.OUT: "OUT",
    Kind.IN: "OTHER_IN",
    Kind.CONSULT: "CONSULT",
    Kind.CAMPAIGN: "OUTBOUND",
    Kind.MONITORING: "MONITORING",
}
_KINDS = {"CONSULT": Kind.CONSULT, "PROGRESSIVE": Kind.CAMPAIGN, "MONITORING": Kind.MONITORING}

_NAMES: dict[tuple[Kind, State], type[DialogEvent]] = {
    (Kind.OUT, "INITIATING"): OutboundDialing,
    (Kind.OUT, "INITIATED"): OutboundDialing,
    (Kind.MONITORING, "INITIATING"): OutboundDialing,
    (Kind.MONITORING, "INITIATED"): OutboundDialing,
    (Kind.IN, "ALERTING"): NewInboundCall,
    (Kind.MONITORING, "ALERTING"): Monitoring,
}
_LASTING: dict[Kind, type[DialogEvent]] = {Kind.CONSULT: ConsultCall, Kind.CAMPAIGN: CampaignCall}

_TALKING = ("TRANSFER_SST", "HOLD", "SEND_DTMF", "DROP")
_ACTIONS: dict[State, Actions] = {
    "INITIATING": Actions(_TALKING),
    "INITIATED": Actions(_TALKING),
    "ALERTING": Actions(("ANSWER",)),
    "ACTIVE": Actions(_TALKING),
    "HELD": Actions(("RETRIEVE", "TRANSFER_SST", "DROP")),
    "DROPPED": Actions(()),
}


def kind_of(call_type: str | None) -> Kind:
    """The kind of an inbound call by its X-Calltype (contract §3)."""
    return _KINDS.get(call_type or "", Kind.IN)


def event_of(kind: Kind, dialog: Dialog, login_id: str) -> DialogEvent:
    """The event that tells this record."""
    named = _LASTING.get(kind) or _NAMES.get((kind, dialog.state), DialogState)
    return named(response=DialogResponse(loginId=login_id, dialog=dialog))


def _own(extension: str, address_type: str, state: State, wall: float) -> Participant:
    at = iso_time(wall)
    return Participant(
        actions=_ACTIONS[state],
        mediaAddress=extension,
        mediaAddressType=address_type,
        startTime=at,
        state=state,
        stateChangeTime=at,
    )


def outbound(
    dialog_id: str,
    number: str,
    destination: str,
    media_type: str,
    *,
    extension: str,
    address_type: str,
    originator: Literal["webrtc", "normal"],
    wall: float,
    kind: Kind = Kind.OUT,
) -> Dialog:
    """The record of a call that the agent makes."""
    return Dialog(
        id=dialog_id,
        fromAddress=extension,
        dialedNumber=number,
        customerNumber=number,
        dnis=number,
        serviceIdentifier=destination,
        callType=_CALL_TYPES[kind],
        ani=number,
        participants=(_own(extension, address_type, "INITIATING", wall),),
        state="INITIATING",
        mediaType=media_type,
        callOriginator=originator,
        channelType="WEB_RTC" if originator == "webrtc" else "VOICE",
    )


def inbound(
    dialog_id: str, told: Invitation, *, has_audio: bool, extension: str, address_type: str, wall: float
) -> Dialog:
    """The record of a call that rings."""
    kind = kind_of(told.call_type)
    consult = kind is Kind.CONSULT
    destination = told.destination or (NO_NUMBER if consult else extension)
    webrtc = told.media_type is not None and not consult
    return Dialog(
        id=dialog_id,
        fromAddress=told.number,
        dialedNumber=destination,
        customerNumber=(told.customer or NO_NUMBER) if consult else told.number,
        dnis=told.destination or extension,
        serviceIdentifier=destination,
        callType=_CALL_TYPES[kind],
        ani=told.number,
        queueName=told.queue,
        queueType=told.queue_type,
        participants=(_own(extension, address_type, "ALERTING", wall),),
        callVariables=CallVariables(tuple(CallVariable(name, value) for name, value in told.variables)),
        state="ALERTING",
        mediaType="audio" if consult else told.media_type or ("audio" if has_audio else None),
        callOriginator="webrtc" if webrtc else "normal",
        channelType="WEB_RTC" if webrtc else "VOICE",
    )


def moved(dialog: Dialog, state: State, wall: float, **changes: Any) -> Dialog:
    """The record in another state; `changes` are further fields of it. ACTIVE carries isCallEnded 0, always."""
    own = replace(dialog.participants[0], state=state, actions=_ACTIONS[state], stateChangeTime=iso_time(wall))
    return replace(dialog, state=state, participants=(own, *dialog.participants[1:]), **changes)


def kept(dialog: Dialog, state: State, wall: float, **changes: Any) -> Dialog:
    """`moved`; but a conference goes on while one of its members holds: that one alone moves (RB §3.6)."""
    changed = moved(dialog, state, wall, **changes)
    return replace(changed, state="ACTIVE") if dialog.callType == CONFERENCE else changed


def member(ext: str, address_type: str, wall: float, *, held: bool, mute: bool) -> Participant:
    """Another member of a conference."""
    return replace(_own(ext, address_type, "HELD" if held else "ACTIVE", wall), mute=mute)


def changed(other: Participant, state: State, wall: float, *, mute: bool) -> Participant:
    """Another member in another state."""
    return replace(other, state=state, actions=_ACTIONS[state], mute=mute, stateChangeTime=iso_time(wall))


def answered(dialog: Dialog, wall: float, **changes: Any) -> Dialog:
    """ACTIVE for the first time: the agent's part of the call begins now."""
    active = moved(dialog, "ACTIVE", wall, isCallAlreadyActive=False, **changes)
    return replace(active, participants=(replace(active.participants[0], startTime=iso_time(wall)),))


def muted(dialog: Dialog, mute: bool, wall: float) -> Dialog:
    own = replace(dialog.participants[0], mute=mute, stateChangeTime=iso_time(wall))
    return replace(dialog, participants=(own, *dialog.participants[1:]))


def dropped(dialog: Dialog, reason: str | None, wall: float, *, ended: Literal[0, 1] = 1) -> Dialog:
    """The last record of a call; `ended` 0 where it goes on elsewhere."""
    last = moved(
        dialog,
        "DROPPED",
        wall,
        isCallAlreadyActive=False,
        isCallEnded=ended,
        callEndReason=reason,
        endCallReason=reason,
    )
    return muted(last, False, wall)


def again(dialog: Dialog) -> Dialog:
    """The record for a desk that may have seen it before: a call that is up has been active already."""
    return replace(dialog, isCallAlreadyActive=dialog.state in ("ACTIVE", "HELD"))


def usable_id(wanted: str | None) -> str | None:
    """An id that the server gave, where it can be used as one."""
    if wanted is None or len(wanted) > MAX_ID or not wanted.isprintable():
        return None
    return wanted
