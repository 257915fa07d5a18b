"""Transfers, consults and what comes of them, by the desk's buttons."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from playwright.async_api import expect

if TYPE_CHECKING:
    from playwright.async_api import Locator

pytestmark = pytest.mark.asyncio(loop_scope="session")

Desk = Any  # of ../conftest.py


async def towards(desk: Desk, card: Locator, what: str, number: str) -> None:
    """Transfer the call to a number, or consult it."""
    await desk.press(card, what)
    await card.get_by_label("Number or extension").fill(number)
    await card.get_by_role("button", name=f"{what} now").click()


async def towards_queue(desk: Desk, card: Locator, what: str) -> None:
    """The same with the queue `support`, in which is 1001."""
    await desk.press(card, what)
    await card.get_by_label("a queue").check()
    await card.get_by_label("Name of the queue").fill("support")
    await card.get_by_label("Number of the queue").fill("99887766")
    await card.get_by_role("button", name=f"{what} now").click()


@pytest.mark.story("11 SST")
async def test_blind_transfer(alice: Desk, bob: Desk, carol: Desk, connect: Any) -> None:
    _, hers = await connect(carol, alice)
    await towards(alice, hers, "Transfer", "1001")
    await bob.press(bob.card(phase="ringing"), "Answer")
    await expect(alice.card("1002", "ended")).to_contain_text("Passed on")
    await asyncio.gather(carol.hears(bob), bob.hears(carol), alice.hears())
    await carol.press(carol.card(phase="active"), "Hang up")
    await bob.card(phase="active").wait_for(state="detached")


@pytest.mark.story("11 SST")
async def test_a_transfer_that_fails_leaves_the_call(alice: Desk, carol: Desk, connect: Any) -> None:
    customer, hers = await connect(carol, alice)
    await towards(alice, hers, "Transfer", "1005")
    await alice.page.locator(".notice.error").wait_for(timeout=45_000)
    await expect(alice.card("1002", "active")).to_be_visible()
    await asyncio.gather(carol.hears(alice), alice.hears(carol))
    await carol.press(customer, "Hang up")
    await alice.card("1002", "ended").wait_for()


@pytest.mark.story("12 SST_Queue")
async def test_transfer_to_a_queue(alice: Desk, bob: Desk, carol: Desk, connect: Any) -> None:
    _, hers = await connect(carol, alice)
    await towards_queue(alice, hers, "Transfer")
    ringing = bob.card(phase="ringing")
    await expect(ringing).to_contain_text("support", timeout=20_000)
    await bob.press(ringing, "Answer")
    await expect(alice.card("1002", "ended")).to_contain_text("Passed on")
    await asyncio.gather(carol.hears(bob), bob.hears(carol), alice.hears())
    await carol.press(carol.card(phase="active"), "Hang up")
    await bob.card(phase="active").wait_for(state="detached")


@pytest.mark.story("13 makeConsult")
async def test_consult_and_go_back(alice: Desk, bob: Desk, carol: Desk, connect: Any) -> None:
    customer, hers = await connect(carol, alice)
    await towards(alice, hers, "Consult", "1001")
    ringing = bob.card(phase="ringing")
    await expect(ringing).to_contain_text("Colleague asks you")
    await bob.press(ringing, "Answer")
    consult = alice.card("1001", "active")
    await consult.wait_for()
    await alice.card("1002", "held").wait_for()
    await asyncio.gather(alice.hears(bob), bob.hears(alice), carol.hears())
    await alice.press(consult, "Swap")
    await alice.card("1002", "active").wait_for()
    await asyncio.gather(alice.hears(carol), carol.hears(alice), bob.hears())
    await alice.press(alice.card("1001", "held"), "Swap")
    await asyncio.gather(alice.hears(bob), bob.hears(alice), carol.hears())
    await bob.press(bob.card(phase="active"), "Hang up")
    await alice.card("1001", "ended").wait_for()
    await alice.press(alice.card("1002", "held"), "Resume")
    await asyncio.gather(alice.hears(carol), carol.hears(alice))
    await carol.press(customer, "Hang up")
    await alice.card("1002", "ended").wait_for()


@pytest.mark.story("13 makeConsult")
async def test_a_consult_that_is_refused(alice: Desk, bob: Desk, carol: Desk, connect: Any) -> None:
    customer, hers = await connect(carol, alice)
    await towards(alice, hers, "Consult", "1001")
    await bob.press(bob.card(phase="ringing"), "Reject")
    await expect(alice.card("1001", "ended")).to_contain_text("Rejected")
    await alice.press(alice.card("1002", "held"), "Resume")
    await asyncio.gather(alice.hears(carol), carol.hears(alice))
    await carol.press(customer, "Hang up")
    await alice.card("1002", "ended").wait_for()


@pytest.mark.story("14 makeConsultQueue")
async def test_consult_a_queue(alice: Desk, bob: Desk, carol: Desk, connect: Any) -> None:
    """While the consult waits in the queue, nothing can be completed."""
    _, hers = await connect(carol, alice)
    await towards_queue(alice, hers, "Consult")
    await bob.card(phase="ringing").wait_for(timeout=20_000)
    await alice.card("1002", "held").wait_for()
    await expect(alice.page.get_by_role("button", name="Complete transfer")).to_have_count(0)
    await bob.press(bob.card(phase="ringing"), "Answer")
    complete = alice.page.get_by_role("button", name="Complete transfer")
    await complete.wait_for()
    await asyncio.gather(alice.hears(bob), bob.hears(alice), carol.hears())
    await complete.click()
    await expect(alice.card("1002", "ended")).to_contain_text("Passed on")
    await asyncio.gather(carol.hears(bob), bob.hears(carol), alice.hears())
    await carol.press(carol.card(phase="active"), "Hang up")
    await bob.card(phase="active").wait_for(state="detached")


@pytest.mark.story("15 consultTransfer")
async def test_complete(alice: Desk, bob: Desk, carol: Desk, connect: Any) -> None:
    _, hers = await connect(carol, alice)
    await towards(alice, hers, "Consult", "1001")
    await bob.press(bob.card(phase="ringing"), "Answer")
    await alice.press(alice.card("1001", "active"), "Complete transfer")
    await expect(alice.card("1001", "ended")).to_contain_text("Passed on")
    await alice.card("1002", "ended").wait_for()
    await bob.card("1002", "active").wait_for()
    await asyncio.gather(carol.hears(bob), bob.hears(carol), alice.hears())
    await bob.press(bob.card("1002", "active"), "Hang up")
    await carol.card(phase="active").wait_for(state="detached")
