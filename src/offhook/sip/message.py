"""Requests and responses: ordered headers as text, read as typed values when they are asked for (RFC 3261 section 7).

A message that came in is an index over its lines; no header is interpreted before someone reads the property, and what
was read is kept until the headers change. Reading what the peer wrote wrongly raises ParseError, whenever it is read.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime
from typing import Final, Self, TypeVar

from offhook.errors import LocalError, ParseError
from offhook.sip.fields import (
    Address,
    CSeq,
    Event,
    RAck,
    Reason,
    Replaces,
    RetryAfter,
    SessionExpires,
    SubscriptionState,
    Via,
    parse_call_id,
    parse_date,
)
from offhook.sip.grammar import capped_number, check_text, is_token, number, split
from offhook.sip.headers import Headers as Headers
from offhook.sip.phrases import PHRASES as PHRASES
from offhook.sip.uri import Uri

T = TypeVar("T")

# What a response takes from its request (RFC 3261 section 8.2.6.2).
_SINGLE: Final = ("from", "to", "call-id", "cseq")
_COPIED: Final = frozenset({"via", "from", "to", "call-id", "cseq"})
_NO_WORD: Final = frozenset({""})
_IP: Final = re.compile(r"[0-9A-Fa-f.:]+")
_URI_TEXT: Final = re.compile(r"""[^\x00-\x20\x7f<>"]+""")


class Message(ABC):
    """What requests and responses have in common.

    The properties raise ParseError where the peer wrote no such value; None stands for a header that is not there.
    """

    __slots__ = ("body", "headers", "version")
    headers: Headers
    body: bytes
    version: str

    def _first(self, name: str, parse: Callable[[str], T]) -> T | None:
        return self._needed(name, parse) if name in self.headers._keys else None

    def _needed(self, name: str, parse: Callable[[str], T]) -> T:
        headers = self.headers
        typed = headers._typed
        if name in typed:
            return typed[name]  # type: ignore[no-any-return]
        if name not in headers._keys:
            raise ParseError(f"the message has no {name}")
        value = typed[name] = parse(headers._values[headers._keys.index(name)])
        return value

    def _many(self, name: str, parse: Callable[[str], T]) -> list[T]:
        headers = self.headers
        made: list[T] | None = headers._typed.get("all " + name)
        if made is None:
            made = []
            for full, value in zip(headers._keys, headers._values, strict=True):
                if full == name:
                    made += [parse(value)] if "," not in value else [parse(piece) for piece in split(value, ",")]
            headers._typed["all " + name] = made
        return made.copy()

    def _words(self, name: str, lower: bool) -> frozenset[str]:
        headers = self.headers
        made: frozenset[str] | None = headers._typed.get("all " + name)
        if made is None:
            # Tokens have neither blanks nor quotes in them.
            text = ",".join(headers.all(name)).replace(" ", "").replace("\t", "")
            words = frozenset((text.lower() if lower else text).split(",")) - _NO_WORD
            if not all(map(is_token, words)):
                raise ParseError(f"the message has something other than tokens in {name}")
            made = headers._typed["all " + name] = words
        return made

    @property
    def via(self) -> Via:
        """The topmost Via."""
        return self._needed("via", _top_via)

    @property
    def vias(self) -> list[Via]:
        return self._many("via", Via.parse)

    @property
    def from_(self) -> Address:
        return self._needed("from", Address.parse)

    @property
    def to(self) -> Address:
        return self._needed("to", Address.parse)

    @property
    def call_id(self) -> str:
        return self._needed("call-id", parse_call_id)

    @property
    def cseq(self) -> CSeq:
        return self._needed("cseq", CSeq.parse)

    @property
    def contact(self) -> Address | None:
        """The first Contact; None also for `Contact: *`."""
        contacts = self.contacts
        return contacts[0] if contacts else None

    @property
    def contacts(self) -> list[Address]:
        """All Contacts; empty for `Contact: *` (see `wildcard_contact`)."""
        try:
            return self._many("contact", Address.parse)
        except ParseError:
            if self.wildcard_contact:
                return []
            raise

    @property
    def wildcard_contact(self) -> bool:
        """Whether it says `Contact: *`: all registrations are to be removed (RFC 3261 section 10.2.2)."""
        return self.headers.get("contact") == "*"

    @property
    def routes(self) -> list[Address]:
        return self._many("route", Address.parse)

    @property
    def record_routes(self) -> list[Address]:
        return self._many("record-route", Address.parse)

    @property
    def content_type(self) -> str | None:
        """Type and subtype in lower case, without parameters."""
        return self._first("content-type", _media_type)

    def is_of(self, content_type: str) -> bool:
        """Whether the body is of that type; False where it cannot be told."""
        try:
            return self.content_type == content_type
        except ParseError:
            return False

    @property
    def max_forwards(self) -> int | None:
        return self._first("max-forwards", lambda text: number(text, "Max-Forwards"))

    @property
    def expires(self) -> int | None:
        """Seconds; what is too large for 32 bits counts as the largest such number."""
        return self._first("expires", lambda text: capped_number(text, "Expires"))

    @property
    def min_expires(self) -> int | None:
        """Seconds."""
        return self._first("min-expires", lambda text: capped_number(text, "Min-Expires"))

    @property
    def min_se(self) -> int | None:
        """Seconds (RFC 4028 section 5)."""
        return self._first("min-se", lambda text: capped_number(text.partition(";")[0].rstrip(" \t"), "Min-SE"))

    @property
    def supported(self) -> frozenset[str]:
        """Option tags in lower case."""
        return self._words("supported", True)

    @property
    def require(self) -> frozenset[str]:
        """Option tags in lower case."""
        return self._words("require", True)

    @property
    def allow(self) -> frozenset[str]:
        """Methods."""
        return self._words("allow", False)

    @property
    def reasons(self) -> tuple[Reason, ...]:
        return tuple(self._many("reason", Reason.parse))

    @property
    def replaces(self) -> Replaces | None:
        return self._first("replaces", Replaces.parse)

    @property
    def refer_to(self) -> Address | None:
        """Also without the angle brackets that `?Replaces=...` needs, because some phones leave them out."""
        return self._first("refer-to", _target_of_refer)

    @property
    def referred_by(self) -> Address | None:
        """RFC 3892 §3."""
        return self._first("referred-by", Address.parse)

    @property
    def rseq(self) -> int | None:
        """RFC 3262 §7.1."""
        return self._first("rseq", lambda text: number(text.strip(" \t"), "RSeq"))

    @property
    def rack(self) -> RAck | None:
        return self._first("rack", RAck.parse)

    @property
    def session_expires(self) -> SessionExpires | None:
        return self._first("session-expires", SessionExpires.parse)

    @property
    def event(self) -> Event | None:
        return self._first("event", Event.parse)

    @property
    def subscription_state(self) -> SubscriptionState | None:
        return self._first("subscription-state", SubscriptionState.parse)

    @property
    def retry_after(self) -> RetryAfter | None:
        return self._first("retry-after", RetryAfter.parse)

    @property
    def date(self) -> datetime | None:
        return self._first("date", parse_date)

    @property
    def text(self) -> str:
        """The body as text; octets that are no UTF-8 become surrogates."""
        return self.body.decode("utf-8", "surrogateescape")

    def validate(self) -> None:
        """Check what RFC 3261 section 8.1.1 demands of every message; ParseError with the status to answer."""
        if self.version.upper() != "SIP/2.0":
            raise ParseError("a SIP version other than 2.0", 505)
        for name in ("from", "to", "call-id", "cseq", "max-forwards", "content-length", "content-type"):
            if len(self.headers.all(name)) > 1:
                raise ParseError(f"the message has {name} more than once")
        _ = (self.vias, self.via, self.from_, self.to, self.call_id, self.cseq, self.contacts, self.max_forwards)

    @abstractmethod
    def _start_line(self) -> str:
        """The first line; LocalError where it cannot be written."""

    def serialize(self) -> bytes:
        """The octets that go out, with the Content-Length of the body; LocalError where a line cannot be written."""
        headers = self.headers
        length = str(len(self.body))
        lines = [self._start_line()]
        lines += map(": ".join, zip(headers._names, headers._values, strict=True))
        if "content-length" not in headers._keys:
            lines.append(f"Content-Length: {length}")
        elif headers.all("content-length") != [length]:
            right = headers.copy()
            right.set("Content-Length", length)
            lines[1:] = [f"{name}: {value}" for name, value in right]
        lines.append("\r\n")
        return "\r\n".join(lines).encode("utf-8", "surrogateescape") + self.body

    def _carry_over(self, headers: Headers, body: bytes, version: str) -> None:
        self.headers = headers
        self.body = body
        self.version = version


class Request(Message):
    """A request. `uri` is the Request-URI as text, `target` the same typed."""

    __slots__ = ("_target", "method", "uri")

    def __init__(
        self,
        method: str,
        uri: str | Uri,
        headers: Headers | Iterable[tuple[str, str]] = (),
        body: bytes = b"",
        version: str = "SIP/2.0",
    ) -> None:
        """Raises LocalError for a method or URI that cannot stand in a start line, and as `Headers.add` does."""
        self.method = method
        self.uri = str(uri)
        self._target: tuple[str, Uri] | None = None
        self._carry_over(headers if isinstance(headers, Headers) else Headers(headers), body, version)
        self._start_line()

    @classmethod
    def _received(cls, method: str, uri: str, version: str, headers: Headers, body: bytes) -> Self:
        made = cls.__new__(cls)
        made.method = method
        made.uri = uri
        made._target = None
        made.headers = headers
        made.body = body
        made.version = version
        return made

    @property
    def target(self) -> Uri:
        """The Request-URI; ParseError."""
        known = self._target
        if known is None or known[0] is not self.uri:
            known = self._target = (self.uri, Uri.parse(self.uri))
        return known[1]

    def validate(self) -> None:
        """As `Message.validate`; also 400 for a CSeq of another method and for headers in the Request-URI (19.1.5)."""
        Message.validate(self)
        if self.cseq.method != self.method:
            raise ParseError("the method of the CSeq is not that of the request")
        if self.target.headers:
            raise ParseError("the Request-URI has headers in it")

    def note_source(self, host: str, port: str) -> None:
        """Write into the top Via where the request came from (RFC 3261 18.2.1); the port where asked (RFC 3581 4).

        What cannot stand in a Via is not written.
        """
        headers, via = self.headers, self.via
        parameters = via.parameters
        asked = "rport" in parameters
        if _IP.fullmatch(host) is not None and (asked or host != via.host.strip("[]")):
            parameters = parameters.replaced("received", host)
        if asked and port.isdecimal():
            parameters = parameters.replaced("rport", port)
        if parameters is not via.parameters:
            at = headers._keys.index("via")
            rest = split(headers._values[at], ",")[1:]
            headers._values[at] = ", ".join([str(replace(via, parameters=parameters)), *rest])
            headers._typed.clear()

    def response(self, status: int, phrase: str | None = None, *, to_tag: str | None = None) -> Response:
        """The response with what RFC 3261 section 8.2.6 copies from the request.

        `to_tag` is added to the To where it has none. Record-Route is copied where a dialog can be formed (12.1.1),
        Timestamp into a 100. LocalError for a status or phrase that is none.
        """
        copied = _COPIED
        if status == 100:
            copied |= {"timestamp"}
        elif status < 300 and self.method in ("INVITE", "SUBSCRIBE", "REFER", "NOTIFY"):
            copied |= {"record-route"}
        headers = self.headers._only(copied)
        headers._keep_first(_SINGLE)
        if to_tag is not None:
            if not is_token(to_tag):
                raise LocalError("a tag is no token")
            if not self._has_to_tag():
                # Not by `set`: what the peer wrote may hold an escaped NUL, and goes back as it came.
                headers._values[headers._keys.index("to")] += f";tag={to_tag}"
        return Response(status, phrase, headers)

    def _has_to_tag(self) -> bool:
        try:
            return self.to.tag is not None
        except ParseError:
            return True  # An answer to such a request is copied as it stands.

    def _start_line(self) -> str:
        if not is_token(self.method):
            raise LocalError("the method is no token")
        if _URI_TEXT.fullmatch(self.uri) is None:
            raise LocalError("the Request-URI has a character that it cannot have")
        return f"{self.method} {check_text(self.uri, 'the Request-URI')} {self.version}"

    def __repr__(self) -> str:
        return f"Request({self.method})"


class Response(Message):
    """A response."""

    __slots__ = ("phrase", "status")

    def __init__(
        self,
        status: int,
        phrase: str | None = None,
        headers: Headers | Iterable[tuple[str, str]] = (),
        body: bytes = b"",
        version: str = "SIP/2.0",
    ) -> None:
        """Raises LocalError for a status or phrase that cannot stand in a start line, and as `Headers.add` does."""
        self.status = status
        self.phrase = PHRASES.get(status, "") if phrase is None else phrase
        self._carry_over(headers if isinstance(headers, Headers) else Headers(headers), body, version)
        self._start_line()

    @classmethod
    def _received(cls, status: int, phrase: str, version: str, headers: Headers, body: bytes) -> Self:
        made = cls.__new__(cls)
        made.status = status
        made.phrase = phrase
        made.headers = headers
        made.body = body
        made.version = version
        return made

    def _start_line(self) -> str:
        if not 100 <= self.status <= 699:
            raise LocalError("the status is none of 100 to 699")
        return f"{self.version} {self.status} {check_text(self.phrase, 'the phrase')}"

    def __repr__(self) -> str:
        return f"Response({self.status} {self.phrase})"


def _top_via(text: str) -> Via:
    return Via.parse(text if "," not in text else split(text, ",")[0])


def _target_of_refer(text: str) -> Address:
    if "?" in text and "<" not in text:
        return Address(None, Uri.parse(text))
    return Address.parse(text)


def _media_type(text: str) -> str:
    kind, _, subtype = text.partition(";")[0].partition("/")
    kind, subtype = kind.strip(" \t").lower(), subtype.strip(" \t").lower()
    if not is_token(kind) or not is_token(subtype):
        raise ParseError("a Content-Type is malformed")
    return f"{kind}/{subtype}"
