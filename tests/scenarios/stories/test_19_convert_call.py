"""Video is turned on by each side for itself; pictures pass both ways, and stop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from offhook.testing.desk import until

if TYPE_CHECKING:
    from tests.scenarios.stories.conftest import Connect, Seat

pytestmark = pytest.mark.story("19 convertCall")


async def test_pictures_both_ways(alice: Seat, bob: Seat, connect: Connect, server: Any) -> None:
    hers, his = await connect(alice, bob)
    for seat, dialog, other, seen in ((alice, hers, bob, his), (bob, his, alice, hers)):
        await seat.do("convertCall", dialogId=dialog, streamType="video", streamStatus="on")
        local = await seat.expect("mediaConversion", id=dialog)
        assert local["status"] == "success"
        assert (local["dialog"]["eventRequest"], local["dialog"]["streamStatus"]) == ("local", "on")
        remote = await other.expect("mediaConversion", id=seen)
        assert (remote["dialog"]["eventRequest"], remote["dialog"]["stream"]) == ("remote", "video")

    for seat in (alice, bob):
        start = seat.pictures

        async def pictures(seat: Seat = seat, start: int = start) -> bool:
            return seat.pictures > start + 10

        await until(pictures, f"pictures at {seat.extension}", 20)
    await alice.hears(bob)
    await bob.hears(alice)
    await alice.do("convertCall", dialogId=hers, streamType="video", streamStatus="off")
    off = await alice.expect("mediaConversion", id=hers)
    assert off["dialog"]["streamStatus"] == "off"
    await bob.expect("mediaConversion", id=his, streamStatus="off")
    await alice.hears(bob)
    await bob.hears(alice)
    await alice.do("releaseCall", dialogId=hers)
    await bob.told("dialogState", state="DROPPED", id=his)
