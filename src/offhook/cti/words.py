"""Words: JSON objects by which agent and media server speak of what SIP has no method for. RB §7.3; no I/O, no state.

Dialect `freeswitch` carries them as in-dialog INFO of type `CONTENT_TYPE`, `efcx` as MESSAGE of text/plain outside of
dialogs. They are read leniently: what has the wrong type or is too long counts as not there, and what is no word at
all is None; nothing that a peer writes raises.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

CONTENT_TYPE = "application/vnd.offhook+json"
MAX_BYTES = 16384
MAX_TEXT = 128
MAX_MEMBERS = 32
"""Members beyond these are not looked at; a conference has at most 4."""

Stream = Literal["video", "screenshare"]
Status = Literal["on", "off"]
STREAMS: Mapping[str, Stream] = {"video": "video", "screenshare": "screenshare"}
"""By the names that desks give to calls and answers too."""


@dataclass(frozen=True, slots=True)
class Ask:
    """What the server is asked for. `id` is repeated by the word that tells what came of it."""

    event: str
    id: str
    fields: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def text(self) -> str:
        return write({"event": self.event, "id": self.id, **self.fields})


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """Somebody in a conference."""

    ext: str = field(repr=False)
    held: bool = False
    muted: bool = False
    customer: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """What was said; None where it was not, or not in a usable form."""

    event: str
    id: str | None = None
    reason: str | None = None
    dialog_id: str | None = None
    customer_dialog_id: str | None = None
    customer_number: str | None = field(default=None, repr=False)
    customer_destination: str | None = field(default=None, repr=False)
    agent: str | None = field(default=None, repr=False)
    conference: str | None = None
    members: tuple[Member, ...] = field(default=(), repr=False)
    stream: Stream | None = None
    stream_status: Status | None = None
    success: bool = True
    """`status` of a mediaConversion; of words that have none: True."""
    time: str | None = None


def write(word: Mapping[str, Any]) -> str:
    """A word as JSON text."""
    return msgspec.json.encode(word).decode()


def read(body: bytes) -> Word | None:
    """The word in a body; None where there is none."""
    if len(body) > MAX_BYTES:
        return None
    try:
        given = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    event = _text(_object(given).get("event"))
    if event is None:
        return None
    dialog = _object(given.get("dialog"))
    more = _object(given.get("additionalAttributes"))
    stream, status = dialog.get("stream"), dialog.get("streamStatus")
    return Word(
        event=event,
        id=_text(given.get("id")),
        reason=_text(given.get("reasonCode")),
        dialog_id=_text(dialog.get("id")),
        customer_dialog_id=_text(dialog.get("customerDialogId")),
        customer_number=_text(dialog.get("customerNumber")),
        customer_destination=_text(dialog.get("customerDestinationNumber")),
        agent=_text(dialog.get("agentExt")),
        conference=_text(_object(more.get("conference")).get("name")),
        members=_members(more.get("members")),
        stream=STREAMS.get(stream) if isinstance(stream, str) else None,
        stream_status=status if status in ("on", "off") else None,
        success=given.get("status", "success") == "success",
        time=_text(dialog.get("timeStamp")),
    )


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str | None:
    """A short printable text; a number counts as one, for scripts that write an extension without quotes."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**18:
        value = str(value)
    if not isinstance(value, str) or not 0 < len(value) <= MAX_TEXT:
        return None
    return value if value.isprintable() else None


def _members(value: object) -> tuple[Member, ...]:
    """Each once, in their order."""
    found: dict[str, Member] = {}
    for each in value[:MAX_MEMBERS] if isinstance(value, list) else ():
        given = _object(each)
        ext = _text(given.get("ext"))
        if ext is not None and ext not in found:
            found[ext] = Member(
                ext=ext,
                held=given.get("held") is True,
                muted=given.get("muted") is True,
                customer=given.get("customer") is True,
            )
    return tuple(found.values())
