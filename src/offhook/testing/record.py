"""What a callback was given, as a list that a test can wait on.

frames: Record[Frame] = Record()
engine.perform(SetSink("call", FrameSink(frames.append)))
await frames.reach(50)                                        # a second of audio
await events.until(lambda told: MediaConnected("call") in told, "a connection")
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

Item = TypeVar("Item")

DEADLINE = 10.0
SHOWN = 10


class Record(list[Item]):
    """A list whose `append` wakes whoever waits. Used on one loop."""

    def __init__(self) -> None:
        super().__init__()
        self._news = asyncio.Event()

    def append(self, item: Item) -> None:
        super().append(item)
        self._news.set()

    async def until(self, enough: Callable[[Record[Item]], bool], what: str, seconds: float = DEADLINE) -> None:
        """Wait until that holds; looked at now and after every `append`. AssertionError after so many seconds."""
        try:
            async with asyncio.timeout(seconds):
                while not enough(self):
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(f"no {what} within {seconds:g} s; last came {self[-SHOWN:]!r}") from None

    async def reach(self, count: int, seconds: float = DEADLINE) -> None:
        """Wait until there are so many items. AssertionError after so many seconds."""
        await self.until(lambda items: len(items) >= count, f"item {count}", seconds)

    async def first(self, wanted: Callable[[Item], bool], what: str, seconds: float = DEADLINE) -> Item:
        """The first item for which that is true, waited for where it has not come. AssertionError as above."""
        await self.until(lambda items: any(map(wanted, items)), what, seconds)
        return next(filter(wanted, self))
