"""How a transaction runs by its table. (The tables themselves: test_transaction_tables.)"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

import pytest

from offhook.clock import Now, Timers
from offhook.sip.flow import Send
from offhook.sip.message import Request, Response
from offhook.sip.outbox import Outbox
from offhook.sip.timers import Timing
from offhook.sip.transaction import Transaction


class State(Enum):
    WAITING = "waiting"
    OVER = "over"


class Input(Enum):
    FINAL = "final"
    TIMER_X = "X"
    TIMER_Y = "Y"
    LOST = "lost"


class Toy(Transaction[State, Input]):
    """Waits for a final response; timer X says that it waits, timer Y is never heeded."""

    table: dict[tuple[State, Input], tuple[State, Callable[..., None]]]
    timer_inputs = {"X": Input.TIMER_X, "Y": Input.TIMER_Y}
    lost = Input.LOST
    terminated = State.OVER

    def __init__(self, timers: Timers) -> None:
        self.box = Outbox()
        request = Request("OPTIONS", "sip:a@b")
        super().__init__(
            request, "flow", reliable=False, timers=timers, timing=Timing(), box=self.box, state=State.WAITING
        )
        self._set(Input.TIMER_X, Now(0.0, 0.0), 1.0)
        self._set(Input.TIMER_Y, Now(0.0, 0.0), 2.0)

    def _sort(self, status: int) -> Input:
        return Input.FINAL

    def _report_end(self) -> None:
        self.box.put(Send(self.flow, b"end"))

    def receive(self, response: Response, now: Now) -> None:
        self._step(self._sort(response.status), now, response)

    def tell(self, now: Now, response: Response | None) -> None:
        self.box.put(Send(self.flow, b"waiting" if response is None else b"%d" % response.status))


Toy.table = {
    (State.WAITING, Input.TIMER_X): (State.WAITING, Toy.tell),
    (State.WAITING, Input.FINAL): (State.OVER, Toy.tell),
    (State.WAITING, Input.LOST): (State.OVER, Toy._nothing),
}


@pytest.fixture
def timers() -> Timers:
    return Timers()


def said(toy: Toy) -> list[bytes]:
    return [item.data for item in toy.box.drain() if isinstance(item, Send)]


def test_a_row_says_what_is_done(timers: Timers) -> None:
    toy = Toy(timers)
    timers.fire(Now(1.0, 1.0))
    assert said(toy) == [b"waiting"]
    assert toy.state is State.WAITING


def test_the_end_is_told_once_and_leaves_no_timer(timers: Timers) -> None:
    toy = Toy(timers)
    toy.receive(Response(200), Now(0.5, 0.5))
    toy.receive(Response(200), Now(0.6, 0.6))
    toy.lose(Now(0.7, 0.7))
    assert said(toy) == [b"200", b"end"]
    assert len(timers) == 0


def test_what_has_no_row_is_a_stray(timers: Timers) -> None:
    toy = Toy(timers)
    toy.handle_timer("Y", Now(2.0, 2.0))
    assert toy.state is State.WAITING
    assert said(toy) == []


def test_a_lost_flow_may_be_the_end(timers: Timers) -> None:
    toy = Toy(timers)
    toy.lose(Now(0.5, 0.5))
    assert said(toy) == [b"end"]
