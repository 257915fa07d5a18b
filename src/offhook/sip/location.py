"""From the URL of a SIP server to the addresses to try, in order (RFC 3263): what to ask DNS, what to make of it.

    location = Location(parse_server("sip:example.org"), fraction=ids.fraction)
    while location.targets is None:
        for question in location.outputs():     # all of them may be asked at once
            location.receive(question, <what DNS answered; nothing, where it failed>)

Deviations from RFC 3263: where there is no NAPTR record, all transports that have SRV records are used, the safest
first, and not one alone (4.1); names are turned into addresses in the order of the machine's own resolver (RFC 6724).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from itertools import accumulate
from typing import Final, Literal

from offhook.errors import LocalError, ParseError
from offhook.sip.uri import Uri

Transport = Literal["UDP", "TCP", "TLS"]

DEFAULT_PORTS: Final[dict[Transport, int]] = {"UDP": 5060, "TCP": 5060, "TLS": 5061}
SERVICES: Final[dict[str, Transport]] = {"SIPS+D2T": "TLS", "SIP+D2T": "TCP", "SIP+D2U": "UDP"}
"""What NAPTR records may offer and we can use (RFC 3263 4.1)."""
PREFIXES: Final[dict[Transport, str]] = {"TLS": "_sips._tcp", "TCP": "_sip._tcp", "UDP": "_sip._udp"}
"""Names of SRV records (RFC 3263 4.1), in the order in which we prefer them."""

MAX_RECORDS: Final = 32
"""Of the records in one answer so many are looked at."""
MAX_TARGETS: Final = 32

_SCHEMES: Final[dict[str, Transport | None]] = {"udp": "UDP", "tcp": "TCP", "tls": "TLS", "sip": None, "sips": "TLS"}
_BY_PARAMETER: Final[dict[str, Transport]] = {"udp": "UDP", "tcp": "TCP", "tls": "TLS"}
_REMEDY: Final = "Give udp:HOST:PORT, tcp:HOST:PORT, tls:HOST:PORT or sip:DOMAIN"


@dataclass(frozen=True, slots=True)
class Server:
    """What the URL of a server says. IPv6 addresses stand without brackets."""

    transport: Transport | None
    """None: whatever DNS offers."""
    host: str
    port: int | None
    name: str
    """Whom a certificate has to be for."""

    @property
    def numeric(self) -> bool:
        """Whether the host is an IP address."""
        return is_address(self.host)

    @property
    def direct(self) -> bool:
        """Whether nothing but the host's addresses is to be found out."""
        return self.port is not None or self.numeric

    @property
    def where(self) -> str:
        """`host:port` for sentences, or the host alone where the port is not known yet."""
        return self.host if self.port is None else join(self.host, self.port)


@dataclass(frozen=True, slots=True)
class Target:
    """Where to connect."""

    transport: Transport
    address: str
    """An IP address; IPv6 without brackets."""
    port: int
    name: str
    """Whom a certificate has to be for: the domain that was configured, not what DNS made of it (RFC 5922 4)."""

    @property
    def url(self) -> str:
        """The URL that says the same, for OpenFlow."""
        text = f"{self.transport.lower()}:{join(self.address, self.port)}"
        if self.transport == "TLS" and self.name != self.address:
            text += f";name={join(self.name)}"
        return text


@dataclass(frozen=True, slots=True)
class Question:
    """Something to ask; `address` means the IP addresses of a host, of both families."""

    kind: Literal["NAPTR", "SRV", "address"]
    name: str


@dataclass(frozen=True, slots=True)
class Naptr:
    """A NAPTR record (RFC 3403 4.1); names without the dot at their end."""

    order: int
    preference: int
    flags: str
    service: str
    replacement: str
    regexp: str = ""


@dataclass(frozen=True, slots=True)
class Srv:
    """An SRV record (RFC 2782). An empty target says that the service is not there."""

    priority: int
    weight: int
    port: int
    target: str


Record = Naptr | Srv | str
"""Of an `address` question the answers are IP addresses as text."""


def parse_server(url: str) -> Server:
    """Take the URL of a server apart: `udp:`, `tcp:`, `tls:`, `sip:` or `sips:`, host, perhaps a port.

    `sip:` and `sips:` may have `;transport=`. `//` after the scheme is let pass. LocalError, a sentence, for others.
    """
    scheme, _, rest = url.partition(":")
    scheme = scheme.lower()
    if scheme not in _SCHEMES:
        raise LocalError(f"the URL of the server is none that is known. {_REMEDY}")
    try:
        uri = Uri.parse(f"sip:{rest.removeprefix('//')}")
    except ParseError as error:
        raise LocalError(f"the URL of the server is wrong: {error}. {_REMEDY}") from None
    if uri.user is not None or uri.headers or uri.port == 0:
        raise LocalError(f"the URL of the server has more than a host and a port, or port 0. {_REMEDY}")
    transport = _SCHEMES[scheme]
    asked = uri.parameters.get("transport")
    if asked is not None:
        transport = _transport(scheme, asked.lower())
    host = uri.host.strip("[]")
    name = (uri.parameters.get("name") or "") if scheme == "tls" else ""
    return Server(transport, host, uri.port, name.strip("[]") or host)


def _transport(scheme: str, asked: str) -> Transport:
    """Of a URI with a transport parameter; over sips:, TCP is TLS (RFC 3261 26.2.2)."""
    if scheme not in ("sip", "sips") or asked not in _BY_PARAMETER or (scheme == "sips" and asked == "udp"):
        raise LocalError(f"the transport {asked!r} cannot be used with {scheme}:. {_REMEDY}")
    return "TLS" if scheme == "sips" else _BY_PARAMETER[asked]


def is_address(host: str) -> bool:
    """Whether that is an IP address and no name."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def join(host: str, port: int | None = None) -> str:
    """`host:port`, IPv6 in brackets."""
    text = f"[{host}]" if ":" in host else host
    return text if port is None else f"{text}:{port}"


class Location:
    """Finds where a server is (RFC 3263 4): NAPTR says by which transport, SRV on which hosts and ports.

    `fraction` is a random number in [0, 1), for the weights of SRV records. A URL with a port or an IP address needs
    neither; one with a transport needs no NAPTR.
    """

    def __init__(self, server: Server, fraction: Callable[[], float]) -> None:
        self.targets: tuple[Target, ...] | None = None
        """The outcome: where to connect, the best first; empty where there is nothing."""
        self._server = server
        self._fraction = fraction
        self._asked: list[Question] = []
        self._answers: dict[Question, Sequence[Record] | None] = {}
        self._next: Callable[[], None] = self._choose_transport
        self._services: list[tuple[Transport, str]] = []
        self._hosts: list[tuple[Transport, str, int]] = []
        self._offered = False
        self._begin()

    def outputs(self) -> list[Question]:
        """What is to be asked since the last call; drained by it."""
        asked, self._asked = self._asked, []
        return asked

    def receive(self, question: Question, records: Sequence[Record]) -> None:
        """The answer to a question; empty where there are no such records or nobody answered. Strays are dropped."""
        if self._answers.get(question, ()) is not None:
            return
        self._answers[question] = records
        self._go_on()

    def _begin(self) -> None:
        server = self._server
        if server.direct:
            self._find_host()
        elif server.transport is None:
            self._ask([Question("NAPTR", server.host)], self._choose_transport)
        else:
            self._find_services([(server.transport, f"{PREFIXES[server.transport]}.{server.host}")])

    def _ask(self, questions: Sequence[Question], then: Callable[[], None]) -> None:
        self._next = then
        for question in dict.fromkeys(questions):
            if question not in self._answers:
                self._answers[question] = None
                self._asked.append(question)
        self._go_on()

    def _go_on(self) -> None:
        if None not in self._answers.values():
            self._next()

    def _choose_transport(self) -> None:
        """NAPTR records of the lowest order that has one for us, by preference (RFC 3403 4.1)."""
        found = self._answers[Question("NAPTR", self._server.host)] or ()
        usable = [
            record
            for record in found[:MAX_RECORDS]
            if isinstance(record, Naptr)
            and record.service.upper() in SERVICES
            and record.flags.lower() == "s"
            and record.replacement
            and not record.regexp
        ]
        usable.sort(key=lambda record: (record.order, record.preference))
        self._offered = bool(usable)
        if self._offered:
            best = [record for record in usable if record.order == usable[0].order]
            self._find_services([(SERVICES[record.service.upper()], record.replacement) for record in best])
        else:
            self._find_services(self._usual_services())

    def _usual_services(self) -> list[tuple[Transport, str]]:
        return [(transport, f"{prefix}.{self._server.host}") for transport, prefix in PREFIXES.items()]

    def _find_services(self, services: list[tuple[Transport, str]]) -> None:
        self._services = services
        self._ask([Question("SRV", name) for _, name in services], self._choose_hosts)

    def _choose_hosts(self) -> None:
        denied = False
        for transport, name in self._services:
            found = self._answers[Question("SRV", name)] or ()
            records = [record for record in found[:MAX_RECORDS] if isinstance(record, Srv)]
            for record in weigh(records, self._fraction):
                if record.target:
                    self._hosts.append((transport, record.target, record.port))
                else:
                    denied = True
        if self._hosts:
            self._find_addresses()
        elif denied:
            self.targets = ()  # SRV records that say: not here (RFC 2782, "Target")
        elif self._offered:
            self._offered = False
            self._find_services(self._usual_services())
        else:
            self._find_host()

    def _find_host(self) -> None:
        """No service records are needed, or there are none: the host itself (RFC 3263 4.2)."""
        server = self._server
        transport = server.transport or "UDP"
        self._hosts = [(transport, server.host, server.port or DEFAULT_PORTS[transport])]
        self._find_addresses()

    def _find_addresses(self) -> None:
        questions = [Question("address", host) for _, host, _ in self._hosts if not is_address(host)]
        self._ask(questions, self._finish)

    def _finish(self) -> None:
        made = []
        for transport, host, port in self._hosts:
            found = [host] if is_address(host) else self._answers[Question("address", host)] or ()
            for address in found[:MAX_RECORDS]:
                if isinstance(address, str):
                    made.append(Target(transport, address, port, self._server.name))
        self.targets = tuple(dict.fromkeys(made))[:MAX_TARGETS]


def weigh(records: Sequence[Srv], fraction: Callable[[], float]) -> list[Srv]:
    """SRV records in the order in which to try them: by priority, and by chance, as they weigh (RFC 2782)."""
    ordered = []
    for priority in sorted({record.priority for record in records}):
        # Those without weight stand first, so that they have a small chance (RFC 2782, "Weight").
        left = sorted((record for record in records if record.priority == priority), key=lambda one: one.weight > 0)
        while left:
            drawn = int(fraction() * (sum(record.weight for record in left) + 1))
            sums = accumulate(record.weight for record in left)
            ordered.append(left.pop(next(place for place, reached in enumerate(sums) if reached >= drawn)))
    return ordered


class Reputation:
    """Which targets failed lately: they are tried after the others, until that is forgiven.

    So a domain whose first server is gone is reached by its second one at once (RFC 3263 4.3).
    """

    FORGIVEN_AFTER: Final = 60.0
    """Seconds."""
    MAX_BLAMED: Final = 1000

    def __init__(self) -> None:
        self._blamed: dict[Target, float] = {}

    def blame(self, target: Target, now: float) -> None:
        """It could not be reached, broke off, or did not answer. `now` is monotonic, in seconds."""
        self._blamed.pop(target, None)
        self._blamed[target] = now
        while len(self._blamed) > self.MAX_BLAMED:
            del self._blamed[next(iter(self._blamed))]

    def praise(self, target: Target) -> None:
        """It answered."""
        self._blamed.pop(target, None)

    def order(self, targets: Sequence[Target], now: float) -> list[Target]:
        """The targets as they come, but those that failed last, the one that failed first before the others."""
        return sorted(targets, key=lambda target: self._fault(target, now))

    def _fault(self, target: Target, now: float) -> float:
        since = self._blamed.get(target)
        return since if since is not None and now - since < self.FORGIVEN_AFTER else float("-inf")
