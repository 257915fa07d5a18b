"""A record wakes who waits for what is in it, and says what is missing."""

from __future__ import annotations

import asyncio

import pytest

from offhook.testing.record import Record


async def test_what_is_there_needs_no_waiting() -> None:
    record: Record[int] = Record()
    record.append(1)
    await record.reach(1, seconds=0.0)
    assert await record.first(lambda item: item == 1, "a one", seconds=0.0) == 1
    assert record == [1]


async def test_who_waits_is_woken_by_what_suffices() -> None:
    record: Record[int] = Record()
    two, five = asyncio.ensure_future(record.reach(2)), asyncio.ensure_future(record.first(lambda n: n > 4, "a five"))
    for number in range(1, 6):
        await asyncio.sleep(0)  # each number comes in a turn of its own
        assert not five.done()
        record.append(number)
    await two
    assert await five == 5


async def test_what_does_not_come_is_named_with_what_came() -> None:
    record: Record[str] = Record()
    record.append("something else")
    with pytest.raises(AssertionError, match=r"no answer within 0.01 s; last came \['something else'\]"):
        await record.until(lambda items: "answer" in items, "answer", seconds=0.01)
    with pytest.raises(AssertionError, match="no item 2 within"):
        await record.reach(2, seconds=0.01)
