from __future__ import annotations

from offhook.clock import Timers
from offhook.sip.client_transaction import Answered, ClientFinished
from offhook.sip.flow import Send
from offhook.sip.message import Request, Response
from offhook.sip.outbox import Outbox
from offhook.sip.server_transaction import Acknowledged, Asked, Cancelled, ServerFinished, ServerTransaction
from offhook.sip.timers import Timing
from offhook.sip.transactions import TRANSITIONS, Transactions, reliable
from offhook.testing.clock import VirtualClock


def request(method: str, *, branch: str = "z9hG4bK1", number: int = 1, host: str = "a.invalid") -> Request:
    return Request(
        method,
        "sip:1000@example.org",
        [
            ("Via", f"SIP/2.0/UDP {host};branch={branch}"),
            ("From", "<sip:1001@example.org>;tag=f"),
            ("To", "<sip:1000@example.org>"),
            ("Call-ID", "c"),
            ("CSeq", f"{number} {method}"),
        ],
    )


class Bench:
    def __init__(self) -> None:
        self.clock, self.timers, self.box = VirtualClock(), Timers(), Outbox()
        self.table = Transactions(self.timers, Timing(), self.box, lambda invite, _: request("ACK"))
        self.told: list[object] = []

    def drain(self) -> None:
        for item in self.box.drain():
            self.told.append(item)
            if isinstance(item, ClientFinished | ServerFinished):
                self.table.forget(item.transaction)

    def ask(self, asked: Request, flow: str = "f") -> None:
        self.table.receive_request(asked, flow, self.clock.now())
        self.drain()

    def kinds(self) -> list[type]:
        return [type(item) for item in self.told]

    def asked(self) -> ServerTransaction:
        found = [item for item in self.told if isinstance(item, Asked)]
        return found[-1].transaction


def test_a_repetition_is_no_new_request() -> None:
    bench = Bench()
    bench.ask(request("OPTIONS"))
    bench.ask(request("OPTIONS"))
    assert bench.kinds() == [Asked]
    bench.ask(request("OPTIONS", branch="z9hG4bK2", number=2))
    bench.ask(request("OPTIONS", host="b.invalid", number=3))
    bench.ask(request("OPTIONS"), flow="other")
    assert bench.kinds() == [Asked] * 4


def test_an_ack_belongs_to_the_refusal_and_not_to_the_2xx() -> None:
    bench = Bench()
    bench.ask(request("INVITE"))
    transaction = bench.asked()
    transaction.respond(transaction.request.response(486, to_tag="t"), bench.clock.now())
    bench.ask(request("ACK"))
    assert Acknowledged not in bench.kinds()
    bench.ask(request("INVITE", branch="z9hG4bK2", number=2))
    accepted = bench.asked()
    accepted.respond(accepted.request.response(200, to_tag="t"), bench.clock.now())
    bench.ask(request("ACK", branch="z9hG4bK3", number=2))
    bench.ask(request("ACK", branch="z9hG4bK2", number=2))  # of an element that reuses the branch
    assert bench.kinds().count(Acknowledged) == 2


def test_a_cancel_finds_its_invite() -> None:
    bench = Bench()
    bench.ask(request("INVITE"))
    bench.ask(request("CANCEL"))
    found = bench.told[-1]
    assert isinstance(found, Cancelled)
    assert found.invite is bench.asked()
    bench.ask(request("CANCEL", branch="z9hG4bKother"))
    lost = bench.told[-1]
    assert isinstance(lost, Cancelled) and lost.invite is None


def test_a_branch_without_the_cookie_identifies_nothing() -> None:
    bench = Bench()
    bench.ask(request("OPTIONS", branch="1"))
    bench.ask(request("OPTIONS", branch="1", number=2))
    bench.ask(request("OPTIONS", branch="1", number=2))
    assert bench.kinds() == [Asked, Asked]


def test_merged_requests_are_noticed_while_the_other_lives() -> None:
    bench = Bench()
    bench.ask(request("OPTIONS"))
    first = bench.asked()
    assert not bench.table.merged(first.request)
    bench.ask(request("OPTIONS", branch="z9hG4bKother"))
    assert bench.table.merged(bench.asked().request)
    first.respond(first.request.response(200, to_tag="t"), bench.clock.now())
    bench.clock.run(bench.timers, 40, bench.drain)
    assert len(bench.table) == 0
    bench.ask(request("OPTIONS", branch="z9hG4bKthird"))
    assert not bench.table.merged(bench.asked().request)


def test_a_response_counts_only_on_the_flow_of_its_request() -> None:
    bench = Bench()
    asked = request("OPTIONS")
    bench.table.send(asked, "f", bench.clock.now())
    fine: Response = asked.response(200, to_tag="t")
    assert not bench.table.receive_response(fine, "other", bench.clock.now())
    assert not bench.table.receive_response(request("INFO").response(200), "f", bench.clock.now())
    assert bench.table.receive_response(fine, "f", bench.clock.now())
    bench.drain()
    assert bench.kinds() == [Send, Answered]
    bench.clock.run(bench.timers, 40, bench.drain)
    assert (len(bench.table), len(bench.timers)) == (0, 0)
    assert not bench.table.receive_response(fine, "f", bench.clock.now())


def test_a_lost_flow_takes_its_transactions_along() -> None:
    bench = Bench()
    bench.table.send(request("OPTIONS"), "f", bench.clock.now())
    bench.table.send(request("OPTIONS", branch="z9hG4bK2"), "other", bench.clock.now())
    bench.ask(request("INVITE"))
    bench.table.lose("f", bench.clock.now())
    bench.drain()
    assert len(bench.table) == 1


def test_only_udp_loses_messages() -> None:
    assert [reliable(name) for name in ("UDP", "udp", "TCP", "WS", "WSS", "TLS")] == [False, False] + [True] * 4


def test_four_machines() -> None:
    assert len(TRANSITIONS) == 4
