"""Octets into messages, whole ones (datagram, WebSocket) and streams (RFC 3261 sections 7, 18.3 and 25).

Framing is strict, because two parties that disagree about it can be played off against each other; what stands in a
header is taken as it comes and judged when it is read.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import islice
from typing import Final

from offhook.errors import ParseError
from offhook.sip.grammar import TOKEN, key, known_key, number
from offhook.sip.headers import Headers
from offhook.sip.message import Request, Response

MAX_MESSAGE: Final = 64 * 1024
"""Octets of a message with its body."""
MAX_LINE: Final = 16 * 1024
"""Characters of a header with its continuation lines."""
MAX_HEADERS: Final = 512
"""Header lines."""

_REQUEST_LINE: Final = re.compile(rf"""({TOKEN.pattern}) ([^\x00-\x20\x7f<>"]++) ([Ss][Ii][Pp]/[0-9]\.[0-9])""")
_STATUS_LINE: Final = re.compile(r"([Ss][Ii][Pp]/[0-9]\.[0-9]) ([1-6][0-9]{2})(?: ([^\x00]*+))?")
_HEAD_END: Final = re.compile(rb"\r?\n\r?\n")
_FOLD: Final = re.compile(r"\r\n[ \t]++")
_BLANKS: Final = (" ", "\t")
# NUL may stand behind a backslash in a quoted string (RFC 4475 section 3.1.1.2) and nowhere else.
_BARE_NUL: Final = re.compile(rb"(?<!\\)\0")


@dataclass(frozen=True, slots=True)
class KeepAlive:
    """CRLFs between messages of a stream. `ping`: it was a double one, which RFC 5626 wants answered by a CRLF."""

    ping: bool


def parse_message(data: bytes) -> Request | Response:
    """The one message in `data`: a datagram, or a WebSocket message. ParseError, and nothing else, for what is none.

    CRLFs before it are skipped, lines may end in LF alone, what follows the body is dropped. A body shorter than its
    Content-Length is an error (RFC 3261 section 18.3).
    """
    if len(data) > MAX_MESSAGE:
        raise ParseError(f"a message of more than {MAX_MESSAGE} octets", 413)
    if data[:1] in (b"\r", b"\n"):
        data = data.lstrip(b"\r\n")
    end = data.find(b"\r\n\r\n")
    head = data[:end] if end >= 0 else data
    breaks = head.count(b"\n")
    if end < 0 or breaks != head.count(b"\r\n"):
        found = _HEAD_END.search(data)
        if found is None:
            raise ParseError("a message has no empty line behind its headers")
        head = data[: found.start()].replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
        breaks = head.count(b"\n")
        rest = found.end()
    else:
        rest = end + 4
    message = _parse_head(head, breaks)
    length = _content_length(message.headers)
    body = data[rest:]
    if length is not None and length != len(body):
        if length > len(body):
            raise ParseError("a body is shorter than its Content-Length")
        body = body[:length]
    message.body = body
    return message


class StreamParser:
    """Cuts a stream (TCP, TLS) into messages by Content-Length. After a ParseError the connection is to be closed."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._searched = 0
        # The message whose body is still to come, and the octets of it.
        self._waiting: Request | Response | None = None
        self._length = 0

    def receive(self, data: bytes) -> list[Request | Response | KeepAlive]:
        """What became complete with `data`. ParseError where the stream cannot be cut any further."""
        buffer = self._buffer
        buffer += data
        made: list[Request | Response | KeepAlive] = []
        while True:
            if self._waiting is None:
                self._skip_breaks(made)
                if not self._next_head():
                    break
            waiting = self._waiting
            if waiting is None or len(buffer) < self._length:
                break
            waiting.body = bytes(buffer[: self._length])
            del buffer[: self._length]
            made.append(waiting)
            self._waiting = None
        return made

    def _skip_breaks(self, made: list[Request | Response | KeepAlive]) -> None:
        while self._buffer[:2] == b"\r\n":
            ping = self._buffer[:4] == b"\r\n\r\n"
            del self._buffer[: 4 if ping else 2]
            made.append(KeepAlive(ping))

    def _next_head(self) -> bool:
        buffer = self._buffer
        end = buffer.find(b"\r\n\r\n", self._searched)
        if end < 0:
            if len(buffer) > MAX_MESSAGE:
                raise ParseError(f"a message of more than {MAX_MESSAGE} octets", 413)
            self._searched = max(0, len(buffer) - 3)
            return False
        head = bytes(buffer[:end])
        breaks = head.count(b"\n")
        if breaks != head.count(b"\r\n"):
            raise ParseError("a line of a stream does not end in CRLF")
        message = _parse_head(head, breaks)
        length = _content_length(message.headers)
        if length is None:
            raise ParseError("a message of a stream has no Content-Length")
        if end + 4 + length > MAX_MESSAGE:
            raise ParseError(f"a message of more than {MAX_MESSAGE} octets", 413)
        del buffer[: end + 4]
        self._searched = 0
        self._waiting = message
        self._length = length
        return True


def _parse_head(head: bytes, breaks: int) -> Request | Response:
    """Start line and headers, lines apart by CRLF (`breaks` of them), without the empty line; the body is empty."""
    if head.count(b"\r") != breaks:
        raise ParseError("a CR stands alone")
    if b"\0" in head and _BARE_NUL.search(head) is not None:
        raise ParseError("a NUL stands outside of a quoted string")
    text = head.decode("utf-8", "surrogateescape")
    lines = text.split("\r\n")
    if len(lines) > MAX_HEADERS + 1:
        raise ParseError(f"a message has more than {MAX_HEADERS} headers")
    headers = _index(lines)
    if headers is None:
        lines = _FOLD.sub(" ", text).split("\r\n")
        headers = _index(lines)
        if headers is None:
            raise ParseError("a header line has no colon")
    if len(text) > MAX_LINE and max(map(len, lines)) > MAX_LINE:
        raise ParseError(f"a line of more than {MAX_LINE} characters")
    found = _REQUEST_LINE.fullmatch(lines[0])
    if found is not None:
        method, uri, version = found.groups()
        return Request._received(method, uri, version, headers, b"")
    found = _STATUS_LINE.fullmatch(lines[0])
    if found is None:
        raise ParseError("a start line is neither that of a request nor of a response")
    version, status, phrase = found.groups()
    return Response._received(int(status), phrase or "", version, headers, b"")


def _index(lines: list[str]) -> Headers | None:
    """Headers of the lines behind the first one; None where one continues the line before or has no colon."""
    if len(lines) == 1:
        return Headers()
    # Without a loop, because this is half of the time that a message takes. Where a name was not seen before, or ends
    # in blanks, each is looked at.
    names, colons, values = zip(*[line.partition(":") for line in islice(lines, 1, None)], strict=True)
    if "" in colons:
        return None
    keys = [full for full in map(known_key, names) if full is not None]
    if len(keys) < len(names):
        if any(name[:1] in _BLANKS for name in names):
            return None
        names = tuple([name.rstrip(" \t") for name in names])
        keys = list(map(key, names))
    return Headers._of_lines(keys, list(names), [value.strip(" \t") for value in values])


def _content_length(headers: Headers) -> int | None:
    keys = headers._keys
    if "content-length" not in keys:
        return None
    value = headers._values[keys.index("content-length")]
    if keys.count("content-length") > 1 and len(set(headers.all("content-length"))) > 1:
        raise ParseError("a message has several Content-Lengths")
    return number(value, "Content-Length")
