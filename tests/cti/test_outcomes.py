"""One outcome for every command."""

from __future__ import annotations

import json

import pytest

from offhook.clock import Now, Timers
from offhook.cti.codec import encode
from offhook.cti.commands import Command, GetState, HoldCall
from offhook.cti.errors import failure
from offhook.cti.outcomes import Outcomes
from offhook.cti.stream import EventStream, Outbox, Publish, Reply

NOW = Now(0.0, 1_000_000.0)


class Owner:
    def __init__(self) -> None:
        self.fired: list[str] = []

    def handle_timer(self, timer: str, now: Now) -> None:
        self.fired.append(timer)


class Case:
    def __init__(self) -> None:
        self.timers, self.owner = Timers(), Owner()
        self.outbox = Outbox("1000", EventStream("s"), lambda wall: 0.0)
        self.outcomes = Outcomes(self.outbox, self.timers, self.owner, 40.0)

    def told(self) -> list[tuple[str, object]]:
        short: list[tuple[str, object]] = []
        for item in self.outbox.drain():
            assert isinstance(item, Publish | Reply)
            message = json.loads(encode(item.event if isinstance(item, Publish) else item.message))
            short.append((message["event"], message.get("status", message.get("response", {}).get("code"))))
        return short


HOLD: Command = HoldCall(dialogId="d", id="1")


def test_done_once() -> None:
    case = Case()
    ticket = case.outcomes.begin(HOLD, "desk")
    assert ticket.dialog_id == "d"
    case.outcomes.done(ticket)
    case.outcomes.done(ticket)
    case.outcomes.failed(ticket, failure("timeout"), NOW)
    assert case.told() == [("commandResult", "done")]
    assert case.outcomes.open == {}


def test_a_failure_is_an_error_for_all_and_a_result_for_one() -> None:
    case = Case()
    case.outcomes.failed(case.outcomes.begin(HOLD, "desk"), failure("timeout"), NOW)
    assert case.told() == [("Error", "timeout"), ("commandResult", "failed")]
    case.outcomes.failed(case.outcomes.begin(HOLD, "desk"), failure("timeout"), NOW, tell=False)
    assert case.told() == [("commandResult", "failed")]


def test_without_an_id_there_is_no_result() -> None:
    case = Case()
    case.outcomes.done(case.outcomes.begin(HoldCall(dialogId="d"), "desk"))
    case.outcomes.failed(case.outcomes.begin(HoldCall(dialogId="d"), "desk"), failure("timeout"), NOW)
    case.outcomes.done(None)
    case.outcomes.failed(None, failure("timeout"), NOW)
    assert case.told() == [("Error", "timeout")]


@pytest.mark.foreign
def test_the_answer_of_a_query() -> None:
    case = Case()
    case.outcomes.done(case.outcomes.begin(GetState(id="q"), "desk"), {"a": 1})
    (item,) = case.outbox.drain()
    assert isinstance(item, Reply) and item.origin == "desk"
    assert json.loads(encode(item.message))["result"] == {"a": 1}


def test_the_time_runs_from_the_start_on() -> None:
    case = Case()
    ticket = case.outcomes.begin(HOLD, "desk")
    assert case.timers.next() is None
    case.outcomes.start(ticket, Now(5.0, 0.0))
    assert case.timers.next() == 45.0
    case.timers.fire(Now(45.0, 0.0))
    assert case.outcomes.of_timer(case.owner.fired[0]) is ticket
    case.outcomes.done(ticket)
    case.outcomes.start(ticket, Now(50.0, 0.0))
    assert case.timers.next() is None


def test_done_stops_the_time() -> None:
    case = Case()
    ticket = case.outcomes.begin(HOLD, "desk")
    case.outcomes.start(ticket, NOW)
    case.outcomes.done(ticket)
    assert case.timers.next() is None


def test_what_has_begun_does_not_begin_anew() -> None:
    """A command of two steps has the time of one."""
    case = Case()
    ticket = case.outcomes.begin(HOLD, None)
    case.outcomes.start(ticket, Now(0.0, 0.0))
    case.outcomes.start(ticket, Now(30.0, 30.0))
    assert case.timers.next() == 40.0
