"""Values of header fields: each with `parse`, and `str` that writes it.

Types that come in comma lists have `parse_many`. What `parse` accepts, `str` can always write into a message again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final, Literal, Self, TypeVar

from offhook.errors import ParseError
from offhook.sip.grammar import (
    HOST,
    NO_PARAMETERS,
    TOKEN,
    Parameters,
    capped_number,
    end_of_quoted,
    is_token,
    number,
    quote,
    split,
    unquote,
)
from offhook.sip.uri import Uri

__all__ = [
    "Address",
    "CSeq",
    "Challenge",
    "Credentials",
    "Event",
    "NO_PARAMETERS",
    "Parameters",
    "RAck",
    "Reason",
    "Replaces",
    "RetryAfter",
    "SessionExpires",
    "SubscriptionState",
    "Via",
    "parse_date",
    "parse_list",
]

T = TypeVar("T")

_VIA: Final = re.compile(
    rf"[Ss][Ii][Pp][ \t]*+/[ \t]*+([0-9.]{{1,8}})[ \t]*+/[ \t]*+({TOKEN.pattern})[ \t]++"
    rf"({HOST})[ \t]*+(?::[ \t]*+([0-9]{{1,5}})[ \t]*+)?+(;.*)?+",
    re.DOTALL,
)
_CSEQ: Final = re.compile(rf"[ \t]*+([0-9]++)[ \t]++({TOKEN.pattern})[ \t]*+")
_WORD: Final = re.compile(r"""[^\x00-\x20\x7f;,"]+""")
_CALL_ID: Final = re.compile(r"[^\x00-\x20\x7f]+")
_SCHEME: Final = re.compile(rf"({TOKEN.pattern})[ \t]++(?=[^ \t=])(.*)", re.DOTALL)
_PAIR: Final = re.compile(rf"({TOKEN.pattern})[ \t]*+=[ \t]*+(.*)", re.DOTALL)
_TOKEN68: Final = re.compile(r"[A-Za-z0-9\-._~+/]++=*+")
_RETRY: Final = re.compile(r"[ \t]*+([0-9]++)[ \t]*+(?:\(([^\x00-\x1f()]*+)\))?[ \t]*+(;.*)?", re.DOTALL)
_DATE: Final = re.compile(
    r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), ([0-9]{1,2}) ([A-Z][a-z]{2}) ([0-9]{4}) ([0-9]{2}):([0-9]{2}):([0-9]{2}) GMT"
)
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def parse_list(parse: Callable[[str], T], text: str) -> list[T]:
    """Each piece of a comma list through `parse`; ParseError, also for an empty piece."""
    return [parse(piece) for piece in split(text, ",")]


@dataclass(frozen=True, slots=True)
class Address:
    """`"Name" <uri>;parameters`: From, To, Contact, Route, Refer-To and others (RFC 3261 section 20.10)."""

    display_name: str | None = field(repr=False)
    """Escapes resolved, quotes removed; None where there is none."""
    uri: Uri
    parameters: Parameters = NO_PARAMETERS

    @classmethod
    def parse(cls, text: str) -> Self:
        """From one address, with or without angle brackets; ParseError. Without them `;` begins header parameters."""
        text = text.strip(" \t")
        name: str | None = None
        if text.startswith('"'):
            end = end_of_quoted(text, 0)
            name = unquote(text[:end])
            text = text[end:].lstrip(" \t")
            if text[:1] != "<":
                raise ParseError("an address has no URI in angle brackets behind the name")
        opened = text.find("<")
        if opened < 0:
            plain, semicolon, rest = text.partition(";")
            if "?" in plain or "," in plain:
                raise ParseError("a URI with a question mark or comma needs angle brackets around it")
            return cls(None, Uri.parse(plain.rstrip(" \t")), Parameters.parse(rest) if rest else NO_PARAMETERS)
        if opened:
            name = text[:opened].rstrip(" \t")
            if '"' in name or ">" in name or ";" in name:
                raise ParseError("a display name is malformed")
        closed = text.find(">", opened)
        if closed < 0:
            raise ParseError("an angle bracket is not closed")
        rest = text[closed + 1 :]
        if not rest:
            return cls(name, Uri.parse(text[opened + 1 : closed]))
        if rest[0] != ";" and rest.lstrip(" \t")[:1] != ";":
            raise ParseError("an address has something other than parameters behind it")
        return cls(name, Uri.parse(text[opened + 1 : closed]), Parameters.parse(rest))

    @classmethod
    def parse_many(cls, text: str) -> list[Self]:
        """From a comma list; ParseError."""
        return parse_list(cls.parse, text)

    @property
    def tag(self) -> str | None:
        return self.parameters.get("tag")

    def with_tag(self, tag: str) -> Self:
        """A copy with that tag in place of any other."""
        return replace(self, parameters=self.parameters.replaced("tag", tag))

    def __str__(self) -> str:
        name = "" if self.display_name is None else f"{quote(self.display_name)} "
        return f"{name}<{self.uri}>{self.parameters}"


@dataclass(frozen=True, slots=True)
class Via:
    """One hop (RFC 3261 section 20.42, RFC 3581)."""

    transport: str
    """As written: UDP, TCP, TLS, WS, WSS or another token."""
    host: str
    port: int | None = None
    parameters: Parameters = NO_PARAMETERS
    version: str = "2.0"

    @classmethod
    def parse(cls, text: str) -> Self:
        """From one hop; ParseError."""
        found = _VIA.fullmatch(text.strip(" \t"))
        if found is None:
            raise ParseError("a Via is malformed")
        version, transport, host, digits, rest = found.groups()
        port = None
        if digits is not None and (port := int(digits)) > 65535:
            raise ParseError("a port is above 65535")
        return cls(transport, host, port, Parameters.parse(rest) if rest else NO_PARAMETERS, version)

    @classmethod
    def parse_many(cls, text: str) -> list[Self]:
        """From a comma list; ParseError."""
        return parse_list(cls.parse, text)

    @property
    def branch(self) -> str | None:
        return self.parameters.get("branch")

    @property
    def received(self) -> str | None:
        return self.parameters.get("received")

    @property
    def rport(self) -> int | None:
        """The port that was filled in; None also where the parameter has no value yet. ParseError for no port."""
        text = self.parameters.get("rport")
        return number(text, "rport", 65535) if text else None

    def __str__(self) -> str:
        port = "" if self.port is None else f":{self.port}"
        return f"SIP/{self.version}/{self.transport} {self.host}{port}{self.parameters}"


@dataclass(frozen=True, slots=True)
class CSeq:
    """`314159 INVITE` (RFC 3261 section 20.16)."""

    number: int
    """0 to 2**32 - 1."""
    method: str

    @classmethod
    def parse(cls, text: str) -> Self:
        found = _CSEQ.fullmatch(text)
        if found is None:
            raise ParseError("a CSeq is malformed")
        digits, method = found.groups()
        return cls(number(digits, "CSeq"), method)

    def __str__(self) -> str:
        return f"{self.number} {self.method}"


@dataclass(frozen=True, slots=True)
class Challenge:
    """WWW-Authenticate or Proxy-Authenticate (RFC 3261 section 20.44, RFC 7235)."""

    scheme: str
    parameters: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Values without quotes by lower-case name; the first of a name counts."""
    token68: str | None = field(default=None, repr=False)
    """What stands in place of parameters in schemes such as Basic and Bearer."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """From a single one; ParseError."""
        made = cls.parse_many(text)
        if len(made) != 1:
            raise ParseError("several challenges or credentials where there can be one")
        return made[0]

    @classmethod
    def parse_many(cls, text: str) -> list[Self]:
        """From a line with one or more, such as `Digest realm="a, b", nonce=x, Basic realm="c"`; ParseError."""
        made: list[tuple[str, dict[str, str], str | None]] = []
        for piece in split(text, ","):
            found = _SCHEME.fullmatch(piece)
            if found is not None:
                scheme, piece = found.groups()
                if _TOKEN68.fullmatch(piece) and _PAIR.fullmatch(piece.rstrip("=")) is None:
                    made.append((scheme, {}, piece))
                    continue
                made.append((scheme, {}, None))
            elif TOKEN.fullmatch(piece) is not None:
                made.append((piece, {}, None))
                continue
            elif not piece:
                continue
            pair = _PAIR.fullmatch(piece)
            if pair is None or not made:
                raise ParseError("a challenge or credential is malformed")
            name, value = pair.groups()
            if value[:1] == '"' and end_of_quoted(value, 0) != len(value):
                raise ParseError("a challenge or credential is malformed")
            made[-1][1].setdefault(name.lower(), unquote(value))
        if not made:
            raise ParseError("a challenge or credential is empty")
        return [cls(scheme, parameters, token) for scheme, parameters, token in made]

    def __str__(self) -> str:
        return self._written(("algorithm", "stale", "nc", "userhash"))

    def _written(self, bare: tuple[str, ...]) -> str:
        if self.token68 is not None:
            return f"{self.scheme} {self.token68}"
        pairs = [
            f"{name}={value if name in bare and is_token(value) else quote(value)}"
            for name, value in self.parameters.items()
        ]
        return f"{self.scheme} {', '.join(pairs)}" if pairs else self.scheme


@dataclass(frozen=True, slots=True)
class Credentials(Challenge):
    """Authorization or Proxy-Authorization (RFC 3261 section 20.7)."""

    def __str__(self) -> str:
        return self._written(("algorithm", "qop", "nc", "userhash"))


@dataclass(frozen=True, slots=True)
class Replaces:
    """The dialog that an INVITE takes over (RFC 3891); tags as the receiver of the INVITE sees them."""

    call_id: str
    to_tag: str
    from_tag: str
    early_only: bool = False

    @classmethod
    def parse(cls, text: str) -> Self:
        """ParseError also where a tag is missing."""
        call_id, _, rest = text.strip(" \t").partition(";")
        parameters = Parameters.parse(rest)
        to_tag, from_tag = parameters.get("to-tag"), parameters.get("from-tag")
        if not to_tag or not from_tag:
            raise ParseError("a Replaces lacks a tag")
        return cls(parse_call_id(call_id), to_tag, from_tag, "early-only" in parameters)

    def __str__(self) -> str:
        tags = Parameters([("to-tag", self.to_tag), ("from-tag", self.from_tag)])
        return f"{self.call_id}{tags}{';early-only' if self.early_only else ''}"


@dataclass(frozen=True, slots=True)
class RAck:
    """Which reliable response a PRACK acknowledges (RFC 3262 §7.2): its RSeq, and the CSeq of the INVITE."""

    rseq: int
    cseq: CSeq

    @classmethod
    def parse(cls, text: str) -> Self:
        rseq, _, cseq = text.strip(" \t").partition(" ")
        return cls(number(rseq, "RAck"), CSeq.parse(cseq))

    def __str__(self) -> str:
        return f"{self.rseq} {self.cseq}"


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a call ended or a request was sent (RFC 3326)."""

    protocol: str
    """`SIP`, `Q.850` or another token."""
    cause: int | None = None
    text: str | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        protocol, _, rest = text.partition(";")
        parameters = Parameters.parse(rest)
        cause = parameters.get("cause")
        return cls(
            _word(protocol, "a Reason"),
            None if cause is None else number(cause, "the cause of a Reason"),
            parameters.get("text"),
        )

    @classmethod
    def parse_many(cls, text: str) -> list[Self]:
        """From a comma list; ParseError."""
        return parse_list(cls.parse, text)

    def __str__(self) -> str:
        cause = "" if self.cause is None else f";cause={self.cause}"
        text = "" if self.text is None else f";text={quote(self.text)}"
        return f"{self.protocol}{cause}{text}"


@dataclass(frozen=True, slots=True)
class SessionExpires:
    """Session timer (RFC 4028): seconds until the session ends unless it is refreshed, and by whom."""

    seconds: int
    refresher: Literal["uac", "uas"] | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """A refresher that is neither uac nor uas counts as none; ParseError."""
        seconds, semicolon, rest = text.partition(";")
        refresher: Literal["uac", "uas"] | None = None
        if semicolon:
            who = (Parameters.parse(rest).get("refresher") or "").lower()
            refresher = "uac" if who == "uac" else "uas" if who == "uas" else None
        return cls(capped_number(seconds.strip(" \t"), "Session-Expires"), refresher)

    def __str__(self) -> str:
        return f"{self.seconds}{f';refresher={self.refresher}' if self.refresher else ''}"


@dataclass(frozen=True, slots=True)
class Event:
    """Event package (RFC 6665): `refer;id=93809824`."""

    package: str
    id: str | None = None
    parameters: Parameters = NO_PARAMETERS
    """All of them, `id` too where it came in."""

    @classmethod
    def parse(cls, text: str) -> Self:
        package, _, rest = text.partition(";")
        parameters = Parameters.parse(rest)
        return cls(_word(package, "an Event"), parameters.get("id"), parameters)

    def __str__(self) -> str:
        parameters = self.parameters
        if self.id is not None and parameters.get("id") != self.id:
            parameters = parameters.replaced("id", self.id)
        return f"{self.package}{parameters}"


@dataclass(frozen=True, slots=True)
class SubscriptionState:
    """State of a subscription as a NOTIFY tells it (RFC 6665 section 8.2.3); seconds."""

    state: str
    """Lower case: active, pending, terminated or another token."""
    reason: str | None = None
    expires: int | None = None
    retry_after: int | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        state, _, rest = text.partition(";")
        parameters = Parameters.parse(rest)
        expires, retry = parameters.get("expires"), parameters.get("retry-after")
        return cls(
            _word(state, "a Subscription-State").lower(),
            parameters.get("reason"),
            None if expires is None else capped_number(expires, "expires"),
            None if retry is None else capped_number(retry, "retry-after"),
        )

    def __str__(self) -> str:
        pairs = [("reason", self.reason)] if self.reason is not None else []
        for name, value in (("expires", self.expires), ("retry-after", self.retry_after)):
            if value is not None:
                pairs.append((name, str(value)))
        return f"{self.state}{Parameters(pairs)}"


@dataclass(frozen=True, slots=True)
class RetryAfter:
    """When to try again (RFC 3261 section 20.33); seconds."""

    seconds: int
    comment: str | None = None
    parameters: Parameters = NO_PARAMETERS

    @classmethod
    def parse(cls, text: str) -> Self:
        found = _RETRY.fullmatch(text)
        if found is None:
            raise ParseError("a Retry-After is malformed")
        digits, comment, rest = found.groups()
        return cls(capped_number(digits, "Retry-After"), comment, Parameters.parse(rest or ""))

    def __str__(self) -> str:
        comment = "" if self.comment is None else f" ({self.comment})"
        return f"{self.seconds}{comment}{self.parameters}"


def parse_call_id(text: str) -> str:
    """A Call-ID without blanks around it; ParseError for one with blanks or control characters inside."""
    text = text.strip(" \t")
    if _CALL_ID.fullmatch(text) is None:
        raise ParseError("a Call-ID is empty or has a blank in it")
    return text


def parse_date(text: str) -> datetime:
    """A SIP-date (RFC 3261 section 20.17), which is always GMT; ParseError."""
    found = _DATE.fullmatch(text.strip(" \t"))
    if found is None or found.group(2) not in _MONTHS:
        raise ParseError("a Date is malformed")
    day, _, year, hour, minute, second = found.groups()
    try:
        month = _MONTHS.index(found.group(2)) + 1
        return datetime(int(year), month, int(day), int(hour), int(minute), int(second), tzinfo=UTC)
    except ValueError:
        raise ParseError("a Date is none of the calendar") from None


def _word(text: str, what: str) -> str:
    text = text.strip(" \t")
    if _WORD.fullmatch(text) is None:
        raise ParseError(f"{what} is malformed")
    return text
