"""A manual outbound call: as makeCall, and its originator is called normal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.scenarios.stories.conftest import Seat

pytestmark = pytest.mark.story("03 makeOBCall")


async def test_the_originator_is_normal(alice: Seat, bob: Seat) -> None:
    await alice.do("makeOBCall", calledNumber="1001", Destination_Number="1001", callType="audio")
    dialling = await alice.told("outboundDialing", state="INITIATING")
    assert (dialling["callOriginator"], dialling["callType"]) == ("normal", "OUT")
    his = await bob.answer()
    await alice.told("outboundDialing", state="INITIATED", id=dialling["id"])
    await alice.told("dialogState", state="ACTIVE", id=dialling["id"])
    await alice.hears(bob)
    await bob.hears(alice)
    await bob.do("releaseCall", dialogId=his["id"])
    await alice.told("dialogState", state="DROPPED", id=dialling["id"])
