"""SIP, SIPS and other URIs (RFC 3261 section 19.1, RFC 3966, RFC 3986)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final, Self

from offhook.errors import LocalError, ParseError
from offhook.sip.grammar import HOST, Parameters, escape, unescape

_SIP: Final = re.compile(
    rf"""(?:([^\x00-\x20\x7f<>"@]*+)@)?({HOST})(?::([0-9]{{1,5}}))?((?:;[^\x00-\x20\x7f<>"?]*+)?)(?:\?([^\x00-\x20\x7f<>"]*+))?"""
)
_OPAQUE: Final = re.compile(r"""[^\x00-\x20\x7f<>"]+""")
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*")
_HOST: Final = re.compile(HOST)

# What must be written as %HH (section 25.1). In a user part `;` and `?` are escaped too, though they may stand there:
# a number that someone typed must never look like a parameter.
_UNSAFE_USER: Final = re.compile(r"[^A-Za-z0-9\-_.!~*'()&=+$,/]")
_UNSAFE_PASSWORD: Final = re.compile(r"[^A-Za-z0-9\-_.!~*'()&=+$,]")
_UNSAFE_PARAMETER: Final = re.compile(r"[^A-Za-z0-9\-_.!~*'()\[\]/:&+$]")
_UNSAFE_HEADER: Final = re.compile(r"[^A-Za-z0-9\-_.!~*'()\[\]/?:+$]")


class UriParameters(Parameters):
    """Parameters inside a URI: no quotes, `%HH` instead."""

    __slots__ = ()

    @classmethod
    def in_uri(cls, text: str) -> Self:
        """As `parse`, for text of which a URI's pattern has checked the characters."""
        pairs: list[tuple[str, str | None]] = []
        for part in text.removesuffix(";").split(";")[1:]:
            name, equals, value = part.partition("=")
            if not name:
                raise ParseError("a parameter in a URI has no name")
            pairs.append((name, value if equals else None))
        return cls._of(tuple(pairs))

    @staticmethod
    def _write(value: str) -> str:
        return escape(value, _UNSAFE_PARAMETER)

    @staticmethod
    def _read(raw: str) -> str:
        return unescape(raw)

    @staticmethod
    def _key(name: str) -> str:
        return unescape(name).lower()


NO_URI_PARAMETERS: Final = UriParameters()


@dataclass(frozen=True, slots=True)
class Uri:
    """A URI, taken apart as far as its scheme is known. `str()` writes it.

    User, password and `headers` are held with their escapes resolved, so they may contain any character: check before
    you put them into a line.
    """

    scheme: str
    """Lower case."""
    user: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    host: str = ""
    """As written; an IPv6 address in its brackets. Empty for other schemes than sip and sips."""
    port: int | None = None
    parameters: Parameters = NO_URI_PARAMETERS
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    opaque: str | None = field(default=None, repr=False)
    """All that follows the colon, where the scheme is not sip or sips."""
    written_user: str | None = field(default=None, repr=False, compare=False)
    """User and password as they were received, where `str` would escape them otherwise than the peer does."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """From text without angle brackets around it; ParseError."""
        scheme, _, rest = text.partition(":")
        scheme = scheme.lower()
        if scheme != "sip" and scheme != "sips":
            if _SCHEME.fullmatch(scheme) is None or _OPAQUE.fullmatch(rest) is None:
                raise ParseError("a URI is malformed")
            return cls(scheme, opaque=rest)
        found = _SIP.fullmatch(rest)
        if found is None:
            raise ParseError("a SIP URI is malformed")
        user, host, digits, parameters, headers = found.groups()
        password = written = None
        if user is not None and (not user.isalnum() or not user.isascii()):
            written = user
            user, colon, secret = user.partition(":")
            user = unescape(user)
            password = unescape(secret) if colon else None
            if _user_info(user, password) == written:
                written = None
        port = None
        if digits is not None and (port := int(digits)) > 65535:
            raise ParseError("a port is above 65535")
        return cls(
            scheme,
            user,
            password,
            host,
            port,
            UriParameters.in_uri(parameters) if parameters else NO_URI_PARAMETERS,
            _parse_headers(headers) if headers else (),
            None,
            written,
        )

    @classmethod
    def sip(cls, user: str | None, host: str, port: int | None = None, **parameters: str | None) -> Self:
        """Build a sip: URI. `user` may be any text, whoever typed it; LocalError for a host or port that is none."""
        if _HOST.fullmatch(host) is None:
            raise LocalError("a host name has a character that it cannot have")
        if port is not None and not 0 <= port <= 65535:
            raise LocalError("a port is above 65535")
        return cls("sip", user, None, host, port, UriParameters(parameters) if parameters else NO_URI_PARAMETERS)

    def header(self, name: str) -> str | None:
        """The value of `?name=value`, None where there is none; names without regard to case."""
        wanted = name.lower()
        return next((value for key, value in self.headers if key.lower() == wanted), None)

    def __str__(self) -> str:
        if self.opaque is not None:
            return f"{self.scheme}:{self.opaque}"
        text = f"{self.scheme}:"
        if self.user is not None:
            text += f"{self._written_user()}@"
        text += self.host
        if self.port is not None:
            text += f":{self.port}"
        if self.parameters:
            text += str(self.parameters)
        if self.headers:
            text += "?" + "&".join(
                f"{escape(name, _UNSAFE_HEADER)}={escape(value, _UNSAFE_HEADER)}" for name, value in self.headers
            )
        return text

    def _written_user(self) -> str:
        written = self.written_user
        if written is not None:
            # Still the same user? A copy with another one must not be written with the old one's name.
            user, colon, password = written.partition(":")
            if unescape(user) == self.user and (unescape(password) if colon else None) == self.password:
                return written
        return _user_info(self.user or "", self.password)


def _user_info(user: str, password: str | None) -> str:
    text = escape(user, _UNSAFE_USER)
    return text if password is None else f"{text}:{escape(password, _UNSAFE_PASSWORD)}"


def _parse_headers(text: str) -> tuple[tuple[str, str], ...]:
    pairs = []
    for part in text.split("&"):
        name, equals, value = part.partition("=")
        if not name:
            raise ParseError("a header in a URI has no name")
        pairs.append((unescape(name), unescape(value)))
    return tuple(pairs)
