"""SDP (RFC 8866) as ordered lines with typed views over them: what is not understood passes through unchanged.

`Session.parse(text)` and `str(session)` are each other's inverse, line ends apart (written as CRLF, read as CRLF or
LF). The views read the lines each time they are asked; the edit operations change lines in place.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from offhook.errors import ParseError
from offhook.media.engine import Direction

MAX_BYTES = 65536
MAX_LINES = 2000
MAX_MEDIA = 32
MAX_CANDIDATES = 32
"""Candidates beyond this many in one section are not looked at."""

_STATIC = {  # RFC 3551 table 4, the audio ones that are met
    0: ("PCMU", 8000),
    3: ("GSM", 8000),
    4: ("G723", 8000),
    8: ("PCMA", 8000),
    9: ("G722", 8000),
    13: ("CN", 8000),
    18: ("G729", 8000),
}


class Line(NamedTuple):
    """One `type=value` line."""

    type: str
    value: str


@dataclass(frozen=True, slots=True)
class PayloadFormat:
    """An RTP payload type: `a=rtpmap` with its `a=fmtp` (RFC 8866 §6.6, §6.15)."""

    payload_type: int
    name: str
    clock_rate: int
    channels: int = 1
    parameters: str | None = None


@dataclass(frozen=True, slots=True)
class Candidate:
    """An ICE candidate (RFC 8839 §5.1); `extensions` is what follows the type, as written."""

    foundation: str
    component: int
    transport: str
    priority: int
    host: str
    port: int
    type: str
    extensions: str = ""

    @classmethod
    def parse(cls, value: str) -> Candidate:
        """From the value of `a=candidate`; raises ParseError."""
        parts = value.split()
        if len(parts) < 8 or parts[6] != "typ":
            raise ParseError("an a=candidate line is incomplete", 488)
        return cls(
            foundation=parts[0],
            component=_number(parts[1], 256, "candidate component"),
            transport=parts[2],
            priority=_number(parts[3], 0xFFFFFFFF, "candidate priority"),
            host=parts[4],
            port=_number(parts[5], 65535, "candidate port"),
            type=parts[7],
            extensions=" ".join(parts[8:]),
        )

    def __str__(self) -> str:
        text = f"{self.foundation} {self.component} {self.transport} {self.priority} {self.host} {self.port}"
        text = f"{text} typ {self.type}"
        return f"{text} {self.extensions}" if self.extensions else text


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """`a=fingerprint` (RFC 8122); `hash` lower-case, `value` upper-case."""

    hash: str
    value: str


@dataclass(slots=True)
class Section:
    """Lines in their order. A name stands for `a=name` and `a=name:value` alike and is case-sensitive (RFC 8866 §9)."""

    lines: list[Line] = field(default_factory=list, repr=False)

    def value(self, kind: str) -> str | None:
        """The value of the first line of that type, as `c`."""
        return next((line.value for line in self.lines if line.type == kind), None)

    def set_value(self, kind: str, value: str) -> None:
        """Change the first line of that type, or add one at the end."""
        for index, line in enumerate(self.lines):
            if line.type == kind:
                self.lines[index] = Line(kind, value)
                return
        self.lines.append(Line(kind, value))

    def attributes(self, name: str) -> list[str]:
        """The values of every `a=name`, in order; the empty string for one without a value."""
        return [value for _, value in self._attributes(name)]

    def attribute(self, name: str) -> str | None:
        """The value of the first `a=name` ("" if it has none), or None."""
        return next((value for _, value in self._attributes(name)), None)

    def has(self, name: str) -> bool:
        return self.attribute(name) is not None

    def add(self, name: str, value: str | None = None) -> None:
        """Append `a=name` or `a=name:value`."""
        self.lines.append(_attribute_line(name, value))

    def set(self, name: str, value: str | None = None) -> None:
        """Make this the only `a=name`, at the place of the first one, else at the end."""
        places = [index for index, _ in self._attributes(name)]
        line = _attribute_line(name, value)
        if not places:
            self.lines.append(line)
            return
        self.lines[places[0]] = line
        for index in reversed(places[1:]):
            del self.lines[index]

    def remove(self, *names: str) -> None:
        """Take out every attribute of these names."""
        gone = {index for name in names for index, _ in self._attributes(name)}
        self.lines = [line for index, line in enumerate(self.lines) if index not in gone]

    def _attributes(self, name: str) -> Iterator[tuple[int, str]]:
        prefix = name + ":"
        for index, line in enumerate(self.lines):
            if line.type == "a":
                if line.value == name:
                    yield index, ""
                elif line.value.startswith(prefix):
                    yield index, line.value[len(prefix) :]


@dataclass(slots=True)
class Media(Section):
    """A media section: `lines[0]` is its m= line. Session-level attributes are inherited through `session`."""

    session: Session | None = field(default=None, repr=False, compare=False)

    @property
    def type(self) -> str:
        return self._m()[0]

    @property
    def port(self) -> int:
        return _number(self._m()[1].partition("/")[0], 65535, "port of an m= line")

    @port.setter
    def port(self, port: int) -> None:
        parts = self._m()
        self._set_m(parts[0], str(port), *parts[2:])

    @property
    def protocol(self) -> str:
        return self._m()[2]

    @protocol.setter
    def protocol(self, protocol: str) -> None:
        parts = self._m()
        self._set_m(*parts[:2], protocol, *parts[3:])

    @property
    def formats(self) -> list[str]:
        return self._m()[3:]

    @formats.setter
    def formats(self, formats: list[str]) -> None:
        self._set_m(*self._m()[:3], *formats)

    @property
    def rejected(self) -> bool:
        """Port 0, and not one that waits for its bundle (RFC 9143)."""
        return self.port == 0 and not self.has("bundle-only")

    @property
    def payload_formats(self) -> list[PayloadFormat]:
        """The formats of the m= line in its order; those that neither rtpmap nor RFC 3551 name are left out."""
        maps: dict[str, str] = {}
        for value in self.attributes("rtpmap"):
            number, _, encoding = value.partition(" ")
            maps.setdefault(number, encoding.strip())
        parameters: dict[str, str] = {}
        for value in self.attributes("fmtp"):
            number, _, text = value.partition(" ")
            parameters.setdefault(number, text.strip())
        found = []
        for number in dict.fromkeys(self.formats):
            known = _payload_format(number, maps.get(number), parameters.get(number))
            if known is not None:
                found.append(known)
        return found

    @property
    def direction(self) -> Direction:
        """Of this section, else of the session, else sendrecv (RFC 8866 §6.7)."""
        own = _direction(self)
        if own is None and self.session is not None:
            own = _direction(self.session)
        return own or Direction.SENDRECV

    @direction.setter
    def direction(self, direction: Direction) -> None:
        names = [each.value for each in Direction]
        for index, line in enumerate(self.lines):
            if line.type == "a" and line.value in names:
                self.remove(*names)
                self.lines.insert(index, Line("a", direction.value))
                return
        self.add(direction.value)

    @property
    def candidates(self) -> list[Candidate]:
        """At most MAX_CANDIDATES; candidates that cannot be read are left out (RFC 8839 §5.1: ignore them)."""
        found = []
        for value in self.attributes("candidate")[:MAX_CANDIDATES]:
            try:
                found.append(Candidate.parse(value))
            except ParseError:
                continue
        return found

    @property
    def ice_ufrag(self) -> str | None:
        return self.inherited("ice-ufrag")

    @property
    def ice_pwd(self) -> str | None:
        return self.inherited("ice-pwd")

    @property
    def fingerprints(self) -> list[Fingerprint]:
        """Of this section, else of the session; malformed ones are left out."""
        values = self.attributes("fingerprint")
        if not values and self.session is not None:
            values = self.session.attributes("fingerprint")
        found = []
        for value in values[:8]:
            name, _, digest = value.strip().partition(" ")
            if digest:
                found.append(Fingerprint(name.lower(), digest.strip().upper()))
        return found

    @property
    def setup(self) -> str | None:
        """The DTLS role: active, passive, actpass or holdconn (RFC 4145), lower-case."""
        value = self.inherited("setup")
        return None if value is None else value.strip().lower()

    @property
    def mid(self) -> str | None:
        return self.attribute("mid")

    @property
    def rtcp_mux(self) -> bool:
        return self.has("rtcp-mux")

    @property
    def ptime(self) -> int | None:
        """Milliseconds a packet, or None where it is missing or no number."""
        value = (self.attribute("ptime") or "").strip()
        return int(value) if value.isascii() and value.isdigit() and len(value) < 5 else None

    @property
    def ssrc(self) -> int | None:
        """The first `a=ssrc` (RFC 5576), or None."""
        value = (self.attribute("ssrc") or "").split(" ", 1)[0]
        if not (value.isascii() and value.isdigit()) or len(value) > 10 or int(value) > 0xFFFFFFFF:
            return None
        return int(value)

    def inherited(self, name: str) -> str | None:
        """The attribute of this section, else of the session."""
        value = self.attribute(name)
        if value is None and self.session is not None:
            value = self.session.attribute(name)
        return value

    def _m(self) -> list[str]:
        return self.lines[0].value.split()

    def _set_m(self, *parts: str) -> None:
        self.lines[0] = Line("m", " ".join(parts))


@dataclass(slots=True)
class Session(Section):
    """A session description: its own lines up to the first m= line, then the media sections."""

    media: list[Media] = field(default_factory=list)

    @classmethod
    def parse(cls, text: str) -> Session:
        """Raises ParseError (status 488) on anything that is no SDP."""
        if len(text) > MAX_BYTES:
            raise ParseError("the SDP is too long", 488)
        raw = text.replace("\r\n", "\n").split("\n")
        while raw and not raw[-1].strip():
            raw.pop()
        if len(raw) > MAX_LINES:
            raise ParseError("the SDP has too many lines", 488)
        session = cls()
        section: Section = session
        for written in raw:
            line = _line(written)
            if line.type == "m":
                section = session._add_media(line)
            else:
                section.lines.append(line)
        if not session.lines or session.lines[0].type != "v":
            raise ParseError("an SDP begins with v=0", 488)
        return session

    def add_media(self, kind: str, port: int, protocol: str, formats: list[str]) -> Media:
        """Append an empty media section."""
        return self._add_media(Line("m", f"{kind} {port} {protocol} {' '.join(formats)}"))

    def copy(self) -> Session:
        """An independent copy."""
        return Session.parse(str(self))

    @property
    def origin(self) -> tuple[str, str] | None:
        """Session id and version of the o= line (RFC 3264 §8 counts on them), or None where it is malformed."""
        parts = (self.value("o") or "").split()
        return (parts[1], parts[2]) if len(parts) == 6 else None

    @property
    def audio(self) -> Media | None:
        """The first audio section that is not rejected, else the first audio section."""
        audio = [media for media in self.media if media.type == "audio"]
        return next((media for media in audio if not media.rejected), audio[0] if audio else None)

    def bundles(self, one: Media, other: Media) -> bool:
        """Whether both may go over one transport: a BUNDLE group names them (RFC 9143 §7)."""
        groups = [value.split() for value in self.attributes("group")]
        return any(group[:1] == ["BUNDLE"] and one.mid in group[1:] and other.mid in group[1:] for group in groups)

    @property
    def video(self) -> Media | None:
        """The first video section that is not rejected."""
        return next((media for media in self.media if media.type == "video" and not media.rejected), None)

    def __str__(self) -> str:
        sections: list[Section] = [self, *self.media]
        return "".join(f"{line.type}={line.value}\r\n" for section in sections for line in section.lines)

    def _add_media(self, line: Line) -> Media:
        if len(self.media) >= MAX_MEDIA:
            raise ParseError("the SDP has too many media sections", 488)
        media = Media(lines=[line], session=self)
        parts = line.value.split()
        if len(parts) < 4:
            raise ParseError("an m= line is incomplete", 488)
        _number(parts[1].partition("/")[0], 65535, "port of an m= line")
        self.media.append(media)
        return media


def answer_direction(offered: Direction, wanted: Direction) -> Direction:
    """The direction of an answer: what we want, cut down to what the offer allows (RFC 3264 §6.1)."""
    sends = wanted in (Direction.SENDRECV, Direction.SENDONLY) and offered in (Direction.SENDRECV, Direction.RECVONLY)
    receives = wanted in (Direction.SENDRECV, Direction.RECVONLY) and offered in (
        Direction.SENDRECV,
        Direction.SENDONLY,
    )
    return direction_of(sends, receives)


def direction_of(sends: bool, receives: bool) -> Direction:
    """The direction that sends and receives as told."""
    if sends:
        return Direction.SENDRECV if receives else Direction.SENDONLY
    return Direction.RECVONLY if receives else Direction.INACTIVE


def _line(text: str) -> Line:
    if len(text) < 2 or text[1] != "=" or not (text[0].isascii() and text[0].isalpha()):
        raise ParseError("a line of the SDP is not of the form x=...", 488)
    if "\r" in text or "\x00" in text:
        raise ParseError("a line of the SDP has a control character in it", 488)
    return Line(text[0], text[2:])


def _attribute_line(name: str, value: str | None) -> Line:
    text = name if value is None else f"{name}:{value}"
    if "\r" in text or "\n" in text or "\x00" in text:
        raise ValueError("an SDP attribute cannot hold a line end")
    return Line("a", text)


def _number(text: str, limit: int, what: str) -> int:
    if not (text.isascii() and text.isdigit()) or len(text) > 10 or int(text) > limit:
        raise ParseError(f"the {what} is not a number up to {limit}", 488)
    return int(text)


def _payload_format(number: str, encoding: str | None, parameters: str | None) -> PayloadFormat | None:
    if not (number.isascii() and number.isdigit()) or len(number) > 3 or int(number) > 127:
        return None
    if encoding is None:
        known = _STATIC.get(int(number))
        return None if known is None else PayloadFormat(int(number), *known, parameters=parameters)
    name, _, rest = encoding.partition("/")
    rate, _, channels = rest.partition("/")
    if not (rate.isascii() and rate.isdigit()) or not 0 < len(rate) < 8 or int(rate) == 0:
        return None
    count = int(channels) if channels.isascii() and channels.isdigit() and len(channels) < 3 else 1
    return PayloadFormat(int(number), name, int(rate), count, parameters)


def _direction(section: Section) -> Direction | None:
    for line in section.lines:
        if line.type == "a":
            try:
                return Direction(line.value)
            except ValueError:
                continue
    return None
