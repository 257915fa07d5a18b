"""The table of REFER and its subscription: every row visited, and each transfer ends in exactly one outcome."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import pytest

from offhook.errors import StateError
from offhook.sip import subscription
from offhook.sip.events import ReferAccepted, ReferExpired, ReferFailed, ReferProgress, RequestReceived
from offhook.sip.style import Style

Make = Callable[..., Any]
"""The class `Net` of conftest.py, which no test can import."""
PLAIN = Style(refresher=False, trying=False)


class Recorder(dict[tuple[subscription.State, subscription.Input], Any]):
    """The table, and which of its rows were looked up."""

    def __init__(self, table: dict[tuple[subscription.State, subscription.Input], Any]) -> None:
        super().__init__(table)
        self.visited: set[object] = set()

    def get(self, key: Any, default: Any = None) -> Any:
        if key in self:
            self.visited.add(key)
        return super().get(key, default)


def owner(net: Any, act: Callable[[], object]) -> None:
    """What an owner wants; that it does not fit is harmless."""
    try:
        act()
    except StateError:
        pass
    net.drain()


def answer_refer(net: Any, status: int, *headers: tuple[str, str]) -> None:
    for event in [it for it in net.told["server"] if isinstance(it, RequestReceived) and not it.answered]:
        owner(net, lambda event=event: net.server.respond(event.key, status, net.now, headers=headers))  # type: ignore[misc]


def notify_refer(net: Any, theirs: str, status: int, over: bool) -> None:
    owner(net, lambda: net.server.notify(theirs, None, status, net.now, over=over))


def end_refer(net: Any, theirs: str) -> None:
    """The last NOTIFY, which does not tell what came of it."""
    headers = (("Event", "refer"), ("Subscription-State", "terminated;reason=noresource"))
    owner(net, lambda: net.server.request("NOTIFY", None, net.now, session=theirs, headers=headers))


def test_every_row(make_net: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """A REFER of ours, unanswered and accepted, and all that can come of it: one outcome, and every row visited."""
    table = Recorder(subscription.TRANSITIONS)
    monkeypatch.setattr(subscription, "TRANSITIONS", table)
    happenings: tuple[Callable[[Any, str, str], object], ...] = (
        lambda net, ours, theirs: answer_refer(net, 202),
        lambda net, ours, theirs: answer_refer(net, 202, ("Refer-Sub", "false")),
        lambda net, ours, theirs: answer_refer(net, 603),
        lambda net, ours, theirs: notify_refer(net, theirs, 100, False),
        lambda net, ours, theirs: notify_refer(net, theirs, 180, True),
        lambda net, ours, theirs: notify_refer(net, theirs, 200, True),
        lambda net, ours, theirs: notify_refer(net, theirs, 486, False),
        lambda net, ours, theirs: end_refer(net, theirs),
        lambda net, ours, theirs: net.run(400),
        lambda net, ours, theirs: net.cut(),
        lambda net, ours, theirs: owner(net, lambda: net.phone.hangup(ours, net.now)),
        lambda net, ours, theirs: owner(net, lambda: net.server.hangup(theirs, net.now)),
    )
    for accepted_before, first, second in product((False, True), happenings, happenings[3:8]):
        net = make_net(phone_style=PLAIN, server_style=PLAIN, pass_up=frozenset({"REGISTER", "REFER"}))
        net.connect()
        ours, theirs = net.answer_server()
        owner(net, lambda net=net, ours=ours: net.phone.refer(ours, "sip:x@example.org", net.now))  # type: ignore[misc]
        if accepted_before:
            answer_refer(net, 202)
        first(net, ours, theirs)
        second(net, ours, theirs)
        for agent, session in ((net.phone, ours), (net.server, theirs)):
            owner(net, lambda agent=agent, session=session, net=net: agent.hangup(session, net.now))  # type: ignore[misc]
        net.assert_clean()
        told = [it for it in net.told["phone"] if is_outcome(it)]
        assert len(told) == 1, f"a transfer has {len(told)} outcomes"
    assert table.visited == set(table)


def is_outcome(event: object) -> bool:
    """Whether that is the one thing in which every REFER ends."""
    match event:
        case ReferProgress():
            return event.final
        case ReferAccepted():
            return not event.subscribed
        case _:
            return isinstance(event, ReferExpired) or (isinstance(event, ReferFailed) and event.final)
