"""What an agent session is told once: servers, policies, limits. Frozen; durations in seconds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from offhook import __version__
from offhook.cti.dialects import DIALECTS
from offhook.errors import ConfigError
from offhook.sip.timers import Timing

MEDIA_ADDRESS_TYPE = f"Offhook/{__version__}-CTI"

MONITORING_PREFIXES: tuple[str, ...] = ("*44", "*0", "**", "*8")
"""Of conf/freeswitch; and the codes of FreeSWITCH's own dialplan for it that can be no telephone number."""


def utc(wall: float) -> float:
    """Seconds east of UTC, in UTC."""
    return 0.0


def no_instance(extension: str) -> str | None:
    """No `+sip.instance` for any agent."""
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentSettings:
    """Raises ConfigError for a dialect that does not exist, and for no monitoring prefix."""

    servers: tuple[str, ...]
    """SIP servers, `ws:` or `wss:` URLs, in the order in which they are tried."""
    domain: str
    realm: str | None = None
    """The only realm whose challenges are answered; None: any."""
    register_expires: int = 600
    session_expires: int | None = None
    """Seconds of the session timer that our calls ask for (RFC 4028), at least 90; None: they ask for none."""
    redirects: int = 0
    """So many targets are tried for a call that is answered by 3xx; 0: it is refused by it."""
    instance: Callable[[str], str | None] = field(default=no_instance, repr=False)
    """The `urn:uuid:..` of an extension here, the same for ever (RFC 5626)."""
    dialect: str = "freeswitch"
    dtmf: Literal["info", "rtp"] = "info"
    dtmf_duration_ms: int = 160
    call_waiting: Literal["announce", "busy"] = "announce"
    """A further inbound call: a dialog of its own, or refused with 486."""
    max_calls: int = 8
    max_waiting_commands: int = 16
    """For each call, and for the agent while the server is out of reach."""
    ring_timeout: float = 60.0
    """An inbound call that nobody answers for this long is refused with 480."""
    out_of_service_after: float = 3.0
    """Shorter outages are not told; commands wait."""
    command_timeout: float = 40.0
    media_timeout: float = 10.0
    logout_timeout: float = 5.0
    """The most that ending the calls at logout may take; un-registering may take 2 s more (`timing.leave`)."""
    monitoring_prefixes: tuple[str, ...] = MONITORING_PREFIXES
    """Numbers that begin so listen to calls, or pick them up; silentMonitor dials with the first, nobody else any."""
    supervisors: frozenset[str] = frozenset()
    """Extensions that may listen to others' calls, whisper and barge in; the server asks for the role too."""
    media_address_type: str = MEDIA_ADDRESS_TYPE
    trust_auto_answer: bool = False
    """Obey headers that want a call answered by itself (PROGRESSIVE, answer-after): anyone can send them."""
    auto_answer_after: float = 3.0
    """For PROGRESSIVE calls."""
    history_events: int = 1000
    history_seconds: float = 600.0
    utc_offset: Callable[[float], float] = field(default=utc, repr=False)
    """Seconds that local time is ahead of UTC at a wall time: `Error.event_time` is local."""
    timing: Timing = Timing(referral=600.0)
    """A transfer's outcome is listened for as long as FreeSWITCH keeps who transferred a call parked: a queue may take
    longer than its command has time, and the call is gone nevertheless."""

    def __post_init__(self) -> None:
        if not self.monitoring_prefixes:
            raise ConfigError("monitoring_prefixes", "there is none", "Give the one that silentMonitor is to dial")
        if self.dialect not in DIALECTS:
            raise ConfigError("dialect", f"{self.dialect!r} is unknown", f"Give one of: {', '.join(DIALECTS)}")

    @property
    def monitoring_prefix(self) -> str:
        """What silentMonitor puts before the number."""
        return self.monitoring_prefixes[0]
