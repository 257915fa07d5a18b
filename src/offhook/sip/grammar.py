"""Words, quoted strings, lists and parameters: what RFC 3261 section 25.1 lets every header be made of.

Inbound text is `str` decoded from UTF-8 with `surrogateescape`, so that every odd byte survives a round trip. Nothing
here backtracks: each pattern takes time linear in its text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, Self

from offhook.errors import LocalError, ParseError

MAX_UINT32: Final = 2**32 - 1
"""Largest number a CSeq, Expires or the like may hold (RFC 3261 section 8.1.1.5)."""

_TOKEN_CHARS: Final = r"A-Za-z0-9\-.!%*_+`'~"
TOKEN: Final = re.compile(rf"[{_TOKEN_CHARS}]+")
HOST: Final = r"\[[0-9A-Fa-f:.]+(?:%[A-Za-z0-9_.~\-]+)?\]|[A-Za-z0-9_.\-]+"
"""Source of a pattern: IPv6 reference, IPv4 address or name, with underscores and numeric top labels as they occur."""

# Full name in lower case by compact form: RFC 3261 section 7.3.3 and the registry of IANA.
_COMPACT: Final = {
    "a": "accept-contact",
    "b": "referred-by",
    "c": "content-type",
    "d": "request-disposition",
    "e": "content-encoding",
    "f": "from",
    "i": "call-id",
    "j": "reject-contact",
    "k": "supported",
    "l": "content-length",
    "m": "contact",
    "n": "identity-info",
    "o": "event",
    "r": "refer-to",
    "s": "subject",
    "t": "to",
    "u": "allow-events",
    "v": "via",
    "x": "session-expires",
    "y": "identity",
}

_QUOTED: Final = re.compile(r'"((?:[^"\\]|\\.)*+)"', re.DOTALL)
_ESCAPED: Final = re.compile(r"\\(.)", re.DOTALL)
# Control characters, and halves of surrogate pairs that do not stand for an octet.
_UNWRITABLE: Final = re.compile("[\\x00-\\x1f\\x7f\ud800-\udc7f\udd00-\udfff]")
_STOPS: Final = {separator: re.compile(rf'["<{separator}]') for separator in ",;"}
# One parameter without blanks and quotes, as nearly all are; anything else goes the slow way.
_PLAIN_PARAMETERS: Final = re.compile(r"(?:;[^\x00-\x20\x7f\"<>;,=]++(?:=[^\x00-\x20\x7f\"<>;,]*+)?)*+")
_PARAMETER: Final = re.compile(
    r"""[ \t]*+([^\x00-\x20\x7f"<>;,=]++)[ \t]*+"""
    r"""(?:=[ \t]*+("(?:[^"\\\x00-\x08\x0a-\x1f\x7f]|\\[^\x00-\x1f\x7f])*+"[ \t]*+|"""
    r"""[^\x00-\x08\x0a-\x1f\x7f"<>;,]*+))?+"""
)
_PLAIN_VALUE: Final = re.compile(rf"[{_TOKEN_CHARS}\[\]:/@&$]+")
_PERCENT: Final = re.compile(r"(?:%[0-9A-Fa-f]{2})+")

# Lower-case full names by spelling. Filled with what has been seen, up to a limit, because names repeat and the
# look-up costs a tenth of the check.
_KEYS: Final[dict[str, str]] = {}
_KEYS_LIMIT: Final = 4096
known_key: Final = _KEYS.get
"""The key of a name that was seen before, or None."""


def key(name: str) -> str:
    """The key under which a header is found: its full name in lower case. `name` must be a token; ParseError."""
    known = _KEYS.get(name)
    if known is not None:
        return known
    if TOKEN.fullmatch(name) is None:
        raise ParseError("a header name is empty or has a character that it cannot have")
    lower = name.lower()
    full = _COMPACT.get(lower, lower)
    if len(_KEYS) < _KEYS_LIMIT and len(name) <= 64:
        _KEYS[name] = full
    return full


def is_token(text: str) -> bool:
    return TOKEN.fullmatch(text) is not None


def check_text(text: str, what: str) -> str:
    """Give `text` back if it can stand in a line of a message; LocalError where it would end or break the line."""
    if "\r" in text or "\n" in text or "\0" in text:
        raise LocalError(f"{what} has a line break or NUL in it")
    if not text.isascii():
        try:
            text.encode("utf-8", "surrogateescape")
        except UnicodeEncodeError:
            raise LocalError(f"{what} has a character that UTF-8 cannot hold") from None
    return text


def _is_digits(text: str) -> bool:
    return text.isascii() and text.isdigit()


def number(text: str, what: str, limit: int = MAX_UINT32) -> int:
    """A whole number of 0 to `limit` from decimal digits; ParseError."""
    if not _is_digits(text) or len(text) > 32 or (value := int(text)) > limit:
        raise ParseError(f"{what} is no number of 0 to {limit}")
    return value


def capped_number(text: str, what: str, limit: int = MAX_UINT32) -> int:
    """As `number`, but what is too large counts as `limit` (RFC 4475 section 3.1.2.4 allows it for Expires)."""
    if not _is_digits(text):
        raise ParseError(f"{what} is no number")
    return limit if len(text) > 32 else min(int(text), limit)


def quote(text: str) -> str:
    """`text` as a quoted string. Control characters, which no line can carry, become blanks."""
    if not text.isprintable():
        text = _UNWRITABLE.sub(" ", text)
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def unquote(text: str) -> str:
    """The text inside a quoted string; what is not quoted comes back as it is."""
    if len(text) < 2 or text[0] != '"' or text[-1] != '"':
        return text
    inner = text[1:-1]
    return _ESCAPED.sub(r"\1", inner) if "\\" in inner else inner


def end_of_quoted(text: str, start: int) -> int:
    """Index behind the quoted string that begins at `start`; ParseError if it does not end."""
    found = _QUOTED.match(text, start)
    if found is None:
        raise ParseError("a quoted string does not end")
    return found.end()


def split(text: str, separator: str) -> list[str]:
    """The pieces of `text` between separators outside of quotes and angle brackets, stripped; ParseError.

    Empty pieces stay, the caller knows whether they are an error.
    """
    if '"' not in text and "<" not in text:
        return [piece.strip(" \t") for piece in text.split(separator)]
    if separator not in text:
        return [text.strip(" \t")]
    pieces = []
    begin = at = 0
    stops = _STOPS[separator]
    while (found := stops.search(text, at)) is not None:
        at = found.start()
        if text[at] == separator:
            pieces.append(text[begin:at].strip(" \t"))
            begin = at = at + 1
        elif text[at] == '"':
            at = end_of_quoted(text, at)
        else:
            at = text.find(">", at) + 1
            if at == 0:
                raise ParseError("an angle bracket is not closed")
    pieces.append(text[begin:].strip(" \t"))
    return pieces


def unescape(text: str) -> str:
    """Resolve `%HH`; what is no such escape stays. Octets that are no UTF-8 become surrogates, as everywhere."""
    if "%" not in text:
        return text
    return _PERCENT.sub(_unescape_run, text)


def _unescape_run(found: re.Match[str]) -> str:
    return bytes.fromhex(found.group().replace("%", "")).decode("utf-8", "surrogateescape")


def escape(text: str, unsafe: re.Pattern[str]) -> str:
    """Write every character that `unsafe` (a pattern for one) finds as `%HH` of its UTF-8 octets."""
    return unsafe.sub(_escape_character, text)


def _escape_character(found: re.Match[str]) -> str:
    try:
        octets = found.group().encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # half a surrogate pair: no octets stand for it
        octets = found.group().encode("utf-8", "replace")
    return "".join(f"%{octet:02X}" for octet in octets)


class Parameters:
    """Parameters of a header: `;name=value;flag`, in order, names found without regard to case.

    Immutable. `get` and iteration give values as meant (quotes and escapes resolved), `str` writes them as they came.
    """

    __slots__ = ("_pairs",)
    # As written: names as spelled, values with their quotes and escapes.
    _pairs: tuple[tuple[str, str | None], ...]

    def __init__(self, pairs: Iterable[tuple[str, str | None]] | Mapping[str, str | None] = ()) -> None:
        """Parameters from names and meant values (None: no value). LocalError where a name is no token."""
        written = []
        for name, value in pairs.items() if isinstance(pairs, Mapping) else pairs:
            if not is_token(name):
                raise LocalError("a parameter name is no token")
            written.append((name, None if value is None else self._write(value)))
        self._pairs = tuple(written)

    @classmethod
    def parse(cls, text: str) -> Self:
        """From `;a=b;c` (the first semicolon may be missing, one at the end is let pass); ParseError."""
        if not text.startswith(";"):
            text = text.lstrip(" \t")
            text = text if text.startswith(";") else ";" + text
        pairs: list[tuple[str, str | None]] = []
        if _PLAIN_PARAMETERS.fullmatch(text) is not None:
            for part in text[1:].split(";"):
                name, equals, value = part.partition("=")
                pairs.append((name, value if equals else None))
        else:
            parts = split(text, ";")
            if not parts[-1]:
                del parts[-1]
            for part in parts[1:]:
                found = _PARAMETER.fullmatch(part)
                if found is None:
                    raise ParseError("a parameter is malformed")
                name, raw = found.groups()
                pairs.append((name, None if raw is None else raw.strip(" \t")))
        return cls._of(tuple(pairs))

    @classmethod
    def _of(cls, pairs: tuple[tuple[str, str | None], ...]) -> Self:
        made = cls.__new__(cls)
        made._pairs = pairs
        return made

    @staticmethod
    def _write(value: str) -> str:
        return value if _PLAIN_VALUE.fullmatch(value) else quote(value)

    @staticmethod
    def _read(raw: str) -> str:
        return unquote(raw)

    @staticmethod
    def _key(name: str) -> str:
        return name.lower()

    def get(self, name: str, default: str | None = None) -> str | None:
        """The value, None for a parameter without one, `default` where there is no such parameter. The first counts."""
        wanted = name.lower()
        for written, raw in self._pairs:
            if written == wanted or self._key(written) == wanted:
                return None if raw is None else self._read(raw)
        return default

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and any(self._key(written) == name.lower() for written, _ in self._pairs)

    def __iter__(self) -> Iterator[tuple[str, str | None]]:
        """Pairs of name as spelled and value as meant."""
        return iter([(name, None if raw is None else self._read(raw)) for name, raw in self._pairs])

    def __len__(self) -> int:
        return len(self._pairs)

    def replaced(self, name: str, value: str | None) -> Self:
        """A copy in which `name` has that value (at its old place, else at the end); LocalError as the constructor."""
        fresh = type(self)([(name, value)])._pairs[0]
        wanted = name.lower()
        pairs = list(self._pairs)
        for at, (written, _) in enumerate(pairs):
            if self._key(written) == wanted:
                pairs[at] = fresh
                break
        else:
            pairs.append(fresh)
        return self._of(tuple(pairs))

    def without(self, *names: str) -> Self:
        """A copy that lacks those parameters; those that are not there are no error."""
        unwanted = {name.lower() for name in names}
        return self._of(tuple([pair for pair in self._pairs if self._key(pair[0]) not in unwanted]))

    def _by_key(self) -> dict[str, str | None]:
        return {self._key(name): raw for name, raw in reversed(self._pairs)}

    def __eq__(self, other: object) -> bool:
        """Names without regard to case and order, values as written."""
        return isinstance(other, Parameters) and self._by_key() == other._by_key()

    def __hash__(self) -> int:
        return hash(frozenset(self._by_key().items()))

    def __str__(self) -> str:
        return "".join([f";{name}" if raw is None else f";{name}={raw}" for name, raw in self._pairs])

    def __repr__(self) -> str:
        # Names only: values may hold numbers of callers.
        return f"{type(self).__name__}({', '.join(name for name, _ in self._pairs)})"


NO_PARAMETERS: Final = Parameters()
