"""What passes between a user agent and the transports: inputs and outputs of the flow port.

A flow is one connection (or one UDP association) to a peer, named by its owner. `FlowReceived` carries exactly one SIP
message (a WebSocket message, a datagram, or what the stream framing cut out); keep-alives never come up here.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class FlowOpened:
    """The flow is usable. Addresses are `host:port`."""

    flow: str
    local: str
    remote: str
    transport: str = ""
    """UDP, TCP, TLS, WS or WSS, where the URL did not say it (`sip:`) and at a listener; empty: as the URL says."""


@dataclass(frozen=True, slots=True)
class FlowFailed:
    """The flow could not be opened. `reason` is a sentence that says why and, where there is one, the remedy."""

    flow: str
    reason: str


@dataclass(frozen=True, slots=True)
class FlowReceived:
    """One SIP message came."""

    flow: str
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class FlowAlive:
    """The peer answered a `Probe`."""

    flow: str


@dataclass(frozen=True, slots=True)
class FlowClosed:
    """An open flow is gone, whoever closed it."""

    flow: str
    reason: str


FlowInput = FlowOpened | FlowFailed | FlowReceived | FlowAlive | FlowClosed


@dataclass(frozen=True, slots=True)
class OpenFlow:
    """Connect to `url` (`ws:`, `wss:`; later `udp:`, `tcp:`, `tls:`); answered by FlowOpened or FlowFailed."""

    flow: str
    url: str
    timeout: float = 5.0


@dataclass(frozen=True, slots=True)
class Send:
    """Send one SIP message; a flow that is gone answers with FlowClosed."""

    flow: str
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Probe:
    """Ask the peer for a sign of life (a WebSocket ping); answered by FlowAlive."""

    flow: str


@dataclass(frozen=True, slots=True)
class CloseFlow:
    """Close the flow; answered by FlowClosed."""

    flow: str


FlowOutput = OpenFlow | Send | Probe | CloseFlow
