"""What goes into the hub, what comes out of it, and what it is set to: types alone. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from offhook.cti import codec
from offhook.cti.events import ToDesk
from offhook.cti.settings import AgentSettings
from offhook.cti.stream import Audit
from offhook.media.engine import EngineEvent, EngineRequest, Sink, Source
from offhook.sip.flow import FlowInput, FlowOutput


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one connection, and all together, may use."""

    message_bytes: int = codec.MAX_COMMAND_BYTES
    burst: int = 50
    """Commands that are taken at once; after them `per_second`, the rest waits its turn."""
    per_second: float = 20.0
    waiting: int = 100
    """Commands of one connection that may wait; more, and it is closed."""
    waiting_bytes: int = 4 * codec.MAX_COMMAND_BYTES
    wrong_passwords: int = 5
    """Wrong passwords on one connection, then it is closed."""
    connections: int = 5000
    agents: int = 5000


@dataclass(frozen=True, slots=True, kw_only=True)
class HubSettings:
    """How agents are kept. Times in seconds."""

    agent: AgentSettings
    limits: Limits = Limits()
    audio_with_page: bool = False
    """Audio lives in the page, so its loss means hold; False: it lives here and goes on."""
    unattended_after: float = 2.0
    """From the loss of the last connection until new calls get 480 (the active one is held); a reload is shorter."""
    grace: float = 60.0
    after_grace: Literal["logout", "stay"] = "logout"


# Inputs


@dataclass(frozen=True, slots=True)
class ConnectionOpened:
    """A desk or program connected. `trusted`: it is this very process, without limits on rate."""

    connection: str
    trusted: bool = False


@dataclass(frozen=True, slots=True)
class ConnectionReceived:
    """A connection sent a text."""

    connection: str
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class ConnectionClosed:
    connection: str


@dataclass(frozen=True, slots=True)
class UseAudio:
    """A call of the connection's agent is to send and receive this from now on; None leaves it as it is."""

    connection: str
    dialog: str
    source: Source | None = None
    sink: Sink | None = None


@dataclass(frozen=True, slots=True)
class Stop:
    """Log every agent out and take no new one; answered by `Stopped`."""


HubInput = ConnectionOpened | ConnectionReceived | ConnectionClosed | UseAudio | Stop | FlowInput | EngineEvent


# Outputs


@dataclass(frozen=True, slots=True)
class Tell:
    """Send this message, as `codec.encode` writes it, to these connections."""

    connections: tuple[str, ...]
    message: ToDesk


@dataclass(frozen=True, slots=True)
class CloseConnection:
    """Close the connection when what it was told has been sent; answered by `ConnectionClosed`."""

    connection: str
    code: int
    reason: str


@dataclass(frozen=True, slots=True)
class Stopped:
    """After `Stop`: no agent is left."""


HubOutput = Tell | CloseConnection | Stopped | Audit | FlowOutput | EngineRequest
