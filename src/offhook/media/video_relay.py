"""Video handed on from one session to another, or back (`FromPeer`, `Echo`): whole frames, as they came. Pure.

What is handed on begins with a key frame, and begins anew with one wherever a frame is missing: an inter frame shown on
top of another picture than it was made for is rubbish.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from offhook.media.vp8 import is_key

_KEPT = 16
"""Frames that may wait to be handed on."""
_WANTED_SECONDS = 1.0


class Shelved(NamedTuple):
    """A frame that came `at` (monotonic), the `number`th of its stream."""

    number: int
    at: float
    frame: bytes


class Shelf:
    """The last frames that a session received, while somebody takes them."""

    def __init__(self) -> None:
        self.count = 0
        self.key_wanted = False  # whoever takes them needs a key frame
        self._frames: deque[Shelved] = deque(maxlen=_KEPT)
        self._wanted_until = float("-inf")

    def put(self, frame: bytes, at: float) -> None:
        self.count += 1
        if is_key(frame):
            self.key_wanted = False
        if at < self._wanted_until:
            self._frames.append(Shelved(self.count, at, frame))
        else:
            self._frames.clear()

    def after(self, number: int, now: float) -> list[Shelved]:
        """Those behind that number; they are kept for a second more."""
        self._wanted_until = now + _WANTED_SECONDS
        return [each for each in self._frames if each.number > number]


class HandOn:
    """Takes frames from the shelf of whichever session `find` names now."""

    def __init__(self, find: Callable[[], Shelf | None]) -> None:
        self._find = find
        self._shelf: Shelf | None = None
        self._number = 0
        self._begun = False

    def frames(self, now: float, *, key: bool) -> list[tuple[float, bytes]] | None:
        """What came since the last time, each with its time; None where nobody is there who receives video. `key`: the
        far side needs a key frame."""
        shelf = self._find()
        if shelf is None:
            self._shelf = None
            return None
        if shelf is not self._shelf:
            self._shelf, self._number, self._begun = shelf, shelf.count, False
        taken = []
        for number, at, frame in shelf.after(self._number, now):
            if number != self._number + 1:
                self._begun = False
            self._number = number
            self._begun = self._begun or is_key(frame)
            if self._begun:
                taken.append((at, frame))
        if not self._begun or (key and not any(is_key(frame) for _, frame in taken)):
            shelf.key_wanted = True
        return taken
