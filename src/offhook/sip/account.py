"""One user at one server, as it is configured."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Account:
    """One user at one server."""

    user: str
    domain: str
    password: str = field(repr=False)
    servers: tuple[str, ...] = ()
    """URLs, in the order in which they are tried: `wss://..`, `ws://..`, `tls:HOST:PORT`, `tcp:..`, `udp:..`."""
    realm: str | None = None
    """The only realm whose challenges are answered; None: the domain, and those that the REGISTER is challenged for."""
    expires: int = 600
    """Seconds asked for."""
    product: str = "Offhook"
    """Shown as User-Agent."""
    session_expires: int | None = None
    """Seconds of the session timer that our calls ask for (RFC 4028, at least 90); None: they ask for none, and the
    other side may. Calls to us have one where the caller knows timers."""
    redirects: int = 0
    """So many targets are tried for a call that is answered by 3xx (RFC 3261 §8.1.3.4); 0: it is refused by it."""
    may_call: Callable[[str], bool] = field(default=bool, repr=False, compare=False)
    """Which numbers such an answer may lead to; they are in the domain that was called in any case."""
    instance: str | None = None
    """A `urn:uuid:..` that stays the same for ever: told to the registrar with `reg-id=1` (RFC 5626, RFC 5627)."""
    credentials: Mapping[str, Mapping[str, str]] = field(default_factory=dict, repr=False, compare=False)
    """HA1s by realm and algorithm, which do in place of an empty password (`UserAgent.credentials`)."""
