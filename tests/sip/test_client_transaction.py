"""RFC 3261 figures 5 and 6 with RFC 6026, walked row by row and timed to the second."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

import pytest

from offhook.clock import Timers
from offhook.sip import client_transaction
from offhook.sip.client_transaction import (
    Answered,
    Cause,
    ClientFinished,
    ClientTransaction,
    Input,
    InviteClientTransaction,
    NonInviteClientTransaction,
    State,
    Unanswered,
)
from offhook.sip.flow import Send
from offhook.sip.message import Request, Response
from offhook.sip.outbox import Outbox
from offhook.sip.timers import Timing
from offhook.testing.clock import VirtualClock


def request(method: str) -> Request:
    return Request(
        method,
        "sip:1000@example.org",
        [
            ("Via", "SIP/2.0/UDP a.invalid;branch=z9hG4bK1"),
            ("From", "<sip:1001@example.org>;tag=f"),
            ("To", "<sip:1000@example.org>"),
            ("Call-ID", "c"),
            ("CSeq", f"1 {method}"),
        ],
    )


class Bench:
    """One transaction under virtual time; `told` is what it put out, with the instant."""

    def __init__(self, method: str, *, reliable: bool) -> None:
        self.clock, self.timers, self.box = VirtualClock(), Timers(), Outbox()
        self.told: list[tuple[float, str]] = []
        self.asked = request(method)
        self.transaction: ClientTransaction
        if method == "INVITE":
            invite = InviteClientTransaction(
                self.asked,
                "f",
                lambda invite, response: request("ACK"),
                reliable=reliable,
                timers=self.timers,
                timing=Timing(),
                box=self.box,
            )
            self.transaction = invite
            invite.start(self.clock.now())
        else:
            other = NonInviteClientTransaction(
                self.asked, "f", reliable=reliable, timers=self.timers, timing=Timing(), box=self.box
            )
            self.transaction = other
            other.start(self.clock.now())
        self.drain()

    def drain(self) -> None:
        at = self.clock.now().monotonic
        for item in self.box.drain():
            match item:
                case Send(_, data):
                    self.told.append((at, data.split(b" ")[0].decode()))
                case Answered(_, response, _):
                    self.told.append((at, str(response.status)))
                case Unanswered(_, cause, _):
                    self.told.append((at, cause.value))
                case ClientFinished():
                    self.told.append((at, "finished"))

    def run(self, seconds: float) -> None:
        self.clock.run(self.timers, self.clock.now().monotonic + seconds, self.drain)

    def respond(self, *statuses: int) -> None:
        for status in statuses:
            self.transaction.receive(self.asked.response(status, to_tag="t"), self.clock.now())
            self.drain()

    def words(self) -> list[str]:
        return [word for _, word in self.told]


def test_an_invite_is_repeated_at_doubling_intervals_and_times_out() -> None:
    bench = Bench("INVITE", reliable=False)
    bench.run(100)
    assert bench.told == [
        *[(at, "INVITE") for at in (0.0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5)],
        (32.0, "timeout"),
        (32.0, "finished"),
    ]
    assert len(bench.timers) == 0


def test_another_request_is_repeated_at_most_every_four_seconds() -> None:
    bench = Bench("OPTIONS", reliable=False)
    bench.run(100)
    sends = [at for at, word in bench.told if word == "OPTIONS"]
    assert sends == [0.0, 0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]
    assert bench.told[-2:] == [(32.0, "timeout"), (32.0, "finished")]


@pytest.mark.parametrize("method", ["INVITE", "OPTIONS"])
def test_nothing_is_repeated_on_a_reliable_flow(method: str) -> None:
    bench = Bench(method, reliable=True)
    bench.run(100)
    assert bench.told == [(0.0, method), (32.0, "timeout"), (32.0, "finished")]


def test_a_provisional_response_stops_the_invite_for_good() -> None:
    bench = Bench("INVITE", reliable=False)
    bench.respond(100)
    bench.run(1000)
    assert bench.words() == ["INVITE", "100"]
    bench.respond(180, 486)
    bench.run(31)
    assert bench.words() == ["INVITE", "100", "180", "ACK", "486"]
    bench.respond(486)
    assert bench.words()[-1] == "ACK"
    bench.run(1)
    assert bench.words()[-1] == "finished"
    assert len(bench.timers) == 0


def test_a_provisional_response_slows_other_requests_down() -> None:
    bench = Bench("OPTIONS", reliable=False)
    bench.respond(100)
    bench.run(10)
    assert [at for at, word in bench.told if word == "OPTIONS"] == [0.0, 0.5, 4.5, 8.5]


def test_every_2xx_is_passed_up_for_64_t1() -> None:
    bench = Bench("INVITE", reliable=True)
    bench.respond(200, 200)
    bench.run(31)
    bench.respond(200, 486)
    bench.run(1)
    assert bench.words() == ["INVITE", "200", "200", "200", "finished"]


@pytest.mark.parametrize(("reliable", "wait"), [(True, 0.0), (False, 5.0)])
def test_timer_k(reliable: bool, wait: float) -> None:
    bench = Bench("OPTIONS", reliable=reliable)
    bench.respond(200, 200)
    bench.run(10)
    assert bench.told[-2:] == [(0.0, "200"), (wait, "finished")]


@pytest.mark.parametrize("state", ["", "100"])
@pytest.mark.parametrize("method", ["INVITE", "OPTIONS"])
def test_a_lost_flow_is_told_once(method: str, state: str) -> None:
    bench = Bench(method, reliable=True)
    if state:
        bench.respond(int(state))
    bench.transaction.lose(bench.clock.now())
    bench.transaction.lose(bench.clock.now())
    bench.drain()
    assert bench.words()[-2:] == [Cause.LOST.value, "finished"]
    assert len(bench.timers) == 0


@pytest.mark.parametrize("status", [200, 486])
def test_a_lost_flow_after_the_answer_is_no_news(status: int) -> None:
    bench = Bench("INVITE", reliable=False)
    bench.respond(status)
    bench.transaction.lose(bench.clock.now())
    bench.drain()
    assert bench.words()[-2:] == [str(status), "finished"]


def test_an_abandoned_invite_ends_silently() -> None:
    bench = Bench("INVITE", reliable=True)
    bench.respond(180)
    assert isinstance(bench.transaction, InviteClientTransaction)
    bench.transaction.abandon(bench.clock.now())
    bench.drain()
    assert bench.words()[-1] == "finished"
    bench.respond(200)
    assert bench.words()[-1] == "finished"


def reachable(table: Iterable[tuple[tuple[State, Input], State]], start: State) -> set[State]:
    rows = list(table)
    found, todo = {start}, deque([start])
    while todo:
        here = todo.popleft()
        for (state, _), then in rows:
            if state is here and then not in found:
                found.add(then)
                todo.append(then)
    return found


@pytest.mark.parametrize("name", client_transaction.TRANSITIONS)
def test_every_state_can_be_reached_and_left(name: str) -> None:
    table = client_transaction.TRANSITIONS[name]
    rows = [(key, row[0]) for key, row in table.items()]
    start = rows[0][0][0]
    states = {state for state, _ in table}
    assert states | {State.TERMINATED} == reachable(rows, start)
    for state in states:
        assert State.TERMINATED in reachable(rows, state)


def test_a_response_may_be_of_any_kind() -> None:
    bench = Bench("INVITE", reliable=True)
    bench.transaction.receive(Response(699, headers=bench.asked.headers.copy()), bench.clock.now())
    bench.drain()
    assert bench.words() == ["INVITE", "ACK", "699"]
