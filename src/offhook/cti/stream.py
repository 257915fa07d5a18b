"""The event stream of an agent: numbers without a gap, what desks may have missed; and all that goes out, in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from msgspec.structs import replace

from offhook.clock import Now
from offhook.cti.errors import Failure
from offhook.cti.events import Event, ToDesk, error
from offhook.media.engine import EngineRequest
from offhook.sip.flow import FlowOutput

if TYPE_CHECKING:
    from offhook.cti.records import AgentRecord


@dataclass(frozen=True, slots=True)
class Held:
    """An event that was told, and when (seconds since 1970): for desks that come back with an older `seq`."""

    wall: float
    event: Event


@dataclass(frozen=True, slots=True)
class Publish:
    """An event, numbered: for every desk of this agent."""

    event: Event


@dataclass(frozen=True, slots=True)
class Reply:
    """For the one connection (or program) that asked; `origin` is the name it was given with the command."""

    origin: str | None
    message: ToDesk


@dataclass(frozen=True, slots=True)
class Finished:
    """The agent is logged out, or was refused: the last output of its session, which can be forgotten."""

    extension: str
    reason: str


@dataclass(frozen=True, slots=True)
class Audit:
    """A supervisor listened to, whispered to or joined the call of another agent, or tried to: for the log of that."""

    action: str
    """silentMonitor, whisper or bargeIn; `silentMonitor-end` and `whisper-off` where they are over; or another command
    that was given a number that monitors."""
    extension: str
    """Who did it."""
    target: str = field(repr=False)
    """The number of the agent whose call it is."""
    dialog_id: str | None
    """Of the supervisor's own call; None where there was none."""
    outcome: str
    """done, or the code of the failure."""
    wall: float
    """When the outcome became known: seconds since 1970."""
    destination: str | None = field(default=None, repr=False)
    """The number that X-Destination-Number names besides, where it is another one than `target`."""


@dataclass(frozen=True, slots=True)
class Persist:
    """Keep this record in place of the one before; None: forget the agent, it is logged out.

    It comes before those outputs of its agent that make it true (a request that uses a CSeq, the 200, ACK or BYE of a
    call, the event that tells of it): they wait until it is durable.
    """

    extension: str
    epoch: int
    record: AgentRecord | None = field(repr=False)


Output = FlowOutput | EngineRequest | Publish | Reply | Finished | Audit | Persist


class EventStream:
    """Numbers events from 1 and keeps the last ones: at most `keep_events`, none older than `keep_seconds`."""

    def __init__(self, name: str, *, seq: int = 0, keep_events: int = 1000, keep_seconds: float = 600.0) -> None:
        self.name = name
        self.seq = seq
        self._keep_events = keep_events
        self._keep_seconds = keep_seconds
        self._held: deque[tuple[float, Event]] = deque()

    def number(self, event: Event, now: Now) -> Event:
        """The event with its number; it is held for those who come back."""
        self.seq += 1
        numbered = replace(event, seq=self.seq, stream=self.name)
        self._held.append((now.monotonic, numbered))
        while len(self._held) > self._keep_events or self._held[0][0] < now.monotonic - self._keep_seconds:
            self._held.popleft()
        return numbered

    def refill(self, tail: Sequence[Held], now: Now) -> None:
        """Hold events that another process told, oldest first; those before a gap in their numbers are of no use.

        The numbers go on behind the last of them.
        """
        for held in reversed(tail):
            seq = held.event.seq
            if held.event.stream != self.name or not isinstance(seq, int):
                continue
            if not self._held:
                if seq < self.seq:
                    return  # of what came after it nothing was kept
                self.seq = seq
            elif seq != self.seq - len(self._held):
                return
            self._held.appendleft((now.monotonic - max(0.0, now.wall - held.wall), held.event))

    def since(self, stream: str, seq: int) -> list[Event] | None:
        """The events after `seq` of `stream`; None where they are not all held."""
        if stream != self.name or seq > self.seq:
            return None
        missed = self.seq - seq
        if missed > len(self._held):
            return None
        return [event for _, event in self._held][len(self._held) - missed :]


@dataclass(slots=True)
class Outbox:
    """All outputs of an agent session, in the order in which they came about."""

    login_id: str
    stream: EventStream
    utc_offset: Callable[[float], float] = field(repr=False)
    """Seconds east of UTC at a wall time, for `Error.event_time`."""
    items: list[Output] = field(default_factory=list)

    def put(self, output: FlowOutput | EngineRequest | Finished | Audit) -> None:
        self.items.append(output)

    def publish(self, event: Event, now: Now) -> None:
        """To all desks of the agent, with the next number."""
        self.items.append(Publish(self.stream.number(event, now)))

    def reply(self, origin: str | None, message: ToDesk) -> None:
        """To one connection alone, without a number."""
        self.items.append(Reply(origin, message))

    def error(self, why: Failure, dialog_id: str | None, now: Now) -> None:
        """An `Error` event to all desks of the agent."""
        self.publish(error(self.login_id, why, dialog_id, now.wall, self.utc_offset(now.wall)), now)

    def drain(self) -> list[Output]:
        items, self.items = self.items, []
        return items
