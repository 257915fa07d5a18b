"""Recorded SIP as text, and ladders drawn from it.

The format is that of the traces of FreeSWITCH that the tests replay, one block a message, lines ended by LF alone:

    ---- HH:MM:SS.mmm  1000 -> FS
    INVITE sip:1001@192.0.2.1 SIP/2.0
    ...

`->` is sent by the one named, `<-` received. Lines that begin with `## ` are remarks between messages, lines that begin
with `# ` at the top say what the file is; both are skipped.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from offhook.errors import ParseError
from offhook.sip.message import Request, Response
from offhook.sip.parser import parse_message

_BLOCK: Final = re.compile(r"^---- (\d\d:\d\d:\d\d\.\d{3})  (\S+) (->|<-) (\S+)\n", re.MULTILINE | re.ASCII)
_REMARK: Final = re.compile(r"^## \d\d:\d\d:\d\d\.\d{3} ", re.MULTILINE | re.ASCII)
_HEAD: Final = re.compile(rb"\r?\n\r?\n")
_LENGTH: Final = re.compile(rb"^(?:content-length|l)[ \t]*:[ \t]*([0-9]{1,9})[ \t]*\r?$", re.IGNORECASE | re.MULTILINE)

# Header lines with their continuation lines that carry something that proves who one is.
_SECRET_LINE: Final = re.compile(
    rb"^((?:proxy-)?auth(?:orization|enticate|entication-info)|www-authenticate)([ \t]*:[ \t]*)"
    rb"([^\r\n]*(?:\r?\n[ \t][^\r\n]*)*)",
    re.IGNORECASE | re.MULTILINE,
)
_SECRET_PARAMETER: Final = re.compile(
    rb"\b(response|rspauth|cnonce|nonce|nextnonce|opaque)([ \t]*=[ \t]*)(\"[^\"]*\"|[^\s,]+)", re.IGNORECASE
)
_DIGEST: Final = re.compile(rb"digest\b", re.IGNORECASE)
_DTMF_TYPE: Final = re.compile(
    rb"^(?:content-type|c)[ \t]*:[ \t]*application/dtmf(-relay)?\b", re.IGNORECASE | re.MULTILINE
)
_DTMF_SIGNAL: Final = re.compile(rb"^([ \t]*signal[ \t]*=[ \t]*)([^\s]+)", re.IGNORECASE | re.MULTILINE)
_DTMF_DIGIT: Final = re.compile(rb"[^\s]")
_SDP_SECRET: Final = re.compile(rb"^(a=ice-pwd:|a=crypto:[^\r\n]*?inline:)([^\s|]+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class TracedMessage:
    """One message of a trace."""

    at: str
    """Time of day, `HH:MM:SS.mmm`."""
    who: str
    """The one who recorded it: an extension, with a device behind a slash where there are several."""
    sent: bool
    """Sent by `who`; else received by it."""
    data: bytes = field(repr=False)
    peer: str = "FS"
    """The other side."""


def read_trace(text: str) -> list[TracedMessage]:
    """The messages of a trace, in order; text without any gives an empty list.

    Lines get their CRLF back, and a body ends where its Content-Length says.
    """
    parts = _BLOCK.split(text.replace("\r\n", "\n"))[1:]
    messages = []
    for at, who, arrow, peer, block in zip(*(parts[column::5] for column in range(5)), strict=True):
        remark = _REMARK.search(block)
        if remark is not None:
            block = block[: remark.start()]
        data = block.replace("\n", "\r\n").encode("utf-8", "surrogateescape")
        messages.append(TracedMessage(at, who, arrow == "->", _without_surplus(data), peer))
    return messages


def _without_surplus(data: bytes) -> bytes:
    end = data.find(b"\r\n\r\n")
    length = _LENGTH.search(data, 0, max(end, 0))
    return data if length is None else data[: end + 4 + int(length.group(1))]


def format_traced(message: TracedMessage) -> str:
    """The block of a message, secrets masked (see `mask`); it ends with a line feed."""
    text = mask(message.data).decode("utf-8", "surrogateescape").replace("\r\n", "\n")
    arrow = "->" if message.sent else "<-"
    end = "" if text.endswith("\n") else "\n"
    return f"---- {message.at}  {message.who} {arrow} {message.peer}\n{text}{end}"


def mask(data: bytes) -> bytes:
    """The message without what must not be written down.

    Masked are nonces, responses and other proofs of digest authentication, whole credentials of other schemes, dialled
    digits in INFO, and keys in SDP. Bodies keep their length. Works on octets, so also on what cannot be parsed.
    """
    found = _HEAD.search(data)
    head, body = (data, b"") if found is None else (data[: found.end()], data[found.end() :])
    head = _SECRET_LINE.sub(_mask_line, head)
    dtmf = _DTMF_TYPE.search(head)
    if dtmf is not None:
        body = _DTMF_SIGNAL.sub(_mask_value, body) if dtmf.group(1) else _DTMF_DIGIT.sub(b"*", body)
    return head + _SDP_SECRET.sub(_mask_value, body)


def _mask_line(found: re.Match[bytes]) -> bytes:
    name, colon, value = found.groups()
    if _DIGEST.match(value) or name.lower().endswith(b"-info"):
        return bytes(name + colon + _SECRET_PARAMETER.sub(rb'\1\2"***"', value))
    words = value.split(maxsplit=1)
    return bytes(name + colon + (words[0] + b" ***" if len(words) > 1 else b"***"))


def _mask_value(found: re.Match[bytes]) -> bytes:
    return bytes(found.group(1) + b"*" * len(found.group(2)))


_TIME: Final = 12
_SPAN: Final = 30
"""Characters between two lifelines."""
_LABEL: Final = _SPAN - 8


def draw_ladder(messages: Sequence[TracedMessage]) -> str:
    """A ladder for a terminal: time, one column a participant, an arrow a message, and what is remarkable about it.

    The peer stands second. Notes begin with the number of the Call-ID in order of appearance. No text of a message
    reaches the terminal with control characters in it.
    """
    if not messages:
        return "no messages\n"
    columns = _columns(messages)
    width = _SPAN * (len(columns) - 1)
    head = [" "] * (width + 1 + _SPAN)
    for at, name in enumerate(columns):
        _put(head, at * _SPAN, _shown(name, _SPAN - 2))
    lines = [" " * (_TIME + 3) + "".join(head).rstrip()]
    calls: dict[str, int] = {}
    for message in messages:
        parsed = _parsed(message.data)
        rails = [" "] * (width + 1)
        for at in range(len(columns)):
            rails[at * _SPAN] = "│"
        _draw_arrow(rails, columns.index(message.who), columns.index(message.peer), message.sent, _label(parsed))
        notes = "  ".join(_notes(parsed, calls))
        lines.append(f"{message.at:<{_TIME}}  {''.join(rails)}  {notes}".rstrip())
    return "\n".join(lines) + "\n"


def _columns(messages: Iterable[TracedMessage]) -> list[str]:
    names = list(dict.fromkeys(message.who for message in messages))
    peers = [peer for peer in dict.fromkeys(message.peer for message in messages) if peer not in names]
    return names[:1] + peers + names[1:]


def _put(row: list[str], at: int, text: str) -> None:
    row[at : at + len(text)] = text


def _draw_arrow(rails: list[str], who: int, peer: int, sent: bool, label: str) -> None:
    source, target = (who, peer) if sent else (peer, who)
    left, right = sorted((source * _SPAN, target * _SPAN))
    for at in range(left + 1, right):
        rails[at] = "┼" if rails[at] == "│" else "─"
    if source < target:
        rails[right - 1] = "▶"
    elif source > target:
        rails[left + 1] = "◀"
    # The label stands next to its sender, where the eye starts.
    text = f" {label} "
    _put(rails, left + 3 if source <= target else max(right - 2 - len(text), left + 3), text)


def _parsed(data: bytes) -> Request | Response | None:
    try:
        return parse_message(data)
    except ParseError:
        return None


def _label(message: Request | Response | None) -> str:
    if message is None:
        return "(no SIP message)"
    if isinstance(message, Request):
        return _shown(message.method, _LABEL)
    try:
        method = _shown(f" ({message.cseq.method})", _LABEL // 2)
    except ParseError:
        method = ""
    return _shown(f"{message.status} {message.phrase}", _LABEL - len(method)).rstrip() + method


def _notes(message: Request | Response | None, calls: dict[str, int]) -> list[str]:
    if message is None:
        return []
    call_id = message.headers.get("Call-ID") or ""
    notes = [f"#{calls.setdefault(call_id, len(calls) + 1)}"]
    kind = (message.headers.get("Content-Type") or "").partition(";")[0].strip(" \t").lower()
    if kind == "application/sdp":
        direction = re.search(r"^a=(sendonly|recvonly|inactive)\r?$", message.text, re.MULTILINE)
        notes.append(f"SDP {direction.group(1)}" if direction else "SDP")
    elif kind == "message/sipfrag":
        notes.append(f"sipfrag {message.text.partition(chr(13))[0]}")
    elif kind and message.body:
        notes.append(kind)
    for name in ("Event", "Subscription-State", "Refer-To", "Replaces", "Session-Expires", "Reason"):
        value = message.headers.get(name)
        if value is not None:
            notes.append(f"{name}: {value}")
    return [_shown(note, 72) for note in notes]


def _shown(text: str, limit: int) -> str:
    text = "".join(char if char.isprintable() else "·" for char in text)
    return text if len(text) <= limit else f"{text[: limit - 1]}…"
