"""What the channels of the switch share: the user agent, the media engine's inbox, timers, and who is there."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from offhook.clock import Ids, Now, Timers
from offhook.media.engine import EngineEvent, EngineFailed, EngineRequest
from offhook.sip.flow import FlowOutput
from offhook.switch.causes import Cause
from offhook.switch.directory import Directory
from offhook.switch.registrar import Registrar
from offhook.switch.wording import FIRST_CSEQ, SwitchSettings, Wording

if TYPE_CHECKING:
    from offhook.sip.user_agent import UserAgent
    from offhook.switch.acd import Queues
    from offhook.switch.channel import Channel
    from offhook.switch.conference import Rooms
    from offhook.switch.gathering import Voice


_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Party:
    """Who somebody is on a display; control characters, which escapes in a URI can bring, are left out."""

    name: str = field(repr=False)
    number: str = field(repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", _CONTROL.sub("", self.name))
        object.__setattr__(self, "number", _CONTROL.sub("", self.number))


@dataclass(frozen=True, slots=True)
class IvrDigits:
    """The menu of 5000 has collected digits; empty when none came."""

    uuid: str
    caller: str = field(repr=False)
    digits: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class ChannelEnded:
    """A call leg is over."""

    uuid: str
    cause: Cause


SwitchEvent = IvrDigits | ChannelEnded
SwitchOutput = FlowOutput | EngineRequest | SwitchEvent

Outcome = Callable[[EngineEvent, Now], None]


class Heap(Timers):
    """Timers that remember when they were fired: the user agent's outputs are looked at after that."""

    def __init__(self) -> None:
        super().__init__()
        self.fired_at = Now(0.0, 0.0)

    def fire(self, now: Now) -> int:
        self.fired_at = now
        return super().fire(now)


class Exchange:
    """The shared part of a switch; pure. `SwitchNode` puts in what is built upon it."""

    queues: Queues
    rooms: Rooms
    voice: Voice

    def __init__(
        self,
        settings: SwitchSettings,
        directory: Directory,
        *,
        ua: UserAgent,
        timers: Timers,
        ids: Ids,
    ) -> None:
        self.settings = settings
        self.directory = directory
        self.ua = ua
        self.wording = Wording(settings)
        self.registrar = Registrar(timers)
        self.timers = timers
        self.ids = ids
        self.out: list[SwitchOutput] = []
        self.channels: dict[str, Channel] = {}
        self._sessions: dict[str, Channel] = {}
        self._pending: dict[str, Outcome] = {}
        self._cseq = FIRST_CSEQ
        self.listeners: list[Callable[[Now], None]] = []
        """Those who listen to the calls of others: called when somebody is connected with somebody else."""

    def connections_changed(self, now: Now) -> None:
        for each in tuple(self.listeners):
            each(now)

    def cseq(self) -> int:
        """The CSeq of the next request outside of calls."""
        self._cseq += 1
        return self._cseq

    def uuid(self) -> str:
        """A fresh id in FreeSWITCH's form."""
        token = self.ids.token(128)[:32]
        return "-".join((token[:8], token[8:12], token[12:16], token[16:20], token[20:]))

    def add(self, channel: Channel) -> None:
        self.channels[channel.uuid] = channel

    def bind(self, session: str, channel: Channel) -> None:
        """From now on what happens in that session is told to that channel."""
        self._sessions[session] = channel

    def remove(self, channel: Channel) -> None:
        self.channels.pop(channel.uuid, None)
        self._sessions.pop(channel.session, None)

    def channel_of(self, session: str) -> Channel | None:
        return self._sessions.get(session)

    def channel_with_call_id(self, call_id: str) -> Channel | None:
        return next((each for each in self.channels.values() if each.call_id == call_id), None)

    def ask(self, make: Callable[[str], EngineRequest], outcome: Outcome) -> None:
        """Send the engine a request that has an outcome."""
        name = self.ids.token(64)
        self._pending[name] = outcome
        self.out.append(make(name))

    def tell(self, output: SwitchOutput) -> None:
        self.out.append(output)

    def engine_answered(self, event: EngineEvent, now: Now) -> bool:
        """Hand an outcome to who waits for it; False when it is none, or a late one."""
        outcome = self._pending.pop(getattr(event, "id", ""), None)
        if outcome is not None:
            outcome(event, now)
        return outcome is not None

    def pending(self) -> int:
        """How many outcomes of the engine are awaited."""
        return len(self._pending)


def failed(event: EngineEvent) -> bool:
    return isinstance(event, EngineFailed)
