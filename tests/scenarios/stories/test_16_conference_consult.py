"""Customer, agent and colleague in one conference; each hears both others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.scenarios.stories.conftest import Connect, Seat

pytestmark = pytest.mark.story("16 conference_consult")


async def test_all_three_hear_each_other(alice: Seat, bob: Seat, carol: Seat, connect: Connect) -> None:
    customer, hers = await connect(carol, alice)
    await alice.do("makeConsult", numberToConsult="1001")
    await bob.answer(event="ConsultCall")
    consult = (await alice.told("ConsultCall", state="ACTIVE"))["id"]
    await alice.hears(bob)
    await alice.do("conference_consult", dialogId=hers)
    await alice.told("ConsultCall", state="DROPPED", id=consult, isCallEnded=0)
    joined = await alice.told("dialogState", state="ACTIVE", id=hers, callType="CONFERENCE")
    assert sorted(each["mediaAddress"] for each in joined["participants"]) == ["1000", "1001", "1002"]
    assert joined["participants"][0]["mediaAddress"] == "1000"
    await bob.told("ConsultCall", state="DROPPED", isCallEnded=0)
    his = await bob.told("dialogState", state="ACTIVE", callType="CONFERENCE")
    assert sorted(each["mediaAddress"] for each in his["participants"]) == ["1000", "1001", "1002"]
    await alice.hears(bob, carol)
    await bob.hears(alice, carol)
    await carol.hears(alice, bob)
    await carol.do("releaseCall", dialogId=customer)
    await alice.told("dialogState", state="DROPPED", id=hers)
    await bob.told("dialogState", state="DROPPED", id=his["id"])


async def test_it_goes_on_when_the_agent_leaves(alice: Seat, bob: Seat, carol: Seat, connect: Connect) -> None:
    customer, hers = await connect(carol, alice)
    await alice.do("makeConsult", numberToConsult="1001")
    await bob.answer(event="ConsultCall")
    await alice.told("ConsultCall", state="ACTIVE")
    await alice.hears(bob)
    await alice.do("conference_consult", dialogId=hers)
    await bob.told("dialogState", state="ACTIVE", callType="CONFERENCE")
    await bob.hears(alice, carol)
    await alice.do("releaseCall", dialogId=hers)
    ordinary = await bob.told("dialogState", state="ACTIVE", callType="OTHER_IN")
    assert [each["mediaAddress"] for each in ordinary["participants"]] == ["1001"]
    await bob.hears(carol)
    await carol.hears(bob)
    await alice.hears()
    await bob.do("releaseCall", dialogId=ordinary["id"])
    await carol.told("dialogState", state="DROPPED", id=customer)


async def test_members_see_who_holds(alice: Seat, bob: Seat, carol: Seat, connect: Connect) -> None:
    customer, hers = await connect(carol, alice)
    await alice.do("makeConsult", numberToConsult="1001")
    await bob.answer(event="ConsultCall")
    await alice.told("ConsultCall", state="ACTIVE")
    await alice.hears(bob)
    await alice.do("conference_consult", dialogId=hers)
    await bob.told("dialogState", state="ACTIVE", callType="CONFERENCE")
    await alice.told("dialogState", state="ACTIVE", callType="CONFERENCE")
    await alice.hears(bob, carol)
    await alice.do("holdCall", dialogId=hers)
    await shown(bob, "1000", "HELD")
    await bob.hears(carol)
    await carol.hears(bob)
    await alice.do("retrieveCall", dialogId=hers)
    await shown(bob, "1000", "ACTIVE")
    await bob.hears(alice, carol)
    await carol.hears(alice, bob)
    await carol.do("releaseCall", dialogId=customer)
    await alice.told("dialogState", state="DROPPED", id=hers)


async def shown(seat: Seat, member: str, state: str) -> None:
    """Wait until the desk is told that the member is so."""
    told: dict[str, Any] = {}
    while told.get(member) != state:
        dialog = await seat.told("dialogState", callType="CONFERENCE")
        told = {each["mediaAddress"]: each["state"] for each in dialog["participants"]}
