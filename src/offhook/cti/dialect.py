"""How an intent becomes SIP, and what an INVITE tells: one class a dialect. Contract §2, §3; RB §3.3, §4.3, §4.7.

`freeswitch` is a stock FreeSWITCH with the dialplan that Offhook ships.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Protocol

from offhook.cti.words import CONTENT_TYPE, Ask
from offhook.sip.message import Request, Response

_ANSWER_AFTER = re.compile(r";[ \t]*answer-after[ \t]*=[ \t]*(\d{1,4})(?![\d.])", re.IGNORECASE)
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_VARIABLES = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitation:
    """What the headers of an INVITE tell; None where a header is missing or empty."""

    call_id: str | None
    call_type: str | None
    """Upper case: OUT, CONSULT, PROGRESSIVE, MONITORING or another word."""
    number: str = field(repr=False)
    destination: str | None = field(repr=False)
    customer: str | None = field(repr=False)
    customer_dialog: str | None = None
    """Of a consult: the dialog id under which who consults us knows the customer's call."""
    queue: str | None
    queue_type: str | None
    media_type: str | None
    variables: tuple[tuple[str, str], ...] = field(repr=False)
    answer_after: float | None
    """Seconds after which the server wants the call answered by itself."""


class Dialect(Protocol):
    """One way to say it in SIP."""

    name: str
    words: bool
    """The server speaks by words in the dialog (`words.CONTENT_TYPE`); else by MESSAGEs that name the dialog id."""

    def call_headers(self, destination: str, media_type: str) -> list[tuple[str, str]]:
        """Headers of the INVITE of an ordinary outbound call."""
        ...

    def monitoring_headers(self, destination: str, media_type: str) -> list[tuple[str, str]]:
        """Headers of the INVITE that listens to another agent; `destination` has the prefix already."""
        ...

    def express(self, ask: Ask) -> tuple[tuple[str, str], ...]:
        """The INFOs (content type, body) that ask for it, in order; empty: this server cannot be asked for it."""
        ...

    def answers(self, ask: Ask) -> bool:
        """Whether a word tells what came of it; else the answer to the last INFO does."""
        ...

    def consult_headers(self, customer: str, destination: str, dialog_id: str) -> list[tuple[str, str]]:
        """Headers of the INVITE of a consult about the call `dialog_id` with `customer`, who called `destination`."""
        ...

    def queue_headers(self, queue: str, queue_type: str) -> list[tuple[str, str]]:
        """Headers of a transfer to a queue."""
        ...

    def tells_agent(self, response: Response) -> bool:
        """Whether the server will say when an agent takes our call, which `response` says is in a queue or answered."""
        ...

    def read(self, request: Request) -> Invitation:
        """What an INVITE tells, of which From can be read (the user agent refuses others)."""
        ...

    def digit(self, digit: str, duration_ms: int) -> tuple[str, str]:
        """Content type and body of the INFO that sends a digit."""
        ...


class FreeSwitch:
    """Stock FreeSWITCH."""

    name = "freeswitch"
    words = True

    def call_headers(self, destination: str, media_type: str) -> list[tuple[str, str]]:
        return _headers(destination, media_type, "OUT")

    def monitoring_headers(self, destination: str, media_type: str) -> list[tuple[str, str]]:
        return _headers(destination, media_type, "MONITORING")

    def express(self, ask: Ask) -> tuple[tuple[str, str], ...]:
        return ((CONTENT_TYPE, ask.text()),)

    def answers(self, ask: Ask) -> bool:
        return True

    def consult_headers(self, customer: str, destination: str, dialog_id: str) -> list[tuple[str, str]]:
        return [
            ("X-Calltype", "CONSULT"),
            ("X-CustomerNumber", customer),
            ("X-Destination-Number", destination),
            ("X-Media-Type", "audio"),
            ("X-Customer-Dialog-Id", dialog_id),
        ]

    def queue_headers(self, queue: str, queue_type: str) -> list[tuple[str, str]]:
        return [("X-queueTransfer", queue), ("X-queueTypeTransfer", queue_type)]

    def tells_agent(self, response: Response) -> bool:
        return "update_display" in (response.headers.get("X-FS-Support") or "").lower()

    def read(self, request: Request) -> Invitation:
        def header(name: str) -> str | None:
            return readable(request.headers.get(name) or "").strip() or None

        caller = request.from_
        number = caller.uri.user
        if number is None and caller.uri.scheme == "tel":
            number = (caller.uri.opaque or "").partition(";")[0]
        call_type = header("X-Calltype")
        after = _ANSWER_AFTER.search(header("Call-Info") or "")
        given = {index: header(f"X-Call-Variable{index}") for index in range(_VARIABLES)}
        return Invitation(
            call_id=header("X-Call-Id"),
            call_type=None if call_type is None else call_type.upper(),
            number=readable(number or "anonymous"),
            destination=header("X-Destination-Number"),
            customer=header("X-CustomerNumber"),
            customer_dialog=header("X-Customer-Dialog-Id"),
            queue=_unless_nil(header("X-Queue")),
            queue_type=_unless_nil(header("X-Queuetype")),
            media_type=header("X-Media-Type"),
            variables=call_variables(readable(caller.display_name or ""), given),
            answer_after=None if after is None else float(after[1]),
        )

    def digit(self, digit: str, duration_ms: int) -> tuple[str, str]:
        return "application/dtmf-relay", f"Signal={digit}\r\nDuration={duration_ms}\r\n"


def _headers(destination: str, media_type: str, call_type: str) -> list[tuple[str, str]]:
    return [("X-Destination-Number", destination), ("X-Media-Type", media_type), ("X-Calltype", call_type)]


def readable(text: str) -> str:
    """Text of a peer as it can be written into JSON: bytes that were no UTF-8 become U+FFFD."""
    if text.isascii():
        return text
    return "".join("\ufffd" if "\ud800" <= character <= "\udfff" else character for character in text)


def _unless_nil(value: str | None) -> str | None:
    return None if value == "Nil" else value


def call_variables(display_name: str, headers: dict[int, str | None]) -> tuple[tuple[str, str], ...]:
    """`callVariable0..9` from the display name, split at `|`, and the headers (RB §4.7).

    Of several parts, part 0 counts only if it is a UUID; a lone part too. What the name does not give, the headers do.
    """
    parts = display_name.split("|")
    values: dict[int, str] = {}
    if _UUID.fullmatch(parts[0].strip()):
        values[0] = parts[0].strip()
    elif parts[0].strip() == "conference" and len(parts) == 1:
        values[0] = ""
    for index, part in enumerate(parts[1:_VARIABLES], 1):
        values[index] = part
    for index, value in headers.items():
        if value is not None and index not in values:
            values[index] = value
    return tuple((f"callVariable{index}", values[index]) for index in sorted(values))
