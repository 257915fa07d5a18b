"""How the messages of one user agent look: which headers of its own it shows where, and in which order they stand.

All of it is data, so that the development switch can look like FreeSWITCH and a phone like a phone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from offhook.clock import Ids
from offhook.sip.headers import Headers
from offhook.sip.message import Request, Response

REST = "*"
"""Stands in `Style.order` for every header that is not named there."""

ORDER = (
    "Via",
    "Route",
    "Record-Route",
    "Max-Forwards",
    "From",
    "To",
    "Call-ID",
    "CSeq",
    "Contact",
    "Expires",
    "Authorization",
    "Proxy-Authorization",
    REST,
    "Require",
    "Session-Expires",
    "Min-SE",
    "Supported",
    "Allow",
    "X-FS-Support",
    "User-Agent",
    "Content-Type",
    "Content-Disposition",
    "Content-Length",
)

FIELDS = {
    "User-Agent": "Offhook",
    "Allow": "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, NOTIFY, MESSAGE, UPDATE, PRACK",
    "Supported": "replaces",
    "Accept": "application/sdp",
    "X-FS-Support": "update_display,send_info,send_message",
}

SHOWN = {
    "INVITE": ("Contact", "Supported", "Allow", "X-FS-Support", "User-Agent"),
    "UPDATE": ("Contact", "Supported", "Allow", "User-Agent"),
    "REGISTER": ("Contact", "Allow", "User-Agent"),
    "REFER": ("Contact", "User-Agent"),  # RFC 3515 2.4.1: exactly one; Asterisk refuses it without
    "ACK": (),
    "CANCEL": (),
    "*": ("User-Agent",),
    "INVITE/100": (),
    "INVITE/1xx": ("Contact", "Allow", "X-FS-Support", "User-Agent"),
    "INVITE/2xx": ("Contact", "Supported", "Allow", "X-FS-Support", "User-Agent"),
    "UPDATE/2xx": ("Contact", "Supported", "Allow", "User-Agent"),
    "OPTIONS/2xx": ("Accept", "Supported", "Allow", "User-Agent"),
    "CANCEL/*": (),
    "*/405": ("Allow", "User-Agent"),
    "*/415": ("Accept", "User-Agent"),
    "*/*": ("User-Agent",),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """The looks and habits of a user agent."""

    fields: Mapping[str, str] = field(default_factory=lambda: dict(FIELDS))
    """Values of the headers that are the same in every message that shows them."""
    shown: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: dict(SHOWN))
    """Which headers are shown where: by "METHOD" or "*" for requests; by "METHOD/status", "METHOD/Nxx", "METHOD/*" or
    "*" in place of the method for responses. The first that is there decides. "Contact" is the one of the dialog."""
    order: tuple[str, ...] = ORDER
    transport: str = "WS"
    """In our Via, where neither the URL of the server nor the peer's own Via on the same flow says it."""
    first_cseq: int = 1
    """Of the first request in a new dialog or outside of dialogs."""
    trying: bool = True
    """An INVITE that makes a session is answered 100 at once; else that is left to the owner (`ring` with 100)."""
    uuids: bool = False
    """Call-IDs are written like UUIDs."""
    token_bits: int = 128
    """Of tags and branches."""
    options: frozenset[str] = frozenset({"replaces", "timer", "100rel"})
    """What a peer may require (RFC 3261 8.2.2.3)."""
    reliable: bool = False
    """Whether our INVITEs say `Supported: 100rel`, and our ringing is sent reliably to who supports it (RFC 3262). Not
    by default: FreeSWITCH has it switched off, and over its streams nothing is lost. Who requires it gets it."""
    refresher: bool = True
    """Of sessions that a peer's INVITE opens with `Supported: timer`: we are their refresher and stay it, whoever asks
    for it to be otherwise (FreeSWITCH takes that: README, "Digest and timers"). Else what RFC 4028 table 2 says."""
    refresh_by: str = "UPDATE"
    """UPDATE without a body, or INVITE with the last description."""

    def dress(self, message: Request | Response, contact: str | None = None) -> None:
        """Complete a message with the headers that are ours to show, and put all of them into order.

        Headers that are there already stay as they are.
        """
        if isinstance(message, Request):
            names = self._shown(message.method, "*")
        else:
            method, status, kind = message.cseq.method, str(message.status), f"{message.status // 100}xx"
            names = self._shown(
                f"{method}/{status}", f"{method}/{kind}", f"{method}/*", f"*/{status}", f"*/{kind}", "*/*"
            )
        headers = message.headers
        for name in names:
            value = contact if name == "Contact" else self.fields.get(name)
            if value is not None and name not in headers:
                headers.add(name, value)
        headers.set("Content-Length", str(len(message.body)))
        message.headers = self._ordered(headers)

    def supporting(self, *options: str) -> str:
        """A value of Supported: these options before those that are shown everywhere."""
        known = [option.strip() for option in self.fields.get("Supported", "").split(",") if option.strip()]
        return ", ".join(dict.fromkeys([*options, *known]))

    def call_id(self, ids: Ids) -> str:
        """A fresh Call-ID of at least 128 random bits: whoever knows it can take the call over."""
        token = ids.token(128)
        if not self.uuids:
            return token
        return "-".join((token[:8], token[8:12], token[12:16], token[16:20], token[20:]))

    def tag(self, ids: Ids) -> str:
        return ids.token(self.token_bits)

    def branch(self, ids: Ids) -> str:
        return f"z9hG4bK{ids.token(self.token_bits)}"

    def _shown(self, *keys: str) -> tuple[str, ...]:
        for key in keys:
            names = self.shown.get(key)
            if names is not None:
                return names
        return ()

    def _ordered(self, headers: Headers) -> Headers:
        places = {name.lower(): place for place, name in enumerate(self.order)}
        rest = places.get(REST, len(places))
        # Lines that were copied from a request are not written anew: they may hold what we would never write.
        keys, names, values = headers._keys, headers._names, headers._values
        order = sorted(range(len(keys)), key=lambda at: places.get(keys[at], rest))
        return Headers._of_lines([keys[at] for at in order], [names[at] for at in order], [values[at] for at in order])
