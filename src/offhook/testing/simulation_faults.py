"""What goes wrong in the simulation: one fault at a time begins, several may be going on.

Each says whom it troubles and for how long: for so long, and `simulation_promises.BACK` after it, a call may be on its
way back. It is never a reason for a call to end, but for those of which docs/explanation/simulation.md says so.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING

from offhook.testing.network import Conditions

if TYPE_CHECKING:
    from offhook.testing.simulation import Floor

NOTICED = 26.0
"""After so many seconds a silent connection is taken for dead: 20 of silence, 5 for the answer to a probe."""
CALM = Conditions(delay=0.01, jitter=0.01)


def socket_reset(floor: Floor, chance: Random) -> str:
    """An agent's SIP socket is reset."""
    agent = chance.choice(floor.agents)
    flow = floor.gateway.flow(agent)
    if flow is not None and floor.gateway.process is not None:
        floor.trouble(agent, 3.0)
        floor.network.reset(floor.gateway.process.host, flow)
    return agent


def half_open(floor: Floor, chance: Random) -> str:
    """A NAT forgets an agent's SIP connection: nothing passes any more, nobody is told."""
    agent = chance.choice(floor.agents)
    flow = floor.gateway.flow(agent)
    if flow is not None and floor.gateway.process is not None:
        floor.trouble(agent, NOTICED + 3.0)
        floor.network.stall(floor.gateway.process.host, flow)
    return agent


def cable(floor: Floor, chance: Random) -> str:
    """The gateway's cable is pulled, and put back in: what waited arrives."""
    if floor.gateway.process is None:
        return "-"
    host = floor.gateway.process.host
    seconds = chance.choice((0.5, 2.0, 8.0, 20.0))
    floor.trouble_all(seconds + NOTICED)
    floor.network.cut(host)
    floor.later(seconds, lambda: floor.network.heal(host))
    return f"{seconds:g} s"


def slow_network(floor: Floor, chance: Random) -> str:
    """All that is sent is late, by up to seconds."""
    seconds, delay = chance.uniform(5.0, 30.0), chance.choice((0.2, 0.5, 1.5))
    floor.trouble_all(seconds + 10.0)
    floor.network.conditions = Conditions(delay=delay, jitter=delay)
    floor.later(seconds, floor.calm)
    return f"{delay:g} s for {seconds:.0f} s"


def gateway_killed(floor: Floor, chance: Random) -> str:
    """kill -9 of the gateway; another process begins from the journal."""
    seconds = chance.choice((0.2, 0.8, 3.0, 8.0))
    return floor.kill_gateway(seconds, at_the_disk=False)


def gateway_killed_at_the_disk(floor: Floor, chance: Random) -> str:
    """kill -9 just when a record is on the disk and nothing of what depends on it has gone out."""
    seconds = chance.choice((0.2, 0.8, 3.0))
    return floor.kill_gateway(seconds, at_the_disk=True)


def switch_restarted(floor: Floor, chance: Random) -> str:
    """The switch is gone with all calls, and another one is there later."""
    seconds = chance.choice((0.5, 2.0, 6.0))
    floor.restart_switch(seconds)
    return f"{seconds:g} s"


def switch_frozen(floor: Floor, chance: Random) -> str:
    """The switch does nothing for a while, then all that came."""
    seconds, host = chance.choice((0.5, 2.0, 5.0, 12.0)), floor.server
    if host.frozen is not None or host.name not in floor.network.hosts:
        return "-"
    floor.trouble_all(seconds + 15.0)
    floor.network.freeze(host)
    floor.later(seconds, lambda: floor.network.thaw(host))
    return f"{seconds:g} s"


def page_gone(floor: Floor, chance: Random) -> str:
    """An agent's page is closed, or reloaded, and comes back."""
    agent, seconds = chance.choice(floor.agents), chance.choice((0.3, 1.0, 5.0, 20.0))
    floor.trouble(agent, seconds)
    floor.people[agent].page.leave(seconds)
    return f"{agent} {seconds:g} s"


def board_gone(floor: Floor, chance: Random) -> str:
    """A second page of an agent goes and comes back."""
    board = chance.choice(floor.boards)
    board.leave(chance.choice((0.3, 5.0, 30.0)))
    return board.extension


def media_dead_here(floor: Floor, chance: Random) -> str:
    """The media path of a call is dead as the agent's side sees it."""
    process = floor.gateway.process
    if process is None or not process.media:
        return "-"
    media = chance.choice(list(process.media))
    process.lose_media(media)
    return media[:8]


def engine_ill(floor: Floor, chance: Random) -> str:
    """The media engine answers late, not at all, or with failures."""
    process, mood = floor.gateway.process, chance.choice(("late", "late", "deaf", "internal"))
    if process is None:
        return "-"
    seconds = chance.uniform(3.0, 15.0)
    process.mood = mood
    floor.trouble_all(seconds + 25.0)
    floor.seen.ill_until = floor.now().monotonic + seconds + 15.0
    floor.later(seconds, lambda: setattr(process, "mood", "well"))
    return f"{mood} {seconds:.0f} s"


def wall_clock_set(floor: Floor, chance: Random) -> str:
    """The wall clock is set."""
    seconds = chance.choice((-3600.0, -1.0, 1.0, 3600.0))
    floor.clock.jump(seconds)
    return f"{seconds:g} s"


Fault = Callable[["Floor", Random], str]
FAULTS: dict[Fault, int] = {
    socket_reset: 6,
    half_open: 4,
    cable: 3,
    slow_network: 2,
    gateway_killed: 3,
    gateway_killed_at_the_disk: 3,
    switch_restarted: 1,
    switch_frozen: 2,
    page_gone: 5,
    board_gone: 1,
    media_dead_here: 1,
    engine_ill: 1,
    wall_clock_set: 1,
}
"""And how often each comes, beside the others."""
