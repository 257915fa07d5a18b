"""Call variables are changed, told, and come to whoever the call is transferred to."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.scenarios.stories.conftest import Connect, Seat

pytestmark = pytest.mark.story("updateCallVariableData")


async def test_told_and_passed_on(alice: Seat, bob: Seat, carol: Seat, connect: Connect, server: Any) -> None:
    customer, hers = await connect(carol, alice)
    await alice.do("updateCallVariableData", dialogId=hers, callVariables={"callVariable3": "gold"})
    told = await alice.told("dialogState", state="ACTIVE", id=hers)
    assert values(told)["callVariable3"] == "gold"
    if server.name == "freeswitch":
        transfer = asyncio.ensure_future(alice.attempt("SST", dialogId=hers, numberToTransfer="1001"))
        his = await bob.answer()
        assert values(his)["callVariable3"] == "gold"
        assert (await transfer)["status"] == "done"
        await bob.hears(carol)
    await carol.do("releaseCall", dialogId=customer)
    await alice.told("dialogState", state="DROPPED", id=hers)


def values(dialog: dict[str, Any]) -> dict[str, str]:
    return {each["name"]: each["value"] for each in dialog["callVariables"]["CallVariable"]}
