"""The switch of the simulation: the development switch, and who ended which leg."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

from offhook.clock import Now
from offhook.sip.flow import FlowReceived
from offhook.switch.causes import Cause
from offhook.switch.channel import Call, Channel, State
from offhook.switch.dialplan import Sleep
from offhook.switch.directory import Directory
from offhook.switch.exchange import ChannelEnded, SwitchOutput
from offhook.switch.execution import Execution
from offhook.switch.takeover import Departure
from offhook.testing.world import Node

NO_ACK = "no ACK"
_CALL_ID = re.compile(rb"^Call-ID:[ \t]*(\S+)", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Leg:
    """A leg that was up, of the client that its Call-ID names, and why it ended."""

    call_id: str
    user: str | None
    cause: Cause
    displaced: bool
    """It waited in a queue, or in a pause of the dialplan, and was taken over: the switch then lets go of it (the one
    measured; the other: it gives the new leg the application of that moment, `answer,sleep:500`, and nothing after)."""


@dataclass(frozen=True, slots=True)
class Ending:
    """Legs that ended in one turn of the switch. `by`: what it was told then: a method, a status, or a timer."""

    by: str
    call_id: str
    legs: tuple[Leg, ...]


class WatchedSwitch(Node):
    """The development switch. `ended` is told of legs that were up and are not any more."""

    def __init__(
        self, seed: int, now: Callable[[], Now], directory: Directory, ended: Callable[[Ending], None]
    ) -> None:
        super().__init__(Random(seed), "freeswitch", now, directory)
        self._ended = ended
        self._up: dict[str, Channel] = {}
        self._over: list[Leg] = []
        self._displaced: set[Channel] = set()
        self._by, self._call_id = "timer", ""
        self._acknowledged: set[Channel] = set()
        self._unheard: dict[Channel, float] = {}
        """Legs whose 200 went out on a connection that was lost, and since when."""

    def receive(self, given: Any, now: Now) -> None:
        self._settle()
        self._by, self._call_id = type(given).__name__, ""
        if isinstance(given, FlowReceived):
            line = given.data.split(b" ", 2)
            self._by = (line[1] if line[0] == b"SIP/2.0" else line[0]).decode(errors="replace")
            found = _CALL_ID.search(given.data)
            self._call_id = "" if found is None else found[1].decode(errors="replace")
            if self._by == "ACK" and (channel := self.node._exchange.channel_with_call_id(self._call_id)) is not None:
                if channel.state is State.ANSWERED:
                    self._acknowledged.add(channel)
        super().receive(given, now)

    def outputs(self) -> list[Any]:
        out = super().outputs()
        self._settle()
        for uuid, channel in self.node._exchange.channels.items():
            if self._is_up(channel):
                self._up.setdefault(uuid, channel)
                if isinstance(channel.owner, Departure):
                    if channel.owner._cause is Cause.NORMAL_CLEARING:
                        self._displaced.add(channel)
                elif isinstance(channel.owner, Execution) and isinstance(channel.owner._step, Sleep):
                    if not channel.owner._steps:  # no rule of the dialplan ends so
                        self._displaced.add(channel)
        return out

    def _is_up(self, channel: Channel) -> bool:
        """Answered, and both sides know it."""
        called = channel.way is Call.OUTBOUND
        return channel.state is State.ANSWERED and (called or channel in self._acknowledged)

    def end_unacknowledged(self, now: Now) -> None:
        """End legs whose 200 nobody acknowledges, as a server does after 32 s (RFC 3261 §13.3.1.4).

        The development switch does so only while the connection lives.
        """
        channels = list(self.node._exchange.channels.values())
        self._acknowledged.intersection_update(channels)
        self._unheard = {each: since for each, since in self._unheard.items() if each in channels}
        for channel in channels:
            if channel.state is not State.ANSWERED or self._is_up(channel):
                self._unheard.pop(channel, None)
            elif now.monotonic - self._unheard.setdefault(channel, now.monotonic) > 32.0:
                self._settle()
                self._by, self._call_id = NO_ACK, channel.call_id
                channel.fail(Cause.RECOVERY_ON_TIMER_EXPIRE, now)

    def heard(self, event: SwitchOutput) -> None:
        if isinstance(event, ChannelEnded) and (channel := self._up.pop(event.uuid, None)) is not None:
            self._over.append(Leg(channel.call_id, channel.user, event.cause, channel in self._displaced))
            self._displaced.discard(channel)

    def _settle(self) -> None:
        over, self._over = self._over, []
        by, self._by = self._by, "timer"
        if over:
            self._ended(Ending(by, self._call_id, tuple(over)))

    def up(self) -> dict[str, str | None]:
        """The legs that are up, with the ACK, and have not been taken over: Call-ID, user."""
        return {
            channel.call_id: channel.user
            for channel in self.node._exchange.channels.values()
            if self._is_up(channel) and not isinstance(channel.owner, Departure)
        }
