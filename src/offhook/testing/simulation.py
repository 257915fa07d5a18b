"""The whole system under one virtual clock: agents at their pages, a gateway, a switch, customers, and all that fails.

    floor = Floor(seed=7)
    floor.work(3600.0)          # with a fault every minute; raises BrokenPromise
    floor.close()               # all calls end, nothing is left, everybody makes and takes another call

The same seed gives the same course, to the octet. `python -m offhook.testing.simulation --seed 7` runs one.
docs/explanation/simulation.md says what is promised and what is not.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
import sys
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import replace
from random import Random

from offhook.clock import Now, Timers
from offhook.cti.settings import AgentSettings
from offhook.gateway.interface import HubSettings
from offhook.sip.tracing import draw_ladder
from offhook.switch.directory import SAMPLE_PASSWORD, Directory, Queue, User
from offhook.testing.ledger import BrokenRule
from offhook.testing.network import Network
from offhook.testing.simulation_faults import CALM, FAULTS
from offhook.testing.simulation_gateway import Gateway, Json
from offhook.testing.simulation_people import Agent, Board, Customer, Page, Person
from offhook.testing.simulation_promises import AT_THE_END, BROKEN_BY_AN_END, PROMISES, Remembered
from offhook.testing.simulation_switch import Ending, WatchedSwitch
from offhook.testing.world import Clock

URL = "ws://pbx"
AGENTS = tuple(f"100{at}" for at in range(8))
CUSTOMERS = tuple(f"101{at}" for at in range(8))
FAULT_EVERY = 60.0
"""Seconds, on average."""
LOOK_EVERY = 5.0
KEPT_MESSAGES = 3000
LADDER = 80
SECONDS = 1800.0
"""Of work, of one seed."""


class BrokenPromise(AssertionError):
    """Something that is promised was not so: which, when, what had failed before, the last messages."""


class _Deed:
    """One thing to be done at its time."""

    def __init__(self, do: Callable[[], None]) -> None:
        self._do = do

    def handle_timer(self, timer: str, now: Now) -> None:
        self._do()


class _Director:
    """A node for the timers of people and faults alone."""

    def __init__(self) -> None:
        self.timers = Timers()

    def receive(self, given: object, now: Now) -> None:
        """Nobody writes to it."""

    def outputs(self) -> list[object]:
        return []


class Floor:
    """See the module."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.chance = Random(seed)
        self.clock = Clock()
        self.network = Network(seed=seed, conditions=CALM, clock=self.clock)
        self.agents = list(AGENTS)
        director = _Director()
        self.timers = director.timers
        self.network.add("director", director)
        self.seen = Remembered()
        self.faults: list[str] = []
        self.switches = 0
        self._failing = False
        self.begin_switch()
        settings = _settings(self.chance)
        self.gateway = Gateway(self.network, "gateway", settings, seed * 7 + 1)
        self.outside = Gateway(self.network, "outside", replace(settings, owner="outside"), seed * 7 + 2)
        self.people: dict[str, Person] = {}
        self.boards: list[Board] = []
        self.notes: deque[tuple[float, str, str]] = deque(maxlen=400)
        """What was asked and told last: when, whose, what."""
        self.digest = hashlib.sha256()
        self.in_calls: Counter[str] = Counter()
        """Looks at which an agent was in a call."""
        self.looks = 0
        self._open()

    def _open(self) -> None:
        for extension in (*AGENTS, *CUSTOMERS):
            works = extension in AGENTS
            page = Page(self, self.gateway if works else self.outside, extension)
            kind = Agent if works else Customer
            self.people[extension] = kind(self, page, Random(self.chance.getrandbits(32)))
            page.open()
        for extension in AGENTS[:2]:
            board = Board(self, self.gateway, extension, "board")
            self.boards.append(board)
            self.later(20.0, board.open)

    # Where the people are

    def now(self) -> Now:
        return self.network.now()

    def numbers(self, but: str) -> list[str]:
        return [each for each in AGENTS if each != but]

    def heard(self, page: Page, message: Json) -> None:
        BROKEN_BY_AN_END(self, page, message)

    def note(self, extension: str, text: str) -> None:
        self.notes.append((self.now().monotonic, extension, text))

    def trouble(self, extension: str, seconds: float) -> None:
        until = self.now().monotonic + seconds
        self.seen.troubled[extension] = max(until, self.seen.troubled.get(extension, 0.0))

    def trouble_all(self, seconds: float) -> None:
        for extension in (*AGENTS, *CUSTOMERS):
            self.trouble(extension, seconds)

    # What is done to it

    def later(self, seconds: float, do: Callable[[], None]) -> None:
        self.timers.set(_Deed(do), "due", self.now().monotonic + seconds)

    def calm(self) -> None:
        self.network.conditions = CALM

    def begin_switch(self) -> None:
        self.switches += 1
        numbers = (*AGENTS, *CUSTOMERS)
        users = [User(each, f"Extension {each}", SAMPLE_PASSWORD) for each in numbers]
        directory = Directory(users, [Queue("support", AGENTS, "5900")])
        self.switch = WatchedSwitch(self.seed * 100 + self.switches, self.network.now, directory, self.ended)
        self.server = self.network.add("pbx", self.switch, url=URL, timers=self.switch.timers)

    def restart_switch(self, seconds: float) -> None:
        if self.server.name in self.network.hosts:
            self.seen.forget_calls()
            self.trouble_all(seconds + 10.0)
            self.network.remove(self.server)
            self.later(seconds, self.begin_switch)

    def kill_gateway(self, seconds: float, *, at_the_disk: bool) -> str:
        process = self.gateway.process
        if process is None or process.doomed:
            return "-"
        for agent in AGENTS:
            self.trouble(agent, seconds + 8.0)
        self.gateway.kill(at_the_disk=at_the_disk)
        self._await_death(seconds)
        return f"{seconds:g} s"

    def _await_death(self, seconds: float) -> None:
        """Begin another process so many seconds after this one is dead."""
        if self.gateway.process is None:
            for agent in AGENTS:
                self.trouble(agent, seconds + 8.0)
            self.later(seconds, self.gateway.begin)
        else:
            self.later(0.1, lambda: self._await_death(seconds))

    def ended(self, ending: Ending) -> None:
        """The switch has let go of legs that were up."""
        self.seen.ended(self, ending)

    # The course

    def work(self, seconds: float, *, faults: bool = True) -> None:
        """Everybody works, and a fault comes every minute, from then on."""
        if faults and not self._failing:
            self._failing = True
            self._next_fault()
        self._until(self.now().monotonic + seconds)

    def _next_fault(self) -> None:
        self.later(self.chance.expovariate(1 / FAULT_EVERY), self._fault)

    def _fault(self) -> None:
        if self.seen.closing:
            return
        (fault,) = self.chance.choices(list(FAULTS), list(FAULTS.values()))
        what = fault(self, self.chance)
        self.faults.append(f"{self.now().monotonic:8.1f} s  {fault.__name__} {what}")
        self._next_fault()

    def _until(self, end: float) -> None:
        try:
            while (now := self.now().monotonic) < end:
                self.network.run(min(LOOK_EVERY, end - now))
                self._look()
        except Exception as error:  # broad: whatever it is, it is told with its seed and what came before
            raise BrokenPromise(self._story(error)) from error

    def _look(self) -> None:
        messages = self.network.messages
        for message in messages[self.seen.hashed :]:
            self.digest.update(f"{message.at} {message.who} {message.peer} ".encode() + message.data)
        if len(messages) > 2 * KEPT_MESSAGES:
            del messages[:-KEPT_MESSAGES]
        self.seen.hashed = len(messages)
        if not self.seen.closing:
            self.looks += 1
            for agent in AGENTS:
                states = [call.state for call in self.people[agent].page.ledger.live.values()]
                self.in_calls[agent] += any(state in ("ACTIVE", "HELD") for state in states)
        if self.server.name in self.network.hosts and self.server.frozen is None:
            self.switch.end_unacknowledged(self.now())
            self.network.drain()
        for promise in PROMISES:
            promise(self)

    def close(self) -> None:
        """No more faults: all calls end, nothing is left, everybody makes and takes another call."""
        self.seen.closing = True
        self._until(self.now().monotonic + 60.0)
        for person in self.people.values():
            person.working = False
        self._until(self.now().monotonic + 120.0)
        for person in self.people.values():
            self.timers.cancel(person, "act")
        try:
            for promise in AT_THE_END:
                promise(self)
        except Exception as error:  # broad: as above
            raise BrokenPromise(self._story(error)) from error

    def share_in_calls(self) -> float:
        """Of the agents' time."""
        return sum(self.in_calls.values()) / max(1, self.looks * len(AGENTS))

    def _story(self, error: Exception) -> str:
        kind = "" if isinstance(error, BrokenRule) or type(error) is AssertionError else f"{type(error).__name__}: "
        faults = "\n".join(self.faults[-8:])
        named = [extension for extension in self.people if f"agent {extension}" in str(error)]
        about = [note for note in self.notes if note[1] in named or not named][-40:]
        notes = "\n".join(f"{at:8.1f} s  {extension} {text}" for at, extension, text in about)
        return (
            f"seed {self.seed}, after {self.now().monotonic:.1f} s: {kind}{error}\n\n"
            f"The last faults:\n{faults}\n\nWhat was asked and told:\n{notes}\n\n"
            f"The last messages:\n{self._ladder(named)}\n"
            f"Alone: python -m offhook.testing.simulation --seed {self.seed}"
        )

    def _ladder(self, named: list[str]) -> str:
        """The last messages, of those alone that are named."""
        marks = [f"{extension}@".encode() for extension in named]
        chosen = [each for each in self.network.messages if not marks or any(mark in each.data for mark in marks)]
        return draw_ladder(chosen[-LADDER:])


def _settings(chance: Random) -> HubSettings:
    agent = AgentSettings(servers=(URL,), domain="pbx", dtmf=chance.choice(("info", "rtp")))
    return HubSettings(agent=agent, owner="gateway")


def run(seed: int, seconds: float = SECONDS) -> Floor:
    """A whole course; raises BrokenPromise."""
    floor = Floor(seed)
    floor.work(seconds)
    floor.close()
    return floor


def main(arguments: list[str] | None = None) -> int:
    """One seed; the last line is one of JSON."""
    parser = argparse.ArgumentParser(prog="python -m offhook.testing.simulation", description="One simulated course.")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of work, simulated")
    given = parser.parse_args(arguments)
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)  # faults are meant here
    began, broken = time.process_time(), ""
    floor = Floor(given.seed)
    try:
        floor.work(given.seconds)
        floor.close()
    except BrokenPromise as error:
        broken = str(error)
        print(broken)
    finally:
        logging.disable(before)
    spent = time.process_time() - began
    hours = floor.looks * LOOK_EVERY * len(AGENTS) / 3600
    told = {
        "seed": given.seed,
        "broken": broken.partition("\n")[0],
        "agent_hours": round(hours, 3),
        "cpu_seconds": round(spent, 2),
        "faults": len(floor.faults),
        "in_calls": round(floor.share_in_calls(), 3),
        "ends": dict(floor.seen.endings),
    }
    print(f"{hours:.1f} agent-hours, {hours * 60 / spent:.0f} a CPU-minute")
    print(json.dumps(told))
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
