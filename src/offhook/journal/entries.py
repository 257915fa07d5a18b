"""What is written into a journal, and what was found in one: types alone, and what waits to be written."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Keep:
    """The record of an agent, in place of the one before; None: forget the agent and its events.

    It is kept where no record of a higher epoch is kept, nor one of the same epoch by another owner.
    """

    extension: str = field(repr=False)
    owner: str
    epoch: int
    record: bytes | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Told:
    """An event of an agent, for desks that come back; `wall` in seconds since 1970."""

    extension: str = field(repr=False)
    stream: str
    seq: int
    wall: float
    event: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Over:
    """A call that is over, for the history."""

    call: bytes = field(repr=False)


Entry = Keep | Told | Over


@dataclass(frozen=True, slots=True)
class Kept:
    """What a journal held of one agent when it was opened: its record, and its events with times, oldest first."""

    extension: str = field(repr=False)
    owner: str
    epoch: int
    record: bytes = field(repr=False)
    events: tuple[tuple[float, bytes], ...] = field(repr=False)


@dataclass(slots=True)
class Contents:
    """All that a journal held when it was opened. `lost`: entries that could not be read."""

    agents: list[Kept] = field(default_factory=list)
    calls: list[bytes] = field(default_factory=list)
    """Oldest first."""
    lost: int = 0


MAX_UNSAVED = 50_000
"""Events, and calls, that wait for a disk that takes nothing; of more the oldest are dropped."""


@dataclass(slots=True)
class Changes:
    """What is to be written in one go. Of an agent's records only the last is: what waits for a full disk is finite."""

    agents: dict[str, list[Keep]] = field(default_factory=dict)
    told: deque[Told] = field(default_factory=deque)
    over: deque[Over] = field(default_factory=deque)
    dropped: int = 0

    def __bool__(self) -> bool:
        return bool(self.agents or self.told or self.over)

    def add(self, entries: Iterable[Entry]) -> None:
        for entry in entries:
            match entry:
                case Keep():
                    self._keep(entry)
                case Told():
                    self.told.append(entry)
                case Over():
                    self.over.append(entry)
        for waiting in (self.told, self.over):
            while len(waiting) > MAX_UNSAVED:
                waiting.popleft()
                self.dropped += 1

    def follow(self, newer: Changes) -> None:
        """Those of `newer` come after these."""
        self.add(keep for keeps in newer.agents.values() for keep in keeps)
        self.add(newer.told)
        self.add(newer.over)
        self.dropped += newer.dropped

    def _keep(self, keep: Keep) -> None:
        """A removal stays before the record that follows it: that one may be of a lower epoch."""
        keeps = self.agents.setdefault(keep.extension, [])
        if keeps and keeps[-1].record is not None:
            keeps.pop()
        if keep not in keeps:
            keeps.append(keep)
        if keep.record is None:
            forgotten = (told for told in self.told if told.extension != keep.extension)
            self.told = deque(forgotten)
