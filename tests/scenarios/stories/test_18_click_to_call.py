"""A page that may connect has its calls made; one of a foreign origin does not get that far."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from aiohttp import WSServerHandshakeError

from offhook.testing.desk import Desk

if TYPE_CHECKING:
    from tests.scenarios.stories.conftest import Seat, Seats

pytestmark = pytest.mark.story("18 Click To Call")


async def test_only_from_origins_that_are_allowed(sit: Seats, bob: Seat) -> None:
    """What a click becomes at the gateway. The listener for `window.postMessage` is in the page, not here."""
    alice = await sit("1000", allow_origin=("https://crm.example.com",))
    with pytest.raises(WSServerHandshakeError) as refused:
        await Desk(alice.url, origin="https://evil.example").open()
    assert refused.value.status == 403
    async with Desk(alice.url, origin="https://crm.example.com") as page:
        await page.login("1000", "1234")
        await page.do("makeCall", calledNumber="1001", Destination_Number="1001", callType="audio")
        await bob.told("newInboundCall", state="ALERTING")
        dialog = (await page.expect("outboundDialing", state="INITIATING"))["response"]["dialog"]["id"]
        await page.expect("outboundDialing", state="INITIATED", id=dialog)
        await alice.told("outboundDialing", state="INITIATED", id=dialog)
        await page.do("releaseCall", dialogId=dialog)
        await page.expect("dialogState", state="DROPPED", id=dialog)
