from __future__ import annotations

from offhook.clock import Now, Timers
from offhook.sip.acceptance import Acceptance
from offhook.sip.exchange import Endpoint, Flow
from offhook.sip.flow import Send
from offhook.sip.message import Request
from offhook.sip.server_transaction import Asked
from offhook.sip.style import Style
from offhook.sip.timers import Timing
from offhook.testing.clock import SeededIds, VirtualClock


class Accepter:
    def __init__(self) -> None:
        self.unacknowledged_at: list[float] = []

    def unacknowledged(self, now: Now) -> None:
        self.unacknowledged_at.append(now.monotonic)


class Bench:
    def __init__(self) -> None:
        self.clock, self.timers, self.accepter = VirtualClock(), Timers(), Accepter()
        self.endpoint = Endpoint(Style(), self.timers, SeededIds(1), Timing())
        self.endpoint.flows["f"] = Flow("a:1", "b:2", "WS")
        self.sent: list[float] = []
        invite = Request(
            "INVITE",
            "sip:x@y",
            [
                ("Via", "SIP/2.0/WS h;branch=z9hG4bK1"),
                ("From", "<sip:a@b>;tag=f"),
                ("To", "<sip:x@y>"),
                ("Call-ID", "c"),
                ("CSeq", "4 INVITE"),
            ],
        )
        self.endpoint.transactions.receive_request(invite, "f", self.clock.now())
        asked = self.endpoint.box.take()
        assert isinstance(asked, Asked)
        response = self.endpoint.respond(asked.transaction, 200, self.clock.now())
        self.acceptance = Acceptance(self.endpoint, asked.transaction, response, self.accepter, self.clock.now())

    def drain(self) -> None:
        while (item := self.endpoint.box.take()) is not None:
            if isinstance(item, Send):
                self.sent.append(self.clock.now().monotonic)

    def run(self, seconds: float) -> None:
        self.clock.run(self.timers, self.clock.now().monotonic + seconds, self.drain)


def test_the_2xx_goes_out_again_and_again_then_it_is_given_up() -> None:
    bench = Bench()
    bench.run(100)
    assert bench.sent == [0.0, 0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]
    assert bench.accepter.unacknowledged_at == [32.0]
    assert len(bench.timers) == 0


def test_the_ack_ends_it() -> None:
    bench = Bench()
    bench.run(1)
    assert (bench.acceptance.number, bench.acceptance.flow) == (4, "f")
    bench.acceptance.stop()
    bench.run(100)
    assert bench.sent == [0.0, 0.5]
    assert bench.accepter.unacknowledged_at == []
