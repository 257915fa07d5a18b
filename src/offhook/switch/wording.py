"""How FreeSWITCH words its messages: which headers, in which order and spelling.

The user agent makes correct messages; this makes them look like those of FreeSWITCH 1.11.1 in tests/data/traces, so
that a client that copes with the one copes with the other.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from offhook.sip.flow import FlowOpened
from offhook.sip.message import Request
from offhook.sip.phrases import PHRASES
from offhook.sip.style import Style
from offhook.switch.causes import phrase_of

PRODUCT = "FreeSWITCH-mod_sofia/1.11.1-release~64bit"
METHODS = "INVITE, ACK, BYE, CANCEL, OPTIONS, MESSAGE, INFO, UPDATE, REGISTER, REFER, NOTIFY, PUBLISH, SUBSCRIBE"
SUPPORTED = "timer, path, replaces"
EVENTS = (
    "talk, hold, conference, presence, as-feature-event, dialog, line-seize, call-info, sla, "
    "include-session-description, presence.winfo, message-summary, refer"
)

WEBSOCKETS = ("WS", "WSS")

MOST = 4096
"""So many dialogs and transactions are remembered; the oldest are forgotten first."""

_STANDARD = {
    "User-Agent": PRODUCT,
    "Accept": "application/sdp",
    "Allow": METHODS,
    "Supported": SUPPORTED,
    "Allow-Events": EVENTS,
}

_ORDER = (
    "Via",
    "Route",
    "Max-Forwards",
    "From",
    "To",
    "Call-ID",
    "CSeq",
    "Contact",
    "Expires",
    "Call-Info",
    "Date",
    "User-Agent",
    "Accept",
    "Allow",
    "Require",
    "Supported",
    "Event",
    "Allow-Events",
    "Subscription-State",
    "Refer-To",
    "Referred-By",
    "Session-Expires",
    "Min-SE",
    "WWW-Authenticate",
    "Proxy-Authenticate",
    "Reason",
    "Content-Type",
    "Content-Disposition",
    "Content-Length",
)
"""Headers that are not named here follow in the order given, Remote-Party-ID last."""

_RANK = {name.lower(): rank for rank, name in enumerate(_ORDER)}
_REMOTE_PARTY = len(_ORDER) + 1

_BASIC = ("User-Agent", "Allow", "Supported")
_FULL = ("User-Agent", "Accept", "Allow", "Supported", "Allow-Events")
_REQUESTS = {
    "ACK": (),
    "CANCEL": (),
    "NOTIFY": (*_BASIC, "Allow-Events"),
    "OPTIONS": (*_BASIC, "Allow-Events"),
}
_WITH_CONTACT = ("INVITE", "INFO", "NOTIFY", "UPDATE", "OPTIONS", "REFER")
_OWN = frozenset(
    name.lower()
    for name in (
        *_STANDARD,
        "Contact",
        "Route",
        "Max-Forwards",
        "Content-Disposition",
        "Session-Expires",
        "Min-SE",
        "Require",
    )
)
"""What the user agent may write by itself, and what is worded anew here."""


@dataclass(frozen=True, slots=True)
class SwitchSettings:
    """How the switch presents itself. The defaults are those of the recorded FreeSWITCH.

    `domain` is the host of the addresses it writes; `sip_address` is what its Contacts say to clients on a WebSocket,
    though nothing need listen there: they send over their own WebSocket. `session_expires` (RFC 4028, seconds) is
    asked of called parties, and granted to whoever refreshes a session.
    """

    domain: str = "127.0.0.1"
    sip_address: str = "127.0.0.1:5060"
    session_expires: int = 120
    algorithms: tuple[str, ...] = ("MD5",)
    """Of digest authentication, the strongest first."""
    enable_3pcc: bool = False
    """Who calls without an offer gets ours in the 200; else it is refused, as the stock profile does (measured)."""
    server: Literal["freeswitch", "efcx"] = "freeswitch"
    """`efcx`: key codes and MESSAGEs as our own imitation of the vendor's media server has them, in place of words."""
    video: bool = False
    """The engine has video: what a client begins with, or adds in a call, is offered to the called party, echoed or
    passed on."""
    open_eavesdrop: bool = False
    """The numbers 779 and 88xxxx are there, by which everybody may listen to everybody, as on the recorded one."""
    confirm_blind_transfer: bool = False
    """FreeSWITCH's `confirm-blind-transfer`: who asks for a transfer is told what comes of it."""
    ignore_early_media: bool = False
    """Of FreeSWITCH's variable of that name: early media of a transfer's target is no outcome of it."""
    server_half: bool = False
    """What conf/freeswitch adds to the stock configuration: `offhook-recover` is 481, transfers to applications are
    confirmed at once, and agents who call agents bring X-Call-Id and X-Destination-Number."""


FIRST_CSEQ = 123_111_600
"""FreeSWITCH counts from the time of day; this is what it had when it was recorded."""

STYLE = Style(
    fields={},
    shown={"*": (), "*/*": ()},
    first_cseq=FIRST_CSEQ,
    uuids=True,
    token_bits=64,
    refresher=False,
    refresh_by="INVITE",
)
"""The user agent shows nothing by itself: what is shown is decided here."""

Headers = list[tuple[str, str]]
K = TypeVar("K")
V = TypeVar("V")


class _Recent(Generic[K, V]):
    """A table that forgets its oldest entries."""

    def __init__(self) -> None:
        self._items: OrderedDict[K, V] = OrderedDict()

    def get(self, key: K) -> V | None:
        return self._items.get(key)

    def put(self, key: K, value: V) -> None:
        self._items[key] = value
        self._items.move_to_end(key)
        if len(self._items) > MOST:
            self._items.popitem(last=False)


@dataclass(slots=True)
class _Dialog:
    """What is the same in all messages of a dialog."""

    contact: str
    flow: str
    hops: int
    outbound: bool
    target: str = ""
    """The Request-URI of our INVITE."""
    repeated: tuple[tuple[str, str], ...] = ()
    """What stood in it behind Content-Length, and stands again in each re-INVITE."""


@dataclass(slots=True)
class _Invite:
    """An INVITE or UPDATE that a client sent."""

    first: bool
    timer: str | None
    spoken: bool = False
    """A provisional response has been sent."""


class Wording:
    """Rewords what the switch sends, and remembers of what it hears as much as that needs."""

    def __init__(self, settings: SwitchSettings) -> None:
        self._domain = settings.domain
        self._sip_address = settings.sip_address
        self._session_expires = settings.session_expires
        self._flows: dict[str, FlowOpened] = {}
        self._transports: dict[str, str] = {}
        self._dialogs: _Recent[str, _Dialog] = _Recent()
        self._invites: _Recent[tuple[str, str], _Invite] = _Recent()
        self._routes: _Recent[str, Headers] = _Recent()

    def opened(self, flow: FlowOpened) -> None:
        self._flows[flow.flow] = flow

    def closed(self, flow: str) -> None:
        self._flows.pop(flow, None)
        self._transports.pop(flow, None)

    def flow_of(self, call_id: str) -> str:
        """The flow to which what we send in that dialog is bound: that of its first INVITE (recovery.md, fact 3)."""
        dialog = self._dialogs.get(call_id)
        return "" if dialog is None else dialog.flow

    def placed(self, call_id: str, flow: str, hops: int) -> None:
        """We are about to call a client on that flow; `hops` is the Max-Forwards of our INVITEs."""
        self._dialogs.put(call_id, _Dialog(self._own_contact(flow), flow, hops, outbound=True))

    def moved(self, call_id: str, flow: str) -> None:
        """The far end of a dialog can be reached on another flow now."""
        dialog = self._dialogs.get(call_id)
        if dialog is not None:
            dialog.flow = flow

    def hear(self, request: Request, flow: str) -> None:
        """A request came from a client."""
        if flow in self._flows:
            # FreeSWITCH goes by the Via of its clients to tell WS from WSS.
            self._transports[flow] = self._flows[flow].transport or request.via.transport
        if request.method not in ("INVITE", "UPDATE"):
            return
        first = request.to.tag is None
        if first and request.method == "INVITE":
            number = request.target.user or ""
            stream = self._transport(flow) == "TCP"
            contact = f"<sip:{number}@{self._address(flow)};transport={'tcp' if stream else 'udp'}>"
            self._dialogs.put(request.call_id, _Dialog(contact, flow, 70, outbound=False))
        dialog = self._dialogs.get(request.call_id)
        asked = request.session_expires
        timer = None
        if request.method == "UPDATE" or asked is not None:
            refresher = "uac" if asked is None else asked.refresher or "uac"
            timer = f"{self._session_expires};refresher={refresher}"
        elif dialog is not None and dialog.outbound:
            timer = f"{self._session_expires};refresher=uas"
        self._invites.put((request.call_id, str(request.cseq)), _Invite(first, timer))

    def speak(self, data: bytes, flow: str) -> bytes:
        """A message of the user agent in FreeSWITCH's words."""
        head, _, body = data.partition(b"\r\n\r\n")
        start, *lines = head.decode("utf-8", "surrogateescape").split("\r\n")
        headers: Headers = []
        for line in lines:
            name, _, value = line.partition(":")
            headers.append((name.strip(), value.strip()))
        if start.startswith("SIP/2.0 "):
            status = int(start[8:11])
            headers = self._response(status, headers, flow, bool(body))
            if start == f"SIP/2.0 481 {PHRASES[481]}":
                start = f"SIP/2.0 481 {phrase_of(481)}"
        else:
            headers = self._request(start, headers, flow, bool(body))
            start = self._early(start, headers)
        headers.sort(key=_rank)
        text = "\r\n".join([start, *(f"{name}: {value}" for name, value in headers)])
        return text.encode("utf-8", "surrogateescape") + b"\r\n\r\n" + body

    # Requests

    def _request(self, start: str, headers: Headers, flow: str, has_body: bool) -> Headers:
        method, uri, _ = start.split(" ")
        call_id = _value(headers, "Call-ID")
        dialog = self._dialogs.get(call_id)
        branch = _parameter(_value(headers, "Via"), "branch")
        first = ";tag=" not in _value(headers, "To")
        opened = self._flows.get(flow)
        kept = [(n, v) for n, v in headers if n.lower() not in _OWN and not _foreign_support(n, v)]
        transport = self._transport(flow)
        if opened is not None:
            via = self._via(opened, transport, branch)
            kept = [(n, via if n == "Via" else v) for n, v in kept]
        hops = 70 if dialog is None or method not in ("INVITE", "CANCEL") else dialog.hops
        path = [("Max-Forwards", str(hops))]
        if first and opened is not None and transport in WEBSOCKETS:
            user = uri.partition(":")[2].partition("@")[0]
            path.append(("Route", f"<sip:{user}@{opened.remote}>;transport={transport.lower()}"))
        known = self._routes.get(branch) if method in ("ACK", "CANCEL") else None
        if method == "INVITE":
            self._routes.put(branch, path)
        if method == "INVITE" and dialog is not None:
            if first:
                dialog.target, dialog.repeated = uri, tuple(each for each in kept if _rank(each) >= len(_ORDER))
            elif not _value(kept, "Remote-Party-ID"):
                kept += dialog.repeated
        kept += known or path
        called = dialog is None or dialog.outbound  # its ACKs have a Contact, those to callers have none (trace U01)
        if (
            method in _WITH_CONTACT
            or (method == "ACK" and known is None and called)
            or (method == "MESSAGE" and not first)
        ):
            kept.append(("Contact", self._own_contact(flow) if dialog is None else dialog.contact))
        standard = _REQUESTS.get(method, (*_BASIC, "Allow-Events") if method == "INVITE" and first else _BASIC)
        kept += [(name, _STANDARD[name]) for name in standard]
        if method == "INVITE" and dialog is not None and dialog.outbound:
            kept += [
                ("Session-Expires", f"{self._session_expires};refresher=uac"),
                ("Min-SE", str(self._session_expires)),
            ]
        if method == "INVITE" and has_body:
            kept.append(("Content-Disposition", "session"))
        return kept

    # Where we are

    def _transport(self, flow: str) -> str:
        return self._transports.get(flow) or getattr(self._flows.get(flow), "transport", "") or "WS"

    def _address(self, flow: str) -> str:
        """Of our Contact to that client: where it could connect to us."""
        opened = self._flows.get(flow)
        if opened is None or self._transport(flow) in WEBSOCKETS:
            return self._sip_address
        return f"{self._domain}:{opened.local.rpartition(':')[2]}"

    def _own_contact(self, flow: str) -> str:
        """Our Contact where nobody has dialled a number."""
        parameter = ";transport=tcp" if self._transport(flow) == "TCP" else ""
        return f"<sip:mod_sofia@{self._address(flow)}{parameter}>"

    def _via(self, opened: FlowOpened, transport: str, branch: str) -> str:
        if transport in WEBSOCKETS:
            return f"SIP/2.0/{transport} {opened.local};branch={branch}"
        # The port is left out where it is that of SIP (trace U01).
        address = self._address(opened.flow).removesuffix(":5060")
        return f"SIP/2.0/{transport} {address}{';rport' if transport == 'UDP' else ''};branch={branch}"

    def _early(self, start: str, headers: Headers) -> str:
        """A request in an early dialog goes to where the INVITE went, not to the Contact of the 180 (trace 25)."""
        dialog = self._dialogs.get(_value(headers, "Call-ID"))
        if dialog is None or _value(headers, "Event") != "talk":
            return start
        method, _, version = start.split(" ")
        return f"{method} {dialog.target} {version}"

    # Responses

    def _response(self, status: int, headers: Headers, flow: str, has_body: bool) -> Headers:
        cseq = _value(headers, "CSeq")
        method = cseq.rpartition(" ")[2]
        call_id = _value(headers, "Call-ID")
        dialog = self._dialogs.get(call_id)
        given_contact = [(n, v) for n, v in headers if n == "Contact" and (status >= 300 or method == "REGISTER")]
        kept = [(n, v) for n, v in headers if n.lower() not in _OWN and not _foreign_support(n, v)]
        top = next((at for at, (name, _) in enumerate(kept) if name == "Via"), None)
        if top is not None:
            kept[top] = ("Via", self._received(kept[top][1], flow))
        if status == 100:
            return [each for each in kept if each[0] in _ORDER] + [("User-Agent", PRODUCT)]
        if method == "CANCEL":
            return kept
        if status == 481:
            return kept + [(name, _STANDARD[name]) for name in _BASIC]
        standard: tuple[str, ...] = _BASIC
        if method == "OPTIONS":
            standard = _FULL
        if method == "REFER" and status == 202:
            standard = (*_BASIC, "Allow-Events")
        if method == "OPTIONS" or (method in ("MESSAGE", "REFER") and status == 202):
            # Its port of wss with transport=udp: so FreeSWITCH has it.
            kept.append(("Contact", f"<sip:{self._domain}:7443;transport=udp>" if dialog is None else dialog.contact))
        if method in ("INVITE", "UPDATE"):
            invite = self._invites.get((call_id, cseq)) or _Invite(first=False, timer=None)
            standard = self._answer(status, invite, dialog, kept, method)
            if method == "INVITE" and has_body and status < 300:
                kept.append(("Content-Disposition", "session"))
        kept += given_contact
        kept += [(name, _STANDARD[name]) for name in standard]
        return kept

    def _answer(
        self, status: int, invite: _Invite, dialog: _Dialog | None, kept: Headers, method: str
    ) -> tuple[str, ...]:
        """Adds to `kept` what responses to INVITE and UPDATE have; returns the names of the standard headers."""
        if status < 300 and dialog is not None:
            kept.append(("Contact", dialog.contact))
        if invite.timer is not None and 200 <= status < 300:
            kept.append(("Session-Expires", invite.timer))
            if invite.timer.endswith("uac"):
                kept.append(("Require", "timer"))
        if not invite.first or method == "UPDATE":
            return tuple(name for name in _FULL if name != "Allow-Events")
        spoken, invite.spoken = invite.spoken, True
        if status >= 300 and _value(kept, "Remote-Party-ID"):
            kept.append(("Max-Forwards", "70"))
        return tuple(name for name in _FULL if name != "Accept" or not (spoken or status == 487))

    def _received(self, via: str, flow: str) -> str:
        """The client's Via with the address that its message came from (RFC 3261 §18.2.1, RFC 3581)."""
        opened = self._flows.get(flow)
        parts = [part for part in via.split(";") if not part.strip().startswith("received=")]
        if opened is None:
            return via
        host, _, port = opened.remote.rpartition(":")
        if self._transport(flow) not in WEBSOCKETS:
            return _noted(via, host, port)
        places = [index for index, part in enumerate(parts) if part.partition("=")[0].strip() == "rport"]
        if places and parts[places[0]] == "rport":
            parts[places[0]] = f"rport={port}"
            return ";".join([*parts, f"received={host}"])
        parts = [part for part in parts if part.partition("=")[0].strip() != "rport"]
        return ";".join([*parts, f"received={host}", f"rport={port}"])


def _noted(via: str, host: str, port: str) -> str:
    """A Via that came over UDP or TCP: the port where it was asked for, the host where it is another (trace U01)."""
    via, comma, rest = via.partition(",")
    first, *parts = (part.strip() for part in via.split(";"))
    parts = [part for part in parts if not part.startswith("received=")]
    parts = [f"rport={port}" if part.partition("=")[0] == "rport" else part for part in parts]
    said = first.rpartition(" ")[2]
    if said != host and said.rpartition(":")[0] != host:
        parts.append(f"received={host}")
    return ";".join([first, *parts]) + comma + rest


def _rank(header: tuple[str, str]) -> int:
    name = header[0].lower()
    if name == "remote-party-id":
        return _REMOTE_PARTY
    return _RANK.get(name, len(_ORDER))


def _foreign_support(name: str, value: str) -> bool:
    """The user agent's own word of what it supports, in place of which the switch gives FreeSWITCH's."""
    return name.lower() == "x-fs-support" and "send_message" in value


def _value(headers: Headers, name: str) -> str:
    return next((value for each, value in headers if each.lower() == name.lower()), "")


def _parameter(value: str, name: str) -> str:
    for part in value.split(";")[1:]:
        key, _, text = part.partition("=")
        if key.strip().lower() == name:
            return text.strip()
    return ""
