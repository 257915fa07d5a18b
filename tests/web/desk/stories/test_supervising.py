"""Listen, whisper, join, by the desk's buttons; and who may not."""

from __future__ import annotations

import asyncio
import os
from typing import Any

import pytest
from playwright.async_api import Locator, expect

pytestmark = pytest.mark.asyncio(loop_scope="session")

Desk = Any  # of ../conftest.py


async def listen(desk: Desk, number: str) -> Locator:
    """The tab of supervisors: the card of what is listened to."""
    panel = await desk.tab("Supervise")
    await panel.get_by_label("Extension of the colleague").fill(number)
    await panel.get_by_role("button", name="Listen", exact=True).click()
    found: Locator = desk.page.locator("article[data-kind=monitoring]")
    return found


async def end(customer: Locator, carol: Desk, *others: Desk) -> None:
    await carol.press(customer, "Hang up")
    for desk in others:
        await desk.page.locator("article:not([data-phase=ended])").first.wait_for(state="detached")


@pytest.mark.story("20 silentMonitor")
async def test_listen(alice: Desk, carol: Desk, boss: Desk, connect: Any) -> None:
    customer, _ = await connect(carol, alice)
    card = await listen(boss, "1000")
    await expect(card).to_contain_text("Nobody hears you.")
    await boss.hears(alice, carol)
    await asyncio.gather(alice.keeps_hearing(carol, seconds=2), carol.keeps_hearing(alice, seconds=2))
    assert await card.get_by_role("button", name="Transfer").count() == 0
    await boss.press(card, "Stop listening")
    await boss.card("1000", "ended").wait_for()
    await asyncio.gather(alice.hears(carol), carol.hears(alice), boss.hears())
    await end(customer, carol, alice)


@pytest.mark.story("20 silentMonitor")
async def test_a_call_on_hold_is_not_listened_to(alice: Desk, carol: Desk, boss: Desk, connect: Any) -> None:
    customer, hers = await connect(carol, alice)
    await alice.press(hers, "Hold")
    await alice.card("1002", "held").wait_for()
    panel = await boss.tab("Supervise")
    await panel.get_by_label("Extension of the colleague").fill("1000")
    await panel.get_by_role("button", name="Listen", exact=True).click()
    await expect(boss.page.locator("article[data-phase=ended], .notice.error").first).to_contain_text("on hold")
    await end(customer, carol, alice)


@pytest.mark.story("whisper")
async def test_whisper(alice: Desk, carol: Desk, boss: Desk, connect: Any) -> None:
    customer, _ = await connect(carol, alice)
    card = await listen(boss, "1000")
    await boss.hears(alice, carol)
    await boss.press(card, "Whisper")
    await expect(card).to_contain_text("The agent hears you. The customer does not.")
    await alice.hears(boss, carol)
    await carol.keeps_hearing(alice, seconds=2)
    await boss.press(card, "Stop whispering")
    await expect(card).to_contain_text("Nobody hears you.")
    await asyncio.gather(alice.hears(carol), carol.hears(alice), boss.hears(alice, carol))
    await end(customer, carol, alice, boss)


@pytest.mark.story("21 bargeIn")
async def test_join(alice: Desk, carol: Desk, boss: Desk, connect: Any) -> None:
    customer, _ = await connect(carol, alice)
    card = await listen(boss, "1000")
    await boss.hears(alice, carol)
    await boss.press(card, "Join")
    joined = boss.page.locator("article[data-kind=conference]")
    await expect(joined.get_by_role("listitem")).to_have_count(3)
    await asyncio.gather(boss.hears(alice, carol), alice.hears(boss, carol), carol.hears(alice, boss))
    await boss.press(joined, "Hang up")
    await asyncio.gather(alice.hears(carol), carol.hears(alice), boss.hears())
    await end(customer, carol, alice)


@pytest.mark.story("authorisation")
async def test_who_is_no_supervisor(alice: Desk, bob: Desk, carol: Desk, connect: Any) -> None:
    """Neither by the tab of supervisors, nor by the number that listens."""
    customer, _ = await connect(carol, alice)
    panel = await bob.tab("Supervise")
    await panel.get_by_label("Extension of the colleague").fill("1000")
    await bob.page.keyboard.press("Enter")
    await expect(bob.page.locator(".notice.error")).to_contain_text("Only supervisors may listen to other calls.")
    await bob.tab("Dial")
    await bob.dial("*441000")
    await expect(bob.page.locator(".notice.error").last).to_contain_text("Use Supervise instead.")
    await expect(bob.page.locator("article")).to_have_count(0)
    await asyncio.gather(alice.keeps_hearing(carol, seconds=2), bob.hears())
    await end(customer, carol, alice)


@pytest.mark.slow
@pytest.mark.skipif(os.environ.get("OFFHOOK_SLOW") != "1", reason="runs for minutes: set OFFHOOK_SLOW=1")
@pytest.mark.story("monitored for 300 s")
async def test_listen_for_longer_than_300_s(alice: Desk, carol: Desk, boss: Desk, connect: Any) -> None:
    customer, _ = await connect(carol, alice)
    card = await listen(boss, "1000")
    await boss.hears(alice, carol)
    await asyncio.gather(
        alice.keeps_hearing(carol, seconds=305),
        carol.keeps_hearing(alice, seconds=305),
        boss.keeps_hearing(alice, carol, seconds=305),
    )
    await expect(card).to_contain_text("Nobody hears you.")
    await end(customer, carol, alice, boss)
