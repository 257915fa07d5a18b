"""Logging in and out, calls out and in, by the desk's buttons."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest
from playwright.async_api import expect

pytestmark = pytest.mark.asyncio(loop_scope="session")

Desk = Any  # of ../conftest.py
House = Any  # of conftest.py


@pytest.mark.story("01 login")
async def test_log_in(house: House) -> None:
    desk = await house.desk("1000")
    await desk.until("document.querySelector('[data-audio=here]')")
    await expect(desk.page.locator("[data-readiness=ready]")).to_be_visible()
    await expect(desk.page.get_by_role("banner")).to_contain_text("1000")


@pytest.mark.story("01 login")
async def test_a_wrong_password(house: House, browser_of: Any) -> None:
    desk = await house.stage.open(await browser_of("1002"))
    await desk.page.goto(desk.url)
    await desk.page.get_by_label("Extension", exact=True).fill("1003")
    await desk.page.get_by_label("Password").fill("wrong")
    await desk.page.get_by_role("button", name="Log in").click()
    await expect(desk.page.get_by_role("alert").first).to_contain_text("The extension or the password is wrong.")
    await desk.page.context.close()


@pytest.mark.story("08 logout")
async def test_log_out_ends_the_calls(house: House, alice: Desk, bob: Desk, connect: Any) -> None:
    await connect(alice, bob)
    await alice.page.get_by_role("button", name="Log out", exact=True).click()
    await alice.page.get_by_role("button", name="Log out and end the calls").click()
    await alice.page.get_by_role("button", name="Log in").wait_for()
    await bob.card("1000", "ended").wait_for()
    await bob.hears()
    await house.leave(alice)


@pytest.mark.story("02 makeCall")
async def test_call_and_hang_up(alice: Desk, bob: Desk) -> None:
    await alice.dial("1001")
    await alice.card("1001", "dialing").wait_for()
    await bob.press(bob.card("1000", "ringing"), "Answer")
    await alice.card("1001", "active").wait_for()
    await asyncio.gather(alice.hears(bob), bob.hears(alice))
    await alice.press(alice.card("1001"), "Hang up")
    await bob.card("1000", "ended").wait_for()
    await asyncio.gather(alice.hears(), bob.hears())


@pytest.mark.story("02 makeCall")
async def test_nobody_is_there(alice: Desk) -> None:
    await alice.dial("1005")
    await expect(alice.card("1005", "ended").locator(".ending")).to_contain_text(
        re.compile("not logged in|Not reach|No answer")
    )


@pytest.mark.story("03 makeOBCall")
async def test_call_back_from_the_history(alice: Desk, bob: Desk) -> None:
    """A number of the history is called back."""
    await bob.dial("1000")
    await alice.press(alice.card("1001", "ringing"), "Reject")
    await bob.card("1000", "ended").wait_for()
    panel = await alice.tab("History")
    await panel.get_by_role("button", name="Call 1001").first.click()
    await bob.press(bob.card("1000", "ringing"), "Answer")
    await alice.card("1001", "active").wait_for()
    await asyncio.gather(alice.hears(bob), bob.hears(alice))
    await bob.press(bob.card("1000", "active"), "Hang up")
    await alice.card("1001", "active").wait_for(state="detached")


@pytest.mark.story("04 answerCall")
async def test_answer(alice: Desk, bob: Desk) -> None:
    await alice.dial("1001")
    await bob.said("Incoming call from 1000")
    await bob.hears()
    await bob.press(bob.card("1000", "ringing"), "Answer")
    await bob.card("1000", "active").wait_for()
    await bob.said("Connected to 1000")
    await asyncio.gather(alice.hears(bob), bob.hears(alice))
    await bob.press(bob.card("1000"), "Hang up")
    await alice.card("1001", "ended").wait_for()


@pytest.mark.story("05 releaseCall")
async def test_cancel_before_it_is_answered(alice: Desk, bob: Desk) -> None:
    await alice.dial("1001")
    await bob.card("1000", "ringing").wait_for()
    await alice.press(alice.card("1001", "dialing"), "Cancel")
    await alice.card("1001", "ended").wait_for()
    await bob.card("1000", "ended").wait_for()
    await expect(alice.page.locator(".notice")).to_have_count(0)


@pytest.mark.story("05 releaseCall")
async def test_who_is_called_hangs_up(alice: Desk, bob: Desk, connect: Any) -> None:
    _, his = await connect(alice, bob)
    await bob.press(his, "Hang up")
    await alice.card("1001", "ended").wait_for()
    await asyncio.gather(alice.hears(), bob.hears())


@pytest.mark.story("rejectCall, getState, getDialog, getStats")
async def test_reject(alice: Desk, bob: Desk) -> None:
    await alice.dial("1001")
    await bob.press(bob.card("1000", "ringing"), "Reject")
    await bob.card("1000", "ended").wait_for()
    await expect(alice.card("1001", "ended").locator(".ending")).to_contain_text("Rejected")


@pytest.mark.story("rejectCall, getState, getDialog, getStats")
async def test_ask_again_and_see_the_quality(alice: Desk, bob: Desk, connect: Any) -> None:
    hers, _ = await connect(alice, bob)
    await alice.page.get_by_role("button", name="Press to ask the server again").click()
    await expect(alice.page.locator(".notice.info")).to_contain_text("the server knows one call of yours")
    await expect(hers.locator("[data-quality]")).to_be_visible(timeout=15_000)
    await alice.press(hers, "Hang up")
    await bob.card("1000", "ended").wait_for()
