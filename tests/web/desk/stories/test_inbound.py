"""Calls that come in, of each kind, as they are shown and answered at the desk."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from playwright.async_api import expect

pytestmark = pytest.mark.asyncio(loop_scope="session")

Desk = Any  # of ../conftest.py
House = Any  # of conftest.py


async def echoed(house: House, desk: Desk, kind: str, word: str) -> None:
    """The call that rings is of that kind; it is answered, leads to the echo, and ends."""
    ringing = desk.card(phase="ringing")
    await expect(ringing).to_contain_text(word)
    await expect(ringing).to_have_attribute("data-kind", kind)
    await desk.press(ringing, "Answer")
    await desk.card(phase="active").wait_for()
    await desk.hears(desk)
    await house.server.hang_up(desk.extension)
    await desk.card(phase="ended").wait_for()


@pytest.mark.story("inbound: none or OUT")
async def test_with_a_queue_and_variables(house: House, bob: Desk) -> None:
    await house.server.originate("1001", {"X-Queue": "sales", "X-Queuetype": "NAME", "X-Call-Variable0": "gold"})
    ringing = bob.card(phase="ringing")
    await expect(ringing).to_contain_text("Queuesales")
    await expect(ringing).to_contain_text("gold")
    await echoed(house, bob, "call", "Incoming call")


@pytest.mark.story("inbound: CONSULT")
async def test_consult(house: House, bob: Desk) -> None:
    await house.server.originate("1001", {"X-Calltype": "CONSULT"})
    await echoed(house, bob, "consult", "Colleague asks you")


@pytest.mark.story("inbound: MONITORING")
async def test_monitoring(house: House, bob: Desk) -> None:
    await house.server.originate("1001", {"X-Calltype": "MONITORING"})
    await echoed(house, bob, "monitoring", "Listening in")


@pytest.mark.story("inbound: other")
async def test_other(house: House, bob: Desk) -> None:
    await house.server.originate("1001", {"X-Calltype": "ACD"})
    await echoed(house, bob, "call", "Incoming call")


@pytest.mark.story("inbound: PROGRESSIVE")
async def test_campaign(house: House, bob: Desk) -> None:
    await house.server.originate("1001", {"X-Calltype": "PROGRESSIVE"})
    await echoed(house, bob, "campaign", "Campaign call")


@pytest.mark.story("inbound: PROGRESSIVE")
async def test_campaign_that_is_answered_by_itself(house: House, another_house: Any) -> None:
    other = await another_house(trust_auto_answer=True, auto_answer_after=0.5)
    desk = await other.desk("1003")
    await house.server.originate("1003", {"X-Calltype": "PROGRESSIVE"})
    await desk.card(phase="active").wait_for()
    await desk.hears(desk)
    await house.server.hang_up("1003")
    await desk.card(phase="ended").wait_for()


@pytest.mark.story("inbound: RONA")
async def test_the_caller_gives_up(alice: Desk, bob: Desk) -> None:
    await alice.dial("1001")
    await bob.card("1000", "ringing").wait_for()
    await alice.press(alice.card("1001", "dialing"), "Cancel")
    await bob.card("1000", "ended").wait_for()
    await bob.said("The call from 1000 has ended before it was answered")
    panel = await bob.tab("History")
    await expect(panel.get_by_role("listitem").first).to_contain_text("Missed")


@pytest.mark.story("inbound: RONA")
async def test_nobody_answers_in_time(alice: Desk, another_house: Any) -> None:
    other = await another_house(ring_timeout=2.0)
    desk = await other.desk("1003")
    await alice.dial("1003")
    await desk.card("1000", "ringing").wait_for()
    await desk.card("1000", "ended").wait_for()
    await expect(alice.card("1003", "ended").locator(".ending")).not_to_be_empty()


@pytest.mark.story("inbound: second call")
async def test_second_call(alice: Desk, bob: Desk, carol: Desk, connect: Any) -> None:
    """Answering it holds the first; one switches between both."""
    await connect(alice, bob)
    await carol.dial("1001")
    await bob.press(bob.card("1002", "ringing"), "Answer")
    await bob.card("1000", "held").wait_for()
    await bob.card("1002", "active").wait_for()
    await asyncio.gather(bob.hears(carol), carol.hears(bob), alice.hears())
    await bob.card("1000", "held").get_by_role("button", name="Switch").click()
    await bob.card("1002", "held").wait_for()
    await asyncio.gather(bob.hears(alice), alice.hears(bob), carol.hears())
    await bob.press(bob.card("1000", "active"), "Hang up")
    await bob.press(bob.card("1002", "held"), "Hang up")
    await carol.card("1001", "ended").wait_for()


@pytest.mark.story("updateCallVariableData")
async def test_details_are_changed_and_passed_on(
    house: House, alice: Desk, bob: Desk, carol: Desk, connect: Any
) -> None:
    _, hers = await connect(carol, alice)
    await hers.get_by_role("button", name="Add a detail").or_(hers.get_by_role("button", name="Change")).click()
    form = hers.get_by_role("region", name="Details of this call")
    await form.get_by_role("textbox").last.fill("gold")
    await form.get_by_role("button", name="Save").click()
    await expect(hers.locator(".details")).to_contain_text("gold")
    if house.server.name == "freeswitch":
        await alice.press(hers, "Transfer")
        await hers.get_by_label("Number or extension").fill("1001")
        await hers.get_by_role("button", name="Transfer now").click()
        his = bob.card(phase="ringing")
        await expect(his).to_contain_text("gold")
        await bob.press(his, "Answer")
        await asyncio.gather(bob.hears(carol), carol.hears(bob))
    await carol.press(carol.card(phase="active"), "Hang up")
    await carol.card(phase="active").wait_for(state="detached")
    for desk in (alice, bob):
        await desk.card(phase="active").wait_for(state="detached")
