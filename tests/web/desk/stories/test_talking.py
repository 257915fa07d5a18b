"""Hold, mute and digits, by the desk's buttons."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from playwright.async_api import expect

from offhook.testing.desk import until

pytestmark = pytest.mark.asyncio(loop_scope="session")

Desk = Any  # of ../conftest.py
House = Any  # of conftest.py


@pytest.mark.story("06 holdCall")
async def test_hold(alice: Desk, bob: Desk, connect: Any) -> None:
    hers, _ = await connect(alice, bob)
    await alice.press(hers, "Hold")
    await expect(alice.card("1001", "held")).to_contain_text("On hold")
    await alice.said("1001 is on hold")
    await asyncio.gather(alice.hears(), bob.hears())
    await alice.press(hers, "Hang up")
    await bob.card("1000", "ended").wait_for()


@pytest.mark.story("07 retrieveCall")
async def test_retrieve(alice: Desk, bob: Desk, connect: Any) -> None:
    """Whoever was called may hold, too."""
    _, his = await connect(alice, bob)
    for _ in range(2):
        await bob.press(his, "Hold")
        await bob.card("1000", "held").wait_for()
        await alice.hears()
        await bob.press(his, "Resume")
        await bob.card("1000", "active").wait_for()
        await asyncio.gather(alice.hears(bob), bob.hears(alice))
    await bob.press(his, "Hang up")
    await alice.card("1001", "ended").wait_for()


@pytest.mark.story("09 mute_call")
async def test_mute(alice: Desk, bob: Desk, connect: Any) -> None:
    """Mute outlasts a hold."""
    hers, _ = await connect(alice, bob)
    await alice.press(hers, "Mute")
    await expect(hers.get_by_role("button", name="Unmute")).to_have_attribute("aria-pressed", "true")
    await alice.said("Your microphone is muted")
    await bob.hears()
    await alice.hears(bob)
    await alice.press(hers, "Hold")
    await alice.card("1001", "held").wait_for()
    await alice.press(hers, "Resume")
    await alice.card("1001", "active").wait_for()
    await alice.hears(bob)
    await bob.keeps_hearing(seconds=2)
    await alice.press(hers, "Hang up")
    await bob.card("1000", "ended").wait_for()


@pytest.mark.story("10 unmute_call")
async def test_unmute(alice: Desk, bob: Desk, connect: Any) -> None:
    hers, _ = await connect(alice, bob)
    await alice.press(hers, "Mute")
    await bob.hears()
    await alice.press(hers, "Unmute")
    await alice.said("Your microphone is on")
    await bob.hears(alice)
    await alice.press(hers, "Hang up")
    await bob.card("1000", "ended").wait_for()


@pytest.mark.story("17 SendDtmf")
async def test_digits_by_the_keypad(house: House, alice: Desk) -> None:
    """To the directory of both servers, which takes digits up to #."""
    await alice.dial("5000")
    card = alice.card("5000", "active")
    await card.wait_for()
    # Its prompt is heard: FreeSWITCH drops digits that come before it asks.
    await expect(card.locator("[data-quality]")).to_be_visible(timeout=15_000)
    await alice.press(card, "Keypad")
    pad = card.get_by_role("region", name="Send digits")
    for digit in ("4", "2", "# Hash"):
        await pad.get_by_role("button", name=digit, exact=True).click()
    await expect(pad.get_by_role("status")).to_have_text("42#")

    async def taken() -> bool:
        return any(str(digits).rstrip("#") == "42" for digits in await house.server.digits())

    await until(taken, "42 at the server")
    await alice.press(card, "Hang up")
    await alice.card("5000", "ended").wait_for()
