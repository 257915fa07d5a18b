"""RFC 3261 figures 7 and 8 with RFC 6026."""

from __future__ import annotations

import pytest

from offhook.clock import Timers
from offhook.sip import server_transaction
from offhook.sip.flow import Send
from offhook.sip.message import Request
from offhook.sip.outbox import Outbox
from offhook.sip.server_transaction import (
    Input,
    InviteServerTransaction,
    NonInviteServerTransaction,
    ServerFinished,
    ServerTransaction,
    State,
)
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
    def __init__(self, method: str, *, reliable: bool) -> None:
        self.clock, self.timers, self.box = VirtualClock(), Timers(), Outbox()
        self.told: list[tuple[float, str]] = []
        self.transaction: ServerTransaction
        if method == "INVITE":
            self.transaction = InviteServerTransaction(
                request(method),
                "f",
                ("k",),
                reliable=reliable,
                timers=self.timers,
                timing=Timing(),
                box=self.box,
            )
        else:
            self.transaction = NonInviteServerTransaction(
                request(method),
                "f",
                ("k",),
                self.clock.now(),
                reliable=reliable,
                timers=self.timers,
                timing=Timing(),
                box=self.box,
            )

    def drain(self) -> None:
        at = self.clock.now().monotonic
        for item in self.box.drain():
            match item:
                case Send(_, data):
                    self.told.append((at, data.split(b" ")[1].decode()))
                case ServerFinished():
                    self.told.append((at, "finished"))

    def run(self, seconds: float) -> None:
        self.clock.run(self.timers, self.clock.now().monotonic + seconds, self.drain)

    def respond(self, *statuses: int) -> None:
        for status in statuses:
            response = self.transaction.request.response(status, to_tag="t")
            self.transaction.respond(response, self.clock.now())
            self.drain()

    def again(self, method: str | None = None) -> None:
        self.transaction.receive(request(method or self.transaction.request.method), self.clock.now())
        self.drain()

    def words(self) -> list[str]:
        return [word for _, word in self.told]


def test_a_refusal_is_repeated_until_the_ack() -> None:
    bench = Bench("INVITE", reliable=False)
    bench.respond(100, 486)
    bench.run(8)
    assert bench.told == [(0.0, "100"), *[(at, "486") for at in (0.0, 0.5, 1.5, 3.5, 7.5)]]
    bench.again()
    bench.again("ACK")
    bench.again("ACK")
    bench.again()
    assert bench.words().count("486") == 6
    bench.run(5)
    assert bench.told[-1] == (13.0, "finished")
    assert len(bench.timers) == 0


def test_a_refusal_that_nobody_acknowledges_is_given_up() -> None:
    bench = Bench("INVITE", reliable=False)
    bench.respond(486)
    bench.run(100)
    sends = [at for at, word in bench.told if word == "486"]
    assert sends == [0.0, 0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]
    assert bench.told[-1] == (32.0, "finished")


def test_on_a_reliable_flow_a_refusal_is_sent_once() -> None:
    bench = Bench("INVITE", reliable=True)
    bench.respond(486)
    bench.run(10)
    bench.again("ACK")
    bench.run(0)
    assert bench.told == [(0.0, "486"), (10.0, "finished")]


def test_an_accepted_invite_lets_2xx_through_and_absorbs_the_rest() -> None:
    bench = Bench("INVITE", reliable=False)
    bench.respond(180)
    bench.again()
    bench.respond(200, 200, 486, 180)
    bench.again()
    assert bench.words() == ["180", "180", "200", "200"]
    assert bench.transaction.state is State.ACCEPTED
    bench.run(32)
    assert bench.told[-1] == (32.0, "finished")


@pytest.mark.parametrize(("reliable", "wait"), [(True, 0.0), (False, 32.0)])
def test_timer_j(reliable: bool, wait: float) -> None:
    bench = Bench("OPTIONS", reliable=reliable)
    bench.again()  # absorbed: nothing was answered yet
    bench.respond(100)
    bench.again()
    bench.respond(200)
    bench.again()
    bench.respond(500)
    bench.run(40)
    assert bench.told == [(0.0, "100"), (0.0, "100"), (0.0, "200"), (0.0, "200"), (wait, "finished")]


def test_a_request_that_its_owner_forgets_is_forgotten() -> None:
    bench = Bench("MESSAGE", reliable=True)
    bench.run(100)
    assert bench.told == [(32.0, "finished")]
    assert len(bench.timers) == 0


@pytest.mark.parametrize("method", ["INVITE", "OPTIONS"])
def test_a_lost_flow(method: str) -> None:
    bench = Bench(method, reliable=True)
    bench.respond(100)
    bench.transaction.lose(bench.clock.now())
    bench.drain()
    bench.respond(200)
    assert bench.words() == ["100", "finished"]
    assert len(bench.timers) == 0


@pytest.mark.parametrize("status", [200, 486])
def test_a_lost_flow_after_the_answer(status: int) -> None:
    bench = Bench("INVITE", reliable=False)
    bench.respond(status)
    assert bench.transaction.answered
    bench.transaction.lose(bench.clock.now())
    bench.drain()
    assert bench.words() == [str(status), "finished"]


@pytest.mark.parametrize("name", server_transaction.TRANSITIONS)
def test_every_state_is_left_in_the_end(name: str) -> None:
    table = server_transaction.TRANSITIONS[name]
    for state in {state for state, _ in table}:
        assert table[state, Input.LOST][0] is State.TERMINATED
        targets = {then for (here, _), (then, _) in table.items() if here is state}
        assert targets - {state}
