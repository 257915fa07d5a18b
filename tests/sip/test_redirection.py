"""Calls that are answered by 3xx (RFC 3261 §8.1.3.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from offhook.sip.account import Account
from offhook.sip.events import End, Established, SessionEnded
from offhook.sip.message import Response
from offhook.sip.redirection import Redirection

if TYPE_CHECKING:
    from tests.sip.conftest import Net


def moved(*contacts: str, status: int = 302) -> Response:
    return Response(status, None, [("Contact", contact) for contact in contacts])


def test_the_most_wanted_comes_first() -> None:
    redirection = Redirection(9, "sip:a@h")
    answer = moved("<sip:b@h>;q=0.2", "<sip:c@h>;q=0.9", "<sip:d@h>", "<sip:e@h>;q=nonsense", "<sip:f@h>;q=7")
    got = [redirection.next(answer)] + [redirection.next(Response(404)) for _ in range(5)]
    assert got == ["sip:d@h", "sip:c@h", "sip:b@h", "sip:e@h", "sip:f@h", None]


def test_loops_and_long_chains_come_to_an_end() -> None:
    redirection = Redirection(9, "sip:a@h")
    assert redirection.next(moved("<sip:a@h>")) is None
    assert redirection.next(moved("<sip:b@h>")) == "sip:b@h"
    assert redirection.next(moved("<sip:a@h>", "<sip:b@h>")) is None
    short = Redirection(2, "sip:0@h")
    assert [short.next(moved(f"<sip:{number}@h>")) for number in range(1, 4)] == ["sip:1@h", "sip:2@h", None]


@pytest.mark.parametrize("contact", ["<tel:+123>", "<mailto:a@b>", "<http://evil>", "*", "<<>>", "<sip:p"])
def test_what_cannot_be_called_is_passed_over(contact: str) -> None:
    assert Redirection(9, "sip:a@h").next(moved(contact)) is None


@pytest.mark.parametrize("status", [305, 380, 404, 486, 503, 603])
def test_other_answers_lead_nowhere(status: int) -> None:
    assert Redirection(9, "sip:a@h").next(moved("<sip:b@h>", status=status)) is None


def test_a_refusal_everywhere_is_the_last_word() -> None:
    redirection = Redirection(9, "sip:a@h")
    redirection.next(moved("<sip:b@h>", "<sip:c@h>"))
    assert redirection.next(Response(603)) is None


def test_headers_in_a_contact_are_dropped_and_security_is_kept() -> None:
    assert Redirection(9, "sip:a@h").next(moved("<sip:b@h?X-Admin=1>")) == "sip:b@h"
    assert Redirection(9, "sips:a@h").next(moved("<sip:b@h>")) is None


@pytest.mark.parametrize(
    ("contact", "target"),
    [
        ("<sip:b@h>", "sip:b@h"),
        ("<sip:b@H;maddr=evil;transport=tcp>", "sip:b@H"),
        ("<sip:b@evil>", None),
        ("<sip:b@h:5999>", None),
        ("<sip:b:secret@h>", None),
        ("<sip:h>", None),
        ("<sip:*441000@h>", None),
        ("<sip:%2A441000@h>", None),
    ],
)
def test_it_stays_in_the_domain_and_with_numbers_that_may_be_called(contact: str, target: str | None) -> None:
    redirection = Redirection(9, "sip:a@h", lambda number: not number.startswith("*44"))
    assert redirection.next(moved(contact)) == target


def redirecting(make_net: type[Net], redirects: int) -> Net:
    net = make_net(account=Account("1001", "example.org", "secret", ("ws://pbx",), redirects=redirects))
    net.connect()
    return net


def test_a_call_follows_where_that_is_configured(make_net: type[Net]) -> None:
    net = redirecting(make_net, 3)
    session, called = net.call_server()
    net.server.ring(called, net.now)
    net.server.reject(called, 302, net.now, headers=(("Contact", "<sip:9664@example.org>"),))
    net.drain()
    first, second = (m for _, m in net.requests("phone", "INVITE"))
    assert second.uri == "sip:9664@example.org"
    assert (second.call_id, str(second.to), second.from_.tag) == (first.call_id, str(first.to), first.from_.tag)
    assert second.cseq.number == first.cseq.number + 1 and second.text == net.OFFER
    (again,) = net.server.sessions()
    net.server.accept(again, net.ANSWER, net.now)
    net.drain()
    assert net.take("phone", Established).session == session
    net.phone.hangup(session, net.now)
    net.assert_clean()


def test_a_call_is_refused_by_a_redirection_where_it_is_not(net: Net) -> None:
    session, called = net.call_server()
    net.server.reject(called, 302, net.now, headers=(("Contact", "<sip:9664@example.org>"),))
    net.drain()
    ended = net.take("phone", SessionEnded)
    assert (ended.session, ended.end, ended.status) == (session, End.REFUSED, 302)


def test_a_call_that_is_given_up_follows_no_more(make_net: type[Net]) -> None:
    net = redirecting(make_net, 3)
    session, called = net.call_server()
    net.drop = lambda who, message: who == "phone"
    net.phone.hangup(session, net.now)
    net.drop = lambda who, message: False
    net.server.reject(called, 302, net.now, headers=(("Contact", "<sip:9664@example.org>"),))
    net.drain()
    assert net.take("phone", SessionEnded).end is End.CANCEL
    assert len(net.requests("phone", "INVITE")) == 1


def test_the_last_refusal_is_told(make_net: type[Net]) -> None:
    net = redirecting(make_net, 1)
    session, called = net.call_server()
    net.server.reject(called, 302, net.now, headers=(("Contact", "<sip:9664@example.org>, <sip:9665@example.org>"),))
    net.drain()
    (again,) = net.server.sessions()
    net.server.reject(again, 486, net.now)
    net.drain()
    ended = net.take("phone", SessionEnded)
    assert (ended.session, ended.status) == (session, 486)
    net.assert_clean()
