"""A page notices when something is missing from what it is told; people work until they are told to stop."""

from __future__ import annotations

import pytest

from offhook.testing.ledger import BrokenRule
from offhook.testing.simulation import Floor
from offhook.testing.simulation_gateway import Json


def test_a_page_that_misses_an_event() -> None:
    floor = Floor(2)
    floor.work(30.0, faults=False)
    page = floor.people["1000"].page
    event: Json = {"event": "xmppEvent", "response": {}, "stream": page.stream, "seq": page.seq + 2}
    with pytest.raises(BrokenRule, match="comes after"):
        page.hear(event)


def test_a_page_that_is_given_a_snapshot_without_need() -> None:
    floor = Floor(2)
    with pytest.raises(BrokenRule, match="snapshot"):
        floor.people["1000"].page.hear({"event": "snapshot", "response": {}})


def test_a_page_that_comes_back_has_heard_all() -> None:
    floor = Floor(3)
    floor.work(60.0, faults=False)
    page = floor.people["1001"].page
    page.leave(5.0)
    floor.work(30.0, faults=False)
    assert page.present
    session = floor.gateway.session("1001")
    assert session is not None
    assert page.seq == session._work.outbox.stream.seq


def test_people_stop_working() -> None:
    floor = Floor(5)
    floor.work(60.0, faults=False)
    assert any(person.page.ledger.live for person in floor.people.values())
    floor.close()
    assert not any(person.page.ledger.live for person in floor.people.values())
