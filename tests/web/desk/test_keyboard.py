"""The whole of a call with the keyboard alone; where the focus is; what the accessibility tree says."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.async_api import expect

pytestmark = pytest.mark.asyncio(loop_scope="session")

Stage = Any  # of conftest.py, which test files cannot import
Desk = Any


async def login_by_keys(stage: Stage, extension: str) -> Desk:
    desk = await stage.open()
    await desk.page.goto(desk.url)
    await expect(desk.page.get_by_label("Extension", exact=True)).to_be_focused()
    await desk.page.keyboard.type(extension)
    await desk.page.keyboard.press("Tab")
    await desk.page.keyboard.type("1234")
    await desk.page.keyboard.press("Enter")
    await desk.page.locator("[data-readiness=ready]").wait_for()
    await expect(desk.page.get_by_role("main")).to_be_focused()
    return desk


async def tab_to(desk: Desk, role: str, name: str, most: int = 40) -> None:
    """Press Tab until that has the focus."""
    wanted = desk.page.get_by_role(role, name=name, exact=True)
    for _ in range(most):
        if await wanted.count() and await wanted.first.evaluate("(each) => each === document.activeElement"):
            return
        await desk.page.keyboard.press("Tab")
    raise AssertionError(f"Tab does not come to {role} {name}")


async def test_a_whole_call_by_shortcuts(stage: Stage) -> None:
    """Log in, dial, answer, mute, hold, digits, consult, swap, complete, hang up: no mouse."""
    alice = await login_by_keys(stage, "1000")
    bob = await login_by_keys(stage, "1001")
    carol = await login_by_keys(stage, "1002")
    await alice.page.keyboard.type("6001")  # outside of fields: to the number field
    await alice.page.keyboard.press("n")
    await expect(alice.page.get_by_label("Number or extension")).to_be_focused()
    await alice.page.keyboard.press("Enter")
    await bob.card(phase="ringing").wait_for()
    await bob.page.keyboard.press("a")
    await bob.card("1000", "active").wait_for()
    await alice.card("6001", "active").wait_for()
    keys = bob.page.keyboard
    await keys.press("m")
    await expect(bob.card("1000")).to_contain_text("Muted")
    await keys.press("m")
    await bob.said("Your microphone is on")
    await keys.press("h")
    await bob.card("1000", "held").wait_for()
    await keys.press("h")
    await bob.card("1000", "active").wait_for()
    await keys.press("k")
    await expect(bob.card("1000").locator(".digit").first).to_be_focused()
    await keys.press("7")
    await expect(bob.card("1000").get_by_role("status")).to_have_text("7")
    await keys.press("Escape")
    await expect(bob.card("1000").get_by_role("button", name="Keypad")).to_be_focused()
    await keys.press("c")
    await keys.type("1002")
    await keys.press("Enter")
    await carol.card(phase="ringing").wait_for()
    await carol.page.keyboard.press("a")
    await bob.card("1002", "active").wait_for()
    await keys.press("s")
    await bob.card("1000", "active").wait_for()
    await bob.card("1002", "held").wait_for()
    await keys.press("g")
    await carol.card("1000", "active").wait_for()
    await carol.page.keyboard.press("Shift+E")
    await alice.card("6001", "ended").wait_for()


async def test_a_whole_call_by_tab_and_enter(stage: Stage) -> None:
    alice = await login_by_keys(stage, "1000")
    bob = await login_by_keys(stage, "1001")
    await tab_to(alice, "textbox", "Number or extension")
    await alice.page.keyboard.type("6001")
    await alice.page.keyboard.press("Enter")
    await bob.card(phase="ringing").wait_for()
    await tab_to(bob, "button", "Answer")
    await bob.page.keyboard.press("Enter")
    await bob.card("1000", "active").wait_for()
    # The button is gone; its call has the focus, so that no key falls into nothing.
    await expect(bob.card("1000")).to_be_focused()
    await tab_to(bob, "button", "Hold")
    await bob.page.keyboard.press("Space")
    await bob.card("1000", "held").wait_for()
    await tab_to(bob, "button", "Resume")
    await bob.page.keyboard.press("Enter")
    await bob.card("1000", "active").wait_for()
    await tab_to(bob, "button", "Hang up")
    await bob.page.keyboard.press("Enter")
    await alice.card("6001", "ended").wait_for()


async def test_shortcuts_are_explained_and_can_be_turned_off(stage: Stage) -> None:
    desk = await login_by_keys(stage, "1000")
    keys = desk.page.keyboard
    await keys.press("?")
    dialog = desk.page.get_by_role("dialog", name="Keyboard shortcuts")
    await expect(dialog).to_contain_text("Hold or resume")
    await keys.press("Escape")
    await expect(dialog).to_be_hidden()
    await tab_to(desk, "tab", "Dial")
    for name in ("History", "Supervise", "Settings"):
        await keys.press("ArrowRight")
        await expect(desk.page.get_by_role("tab", name=name)).to_be_focused()
    await tab_to(desk, "checkbox", "Shortcuts by single keys")
    await keys.press("Space")
    await desk.page.get_by_role("tab", name="Dial").focus()
    await keys.press("Enter")
    await keys.press("?")
    await keys.press("5")
    await expect(desk.page.get_by_label("Number or extension")).to_have_value("")
    await expect(dialog).to_be_hidden()


async def test_what_the_accessibility_tree_says_during_a_call(stage: Stage) -> None:
    alice = await stage.desk("1000")
    bob = await stage.desk("1001")
    await alice.dial("6001")
    await bob.card(phase="ringing").wait_for()
    await expect(bob.page.get_by_role("main")).to_match_aria_snapshot(
        """
        - main "Calls":
          - heading "Calls" [level=1]
          - article "Incoming call, 1000, Ringing":
            - heading "1000" [level=2]
            - group "What to do with the call, 1000":
              - button "Answer"
              - button "Reject"
        """
    )
    await expect(bob.page.locator("#urgent")).to_match_aria_snapshot(
        "- alert:\n  - paragraph: Incoming call from 1000, queue support."
    )
    await bob.page.keyboard.press("a")
    await bob.card("1000", "active").wait_for()
    await bob.page.keyboard.press("h")
    await expect(bob.page.get_by_role("main")).to_match_aria_snapshot(
        """
        - main "Calls":
          - article "Incoming call, 1000, On hold":
            - group "What to do with the call, 1000":
              - button "Resume"
              - button "Mute"
              - button "Transfer"
              - button "Consult"
              - button "Hang up"
        """
    )
