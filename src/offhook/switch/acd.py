"""Queues: callers wait with music until an agent takes their call (FreeSWITCH's mod_callcenter; traces 14, 14b, 33)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from offhook.clock import Now
from offhook.switch.causes import Cause
from offhook.switch.channel import Channel
from offhook.switch.dialplan import queue_headers
from offhook.switch.directory import Queue
from offhook.switch.exchange import Exchange
from offhook.switch.inbound import Inbound
from offhook.switch.joint import Joint, introduction
from offhook.switch.outbound import Caller, Outbound
from offhook.switch.registrar import Binding
from offhook.switch.takeover import Departure
from offhook.switch.tones import HOLD_MUSIC

FIRST_SECONDS = 0.1
"""So long after a caller has come an agent is looked for."""
AGAIN_SECONDS = 0.25
"""So often while nobody is free."""
MOST_CALLERS = 1000
"""Of one queue; the next one is sent away."""


@dataclass(slots=True)
class _Agent:
    idle_since: float = 0.0
    ready_at: float = 0.0
    busy: bool = False
    """It is rung for a queue, or talks with a caller of one; its other calls do not count, as FreeSWITCH has it."""


class Queues:
    """All queues of a switch, and how long their agents have been idle."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._agents: dict[str, _Agent] = {}
        self._callers: dict[str, list[Waiting]] = {}

    def find(self, name: str) -> Queue | None:
        return self._exchange.directory.queues.get(name)

    def at(self, number: str) -> Queue | None:
        """The queue with a number of its own."""
        return next((each for each in self._exchange.directory.queues.values() if each.number == number), None)

    def enter(self, name: str, channel: Channel, number: str, refuse: Callable[[Cause, Now], None], now: Now) -> None:
        """Put a caller last; `number` is what its agent is told to have been dialled.

        `refuse` is called where there is no such queue, or no room in it.
        """
        queue = self.find(name)
        if queue is None:
            refuse(Cause.UNALLOCATED_NUMBER, now)
        elif len(self._callers.get(name, ())) >= MOST_CALLERS:
            refuse(Cause.SERVICE_UNAVAILABLE, now)
        else:
            Waiting(self._exchange, self, queue, channel, number).start(now)

    def waiting(self, channel: Channel) -> str | None:
        """The queue in which that channel waits."""
        owner = channel.owner
        return owner.queue.name if isinstance(owner, Waiting) else None

    # For those who wait

    def came(self, caller: Waiting, now: Now) -> None:
        """It has been answered and hears music."""
        name = caller.queue.name
        self._callers.setdefault(name, []).append(caller)
        if not self._exchange.timers.is_set(self, name):
            self._exchange.timers.set(self, name, now.monotonic + FIRST_SECONDS)

    def left(self, caller: Waiting) -> None:
        """It waits no more."""
        callers = self._callers.get(caller.queue.name, [])
        if caller in callers:
            callers.remove(caller)

    def refused(self, queue: Queue, agent: str, seconds: float, now: Now) -> None:
        """An agent has not taken the call, and is left alone for so long."""
        state = self._agents[agent]
        state.busy, state.ready_at = False, now.monotonic + seconds
        self._look(queue, now)

    def finished(self, queue: Queue, agent: str, now: Now) -> None:
        """The call that an agent took is over."""
        state = self._agents[agent]
        state.busy, state.idle_since = False, now.monotonic
        state.ready_at = now.monotonic + queue.rest_seconds

    def handle_timer(self, timer: str, now: Now) -> None:
        """Is an agent free?"""
        queue = self.find(timer)
        if queue is not None:
            self._look(queue, now)

    def _look(self, queue: Queue, now: Now) -> None:
        unserved = False
        for caller in list(self._callers.get(queue.name, ())):
            if caller.rings:
                continue
            found = self._free(queue, caller, now)
            if found is None:
                unserved = True
            else:
                agent, binding = found
                self._agents[agent].busy = True
                caller.ring(agent, binding, now)
        if unserved:
            self._exchange.timers.set(self, queue.name, now.monotonic + AGAIN_SECONDS)

    def _free(self, queue: Queue, caller: Waiting, now: Now) -> tuple[str, Binding] | None:
        """The agent that has been idle longest; nobody is rung for a call of its own."""
        free = []
        for place, agent in enumerate(queue.agents):
            state = self._agents.setdefault(agent, _Agent())
            binding = self._exchange.registrar.binding(agent)
            if binding is None or state.busy or state.ready_at > now.monotonic or agent == caller.user:
                continue
            free.append((state.idle_since, place, agent, binding))
        if not free:
            return None
        *_, agent, binding = min(free, key=lambda each: each[:2])
        return agent, binding


class Waiting(Caller):
    """One caller in a queue, and the agent that is rung for it."""

    def __init__(self, exchange: Exchange, queues: Queues, queue: Queue, channel: Channel, number: str) -> None:
        self.queue = queue
        self._exchange = exchange
        self._queues = queues
        self._channel = channel
        self._number = number
        self._leg: Outbound | None = None

    @property
    def rings(self) -> bool:
        return self._leg is not None

    @property
    def user(self) -> str | None:
        return self._channel.user

    def start(self, now: Now) -> None:
        """Answer, if that has not been done, and play music."""
        self._channel.owner = self
        if isinstance(self._channel, Inbound):
            self._channel.answer(now, self._answered)
        else:
            self._answered(now)

    def _answered(self, now: Now) -> None:
        self._channel.player.play(HOLD_MUSIC, now)
        self._queues.came(self, now)

    def ring(self, agent: str, binding: Binding, now: Now) -> None:
        """Call an agent."""
        caller = self._channel
        self._leg = leg = Outbound(
            self._exchange, user=agent, shown=caller.party, destination=caller.destination, caller=self
        )
        given = caller.call_headers
        consults = (caller.x_header("X-Calltype") or "").upper() == "CONSULT"
        number = (caller.x_header("X-Destination-Number") if consults else None) or self._number
        headers = queue_headers(caller.uuid, number, caller.party.number, given, self.queue.name)
        self._exchange.timers.set(self, "ring", now.monotonic + self.queue.ring_seconds)
        leg.place(binding, now, x_headers=headers, video=caller.video)

    def answered(self, now: Now) -> None:
        """The agent took the call."""
        leg, self._leg = self._leg, None
        assert leg is not None and leg.user is not None
        agent = leg.user
        self._exchange.timers.cancel(self, "ring")
        self._queues.left(self)
        leg.at_end.append(lambda _, at: self._queues.finished(self.queue, agent, at))
        joint = Joint(self._exchange, self._channel, leg)
        joint.start(now)
        joint.introduce(now, (self._channel, leg.party), (leg, introduction(self._channel)))

    def ended(self, channel: Channel, cause: Cause, now: Now) -> None:
        if channel is self._channel:
            self._leave(now)
        else:
            self._refused(self.queue.again_seconds, now)

    def let_go(self, channel: Channel, now: Now) -> None:
        if channel is self._channel:
            self._leave(now)

    def taken_over(self, old: Channel, new: Channel, now: Now) -> None:
        """The place in the queue is lost: who has taken it over is hung up on (measured)."""
        super().taken_over(old, new, now)
        if old is self._channel:
            Departure(self._exchange, new, Cause.NORMAL_CLEARING).start(now)

    def handle_timer(self, timer: str, now: Now) -> None:
        """The agent has been rung long enough."""
        if self._leg is not None:
            self._leg.hang_up(Cause.NO_ANSWER, now)
            self._refused(self.queue.again_seconds, now)

    def _leave(self, now: Now) -> None:
        """The caller is gone, or somebody else's."""
        self._queues.left(self)
        if self._leg is not None:
            self._leg.hang_up(Cause.ORIGINATOR_CANCEL, now)
            self._refused(0.0, now)

    def _refused(self, seconds: float, now: Now) -> None:
        self._exchange.timers.cancel(self, "ring")
        leg, self._leg = self._leg, None
        if leg is not None and leg.user is not None:
            self._queues.refused(self.queue, leg.user, seconds, now)
