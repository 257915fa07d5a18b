"""Takes what is told and waits for it, with a deadline that only a broken implementation reaches."""

from __future__ import annotations

import asyncio
from typing import TypeVar

DEADLINE = 10.0

Told = TypeVar("Told")


class Inbox:
    """Takes what a port or an engine delivers, in order, and lets a test wait for it."""

    def __init__(self) -> None:
        self._waiting: asyncio.Queue[object] = asyncio.Queue()

    def __call__(self, told: object) -> None:
        self._waiting.put_nowait(told)

    async def next(self, kind: type[Told]) -> Told:
        """The next thing delivered, which must be of that kind."""
        try:
            async with asyncio.timeout(DEADLINE):
                told = await self._waiting.get()
        except TimeoutError:
            raise AssertionError(f"no {kind.__name__} came within {DEADLINE:g} s") from None
        assert isinstance(told, kind), f"expected {kind.__name__}, got {told!r}"
        return told

    async def until(self, kind: type[Told]) -> Told:
        """The next thing of that kind; what comes before it is dropped."""
        while not isinstance(told := await self.next(object), kind):
            pass
        return told

    def rest(self) -> list[object]:
        """All that was delivered and not looked at; it is gone then."""
        told = []
        while not self._waiting.empty():
            told.append(self._waiting.get_nowait())
        return told
