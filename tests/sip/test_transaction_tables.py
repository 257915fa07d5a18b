"""The tables of the four transactions, walked: every row, over transports that lose messages and those that do not.

A timer fires only where the machine has set it, so a row that nothing can lead to is found.
"""

from __future__ import annotations

from enum import Enum
from itertools import product
from typing import Any

import pytest

from offhook.clock import Now, Timers
from offhook.sip import client_transaction, server_transaction
from offhook.sip.client_transaction import InviteClientTransaction, NonInviteClientTransaction
from offhook.sip.headers import Headers
from offhook.sip.message import Request
from offhook.sip.outbox import Outbox
from offhook.sip.server_transaction import InviteServerTransaction, NonInviteServerTransaction
from offhook.sip.timers import Timing

Table = dict[tuple[Enum, Enum], Any]


def request(method: str) -> Request:
    return Request(
        method,
        "sip:b@h",
        Headers(
            [
                ("Via", "SIP/2.0/UDP h;branch=z9hG4bKx"),
                ("Max-Forwards", "70"),
                ("From", "<sip:a@h>;tag=f"),
                ("To", "<sip:b@h>"),
                ("Call-ID", "i"),
                ("CSeq", f"1 {method}"),
            ]
        ),
    )


class Walker:
    """One transaction, driven along its table."""

    def __init__(self, kind: type[Any], *, reliable: bool) -> None:
        self.timers = Timers()
        self.box = Outbox()
        self.at = 0.0
        self.method = "INVITE" if "Non" not in kind.__name__ else "INFO"
        shared: dict[str, Any] = {"reliable": reliable, "timers": self.timers, "timing": Timing(), "box": self.box}
        asked = request(self.method)
        self.machine: Any
        if kind is InviteClientTransaction:
            self.machine = kind(asked, "flow", lambda sent, answer: request("ACK"), **shared)
        elif kind is NonInviteClientTransaction:
            self.machine = kind(asked, "flow", **shared)
        elif kind is InviteServerTransaction:
            self.machine = kind(asked, "flow", ("key",), **shared)
        else:
            self.machine = kind(asked, "flow", ("key",), self.now, **shared)
        if hasattr(self.machine, "start"):
            self.machine.start(self.now)

    @property
    def now(self) -> Now:
        return Now(self.at, self.at)

    def press(self, given: Enum) -> bool:
        """Let that happen; False where it cannot: its timer is not set."""
        name = given.name
        if name.startswith("TIMER_"):
            if not self.timers.is_set(self.machine, given.value):
                return False
            self.timers.cancel(self.machine, given.value)
            self.machine.handle_timer(given.value, self.now)
        elif name == "LOST":
            self.machine.lose(self.now)
        elif name == "ABANDON":
            self.machine.abandon(self.now)
        elif name in ("REQUEST", "ACK"):
            self.machine.receive(request("ACK" if name == "ACK" else self.method), self.now)
        else:
            status = {"PROVISIONAL": 180, "SUCCESS": 200, "FAILURE": 486, "FINAL": 200}[name]
            response = request(self.method).response(status, to_tag="t")
            if isinstance(self.machine, client_transaction.ClientTransaction):
                self.machine.receive(response, self.now)
            else:
                self.machine.respond(response, self.now)
        return True


KINDS: tuple[tuple[type[Any], Any], ...] = (
    (InviteClientTransaction, client_transaction.INVITE),
    (NonInviteClientTransaction, client_transaction.NON_INVITE),
    (InviteServerTransaction, server_transaction.INVITE),
    (NonInviteServerTransaction, server_transaction.NON_INVITE),
)


def paths(table: Table, start: Enum) -> dict[Enum, list[Enum]]:
    """The shortest way to each state."""
    known: dict[Enum, list[Enum]] = {start: []}
    waiting = [start]
    while waiting:
        state = waiting.pop(0)
        for (origin, given), (end, _) in table.items():
            if origin is state and end not in known:
                known[end] = [*known[state], given]
                waiting.append(end)
    return known


def walk(kind: type[Any], table: Table) -> None:
    """Every row, over a transport that loses messages and over one that does not."""
    start = Walker(kind, reliable=False).machine.state
    for reliable, (state, given) in product((False, True), table):
        walker = Walker(kind, reliable=reliable)
        for step in paths(table, start)[state]:
            assert walker.press(step), f"{kind.__name__}: {step} cannot come"
        assert walker.machine.state is state
        done = walker.press(given)
        assert done or reliable, f"{kind.__name__}: nothing sets {given} in {state}"
        if done:
            assert walker.machine.state is table[state, given][0]
        if walker.machine.state.name == "TERMINATED":
            assert len(walker.timers) == 0, f"{kind.__name__}: a timer outlives it"


@pytest.mark.parametrize(("kind", "table"), KINDS, ids=lambda it: getattr(it, "__name__", ""))
def test_every_row(kind: type[Any], table: Table) -> None:
    walk(kind, table)


@pytest.mark.parametrize(("kind", "table"), KINDS, ids=lambda it: getattr(it, "__name__", ""))
def test_strays_do_nothing(kind: type[Any], table: Table) -> None:
    start = Walker(kind, reliable=False).machine.state
    some_input = next(iter(table))[1]
    ways = paths(table, start)
    for state, given in product(ways, type(some_input)):
        if (state, given) in table or (given.name.startswith("TIMER_")):
            continue
        walker = Walker(kind, reliable=False)
        for step in ways[state]:
            walker.press(step)
        while walker.box.take() is not None:
            continue
        timers = len(walker.timers)
        if given.name in ("SUCCESS", "FAILURE") and kind in (
            NonInviteClientTransaction,
            NonInviteServerTransaction,
        ):
            continue
        if given.name == "FINAL" and kind in (InviteClientTransaction, InviteServerTransaction):
            continue
        if hasattr(walker.machine, "abandon") or given.name != "ABANDON":
            walker.press(given)
        assert walker.machine.state is state
        assert walker.box.take() is None
        assert len(walker.timers) == timers


def test_every_table_is_walked() -> None:
    walked = [table for _, table in KINDS]
    for module in (client_transaction, server_transaction):
        assert all(table in walked for table in module.TRANSITIONS.values())
