"""What happens from now on, for `async for`."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Generic, TypeVar

from offhook.errors import StateError

MAX_FEED = 10_000
"""Events that may wait for a program that iterates slowly; then its iteration fails."""

Item = TypeVar("Item")


class Feed(Generic[Item]):
    """What happens from now on, for `async for`; it ends with the agent's logout.

    Nothing is lost between two rounds. A program that lets 10,000 items pile up gets `StateError`.
    """

    def __init__(self) -> None:
        self._items: deque[Item] = deque()
        self._wake = asyncio.Event()
        self._ended = False
        self._overflown = False

    def put(self, item: Item) -> None:
        if len(self._items) >= MAX_FEED:
            self._overflown = True
            self._items.clear()
        if not self._overflown:
            self._items.append(item)
        self._wake.set()

    def end(self) -> None:
        self._ended = True
        self._wake.set()

    def __aiter__(self) -> Feed[Item]:
        return self

    async def __anext__(self) -> Item:
        while not self._items:
            if self._overflown:
                raise StateError(f"more than {MAX_FEED} items waited: iterate faster")
            if self._ended:
                raise StopAsyncIteration
            self._wake.clear()
            await self._wake.wait()
        return self._items.popleft()
