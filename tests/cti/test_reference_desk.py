"""A desk of the reference at work: what it commands by itself does not set it and us swinging (RB §9.1).

Every stream of events of every test is read by such a desk (tests/conftest.py); here it does what it asks for, too.
"""

from __future__ import annotations

from typing import Any

import pytest

from offhook.testing.reference_desk import ReferenceDesk

LATER = 1.55
"""Seconds after which it gives a command of its own."""


class Driven:
    """An agent's session, and the desk that reads its events and gives commands by itself."""

    def __init__(self, bench: Any) -> None:
        self.bench = bench
        self.desk = ReferenceDesk()
        self.given: list[tuple[str, str]] = []
        self._read = 0

    def goes_on(self) -> list[tuple[str, str]]:
        """Until neither has more to say; the commands that the desk gave by itself."""
        before = len(self.given)
        while True:
            self.bench.run(LATER)
            events = self.bench.desk.events[self._read :]
            self._read += len(events)
            for event in events:
                self.desk.receive(event)
            waiting = self.desk.commands[len(self.given) :]
            if not waiting:
                return self.given[before:]
            for action, dialog in waiting:
                self.given.append((action, dialog))
                assert len(self.given) - before < 5, f"they swing: {self.given}"
                self.bench.desk.done(action, within=1.0, dialogId=dialog)

    def states(self) -> dict[str, str]:
        return {id: call.state for id, call in self.desk.calls.items()}


@pytest.fixture
def driven(bench: Any) -> Driven:
    return Driven(bench)


def test_a_consult_and_back(driven: Driven) -> None:
    bench = driven.bench
    customer, _, consult, consulted = bench.pair()
    assert driven.goes_on() == []
    assert driven.states() == {customer: "HELD", consult: "ACTIVE"}
    bench.desk.done("holdCall", dialogId=consult)
    assert driven.goes_on() == [("retrieveCall", customer)]
    assert driven.states() == {customer: "ACTIVE", consult: "HELD"}
    bench.desk.done("holdCall", dialogId=customer, within=1.0)
    assert driven.goes_on() == [("retrieveCall", consult)]
    assert driven.states() == {customer: "HELD", consult: "ACTIVE"}
    bench.pbx.bye(consulted)
    driven.goes_on()
    bench.desk.done("retrieveCall", dialogId=customer, within=1.0)
    assert driven.goes_on() == []
    assert driven.states() == {customer: "ACTIVE"}


def test_the_customer_is_retrieved_beside_the_consult(driven: Driven) -> None:
    """Both would be heard at once: the desk holds the consult."""
    bench = driven.bench
    customer, _, consult, _ = bench.pair()
    driven.goes_on()
    bench.desk.done("retrieveCall", dialogId=customer, within=1.0)
    driven.goes_on()
    assert driven.states() == {customer: "ACTIVE", consult: "HELD"}


def test_a_transfer_ends_both(driven: Driven) -> None:
    bench = driven.bench
    customer, session, consult, consulted = bench.pair()
    driven.goes_on()
    bench.desk.ask("consultTransfer")
    bench.run(1)
    bench.pbx.report(200)
    for ended in (consulted, session):
        bench.run()
        bench.pbx.bye(ended, 'Q.850;cause=16;text="ATTENDED_TRANSFER"')
    assert driven.goes_on() == []
    assert driven.desk.calls == {}
    assert driven.desk.reports == [
        ("identified", customer),
        ("started", customer),
        ("held", customer),
        ("identified", consult),
        ("started", consult),
        ("ended", consult),
        ("ended", customer),
    ]


def test_the_customer_leaves(driven: Driven) -> None:
    bench = driven.bench
    _, session, _, _ = bench.pair()
    driven.goes_on()
    bench.pbx.bye(session)
    driven.goes_on()
    assert driven.desk.calls == {}
    bench.desk.done("logout", within=1.0)
    driven.goes_on()
    driven.desk.finish()
    assert driven.desk.logged_in is False
