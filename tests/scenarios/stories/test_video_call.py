"""A call with video from its beginning: pictures pass both ways beside the tones, also after a hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from offhook.testing.desk import until

if TYPE_CHECKING:
    from tests.scenarios.stories.conftest import Seat, Seats

pytestmark = pytest.mark.story("02 makeCall")


async def see(*seats: Seat) -> None:
    """More pictures come in at each."""
    for seat in seats:
        start = seat.pictures

        async def pictures(seat: Seat = seat, start: int = start) -> bool:
            return seat.pictures > start + 10

        await until(pictures, f"pictures at {seat.extension}", 20)


async def test_pictures_both_ways(sit: Seats, server: Any) -> None:
    """FreeSWITCH has a port for each of audio and video; what Asterisk offers to the called agent is a bundle."""
    frank, grace = await sit("1004"), await sit("1005")
    mine = await frank.dial("1005", callType="video")
    ringing = await grace.told("newInboundCall", state="ALERTING", timeout=20)
    his = ringing["id"]
    await grace.do("answerCall", dialogId=his, answerCalltype="video")
    await frank.told("dialogState", state="ACTIVE", id=mine)
    await frank.hears(grace)
    await grace.hears(frank)
    await see(frank, grace)
    if server.name != "asterisk":
        # Asterisk 22.10.1 bundles frank's video with the hold, and now and then reads from the socket that it closed
        # for that ("RTP Read error: Bad file descriptor. Hanging up."); else the video stays inactive for good.
        await grace.do("holdCall", dialogId=his)
        await grace.do("retrieveCall", dialogId=his)
        await frank.hears(grace)
        await grace.hears(frank)
        await see(frank, grace)
    await frank.do("releaseCall", dialogId=mine)
    await grace.told("dialogState", state="DROPPED", id=his)
