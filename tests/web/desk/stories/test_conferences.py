"""Conferences, by the desk's buttons: each hears all others."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from playwright.async_api import expect

if TYPE_CHECKING:
    from playwright.async_api import Locator

pytestmark = pytest.mark.asyncio(loop_scope="session")

Desk = Any  # of ../conftest.py


async def conference(alice: Desk, bob: Desk, carol: Desk, connect: Any) -> Locator:
    """Alice brings her colleague into the customer's call; her card."""
    _, hers = await connect(carol, alice)
    await alice.press(hers, "Consult")
    await hers.get_by_label("Number or extension").fill("1001")
    await hers.get_by_role("button", name="Consult now").click()
    await bob.press(bob.card(phase="ringing"), "Answer")
    await alice.press(alice.card("1001", "active"), "Conference")
    found: Locator = alice.page.locator("article[data-kind=conference]")
    await expect(found.get_by_role("listitem")).to_have_count(3)
    await asyncio.gather(alice.hears(bob, carol), bob.hears(alice, carol), carol.hears(alice, bob))
    return found


@pytest.mark.story("16 conference_consult")
async def test_three_hear_each_other(alice: Desk, bob: Desk, carol: Desk, connect: Any) -> None:
    """It goes on when who began it leaves."""
    card = await conference(alice, bob, carol, connect)
    await alice.said("Conference of 3 members")
    await alice.press(card, "Hold")
    his = bob.page.locator("article[data-kind=conference]")
    await expect(his.get_by_role("listitem").filter(has_text="1000")).to_contain_text("On hold")
    await asyncio.gather(bob.hears(carol), carol.hears(bob))
    await alice.press(card, "Resume")
    await asyncio.gather(alice.hears(bob, carol), bob.hears(alice, carol), carol.hears(alice, bob))
    await alice.press(card, "Hang up")
    await asyncio.gather(alice.hears(), bob.hears(carol), carol.hears(bob))
    await bob.press(bob.card(phase="active"), "Hang up")
    await carol.card(phase="active").wait_for(state="detached")


@pytest.mark.story("dropParticipant")
async def test_a_member_is_removed(alice: Desk, bob: Desk, carol: Desk, connect: Any) -> None:
    card = await conference(alice, bob, carol, connect)
    await card.get_by_role("button", name="Remove 1001 from the conference").click()
    await bob.card(phase="active").wait_for(state="detached")
    await expect(alice.page.locator("article[data-kind=conference]")).to_have_count(0)
    await asyncio.gather(alice.hears(carol), carol.hears(alice), bob.hears())
    await alice.press(alice.card("1002", "active"), "Hang up")
    await carol.card(phase="active").wait_for(state="detached")
