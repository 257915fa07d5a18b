"""What waits in a feed, and when that is too much."""

from __future__ import annotations

import pytest

from offhook.api import Feed
from offhook.errors import StateError


async def test_a_feed_that_is_not_read_ends_with_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("offhook.api.feed.MAX_FEED", 3)
    feed: Feed[int] = Feed()
    for number in range(4):
        feed.put(number)
    with pytest.raises(StateError, match="iterate faster"):
        await anext(feed)


async def test_a_feed_gives_what_came_before_its_end() -> None:
    feed: Feed[int] = Feed()
    feed.put(1)
    feed.end()
    assert [item async for item in feed] == [1]
