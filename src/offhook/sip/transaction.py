"""What all transactions have in common: they run by a table, one row for each arrow of the RFC's figure (RFC 3261 17).

A missing row is a stray: late, duplicated, or absorbed already.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from enum import Enum
from typing import TYPE_CHECKING, Generic, TypeVar

from offhook.clock import Now, Timers
from offhook.sip.message import Request, Response
from offhook.sip.timers import Timing

if TYPE_CHECKING:
    from offhook.sip.outbox import Outbox

State = TypeVar("State", bound=Enum)
Input = TypeVar("Input", bound=Enum)


class Transaction(ABC, Generic[State, Input]):
    """One request and what comes of it.

    `reliable`: the flow loses nothing and repeats nothing, so nothing is retransmitted (RFC 3261 17.1.1.2).
    """

    table: dict[tuple[State, Input], tuple[State, Callable[..., None]]]
    """State and input to the next state and what is done."""
    timer_inputs: dict[str, Input]
    """By the names of the timers."""
    lost: Input
    """The flow is gone."""
    terminated: State

    def __init__(
        self, request: Request, flow: str, *, reliable: bool, timers: Timers, timing: Timing, box: Outbox, state: State
    ) -> None:
        self.request = request
        self.flow = flow
        self.state = state
        self._reliable = reliable
        self._timers = timers
        self._timing = timing
        self._box = box
        self._pause = timing.t1

    def handle_timer(self, timer: str, now: Now) -> None:
        self._step(self.timer_inputs[timer], now)

    def lose(self, now: Now) -> None:
        """The flow is gone: nothing more can come or go."""
        self._step(self.lost, now)

    @abstractmethod
    def _sort(self, status: int) -> Input:
        """What a response of that status is to the table."""

    @abstractmethod
    def _report_end(self) -> None:
        """Tell that the transaction is over and to be forgotten."""

    def _step(self, given: Input, now: Now, response: Response | None = None) -> None:
        row = self.table.get((self.state, given))
        if row is None:
            return  # a stray
        self.state, action = row
        action(self, now, response)
        if self.state is self.terminated:
            self._timers.cancel(self, *self.timer_inputs)
            self._report_end()

    def _set(self, timer: Input, now: Now, seconds: float) -> None:
        self._timers.set(self, timer.value, now.monotonic + seconds)

    def _nothing(self, now: Now, _: Response | None) -> None:
        """The arrow has no action."""
