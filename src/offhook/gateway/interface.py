"""What goes into the hub, what comes out of it, and what it is set to: types alone. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from offhook.cti import codec
from offhook.cti.commands import Command
from offhook.cti.events import ToDesk
from offhook.cti.settings import AgentSettings
from offhook.cti.stream import Audit
from offhook.errors import LocalError
from offhook.gateway.ice import IceSettings
from offhook.journal.entries import Kept
from offhook.media.engine import EngineEvent, EngineRequest, Sink, Source
from offhook.ordered import Ordered
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
    connections_per_address: int = 1000
    """A call centre may be behind one address."""
    agents: int = 5000
    agent_burst: int = 100
    """Commands of all connections of one agent together, at once; after them `agent_per_second`."""
    agent_per_second: float = 40.0
    requests: int = 1000
    """HTTP requests and new connections of one address at once; after them `requests_per_second`."""
    requests_per_second: float = 100.0


Role = Literal["agent", "supervisor", "service"]
ROLES: tuple[Role, ...] = ("agent", "supervisor", "service")


@dataclass(frozen=True, slots=True)
class Token:
    """What a valid token says."""

    extension: str = field(repr=False)
    """Whose it is; empty where it is a program's."""
    role: Role
    tenant: str
    expires: float
    """Seconds since 1970."""
    subject: str = field(default="", repr=False)


class TokenRefused(LocalError):
    """A token that is not valid here; the text says why, for people, after `it`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HubSettings:
    """How agents are kept. Times in seconds."""

    agent: AgentSettings
    limits: Limits = Limits()
    audio_with_page: bool = False
    """Audio lives in the page, so its loss means hold; False: it lives here and goes on."""
    ice: IceSettings = IceSettings()
    """For pages that hold the audio."""
    unattended_after: float = 2.0
    """From the loss of the last connection until new calls get 480 (the active one is held); a reload is shorter."""
    check_token: Callable[[str, float], Token] | None = None
    """What a token says at a wall time, or `TokenRefused`; None: there are no tokens."""
    static_password: str | None = field(default=None, repr=False)
    """The password of all extensions; a login then carries a token. None: each login gives its own."""
    token_warning: float = 60.0
    """So long before its end a connection is told to renew its token."""
    grace: float = 60.0
    after_grace: Literal["logout", "stay"] = "logout"
    owner: str = ""
    """Names this process in the journal; empty: there is no journal."""


# Inputs


@dataclass(frozen=True, slots=True)
class ConnectionOpened:
    """A desk or program connected. `trusted`: it is this very process, without limits on rate."""

    connection: str
    trusted: bool = False
    address: str = ""
    """Under which its refused logins are counted; empty: they are not."""
    token: str = field(default="", repr=False)
    """That it came with."""


@dataclass(frozen=True, slots=True)
class ConnectionReceived:
    """A connection sent a text."""

    connection: str
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class ConnectionClosed:
    connection: str


PROGRAM = "program"
"""The connection to which the outcome of every `Instruct` is told; it is never opened."""


@dataclass(frozen=True, slots=True)
class Instruct:
    """A program of the back office gives an agent of its tenant a command; its `id` names the commandResult."""

    extension: str = field(repr=False)
    tenant: str
    command: Command


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


@dataclass(frozen=True, slots=True)
class Drain:
    """Take no new agent and no new call; when the last call is over, as `Stop`."""


@dataclass(frozen=True, slots=True)
class Leave:
    """Another process goes on with the agents and their calls: end only calls that were not answered yet, which none
    can take over. Answered by `Stopped` when there are none."""


@dataclass(frozen=True, slots=True)
class Restore:
    """What the journal has of another process: the first input. `calls`: its history, the oldest first."""

    agents: tuple[Kept, ...]
    calls: tuple[bytes, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Superseded:
    """Another process acts for this agent now."""

    extension: str = field(repr=False)


HubInput = (
    ConnectionOpened
    | ConnectionReceived
    | ConnectionClosed
    | Instruct
    | UseAudio
    | Stop
    | Drain
    | Leave
    | Restore
    | Superseded
    | FlowInput
    | EngineEvent
)


# Outputs


@dataclass(frozen=True, slots=True)
class Tell:
    """Send this message, as `codec.encode` writes it, to these connections."""

    connections: tuple[str, ...]
    message: ToDesk


@dataclass(frozen=True, slots=True)
class TellPage:
    """Send this text to the page on that connection: about its audio (`page`), which no program has."""

    connection: str
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class CloseConnection:
    """Close the connection when what it was told has been sent; answered by `ConnectionClosed`."""

    connection: str
    code: int
    reason: str


@dataclass(frozen=True, slots=True)
class Stopped:
    """After `Stop` and `Drain`: no agent is left; after `Leave`: no call that was not answered."""


HubOutput = Tell | TellPage | CloseConnection | Stopped | Audit | Ordered | FlowOutput | EngineRequest
