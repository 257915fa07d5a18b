"""Each promise is written down, and can be broken."""

from __future__ import annotations

from pathlib import Path

import pytest

from offhook.testing import simulation_promises as promises
from offhook.testing.simulation import Floor

PAGE = Path(__file__).resolve().parent.parent.parent / "docs" / "explanation" / "simulation.md"


def test_the_page_lists_the_promises_and_what_is_not_promised() -> None:
    page = " ".join(PAGE.read_text().split())
    missing = [each.__name__ for each in promises.ALL if f"`{each.__name__}` {promises.text_of(each)}" not in page]
    missing += [text for text in promises.NOT_PROMISED.values() if text not in page]
    assert not missing, f"docs/explanation/simulation.md does not have: {missing}"


@pytest.fixture(scope="module")
def floor() -> Floor:
    """At work, with nothing wrong."""
    made = Floor(1)
    made.work(60.0, faults=False)
    return made


def test_a_dialog_that_was_told_otherwise(floor: Floor) -> None:
    ledger = floor.people["1000"].page.ledger
    live, ledger.live = ledger.live, {}
    agents = [each for each in floor.agents if floor.people[each].page.ledger.live]
    other = floor.people[agents[0]].page.ledger
    kept, other.live = other.live, {}
    with pytest.raises(AssertionError, match="was told"):
        promises.dialogs_are_as_told(floor)
    ledger.live, other.live = live, kept
    promises.dialogs_are_as_told(floor)


def test_an_event_that_was_not_heard(floor: Floor) -> None:
    page = floor.people["1000"].page
    page.seq -= 1
    with pytest.raises(AssertionError, match="heard"):
        promises.pages_know_all(floor)
    page.seq += 1
    promises.pages_know_all(floor)


def test_a_command_without_an_outcome(floor: Floor) -> None:
    ledger = floor.people["1000"].page.ledger
    ledger.asked("x", "holdCall", "page", floor.now().monotonic - 100.0)
    with pytest.raises(AssertionError, match="no outcome of holdCall"):
        promises.every_command_has_its_outcome(floor)
    del ledger._asked["x"]


def test_an_agent_that_is_not_in_service(floor: Floor) -> None:
    session = floor.gateway.session("1000")
    assert session is not None
    session._presence.usable = False
    with pytest.raises(AssertionError, match="not in service"):
        promises.calls_come_back(floor)
    session._presence.usable = True


def test_a_call_that_the_switch_does_not_have(floor: Floor) -> None:
    channels, floor.switch.node._exchange.channels = floor.switch.node._exchange.channels, {}
    promises.what_is_gone_is_told(floor)
    for key in floor.seen.odd_since:
        floor.seen.odd_since[key] -= 100.0
    with pytest.raises(AssertionError, match="no such call"):
        promises.what_is_gone_is_told(floor)
    floor.switch.node._exchange.channels = channels


def test_calls_are_left(floor: Floor) -> None:
    with pytest.raises(AssertionError, match="left are"):
        promises.nothing_is_left(floor)
