"""What FreeSWITCH allows a client whose connection, process or media is gone: freeswitch/recovery.md, by its rows."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import count
from typing import Any

import pytest

from offhook.media.engine import CloseMedia, Direction, Echo, FromPeer, MediaConnected, MediaLost, Mix, Silence, Tone
from offhook.sip.events import DisplayUpdated, Established, InviteReceived, OfferReceived, SessionEnded
from offhook.sip.fields import Replaces
from offhook.sip.message import Request
from offhook.switch.causes import Cause
from offhook.switch.core import HangUp, Hold
from offhook.switch.exchange import ChannelEnded
from offhook.switch.takeover import replaced_call_id
from offhook.switch.wording import SwitchSettings

MUSIC = Tone(523.0, 659.0)
ELSEWHERE = ("SIP", 200, "Call completed elsewhere")
PICKED_OFF = ("SIP", 801, "ATTENDED_TRANSFER")
CLEARED = ("Q.850", 16, "NORMAL_CLEARING")

Benches = Callable[..., Any]


@pytest.fixture
def by_conf(make_bench: Benches) -> Any:
    """A switch with what conf/freeswitch adds."""
    return make_bench(settings=SwitchSettings(confirm_blind_transfer=True, server_half=True))


class Two:
    """1000 has called 1001, and both talk."""

    def __init__(self, bench: Any, *, knows_timers: bool = True) -> None:
        self.alice, self.bob = bench.phone("1000"), bench.phone("1001")
        self.bob.knows_timers = knows_timers
        self.hers = self.alice.call("1001")
        bench.run(1.0)
        self.bob.ring()
        self.his = self.bob.accept()
        bench.run(1.0)
        for phone in (self.alice, self.bob):
            phone.events.clear()

    def of(self, user: str) -> tuple[Any, str, Any]:
        """The phone of that user, its session, and the other phone."""
        return (self.alice, self.hers, self.bob) if user == "1000" else (self.bob, self.his, self.alice)


def talk(bench: Any, one: str = "1000", other: str = "1001") -> None:
    """AssertionError unless the two, and nobody else, are there and hear each other."""
    a, b = bench.channel(one), bench.channel(other)
    assert len(bench.node.channels()) == 2 and (a.peer, b.peer) == (b.uuid, a.uuid)
    assert bench.heard_by(a.uuid)[-1] == FromPeer(b.uuid)
    assert bench.heard_by(b.uuid)[-1] == FromPeer(a.uuid)


def name_of(phone: Any, session: str) -> Replaces:
    view = phone.agent.session(session)
    return Replaces(view.call_id, view.remote_tag, view.local_tag)


def take(bench: Any, name: Replaces, user: str, number: str = "offhook-recover") -> tuple[Any, str]:
    """Another phone of `user` takes that dialog over; gives it and its session."""
    heir = bench.phone(user)
    target = f"sip:{number}@127.0.0.1"
    session = heir.agent.invite(target, heir.offer(), bench.now, replaces=name)
    bench.drain()
    return heir, session


def ending(phone: Any) -> tuple[str, int, str]:
    """Of its last session."""
    (only,) = phone.end.reasons
    return only.protocol, only.cause, only.text


def leaving(bench: Any) -> int:
    """How many legs are about to be hung up on."""
    return sum(timer == "leave" for _, timer in bench.node.timers._live)


def display(phone: Any) -> tuple[str, str]:
    shown = phone.last(DisplayUpdated)
    return shown.name, shown.number


class Stray:
    """A connection that has nothing to do with a dialog, over which one asks in that dialog all the same."""

    numbers = count(1000)

    def __init__(self, bench: Any, phone: Any, session: str) -> None:
        self.bench, self.user = bench, phone.user
        self.offer = phone.offer()
        (self.contact, *_) = [found[1] for data in phone.sent if (found := re.search(rb"\r\nContact: ([^\r]+)", data))]
        self.dialog = phone.agent.session(session)
        bench.open("stray", "127.0.0.1:45000")

    def ask(self, method: str) -> int:
        """The final status of the answer; a 200 to an INVITE is acknowledged."""
        number = next(self.numbers)
        before = len(self.bench.sent)
        self._send(method, number)
        if method == "INVITE":
            self._send("ACK", number)
        self.bench.run(0.5)
        said = [data for flow, data in self.bench.sent[before:] if flow == "stray" and data.startswith(b"SIP/2.0 ")]
        return [int(data[8:11]) for data in said if f"\r\nCSeq: {number} {method}\r\n".encode() in data][-1]

    def _send(self, method: str, number: int) -> None:
        offer = self.offer if method == "INVITE" else ""
        lines = [
            f"{method} {self.dialog.remote_target} SIP/2.0",
            f"Via: SIP/2.0/WS stray.invalid;branch=z9hG4bKstray{method}{number}",
            "Max-Forwards: 70",
            f"From: <sip:{self.user}@127.0.0.1>;tag={self.dialog.local_tag}",
            f"To: <sip:x@127.0.0.1>;tag={self.dialog.remote_tag}",
            f"Call-ID: {self.dialog.call_id}",
            f"CSeq: {number} {method}",
            f"Contact: {self.contact.decode()}",
            *(["Content-Type: application/sdp"] if offer else []),
            *(["Refer-To: <sip:127.0.0.1>"] if method == "REFER" else []),
            f"Content-Length: {len(offer)}",
        ]
        self.bench.receive("stray", "\r\n".join([*lines, "", offer]).encode())


# Which connection


@pytest.mark.parametrize("user", ["1000", "1001"])
@pytest.mark.parametrize("lost", [True, False])
def test_a_client_may_ask_over_any_connection(bench: Any, user: str, lost: bool) -> None:
    """Facts 1 and 2, A05 to A08, G01, G02: without a REGISTER and without a challenge; all but MESSAGE."""
    two = Two(bench)
    phone, session, other = two.of(user)
    stray = Stray(bench, phone, session)
    if lost:
        phone.unplug()
    asked = {method: stray.ask(method) for method in ("OPTIONS", "INFO", "UPDATE", "INVITE", "REFER", "MESSAGE", "BYE")}
    assert asked.pop("REFER") == 202 and asked.pop("MESSAGE") == 407
    assert set(asked.values()) == {200}
    assert ending(other) == CLEARED and bench.node.channels() == ()


@pytest.mark.parametrize("user", ["1000", "1001"])
def test_the_server_asks_over_the_first_connection(bench: Any, user: str) -> None:
    """Fact 3, A02 to A10, H01, H02: a registration and a re-INVITE elsewhere do not move that."""
    two = Two(bench)
    phone, session, other = two.of(user)
    stray = Stray(bench, phone, session)
    heir = bench.phone(user)
    assert stray.ask("INVITE") == 200
    before = len(bench.sent)
    bench.give(Hold(user))
    phone.take_offer()
    other.hang_up(two.his if other is two.bob else two.hers)
    asked = [(flow, data.split()[0]) for flow, data in bench.sent[before:] if not data.startswith(b"SIP/2.0")]
    assert asked == [(phone.flow, b"INVITE"), (phone.flow, b"ACK"), (phone.flow, b"BYE")]
    assert heir.flow != phone.flow


def test_a_bye_to_a_connection_that_is_gone_ends_the_leg_in_silence(bench: Any) -> None:
    """Fact 3, N01: nothing is sent, and nothing is delivered later."""
    two = Two(bench)
    stray = Stray(bench, two.alice, two.hers)
    two.alice.unplug()
    before = len(bench.sent)
    two.bob.hang_up(two.his)
    bench.run(40.0)
    assert bench.node.channels() == ()
    assert {flow for flow, _ in bench.sent[before:]} == {two.bob.flow}
    assert [stray.ask(method) for method in ("OPTIONS", "INVITE", "BYE", "INFO")] == [481, 481, 481, 200]


@pytest.mark.parametrize("user", ["1000", "1001"])
def test_a_hold_towards_a_connection_that_is_gone_ends_the_call(bench: Any, user: str) -> None:
    """Fact 3, A02."""
    two = Two(bench)
    phone, _, other = two.of(user)
    phone.unplug()
    bench.give(Hold(user))
    assert ending(other) == ("Q.850", 41, "NORMAL_TEMPORARY_FAILURE") and bench.node.channels() == ()


def test_a_called_leg_without_a_connection_dies_at_its_refresh(bench: Any) -> None:
    """F02, T02: a re-INVITE over another connection does not help."""
    two = Two(bench, knows_timers=False)
    stray = Stray(bench, two.bob, two.his)
    two.bob.unplug()
    bench.run(30.0)
    assert stray.ask("INVITE") == 200
    bench.run(25.0)
    assert len(bench.node.channels()) == 2
    bench.run(40.0)
    assert ending(two.alice) == ("Q.850", 41, "NORMAL_TEMPORARY_FAILURE") and bench.node.channels() == ()


def test_a_called_leg_that_refreshes_lives(bench: Any) -> None:
    """T05: UPDATE over another connection, every 40 s."""
    two = Two(bench)
    stray = Stray(bench, two.bob, two.his)
    two.bob.unplug()
    for _ in range(5):
        assert stray.ask("UPDATE") == 200
        bench.run(40.0)
    assert len(bench.node.channels()) == 2 and not two.alice.have(SessionEnded)


def test_a_calling_leg_without_a_connection_lives(bench: Any) -> None:
    """T01, F01: it has no session timer."""
    two = Two(bench)
    two.alice.unplug()
    bench.run(150.0)
    assert len(bench.node.channels()) == 2 and not two.bob.have(SessionEnded)


# INVITE with Replaces


@pytest.mark.parametrize("number", ["offhook-recover", "recover", "1001", "1000"])
@pytest.mark.parametrize("lost", [True, False])
@pytest.mark.parametrize("user", ["1000", "1001"])
def test_a_call_is_taken_over(by_conf: Any, user: str, lost: bool, number: str) -> None:
    """D01 to D03, D06, D08: whatever the Request-URI is; the other side's signalling stays as it is."""
    two = Two(by_conf)
    phone, session, other = two.of(user)
    name = name_of(phone, session)
    if lost:
        phone.unplug()
    before = len(by_conf.sent)
    heir, taken = take(by_conf, name, user, number)
    assert heir.have(Established) and not other.have(InviteReceived)
    by_conf.run(0.5)
    talk(by_conf)
    assert lost or ending(phone) == ELSEWHERE
    to_other = [data for flow, data in by_conf.sent[before:] if flow == other.flow]
    assert [data.split()[0] for data in to_other] == [b"INFO"]
    assert Cause.PICKED_OFF in [event.cause for event in by_conf.events if isinstance(event, ChannelEnded)]
    by_conf.give(Hold(user))  # what the server asks comes over the new connection
    heir.take_offer()
    assert by_conf.channel(user).held
    other.hang_up(two.his if other is two.bob else two.hers)
    assert ending(heir) == CLEARED and by_conf.node.channels() == ()


def test_who_is_told_what_of_a_take_over(bench: Any) -> None:
    """Measured: the called party, taken over, is told its caller's number, and its caller of itself."""
    two = Two(bench)
    heir, _ = take(bench, name_of(two.alice, two.hers), "1000")
    response = heir.last(Established).response
    assert response.headers.get("X-FS-Display-Number") == "sip:1001@127.0.0.1"
    bench.run(0.1)
    assert display(heir) == ("Outbound Call", "1001") and display(two.bob) == ("1000", "1000")
    second, _ = take(bench, name_of(two.bob, two.his), "1001")
    bench.run(0.1)
    assert second.last(Established).response.headers.get("X-FS-Display-Number") == "sip:1001@127.0.0.1"
    assert display(second) == ("1000", "1000") and display(heir) == ("Extension 1000", "1000")
    talk(bench)


def test_again_and_again(bench: Any) -> None:
    """R01."""
    two = Two(bench)
    phone, session = two.alice, two.hers
    for _ in range(3):
        heir, taken = take(bench, name_of(phone, session), "1000")
        bench.run(0.5)
        assert ending(phone) == ELSEWHERE
        phone, session = heir, taken
    talk(bench)
    phone.hang_up(session)
    assert ending(two.bob) == CLEARED


@pytest.mark.parametrize("tags", [("x", "y"), ("", "")])
def test_the_call_id_alone_counts_and_whoever_asks(bench: Any, tags: tuple[str, str]) -> None:
    """D04, D05, R03."""
    two = Two(bench)
    call_id = two.alice.agent.session(two.hers).call_id
    heir, _ = take(bench, Replaces(call_id, *tags), "1005")
    bench.run(0.5)
    assert ending(two.alice) == ELSEWHERE
    talk(bench, "1005", "1001")


@pytest.mark.parametrize("value", [" abc ", "abc ; to-tag=1;from-tag=2"])
def test_a_replaces_without_tags(value: str) -> None:
    request = Request("INVITE", "sip:x", [("Replaces", value)])
    assert replaced_call_id(request) == "abc" and replaced_call_id(Request("INVITE", "sip:x")) == ""


@pytest.mark.parametrize(("number", "status"), [("offhook-recover", 481), ("recover", 480)])
def test_a_call_that_is_gone_cannot_be_taken_over(by_conf: Any, number: str, status: int) -> None:
    """D12, N01."""
    heir, _ = take(by_conf, Replaces("nosuch", "a", "b"), "1000", number)
    assert heir.end.status == status and by_conf.node.channels() == ()


def test_who_dials_the_other_party_of_a_call_that_is_gone_calls_it_anew(bench: Any) -> None:
    """D12, N01: so a name that is in no dialplan is better."""
    bob = bench.phone("1001")
    take(bench, Replaces("nosuch", "a", "b"), "1000", "1001")
    assert bob.have(InviteReceived)


def test_a_take_over_needs_credentials(bench: Any) -> None:
    two = Two(bench)
    name = name_of(two.alice, two.hers)
    thief = bench.phone("1005", password="wrong")
    thief.agent.invite("sip:recover@127.0.0.1", thief.offer(), bench.now, replaces=name)
    bench.run(0.5)
    talk(bench)


def test_the_old_leg_may_leave_first(bench: Any) -> None:
    two = Two(bench)
    take(bench, name_of(two.alice, two.hers), "1000")
    assert leaving(bench) == 1
    two.alice.hang_up(two.hers)
    assert leaving(bench) == 0
    bench.run(0.5)
    talk(bench)


def test_the_old_leg_hears_nothing_any_more(bench: Any) -> None:
    two = Two(bench)
    old = bench.channel("1000").uuid
    take(bench, name_of(two.alice, two.hers), "1000")
    (view,) = [each for each in bench.node.channels() if each.uuid == old]
    assert view.peer is None and bench.heard_by(old)[-1] == Silence()


@pytest.mark.parametrize("user", ["1000", "1001"])
def test_a_hold_ends_with_the_take_over(bench: Any, user: str) -> None:
    """D09, D13."""
    two = Two(bench)
    phone, session, other = two.of(user)
    phone.reoffer(session, Direction.SENDONLY)
    bench.run(1.0)
    assert bench.heard_by(bench.channel(other.user).uuid)[-1] == MUSIC
    take(bench, name_of(phone, session), user)
    bench.run(0.5)
    talk(bench)
    assert not other.have(OfferReceived)


def test_a_hold_of_the_other_side_ends_too(bench: Any) -> None:
    """Measured: by a re-INVITE to it."""
    two = Two(bench)
    two.bob.reoffer(two.his, Direction.SENDONLY)
    bench.run(1.0)
    take(bench, name_of(two.alice, two.hers), "1000")
    assert "a=sendonly" not in two.bob.last(OfferReceived).offer
    two.bob.take_offer()
    bench.run(0.5)
    assert not bench.channel("1001").held
    talk(bench)


def test_a_called_leg_has_no_session_timer_any_more(bench: Any) -> None:
    """D06, F05: it becomes one that called."""
    two = Two(bench, knows_timers=False)
    two.bob.unplug()
    bench.run(30.0)
    heir, session = take(bench, name_of(two.bob, two.his), "1001")
    bench.run(300.0)
    talk(bench)
    assert not heir.have(OfferReceived) and bench.channel("1001").way.value == "inbound"


def test_a_new_leg_whose_media_fails_takes_nothing(bench: Any) -> None:
    two = Two(bench)
    heir = bench.phone("1000")
    offer = "v=0\r\no=- 1 1 IN IP4 1.1.1.1\r\ns=-\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\n"
    heir.agent.invite("sip:recover@127.0.0.1", offer, bench.now, replaces=name_of(two.alice, two.hers))
    bench.run(0.5)
    assert heir.end.status == 488 and not two.alice.have(SessionEnded)
    talk(bench)


def test_a_call_that_ends_while_the_new_leg_is_made(bench: Any) -> None:
    two = Two(bench)
    heir = bench.phone("1000")
    exchange = bench.node._exchange
    ask, asked = exchange.ask, []
    exchange.ask = lambda make, outcome: asked.append((make, outcome))
    heir.agent.invite("sip:recover@127.0.0.1", heir.offer(), bench.now, replaces=name_of(two.alice, two.hers))
    bench.drain()
    two.bob.hang_up(two.his)
    exchange.ask = ask
    for each in asked:
        exchange.ask(*each)
    bench.run(0.5)
    assert ending(heir) == CLEARED and bench.node.channels() == ()


def test_nothing_of_the_old_leg_is_left(bench: Any) -> None:
    two = Two(bench)
    old = bench.channel("1000").uuid
    heir, session = take(bench, name_of(two.alice, two.hers), "1000")
    bench.run(0.5)
    assert old in {each.media for each in bench.performed(CloseMedia)}
    heir.hang_up(session)
    for phone in bench.everyone:
        phone.agent.stop(bench.now)
    bench.run(40.0)
    assert len(bench.node.timers) == 0 and bench.node._exchange.pending() == 0 and len(bench.node._ua) == 0


# While it rings (measured)


def test_the_caller_takes_its_call_over_while_it_rings(bench: Any) -> None:
    alice, bob = bench.phone("1000"), bench.phone("1001")
    hers = alice.call("1001")
    bob.ring()
    heir, session = take(bench, name_of(alice, hers), "1000")
    assert heir.have(Established)
    bench.run(0.5)
    assert alice.end.status == 480 and ending(alice) == ELSEWHERE
    bob.accept()
    talk(bench)


@pytest.mark.parametrize("end", ["refused", "cancelled", "unanswered"])
def test_a_call_that_was_taken_over_while_it_rang_comes_to_nothing(bench: Any, end: str) -> None:
    alice, bob = bench.phone("1000"), bench.phone("1001")
    hers = alice.call("1001")
    bob.ring()
    heir, session = take(bench, name_of(alice, hers), "1000")
    match end:
        case "refused":
            bob.reject(486)
        case "cancelled":
            heir.hang_up(session)
        case _:
            bench.run(30.0)
    bench.run(0.5)
    assert heir.end and bob.end and bench.node.channels() == ()


def test_the_called_party_takes_the_call_elsewhere_while_it_rings(bench: Any) -> None:
    alice, bob = bench.phone("1000"), bench.phone("1001")
    hers = alice.call("1001")
    his = bob.ring()
    heir, session = take(bench, name_of(bob, his), "1001")
    assert heir.have(Established) and alice.have(Established)
    assert alice.last(Established).response.headers.get("X-FS-Display-Name") == "Outbound Call"
    bench.run(0.5)
    assert ending(bob) == ELSEWHERE
    assert display(heir) == ("1000", "1000") and display(alice) == ("Extension 1000", "1000")
    bench.run(30.0)  # longer than it may ring
    talk(bench)
    alice.hang_up(hers)
    assert ending(heir) == CLEARED


# Not in a call with another


def test_an_application_begins_anew(bench: Any) -> None:
    """D07."""
    alice = bench.phone("1000")
    hers = alice.call("9196")
    heir, _ = take(bench, name_of(alice, hers), "1000")
    bench.run(0.5)
    assert ending(alice) == PICKED_OFF
    assert bench.heard_by(bench.channel("1000").uuid)[-1] == Echo()
    assert "X-FS-Display-Number" in heir.last(Established).response.headers


def test_a_menu_begins_anew(bench: Any) -> None:
    """D07: the digits that were pressed are forgotten."""
    alice = bench.phone("1000")
    hers = alice.call("5000")
    bench.run(1.0)
    alice.press(hers, "7")
    heir, session = take(bench, name_of(alice, hers), "1000")
    bench.run(1.0)
    heir.press(session, "1")
    heir.press(session, "#")
    assert [event.digits for event in bench.events if hasattr(event, "digits")] == ["1"]


def test_the_place_in_a_queue_is_lost(by_conf: Any) -> None:
    """Measured: the new leg is answered and, in a moment, hung up on."""
    alice = by_conf.phone("1000")
    hers = alice.call("5900")
    by_conf.run(1.0)
    assert by_conf.channel("1000").queue == "support"
    heir, _ = take(by_conf, name_of(alice, hers), "1000")
    assert heir.have(Established)
    by_conf.run(0.5)
    assert ending(alice) == PICKED_OFF and ending(heir) == CLEARED and by_conf.node.channels() == ()


def test_a_queue_frees_the_agent_whose_leg_is_taken_over(bench: Any) -> None:
    """recovery.md, pitfalls: it is offered the next call while it talks."""
    alice, carol, agent = bench.phone("1000"), bench.phone("1002"), bench.phone("1001")
    alice.call("5900")
    bench.run(0.5)
    session = agent.accept()
    bench.run(60.0)
    carol.call("5900")
    bench.run(5.0)
    assert len(agent.have(InviteReceived)) == 1
    heir, _ = take(bench, name_of(agent, session), "1001")
    bench.run(60.0)
    assert heir.have(InviteReceived)


def test_a_room_is_entered_anew(bench: Any) -> None:
    alice, bob = bench.phone("1000"), bench.phone("1001")
    hers = alice.call("3000")
    bob.call("3000")
    take(bench, name_of(alice, hers), "1000")
    bench.run(0.5)
    one, other = bench.channel("1000"), bench.channel("1001")
    assert one.conference == other.conference == "3000"
    assert bench.heard_by(other.uuid)[-1] == Mix((one.uuid,)) and ending(alice) == PICKED_OFF


def test_a_parked_transferrer_stays_parked(by_conf: Any) -> None:
    two = Two(by_conf)
    carol = by_conf.phone("1002")
    two.bob.agent.refer(two.his, "sip:1002@127.0.0.1", by_conf.now)
    by_conf.run(0.5)
    heir, session = take(by_conf, name_of(two.bob, two.his), "1001")
    by_conf.run(0.5)
    assert ending(two.bob) == PICKED_OFF and by_conf.channel("1001").peer is None
    carol.accept()
    assert by_conf.channel("1000").peer == by_conf.channel("1002").uuid
    heir.hang_up(session)
    assert len(by_conf.node.channels()) == 2


# Media


@pytest.mark.parametrize(("held", "seconds"), [(False, 300.0), (True, 1800.0)])
def test_a_leg_whose_media_is_gone_for_long_ends(bench: Any, held: bool, seconds: float) -> None:
    """F06."""
    two = Two(bench)
    two.alice.unplug()
    uuid = bench.channel("1000").uuid
    if held:
        bench.node._exchange.channels[uuid].remote_held = True
    bench.engine.tell(MediaConnected(uuid))
    bench.engine.tell(MediaLost(uuid, "consent"))
    bench.drain()
    bench.run(seconds - 1.0)
    assert len(bench.node.channels()) == 2
    bench.run(2.0)
    assert ending(two.bob) == CLEARED and bench.node.channels() == ()


def test_media_that_comes_back_in_time(bench: Any) -> None:
    """R04, B01, C01."""
    Two(bench)
    uuid = bench.channel("1000").uuid
    for _ in range(3):
        bench.engine.tell(MediaConnected(uuid))
        bench.drain()
        bench.run(200.0)
        bench.engine.tell(MediaLost(uuid, "consent"))
        bench.drain()
        bench.run(200.0)
    assert len(bench.node.channels()) == 2
    bench.give(HangUp("1000"))
    bench.run(600.0)
    assert len(bench.node.timers) > 0 and bench.node.channels() == ()


def test_a_member_of_a_conference_stays_one(by_conf: Any) -> None:
    """Measured (conf/freeswitch): the others are told once more that it is there."""
    two = Two(by_conf)
    carol = by_conf.phone("1002")
    consult = two.bob.call("1002")
    carol.accept()
    by_conf.run(1.0)
    two.bob.say(two.his, "CONFERENCE", consult=two.bob.agent.session(consult).call_id)
    two.bob.reoffer(two.his, Direction.SENDONLY)
    by_conf.run(1.0)
    assert carol.words[-1]["additionalAttributes"]["members"][1]["held"]
    heir, session = take(by_conf, name_of(two.bob, two.his), "1001")
    by_conf.run(0.5)
    ended = [each.reasons[0].text for each in two.bob.have(SessionEnded)]
    assert ended == ["CONFERENCE", "ATTENDED_TRANSFER"]
    legs = {user: by_conf.channel(user) for user in ("1000", "1001", "1002")}
    assert len({leg.conference for leg in legs.values()}) == 1
    assert set(by_conf.heard_by(legs["1000"].uuid)[-1].peers) == {legs["1001"].uuid, legs["1002"].uuid}
    assert carol.words[-1]["reasonCode"] == heir.words[-1]["reasonCode"] == "MEMBER_ADDED"
    assert not carol.words[-1]["additionalAttributes"]["members"][1]["held"]
    heir.say(session, "MEMBER_STATE", id="m", held=False, muted=True)
    assert {"event": "DONE", "id": "m"} in heir.words


@pytest.mark.parametrize("user", ["1009", "1005"])
def test_only_a_supervisor_takes_a_monitoring_leg_over(by_conf: Any, user: str) -> None:
    """Measured (conf/freeswitch): the supervisor's own leg is gone by then."""
    Two(by_conf)
    supervisor = by_conf.phone("1009")
    listening = supervisor.call("*441001", offer=supervisor.offer(Direction.RECVONLY))
    heir, session = take(by_conf, name_of(supervisor, listening), user)
    by_conf.run(0.5)
    assert ending(supervisor) == PICKED_OFF
    if user == "1009":
        assert by_conf.channel("1009").listening == by_conf.channel("1001").uuid
        heir.say(session, "WHISPER", on=True)
        assert by_conf.heard_by(by_conf.channel("1001").uuid)[-1].peers[-1] == by_conf.channel("1009").uuid
    else:
        assert ending(heir)[2] == "CALL_REJECTED" and len(by_conf.node.channels()) == 2


def waiting_for_media(bench: Any, act: Callable[[], object]) -> Callable[[], None]:
    """Does that while the engine is slow; gives what lets the engine answer."""
    exchange = bench.node._exchange
    ask, asked = exchange.ask, []
    exchange.ask = lambda make, outcome: asked.append((make, outcome))
    act()
    bench.drain()
    exchange.ask = ask

    def answer() -> None:
        for each in asked:
            exchange.ask(*each)
        bench.drain()

    return answer


def test_the_caller_gives_up_while_another_leg_picks_the_call_up(bench: Any) -> None:
    alice, bob = bench.phone("1000"), bench.phone("1001")
    hers = alice.call("6001")  # a plain 180: its media is made for the 200
    his = bob.ring()
    heir = bench.phone("1001")
    exchange, ask, held = bench.node._exchange, bench.node._exchange.ask, []

    def slow(make: Any, outcome: Any) -> None:
        asked = make("x")
        mine = asked.media == bench.channel("1000").uuid
        held.append((make, outcome)) if mine else ask(make, outcome)

    exchange.ask = slow
    heir.agent.invite("sip:recover@127.0.0.1", heir.offer(), bench.now, replaces=name_of(bob, his))
    bench.drain()
    exchange.ask = ask
    assert held and heir.have(Established) and not alice.have(Established)
    alice.hang_up(hers)
    bench.run(0.5)
    assert heir.end and bob.end and bench.node.channels() == ()


def test_the_caller_takes_over_while_its_answer_is_made(bench: Any) -> None:
    alice, bob = bench.phone("1000"), bench.phone("1001")
    hers = alice.call("6001")
    bob.ring()
    answer = waiting_for_media(bench, bob.accept)
    heir, _ = take(bench, name_of(alice, hers), "1000")
    bench.run(0.5)
    answer()
    assert ending(alice) == ELSEWHERE and heir.have(Established)
    talk(bench)


def test_a_leg_is_taken_over_twice_at_once(bench: Any) -> None:
    """The second one finds a leg that is about to leave: it is nobody's."""
    two = Two(bench)
    name = name_of(two.alice, two.hers)
    first, second = bench.phone("1000"), bench.phone("1000")
    for heir in (first, second):
        heir.agent.invite("sip:recover@127.0.0.1", heir.offer(), bench.now, replaces=name)
        bench.drain()
    assert leaving(bench) == 0
    bench.run(0.5)
    assert not first.have(SessionEnded) and not two.bob.have(SessionEnded)
    talking = {each.uuid: each.peer for each in bench.node.channels() if each.peer is not None}
    assert len(talking) == 2 and bench.channel("1001").uuid in talking
    (alone,) = [each for each in bench.node.channels() if each.peer is None]
    assert alone.user == "1000" and second.have(Established)


def test_a_call_that_ended_with_lost_media_is_over(bench: Any) -> None:
    two = Two(bench)
    uuid = bench.channel("1000").uuid
    bench.engine.tell(MediaConnected(uuid))
    bench.engine.tell(MediaLost(uuid, "consent"))
    bench.drain()
    two.alice.hang_up(two.hers)
    for phone in bench.everyone:
        phone.agent.stop(bench.now)
    bench.run(40.0)
    assert len(bench.node.timers) == 0


def test_a_repeated_take_over_is_one(bench: Any) -> None:
    """Over UDP; and the next call is an ordinary one."""
    two = Two(bench)
    heir = bench.phone("1000", transport="UDP")
    heir.agent.invite("sip:recover@127.0.0.1", heir.offer(), bench.now, replaces=name_of(two.alice, two.hers))
    bench.drain()
    (again,) = [data for data in heir.sent if data.startswith(b"INVITE") and b"Proxy-Authorization" in data]
    bench.receive(heir.flow, again)
    bench.run(0.5)
    talk(bench)
    carol = bench.phone("1002")
    carol.call("9196")
    assert carol.have(Established) and bench.heard_by(bench.channel("1002").uuid)[-1] == Echo()
