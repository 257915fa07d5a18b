"""Camera and screen, by the desk's buttons: pictures are counted where they are seen."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from playwright.async_api import expect

pytestmark = pytest.mark.asyncio(loop_scope="session")

Desk = Any  # of ../conftest.py


@pytest.mark.story("19 convertCall")
@pytest.mark.parametrize(
    ("what", "stop", "said"), [("Camera", "Camera off", "sends video"), ("Screen", "Stop screen", "shares a screen")]
)
async def test_shown_in_a_call(alice: Desk, bob: Desk, connect: Any, what: str, stop: str, said: str) -> None:
    """Each side shows for itself; nobody's camera is opened by another."""
    hers, his = await connect(alice, bob)
    await alice.press(hers, what)
    await bob.said(f"1000 {said}")
    await expect(his.get_by_role("button", name="Camera", exact=True)).to_have_attribute("aria-pressed", "false")
    await bob.press(his, what)
    await asyncio.gather(alice.sees("Video of 1001"), bob.sees("Video of 1000"))
    await asyncio.gather(alice.hears(bob), bob.hears(alice))
    await alice.press(hers, stop)
    await bob.press(his, stop)
    await expect(hers.get_by_label("Your video")).to_have_count(0)
    await asyncio.gather(alice.hears(bob), bob.hears(alice))
    await alice.press(hers, "Hang up")
    await bob.card("1000", "ended").wait_for()


@pytest.mark.story("02 makeCall")
@pytest.mark.parametrize(
    ("call", "answer", "both"),
    [
        ("Call with video", "Answer with video", True),
        ("Call with video", "Answer and only watch", False),
        ("Call and share the screen", "Answer and only watch", False),
        ("Call and share the screen", "Answer with screen", True),
    ],
)
async def test_a_call_that_shows_something(alice: Desk, bob: Desk, call: str, answer: str, both: bool) -> None:
    await alice.page.get_by_label("Number or extension").first.fill("1001")
    await alice.page.get_by_role("button", name=call).click()
    await bob.press(bob.card("1000", "ringing"), answer)
    await asyncio.gather(alice.hears(bob), bob.hears(alice))
    await bob.sees("Video of 1000")
    if both:
        await alice.sees("Video of 1001")
    else:
        await expect(bob.card("1000").get_by_label("Your video")).to_have_count(0)
    await alice.press(alice.card("1001", "active"), "Hang up")
    await bob.card("1000", "ended").wait_for()
