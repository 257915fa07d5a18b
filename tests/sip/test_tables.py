"""Every row of every transition table is visited, and what has no row is harmless.

The tables of offhook.sip are found by themselves: a row that is added needs a way that leads to it, here. Pairs of
user agents are brought into every state that two can have with each other (`REACH`), and there everything happens that
can (`PRESS`); what that leaves is in scripts of its own. All of it goes through whole user agents and over the wire.
The tables of transactions and of REFER have files of their own (`ELSEWHERE`).
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from itertools import product
from typing import Any

import pytest

import offhook.sip
from offhook.errors import StateError
from offhook.sip.account import Account
from offhook.sip.events import RequestReceived, SessionEnded
from offhook.sip.fields import Address
from offhook.sip.message import Request
from offhook.sip.negotiation import Negotiation
from offhook.sip.style import Style
from offhook.sip.timers import Timing

Table = dict[tuple[Enum, Enum], Any]
Row = tuple[Enum, Enum]
Make = Callable[..., Any]
"""The class `Net` of conftest.py, which no test can import."""

# Finding the tables


def is_table(it: object) -> bool:
    return (
        isinstance(it, dict)
        and bool(it)
        and all(isinstance(key, tuple) and len(key) == 2 and all(isinstance(k, Enum) for k in key) for key in it)
    )


def places() -> Iterator[tuple[object, str, Table]]:
    """Every name under which a table stands, in modules and classes of offhook.sip."""
    modules = [importlib.import_module(f"offhook.sip.{it.name}") for it in pkgutil.iter_modules(offhook.sip.__path__)]
    for module in modules:
        for name, it in vars(module).items():
            if is_table(it):
                yield module, name, it
    for module in modules:
        for it in vars(module).values():
            if isinstance(it, type) and it.__module__ == module.__name__:
                for attribute, inner in vars(it).items():
                    if is_table(inner):
                        yield it, attribute, inner


def tables() -> dict[str, Table]:
    """The tables by a name; those that are only part of another one are left out."""
    found: dict[int, tuple[str, Table]] = {}
    for owner, name, table in places():
        called = f"{getattr(owner, '__name__', '').rpartition('.')[2]}.{name}"
        found.setdefault(id(table), (called, table))
    whole = list(found.values())
    return {
        name: table
        for name, table in whole
        if not any(table is not other and table.items() <= other.items() for _, other in whole)
    }


class Recorder(dict[tuple[Enum, Enum], Any]):
    """A table that remembers which rows were looked up."""

    def __init__(self, table: Table) -> None:
        super().__init__(table)
        self.visited: set[Row] = set()

    def get(self, key: Any, default: Any = None) -> Any:
        if key in self:
            self.visited.add(key)
        return super().get(key, default)

    def __getitem__(self, key: Any) -> Any:
        row = super().__getitem__(key)
        self.visited.add(key)
        return row


@pytest.fixture
def recorders(monkeypatch: pytest.MonkeyPatch) -> dict[str, Recorder]:
    """Puts a recorder into the place of every table."""
    made: dict[int, Recorder] = {}
    for owner, name, table in list(places()):
        recorder = made.setdefault(id(table), Recorder(table))
        monkeypatch.setattr(owner, name, recorder)
    return {name: made[id(table)] for name, table in TABLES.items()}


TABLES = tables()
ELSEWHERE = ("client_transaction", "server_transaction", "subscription")
"""Their rows are visited in test_transaction_tables.py and test_referral_table.py."""


# Pairs: how far two have come with each other


@dataclass
class Pair:
    """A call between the two agents of a `Net`. `ours` is the caller's session, `theirs` the called party's."""

    net: Any
    caller: str
    called: str
    ours: str = ""
    theirs: str = ""

    def do(self, act: Callable[[], object]) -> None:
        """What an owner wants; that it does not fit is harmless."""
        try:
            act()
        except StateError:
            pass
        self.net.drain()

    @property
    def one(self) -> Any:
        return self.net.agent(self.caller)

    @property
    def other(self) -> Any:
        return self.net.agent(self.called)

    def ring(self) -> None:
        self.do(lambda: self.other.ring(self.theirs, self.net.now, contact=PBX))

    def accept(self) -> None:
        self.do(lambda: self.other.accept(self.theirs, self.net.ANSWER, self.net.now, contact=PBX))

    def silence(self) -> None:
        self.net.swallow()

    def speak(self) -> None:
        self.net.drop = lambda who, message: False
        self.net.answers_probes = True


PBX = Address.parse("<sip:pbx@10.0.0.1:5060>")
PLAIN = Style(refresher=False, trying=False)
RELIABLE = Style(refresher=False, trying=False, reliable=True)
KINDS_OF_CALL = tuple(product(("phone", "server"), (True, False)))


def begin(make: Make, caller: str, offer: bool, style: Style = PLAIN) -> Pair:
    """A call, sent and not answered in any way."""
    net = make(phone_style=style, server_style=style)
    net.connect()
    sdp = net.OFFER if offer else None
    ours, theirs = net.call_server(offer=sdp) if caller == "phone" else net.call_phone(offer=sdp)
    return Pair(net, caller, "server" if caller == "phone" else "phone", ours, theirs)


def calling(make: Make, caller: str, offer: bool) -> Pair:
    return begin(make, caller, offer)


def rung(make: Make, caller: str, offer: bool) -> Pair:
    pair = begin(make, caller, offer)
    pair.ring()
    return pair


def rung_surely(make: Make, caller: str, offer: bool) -> Pair:
    """It rings reliably, with the called party's offer or answer; the PRACK is lost, or waits for an answer."""
    pair = begin(make, caller, offer, RELIABLE)
    pair.net.drop = lambda who, message: isinstance(message, Request) and message.method == "PRACK"
    pair.do(lambda: pair.other.ring(pair.theirs, pair.net.now, status=183, body=pair.net.sdp(9, 1), contact=PBX))
    return pair


def cancelling(make: Make, caller: str, offer: bool) -> Pair:
    """Given up before the peer had said anything."""
    pair = begin(make, caller, offer)
    pair.do(lambda: pair.one.hangup(pair.ours, pair.net.now))
    return pair


def cancelled_ringing(make: Make, caller: str, offer: bool) -> Pair:
    pair = rung(make, caller, offer)
    pair.net.drop = lambda who, message: who == pair.caller
    pair.do(lambda: pair.one.hangup(pair.ours, pair.net.now))
    pair.speak()
    return pair


def withdrawing(make: Make, caller: str, offer: bool) -> Pair:
    """Withdrawn before the peer had said anything."""
    pair = begin(make, caller, offer)
    pair.do(lambda: pair.one.withdraw(pair.ours, pair.net.now))
    return pair


def withdrawn_ringing(make: Make, caller: str, offer: bool) -> Pair:
    pair = rung(make, caller, offer)
    pair.net.drop = lambda who, message: who == pair.caller
    pair.do(lambda: pair.one.withdraw(pair.ours, pair.net.now))
    pair.speak()
    return pair


def accepted(make: Make, caller: str, offer: bool) -> Pair:
    """Answered; the ACK is lost (or waits for our answer)."""
    pair = rung(make, caller, offer)
    pair.net.drop = lambda who, message: isinstance(message, Request) and message.method == "ACK"
    pair.accept()
    return pair


def parting(make: Make, caller: str, offer: bool) -> Pair:
    """Hung up by who answered, before the ACK."""
    pair = accepted(make, caller, offer)
    pair.do(lambda: pair.other.hangup(pair.theirs, pair.net.now))
    return pair


def established(make: Make, caller: str, offer: bool) -> Pair:
    pair = rung(make, caller, offer)
    pair.accept()
    pair.do(lambda: pair.one.answer(pair.ours, pair.net.ANSWER, pair.net.now))
    pair.net.told["phone"].clear()
    pair.net.told["server"].clear()
    return pair


def leaving(make: Make, caller: str, offer: bool) -> Pair:
    """Hung up by both at once, and nothing gets through."""
    pair = established(make, caller, offer)
    pair.silence()
    pair.do(lambda: pair.one.hangup(pair.ours, pair.net.now))
    pair.do(lambda: pair.other.hangup(pair.theirs, pair.net.now))
    return pair


def offered(make: Make, caller: str, offer: bool) -> Pair:
    """A re-INVITE (without an offer where `offer` is not set) has reached the called party's owner."""
    pair = established(make, caller, True)
    pair.do(lambda: pair.one.reinvite(pair.ours, pair.net.sdp(1, 2) if offer else None, pair.net.now))
    return pair


def offering(make: Make, caller: str, offer: bool) -> Pair:
    """A re-INVITE that the peer does not get."""
    pair = established(make, caller, True)
    pair.net.drop = lambda who, message: who == pair.caller
    pair.do(lambda: pair.one.reinvite(pair.ours, pair.net.sdp(1, 2) if offer else None, pair.net.now))
    pair.speak()
    return pair


def offer_answered(make: Make, caller: str, offer: bool) -> Pair:
    """A re-INVITE was answered; the ACK is lost, or waits for the answer to the offer in the 2xx."""
    pair = offered(make, caller, offer)
    pair.net.drop = lambda who, message: isinstance(message, Request) and message.method == "ACK"
    pair.do(lambda: pair.other.answer(pair.theirs, pair.net.sdp(9, 2), pair.net.now))
    return pair


def glaring(make: Make, caller: str, offer: bool) -> Pair:
    """Both offer at once."""
    pair = established(make, caller, True)
    first = pair.net.sdp(1, 2) if offer else None
    pair.one.reinvite(pair.ours, first, pair.net.now)
    pair.other.reinvite(pair.theirs, pair.net.sdp(9, 2), pair.net.now)
    pair.net.drain()
    return pair


def updated(make: Make, caller: str, offer: bool) -> Pair:
    """An UPDATE with an offer has reached the called party's owner."""
    pair = established(make, caller, True)
    pair.do(lambda: pair.one.update(pair.ours, pair.net.now, offer=pair.net.sdp(1, 2)))
    return pair


REACH = (calling, rung, rung_surely, cancelling, cancelled_ringing, withdrawing, withdrawn_ringing, accepted, parting,
         established, leaving, offered, offering, offer_answered, glaring, updated)  # fmt: skip


# Pairs: what can happen then


def press_answer(pair: Pair) -> None:
    pair.do(lambda: pair.one.answer(pair.ours, pair.net.ANSWER, pair.net.now))


def press_peer_answers(pair: Pair) -> None:
    pair.do(lambda: pair.other.answer(pair.theirs, pair.net.sdp(9, 3), pair.net.now))


def press_reinvite(pair: Pair) -> None:
    pair.do(lambda: pair.one.reinvite(pair.ours, pair.net.sdp(1, 5), pair.net.now))


def press_peer_offers(pair: Pair) -> None:
    pair.do(lambda: pair.other.reinvite(pair.theirs, pair.net.sdp(9, 5), pair.net.now))


def press_offer_again(pair: Pair) -> None:
    """The offer that was answered last comes again: a refresh."""
    pair.do(lambda: pair.one.reinvite(pair.ours, pair.net.sdp(1, 7), pair.net.now))
    press_peer_answers(pair)
    pair.do(lambda: pair.one.reinvite(pair.ours, pair.net.sdp(1, 7), pair.net.now))


def press_bye(pair: Pair) -> None:
    """A BYE of the peer's, whatever it has done before."""
    raw(pair, "BYE")


def press_cancel(pair: Pair) -> None:
    """A CANCEL for the last INVITE."""
    sent = pair.net.requests(pair.caller, "INVITE")
    if sent:
        invite = sent[-1][1]
        lines = [f"{name}: {value}" for name, value in invite.headers if name in ("Via", "From", "To", "Call-ID")]
        text = "\r\n".join([f"CANCEL {invite.uri} SIP/2.0", *lines, f"CSeq: {invite.cseq.number} CANCEL", "", ""])
        pair.net.send_raw(pair.called, text)


def press_silence(pair: Pair) -> None:
    pair.silence()
    pair.net.run(45)


def press_long_silence(pair: Pair) -> None:
    pair.silence()
    pair.net.run(700)


def press_speech(pair: Pair) -> None:
    """What was lost comes when it is sent again."""
    pair.speak()
    pair.net.run(20)


def press_cut(pair: Pair) -> None:
    pair.net.cut()
    pair.net.run(10)


def press_cut_for_long(pair: Pair) -> None:
    pair.net.reachable = False
    pair.net.cut()
    pair.net.run(400)


def press_question(pair: Pair) -> None:
    """An INFO that a peer does not answer: it is gone."""
    pair.net.drop = lambda who, message: message.cseq.method in ("INFO", "BYE")
    pair.do(lambda: pair.one.info(pair.ours, "text/plain", "x", pair.net.now))
    pair.do(lambda: pair.other.info(pair.theirs, "text/plain", "x", pair.net.now))
    pair.net.run(45)


def press_offer_unacknowledged(pair: Pair) -> None:
    """A re-INVITE is answered, and no ACK comes."""
    pair.net.drop = lambda who, message: isinstance(message, Request) and message.method == "ACK"
    press_reinvite(pair)
    press_peer_answers(pair)
    pair.net.run(45)


def press_peer_offer_unacknowledged(pair: Pair) -> None:
    pair.net.drop = lambda who, message: isinstance(message, Request) and message.method == "ACK"
    press_peer_offers(pair)
    press_answer(pair)
    pair.net.run(45)


PRESS: dict[str, Callable[[Pair], None]] = {
    "ring": lambda pair: pair.ring(),
    "accept": lambda pair: pair.accept(),
    "reject": lambda pair: pair.do(lambda: pair.other.reject(pair.theirs, 486, pair.net.now)),
    "hangup": lambda pair: pair.do(lambda: pair.one.hangup(pair.ours, pair.net.now)),
    "peer_hangs_up": lambda pair: pair.do(lambda: pair.other.hangup(pair.theirs, pair.net.now)),
    "refuse": lambda pair: pair.do(lambda: pair.other.refuse(pair.theirs, 488, pair.net.now)),
    "time": lambda pair: pair.net.run(45),
    "long_time": lambda pair: pair.net.run(400),
    **{name: it for name, it in list(globals().items()) if name.startswith("press_")},
}


def raw(pair: Pair, method: str) -> None:
    """A request in the dialog that the caller never sent; the called party cannot know that."""
    invites = pair.net.requests(pair.caller, "INVITE")
    answers = [answer for _, answer in pair.net.responses(pair.called, "INVITE") if answer.to.tag is not None]
    if not answers:
        return
    invite, answer = invites[0][1], answers[-1]
    text = (
        f"{method} sip:x@h SIP/2.0\r\nVia: SIP/2.0/WS h.invalid;branch=z9hG4bKraw\r\n"
        f"From: {invite.headers.get('From')}\r\nTo: {answer.headers.get('To')}\r\n"
        f"Call-ID: {invite.call_id}\r\nCSeq: 900 {method}\r\nMax-Forwards: 70\r\n\r\n"
    )
    pair.net.send_raw(pair.called, text)


def check_ends(pair: Pair) -> None:
    """After all of that the two can always be brought to rest, and each session ended once."""
    net = pair.net
    net.reachable = True
    pair.speak()
    for who in ("phone", "server"):
        agent = net.agent(who)
        for session in agent.sessions():
            pair.do(lambda agent=agent, session=session: agent.hangup(session, net.now))  # type: ignore[misc]
    net.assert_clean()
    for who in ("phone", "server"):
        ended = [event.session for event in net.told[who] if isinstance(event, SessionEnded)]
        assert len(ended) == len(set(ended)), f"{who}: a session ended twice"


@contextmanager
def noted(what: str) -> Iterator[None]:
    """Whatever is raised inside says where it was."""
    try:
        yield
    except BaseException as failure:
        failure.add_note(what)
        raise


# Registration and the way to the server


def answering(status: int, *headers: tuple[str, str]) -> Callable[[Any, RequestReceived], None]:
    def answer(net: Any, asked: RequestReceived) -> None:
        contact = asked.request.headers.get("Contact") or ""
        more = (("Contact", contact),) if status == 200 else headers
        net.server.respond(asked.key, status, net.now, headers=more)

    return answer


def offline(make: Make) -> Any:
    net = make()
    net.reachable = False
    net.phone.start(net.now)
    net.run(0)
    return net


def unanswered(make: Make) -> Any:
    net = make()
    net.registrar = None
    net.phone.start(net.now)
    net.run(0)
    return net


def registered(make: Make) -> Any:
    net = make()
    net.connect()
    return net


def refreshing(make: Make) -> Any:
    net = registered(make)
    net.registrar = None
    net.phone.register(net.now)
    net.run(0)
    return net


def refused(make: Make, status: int = 403) -> Any:
    net = make()
    net.registrar = answering(status, ("Min-Expires", "90000"))
    net.phone.start(net.now)
    net.run(0)
    net.registrar = None
    return net


def pausing(make: Make) -> Any:
    return refused(make, 500)


def leaving_server(make: Make) -> Any:
    net = registered(make)
    net.registrar = None
    net.phone.stop(net.now)
    net.run(0)
    return net


def connecting(make: Make) -> Any:
    """A flow is being opened, and nothing comes of it yet."""
    net = make()
    net._open = lambda flow, url: None
    net.phone.start(net.now)
    net.run(0)
    return net


def probing(make: Make) -> Any:
    net = registered(make)
    net.swallow()
    net.run(22)
    return net


REACH_SERVER = (offline, unanswered, registered, refreshing, refused, pausing, leaving_server, connecting, probing)


def answer_waiting(net: Any, status: int, *headers: tuple[str, str]) -> None:
    """Answer the REGISTER that waits, and all that follow."""
    net.registrar = answering(status, *headers)
    for event in [it for it in net.told["server"] if isinstance(it, RequestReceived) and not it.answered]:
        net.told["server"].remove(event)
        try:
            net.registrar(net, event)
        except StateError:
            continue
    net.drain()


def owner(net: Any, act: Callable[[], object]) -> None:
    try:
        act()
    except StateError:
        pass
    net.drain()


def stop_slowly(net: Any) -> None:
    """The un-REGISTER is not answered in its time."""
    owner(net, lambda: net.phone.stop(net.now))
    net.run(2.5)


def reconnect(net: Any) -> None:
    net.reachable = True
    net.run(5)


def tell_flow(net: Any, kind: str) -> None:
    """What a transport says of the flow that is being opened, or is open."""
    from offhook.sip import flow as flows

    made = {
        "opened": lambda flow: flows.FlowOpened(flow, "10.0.0.2:4000", "10.0.0.1:5066"),
        "failed": lambda flow: flows.FlowFailed(flow, "x"),
        "closed": lambda flow: flows.FlowClosed(flow, "x"),
        "alive": flows.FlowAlive,
    }[kind]
    for number in range(1, 4):
        net.give("phone", made(f"p.{number}"))


PRESS_SERVER: tuple[Callable[[Any], None], ...] = (
    lambda net: answer_waiting(net, 200),
    lambda net: answer_waiting(net, 423, ("Min-Expires", "3600")),
    lambda net: answer_waiting(net, 423, ("Min-Expires", "900000")),
    lambda net: answer_waiting(net, 403),
    lambda net: answer_waiting(net, 500),
    lambda net: answer_waiting(net, 503, ("Retry-After", "5")),
    lambda net: net.cut(),
    lambda net: net.run(40),
    lambda net: net.run(700),
    lambda net: owner(net, lambda: net.phone.register(net.now)),
    lambda net: owner(net, lambda: net.phone.stop(net.now)),
    lambda net: owner(net, lambda: net.phone.start(net.now)),
    stop_slowly,
    reconnect,
    lambda net: tell_flow(net, "opened"),
    lambda net: tell_flow(net, "failed"),
    lambda net: tell_flow(net, "closed"),
    lambda net: tell_flow(net, "alive"),
)


def check_leaves(net: Any) -> None:
    """The phone can always leave, and leaves no trace."""
    net.__dict__.pop("_open", None)
    net.reachable = net.answers_probes = True
    net.drop = lambda who, message: False
    net.registrar = None
    owner(net, lambda: net.phone.stop(net.now))
    net.run(40)
    assert (len(net.phone), len(net.server), len(net.timers)) == (0, 0, 0)


# Scripts for what is left


def script_ring_timeout(make: Make) -> None:
    """It rings too long, for a caller that heard nothing at all and one that did."""
    for ring in (False, True):
        for caller in ("phone", "server"):
            net = make(phone_style=PLAIN, server_style=PLAIN, timing=Timing(ring_timeout=20.0))
            net.connect()
            ours, theirs = net.call_server() if caller == "phone" else net.call_phone()
            pair = Pair(net, caller, "server" if caller == "phone" else "phone", ours, theirs)
            if ring:
                pair.ring()
            pair.silence()
            net.run(25)
            pair.speak()
            check_ends(pair)


def script_one_hears_the_other(make: Make) -> None:
    """Nothing of the called party's gets through until the call was given up; then all of it does."""
    for caller, offer in KINDS_OF_CALL:
        for late in (PRESS["ring"], PRESS["accept"], PRESS["reject"]):
            pair = cancelling(make, caller, offer)
            late(pair)
            check_ends(pair)


def script_early_timeout(make: Make) -> None:
    """A CANCEL that nobody answers."""
    for caller, offer in KINDS_OF_CALL:
        pair = rung(make, caller, offer)
        pair.net.drop = lambda who, message: True
        PRESS["hangup"](pair)
        pair.net.run(40)
        check_ends(pair)


def script_timer_overdue(make: Make) -> None:
    """Sessions that the peer does not refresh."""
    for caller in ("phone", "server"):
        net = make(phone_style=PLAIN, server_style=PLAIN)
        net.connect()
        headers = (("Supported", "timer"), ("Session-Expires", "90;refresher=uac"))
        if caller == "server":
            net.answer_phone(headers=headers)
        else:
            net.phone.invite("sip:9@example.org", net.OFFER, net.now, headers=headers)
            net.drain()
            theirs = net.server.sessions()[-1]
            net.server.accept(theirs, net.ANSWER, net.now, contact=PBX)
            net.drain()
        net.drop = lambda who, message: True
        net.run(200)
        net.drop = lambda who, message: False
        net.assert_clean()


def script_refresh_after_glare(make: Make) -> None:
    """Both offer at once; the peer, which comes first, offers what we have answered already."""
    for caller in ("phone", "server"):
        pair = established(make, caller, True)
        net = pair.net
        pair.do(lambda pair=pair: pair.other.reinvite(pair.theirs, pair.net.sdp(9, 7), pair.net.now))  # type: ignore[misc]
        pair.do(lambda pair=pair: pair.one.answer(pair.ours, pair.net.sdp(1, 7), pair.net.now))  # type: ignore[misc]
        pair.one.reinvite(pair.ours, net.sdp(1, 8), net.now)
        pair.other.reinvite(pair.theirs, net.sdp(9, 7), net.now)
        net.run(5)
        check_ends(pair)


def script_redirected(make: Make) -> None:
    """The call is tried elsewhere, before and after it rang."""
    moved = (("Contact", "<sip:elsewhere@example.org>"),)
    for ring in (False, True):
        account = Account("1001", "example.org", "secret", ("ws://pbx",), redirects=3)
        net = make(phone_style=PLAIN, server_style=PLAIN, account=account)
        net.connect()
        pair = Pair(net, "phone", "server", *net.call_server())
        if ring:
            pair.ring()
        pair.do(lambda pair=pair: pair.other.reject(pair.theirs, 302, pair.net.now, headers=moved))  # type: ignore[misc]
        assert net.requests("phone", "INVITE")[-1][1].uri == "sip:elsewhere@example.org"
        check_ends(pair)


def script_first_offer_refused(make: Make) -> None:
    """What holds when the first offer of a peer is taken back: nothing, as before."""
    negotiation = Negotiation()
    negotiation.receive_offer("v=0")
    negotiation.roll_back()
    assert (negotiation.open, negotiation.local, negotiation.remote) == (False, None, None)


def script_reinvite_without_end(make_net: Make) -> None:
    """The peer takes our re-INVITE by 100; then neither an answer nor that to the CANCEL comes through."""
    net = make_net()
    net.connect()
    session, _ = net.answer_server()
    net.phone.reinvite(session, net.sdp(1, 2), net.now)
    net.drain()
    net.drop = lambda who, message: message.cseq.method in ("CANCEL", "INVITE")
    net.run(65)
    net.drop = lambda who, message: False
    net.phone.hangup(session, net.now)
    net.assert_clean()


def script_disowned(make_net: Make) -> None:
    """Another session took its place: the peer ends it, or never does."""
    for ours, ends in product((True, False), (True, False)):
        net = make_net()
        net.connect()
        session, other = net.answer_server() if ours else reversed(net.answer_phone())
        net.phone.disown(session, net.now)
        net.drain()
        assert net.sent("phone")[-1] != "BYE"
        if ends:
            net.server.hangup(other, net.now)
            net.drain()
            assert net.responses("phone", "BYE")[-1][1].status == 200
        net.run(40)
        assert len(net.phone) == 0
        net.phone.disown(session, net.now)  # it is not there any more


SCRIPTS = tuple(it for name, it in list(globals().items()) if name.startswith("script_"))


# The tests


class TestRows:
    def test_every_row_is_visited(self, make_net: Make, recorders: dict[str, Recorder]) -> None:
        """One test, because the rows that were visited are counted: everything happens in every state of two agents."""
        for reach, (name, press), (caller, offer) in product(REACH, PRESS.items(), KINDS_OF_CALL):
            with noted(f"{caller} calls, {reach.__name__}, {name}, offer: {offer}"):
                pair = reach(make_net, caller, offer)
                press(pair)
                check_ends(pair)
        for reach_server, press_server in product(REACH_SERVER, PRESS_SERVER):
            with noted(f"{reach_server.__name__}, {press_server.__name__}"):
                net = reach_server(make_net)
                press_server(net)
                check_leaves(net)
        for script in SCRIPTS:
            with noted(script.__name__):
                script(make_net)
        missing = {
            f"{name}: {state.name} + {given.name}"
            for name, recorder in recorders.items()
            if name.partition(".")[0] not in ELSEWHERE
            for state, given in recorder
            if (state, given) not in recorder.visited
        }
        assert not missing, "\n".join(["rows that nothing leads to:", *sorted(missing)])


class TestStrays:
    """What has no row does nothing: late, doubled, or made up."""

    def test_there_are_tables(self) -> None:
        assert {"client_transaction.INVITE", "invite_client.TRANSITIONS", "registration.TRANSITIONS"} <= set(TABLES)
        assert sum(map(len, TABLES.values())) > 150

    def test_machines(self, make_net: Make) -> None:
        """Every machine of a call and of a registration, put into every state and given everything."""
        pair = established(make_net, "phone", True)
        phone, server = pair.net.phone, pair.net.server
        ours, theirs = phone._endpoint.sessions[pair.ours], server._endpoint.sessions[pair.theirs]
        machines: list[tuple[Any, str, str]] = [
            (ours, "step", "invite_client.TRANSITIONS"),
            (theirs, "step", "invite_server.TRANSITIONS"),
            (ours.renegotiation, "_step", "renegotiation.TRANSITIONS"),
            (phone._attachment._registration, "_step", "registration.TRANSITIONS"),
            (phone._attachment._connectivity, "_step", "connectivity.TRANSITIONS"),
        ]
        for machine, verb, name in machines:
            self.check(pair, machine, verb, TABLES[name])

    def check(self, pair: Pair, machine: Any, verb: str, table: Table) -> None:
        some_state, some_input = next(iter(table))
        before, timers = machine.state, len(pair.net.timers)
        for state, given in product(type(some_state), type(some_input)):
            if (state, given) not in table:
                machine.state = state
                getattr(machine, verb)(given, pair.net.now)
                assert machine.state is state
                assert not pair.net.phone.outputs() and not pair.net.server.outputs()
                assert len(pair.net.timers) == timers
        machine.state = before
