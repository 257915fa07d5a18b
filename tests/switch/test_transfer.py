from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from offhook.media.engine import Direction, Echo, FromPeer, Silence, Tone
from offhook.sip.events import (
    DisplayUpdated,
    Established,
    InviteReceived,
    OfferReceived,
    ReferAccepted,
    ReferProgress,
    RequestAnswered,
    SessionEnded,
)
from offhook.switch.wording import SwitchSettings

MUSIC = Tone(523.0, 659.0)

Benches = Callable[..., Any]


@pytest.fixture
def confirming(make_bench: Benches) -> Any:
    """A switch with `confirm-blind-transfer`."""
    return make_bench(settings=SwitchSettings(confirm_blind_transfer=True))


class Three:
    """1000 has called 1001, and both talk; 1002 is there."""

    def __init__(self, bench: Any) -> None:
        self.bench = bench
        self.alice, self.bob, self.carol = (bench.phone(user) for user in ("1000", "1001", "1002"))
        self.hers = self.alice.call("1001")
        self.bob.ring()
        self.his = self.bob.accept()
        bench.run(1.0)

    def refer(self, number: str = "1002", *, by: Any = None, **more: Any) -> None:
        """1001, or who is said, transfers blind."""
        who = by or self.bob
        who.agent.refer(self.hers if who is self.alice else self.his, f"sip:{number}@127.0.0.1", self.bench.now, **more)
        self.bench.drain()
        self.bench.run(0.5)

    def consult(self, number: str = "1002", *, by: Any = None) -> str:
        """1001, or who is said, holds and calls another; gives the session."""
        who = by or self.bob
        who.reoffer(self.hers if who is self.alice else self.his, Direction.SENDONLY)
        self.bench.run(1.0)
        session: str = who.call(number)
        self.bench.run(0.5)
        return session

    def attend(self, consult: str, *, by: Any = None) -> None:
        """1001, or who is said, connects the other two."""
        who = by or self.bob
        session = self.hers if who is self.alice else self.his
        who.agent.refer(session, "sip:1002@127.0.0.1", self.bench.now, replaces=consult)
        self.bench.drain()

    def talk(self, one: str, other: str) -> None:
        """AssertionError unless the two users hear each other."""
        a, b = self.bench.channel(one), self.bench.channel(other)
        assert (a.peer, b.peer) == (b.uuid, a.uuid)
        assert self.bench.heard_by(a.uuid)[-1] == FromPeer(b.uuid)
        assert self.bench.heard_by(b.uuid)[-1] == FromPeer(a.uuid)


def told(phone: Any) -> list[tuple[int, str]]:
    """What a transferrer was told of its transfers."""
    return [(each.status, each.phrase) for each in phone.have(ReferProgress)]


def cause(phone: Any) -> str:
    """Of the end of the last session."""
    return str(phone.end.reasons[0].text)


def users(bench: Any) -> list[str]:
    return sorted(channel.user for channel in bench.node.channels())


# Blind, in the stock configuration


def test_who_transfers_is_told_at_once_and_hung_up_on(bench: Any) -> None:
    three = Three(bench)
    three.refer(headers=[("X-queueTransfer", "q1")])
    assert three.bob.last(ReferAccepted).status == 202
    assert told(three.bob) == [(200, "OK")] and three.bob.last(ReferProgress).over
    assert cause(three.bob) == "NORMAL_CLEARING"
    invite = three.carol.last(InviteReceived).request
    assert str(invite.from_.uri) == "sip:1000@127.0.0.1" and "1000" in invite.headers.get("Remote-Party-ID")
    assert "1001" in invite.headers.get("Referred-By") and invite.max_forwards == 68
    assert "X-queueTransfer" not in invite.headers  # trace 05c
    three.carol.accept()
    three.talk("1000", "1002")


def test_the_dialplan_knows_the_new_number(bench: Any) -> None:
    three = Three(bench)
    three.refer("6002")
    assert three.carol.last(InviteReceived).request.headers.get("X-Destination-Number") == "6002"
    assert bench.channel("1000").destination == "6002"


def test_the_caller_can_transfer_too(bench: Any) -> None:
    three = Three(bench)
    three.refer(by=three.alice)
    assert told(three.alice) == [(200, "OK")] and three.alice.have(SessionEnded)
    invite = three.carol.last(InviteReceived).request
    assert invite.from_.display_name == "Extension 1001" and invite.max_forwards == 67
    three.carol.accept()
    three.talk("1001", "1002")


@pytest.mark.parametrize(
    ("number", "why"),
    [
        ("9404", "UNALLOCATED_NUMBER"),
        ("1009", "USER_NOT_REGISTERED"),
        ("4444", "NORMAL_CLEARING"),
        ("8486", "USER_BUSY"),
    ],
)
def test_a_target_that_cannot_be_reached_ends_the_call(bench: Any, number: str, why: str) -> None:
    three = Three(bench)
    three.refer(number)
    assert told(three.bob) == [(200, "OK")]
    assert cause(three.alice) == why and bench.node.channels() == ()


def test_a_target_that_rejects_ends_the_call(bench: Any) -> None:
    three = Three(bench)
    three.refer()
    three.carol.reject(486)
    assert cause(three.alice) == "USER_BUSY" and told(three.bob) == [(200, "OK")] and bench.node.channels() == ()


def test_both_are_shown_whom_they_talk_to(bench: Any) -> None:
    three = Three(bench)
    three.refer()
    three.carol.accept()
    bench.run(0.1)
    assert [each.number for each in three.alice.have(DisplayUpdated)] == ["1001", "1002"]
    (shown,) = three.carol.have(DisplayUpdated)
    assert (shown.name, shown.number, shown.attended) == ("Extension 1000", "1000", False)


# Blind, confirmed


def test_the_outcome_is_told_and_the_transferrer_stays(confirming: Any) -> None:
    three = Three(confirming)
    three.refer()
    assert three.bob.last(ReferAccepted).status == 202 and told(three.bob) == []
    three.carol.accept()
    three.talk("1000", "1002")
    confirming.run(60.0)
    assert told(three.bob) == [(200, "OK")] and three.bob.last(ReferProgress).over
    parked = confirming.channel("1001")
    assert parked.peer is None and confirming.heard_by(parked.uuid)[-1] == Silence()
    three.bob.hang_up(three.his)
    three.talk("1000", "1002")


def test_who_is_parked_is_not_kept_for_ever(confirming: Any) -> None:
    three = Three(confirming)
    three.refer()
    three.carol.accept()
    confirming.run(598.0)
    assert users(confirming) == ["1000", "1001", "1002"]
    confirming.run(3.0)
    assert users(confirming) == ["1000", "1002"]
    assert (three.bob.end.reasons[0].protocol, three.bob.end.reasons[0].cause) == ("SIP", 800)


@pytest.mark.parametrize("transferrer", ["caller", "callee"])
def test_a_call_is_given_back_when_the_target_rejects(confirming: Any, transferrer: str) -> None:
    three = Three(confirming)
    who = three.alice if transferrer == "caller" else three.bob
    three.refer(by=who)
    three.carol.reject(486)
    confirming.run(1.0)
    assert told(who) == [(486, "486")]
    three.talk("1000", "1001")
    assert not three.alice.have(OfferReceived) and not three.bob.have(OfferReceived)
    three.alice.hang_up(three.hers)
    assert cause(three.bob) == "NORMAL_CLEARING" and confirming.node.channels() == ()


def test_displays_of_a_call_that_is_given_back(confirming: Any) -> None:
    """A caller is shown the target that has refused (measured)."""
    three = Three(confirming)
    three.refer()
    three.carol.reject(486)
    confirming.run(1.0)
    assert [each.name for each in three.bob.have(DisplayUpdated)] == ["Extension 1000", "1000"]
    assert len(three.alice.have(DisplayUpdated)) == 1
    three.refer(by=three.alice)
    three.carol.reject(486)
    confirming.run(1.0)
    assert [each.number for each in three.alice.have(DisplayUpdated)] == ["1001", "1002"]
    assert [each.name for each in three.bob.have(DisplayUpdated)] == ["Extension 1000", "1000", "1000"]


@pytest.mark.parametrize("transferrer", ["caller", "callee"])
def test_a_held_call_that_is_given_back_is_held_no_more(confirming: Any, transferrer: str) -> None:
    three = Three(confirming)
    who, session = (three.alice, three.hers) if transferrer == "caller" else (three.bob, three.his)
    who.reoffer(session, Direction.SENDONLY)
    confirming.run(1.0)
    three.refer(by=who)
    three.carol.reject(486)
    who.take_offer()
    assert told(who) == [(486, "486")] and len(who.have(OfferReceived)) == 1
    assert not confirming.channel(who.user).held
    three.talk("1000", "1001")


@pytest.mark.parametrize("number", ["4444", "1009", "9302"])
def test_a_number_that_leads_nowhere_is_forbidden(confirming: Any, number: str) -> None:
    """In no dialplan, not registered, or a redirection of an answered call (measured)."""
    three = Three(confirming)
    three.refer(number)
    assert told(three.bob) == [(403, "Forbidden")]
    three.talk("1000", "1001")


def test_a_target_that_does_not_answer(confirming: Any) -> None:
    three = Three(confirming)
    three.refer()
    three.carol.ring()
    confirming.run(19.0)
    assert told(three.bob) == []
    confirming.run(2.0)
    assert told(three.bob) == [(403, "Forbidden")] and cause(three.carol) == "NO_ANSWER"
    three.talk("1000", "1001")


@pytest.mark.parametrize(
    ("number", "why"), [("9404", "UNALLOCATED_NUMBER"), ("9192", "NORMAL_CLEARING"), ("8486", "USER_BUSY")]
)
def test_nothing_is_told_where_the_dialplan_hangs_up(confirming: Any, number: str, why: str) -> None:
    three = Three(confirming)
    three.refer(number)
    confirming.run(1.0)
    assert cause(three.alice) == why
    assert told(three.bob) == [] and users(confirming) == ["1001"]


def test_nothing_is_told_where_the_transferred_party_leaves(confirming: Any) -> None:
    three = Three(confirming)
    three.refer()
    three.carol.ring()
    three.alice.hang_up(three.hers)
    confirming.run(1.0)
    assert cause(three.carol) == "ORIGINATOR_CANCEL"
    assert told(three.bob) == [] and users(confirming) == ["1001"]


def test_nothing_is_told_by_an_application_that_keeps_the_call(confirming: Any) -> None:
    three = Three(confirming)
    three.refer("9196")
    confirming.run(60.0)
    assert confirming.heard_by(confirming.channel("1000").uuid)[-1] == Echo()
    assert told(three.bob) == [] and users(confirming) == ["1000", "1001"]


def test_early_media_counts_as_success(confirming: Any) -> None:
    three = Three(confirming)
    three.refer()
    three.carol.ring(status=183, body=three.carol.answer_to(three.carol.last(InviteReceived).offer))
    assert told(three.bob) == [(200, "OK")]
    three.carol.reject(486)
    confirming.run(1.0)
    assert cause(three.alice) == "USER_BUSY" and users(confirming) == ["1001"]
    assert told(three.bob) == [(200, "OK")]


def test_early_media_that_is_ignored(make_bench: Benches) -> None:
    bench = make_bench(settings=SwitchSettings(confirm_blind_transfer=True, ignore_early_media=True))
    three = Three(bench)
    three.refer()
    three.carol.ring(status=183, body=three.carol.answer_to(three.carol.last(InviteReceived).offer))
    assert told(three.bob) == []
    three.carol.reject(486)
    assert told(three.bob) == [(486, "486")]
    three.talk("1000", "1001")


def test_a_status_may_be_stale(confirming: Any) -> None:
    """Trace 36b: only a target that rings makes FreeSWITCH forget the last one."""
    three = Three(confirming)
    three.refer()
    three.carol.reject(486)
    confirming.run(0.1)
    three.refer("1009")
    assert told(three.bob) == [(486, "486"), (486, "486")]
    confirming.run(0.1)
    three.refer()
    assert three.carol.last(InviteReceived).request.max_forwards == 66
    three.carol.ring()
    three.carol.accept()
    assert told(three.bob)[2:] == [(200, "OK")]


def test_a_caller_that_transfers_right_after_its_hold_is_hung_up_on(confirming: Any) -> None:
    """Traces 30k and 30x: no NOTIFY, and nothing is given back."""
    three = Three(confirming)
    three.alice.reoffer(three.hers, Direction.SENDONLY)
    confirming.run(0.266)
    three.refer(by=three.alice)
    assert cause(three.alice) == "NORMAL_CLEARING" and told(three.alice) == []
    three.carol.reject(486)
    assert cause(three.bob) == "NORMAL_CLEARING" and confirming.node.channels() == ()


def test_a_caller_that_waits_a_moment_after_its_hold(confirming: Any) -> None:
    three = Three(confirming)
    three.alice.reoffer(three.hers, Direction.SENDONLY)
    confirming.run(0.286)
    three.refer(by=three.alice)
    three.carol.accept()
    assert told(three.alice) == [(200, "OK")]
    three.talk("1001", "1002")


def test_who_was_called_need_not_wait_after_its_hold(confirming: Any) -> None:
    three = Three(confirming)
    three.bob.reoffer(three.his, Direction.SENDONLY)
    confirming.run(0.266)
    three.refer()
    three.carol.accept()
    assert told(three.bob) == [(200, "OK")]


def test_a_transferrer_that_hangs_up_after_the_202(confirming: Any) -> None:
    three = Three(confirming)
    three.bob.agent.refer(three.his, "sip:1002@127.0.0.1", confirming.now)
    confirming.drain()
    three.bob.hang_up(three.his)
    confirming.run(0.5)
    three.carol.accept()
    three.talk("1000", "1002")


def test_nobody_is_left_to_give_the_call_back_to(confirming: Any) -> None:
    three = Three(confirming)
    three.refer()
    three.bob.hang_up(three.his)
    three.carol.reject(486)
    assert cause(three.alice) == "NORMAL_CLEARING" and confirming.node.channels() == ()


def test_a_transferred_party_that_leaves_at_once(confirming: Any) -> None:
    three = Three(confirming)
    three.bob.agent.refer(three.his, "sip:1002@127.0.0.1", confirming.now)
    confirming.drain()
    three.alice.hang_up(three.hers)
    confirming.run(1.0)
    assert not three.carol.have(InviteReceived) and users(confirming) == ["1001"]


def test_a_queue_has_taken_the_call_when_its_agent_answers(confirming: Any) -> None:
    """Traces 30d and 30g."""
    alice, bob, agent = (confirming.phone(user) for user in ("1000", "1002", "1001"))
    alice.call("1002")
    bob.ring()
    session = bob.accept()
    confirming.run(0.1)
    bob.agent.refer(session, "sip:5900@127.0.0.1", confirming.now, headers=[("X-queueTransfer", "support")])
    confirming.run(5.0)
    assert told(bob) == []
    invite = agent.last(InviteReceived).request
    assert "X-queueTransfer" not in invite.headers and "Referred-By" not in invite.headers
    agent.ring()
    agent.accept()
    confirming.run(0.5)
    assert told(bob) == [(200, "OK")]
    bob.hang_up(bob.last(InviteReceived).session)
    assert confirming.channel("1000").peer == confirming.channel("1001").uuid


def test_a_target_that_transfers_further(confirming: Any) -> None:
    three = Three(confirming)
    dave = confirming.phone("1003")
    three.refer()
    three.carol.ring()
    session = three.carol.accept()
    three.bob.hang_up(three.his)
    confirming.run(0.1)
    three.carol.agent.refer(session, "sip:1003@127.0.0.1", confirming.now)
    confirming.run(0.5)
    dave.accept()
    assert told(three.carol) == [(200, "OK")]
    three.talk("1000", "1003")


# What is no transfer


@pytest.mark.parametrize("other", ["target", "customer"])
def test_a_leg_that_is_connected_with_nobody(confirming: Any, other: str) -> None:
    three = Three(confirming)
    three.refer()
    three.refer("9196", by=three.bob if other == "target" else three.alice)
    assert told(three.bob if other == "target" else three.alice) == [(403, "Forbidden")]
    three.carol.accept()
    three.talk("1000", "1002")


@pytest.mark.parametrize("headers", [[], [("Refer-To", "<sip:127.0.0.1>")], [("Refer-To", "<<>")]])
def test_a_refer_without_target_is_accepted_and_forgotten(bench: Any, headers: list[tuple[str, str]]) -> None:
    three = Three(bench)
    three.bob.agent.request("REFER", None, bench.now, session=three.his, headers=headers)
    bench.run(1.0)
    assert three.bob.last(RequestAnswered).status == 202
    three.talk("1000", "1001")


def test_a_refer_outside_of_a_call(bench: Any) -> None:
    bob = bench.phone("1001")
    bob.agent.request("REFER", "sip:1002@127.0.0.1", bench.now, headers=[("Refer-To", "<sip:1000@127.0.0.1>")])
    bench.run(1.0)
    assert bob.last(RequestAnswered).status == 405


# Attended


@pytest.mark.parametrize("transferrer", ["caller", "callee"])
def test_the_other_two_are_connected(bench: Any, transferrer: str) -> None:
    three = Three(bench)
    who, user, left = (three.alice, "1000", "1001") if transferrer == "caller" else (three.bob, "1001", "1000")
    consult = three.consult(by=who)
    three.carol.accept()
    bench.run(1.0)
    three.attend(consult, by=who)
    assert told(who) == [(200, "OK")] and not who.have(SessionEnded)
    three.talk(left, "1002")
    bench.run(0.02)
    (first,) = who.have(SessionEnded)
    assert first.session == consult and first.reasons[0].text == "NORMAL_CLEARING"
    bench.run(0.02)
    assert [each.reasons[0].text for each in who.have(SessionEnded)] == ["NORMAL_CLEARING"] * 2
    bench.run(1.0)
    assert user not in users(bench)
    other = three.bob if transferrer == "caller" else three.alice
    assert not other.have(OfferReceived) and not three.carol.have(OfferReceived)
    assert (other.last(DisplayUpdated).number, other.last(DisplayUpdated).attended) == ("1002", False)
    shown = three.carol.last(DisplayUpdated)
    assert (shown.number, shown.attended) == (left, True)
    assert shown.name == ("Outbound Call" if transferrer == "caller" else "1000")
    three.carol.hang_up(three.carol.last(InviteReceived).session)
    assert cause(other) == "NORMAL_CLEARING" and bench.node.channels() == ()


def test_a_customer_that_holds_keeps_holding(bench: Any) -> None:
    three = Three(bench)
    three.alice.reoffer(three.hers, Direction.SENDONLY)
    consult = three.consult()
    three.carol.accept()
    three.attend(consult)
    assert bench.heard_by(bench.channel("1002").uuid)[-1] == MUSIC


def test_the_refer_may_come_on_the_other_leg(bench: Any) -> None:
    """Measured: the leg on which the transferrer was called is kept for a while."""
    three = Three(bench)
    consult = three.consult()
    three.carol.accept()
    three.bob.agent.refer(consult, "sip:1000@127.0.0.1", bench.now, replaces=three.his)
    bench.run(0.1)
    assert told(three.bob) == [(200, "OK")] and users(bench) == ["1000", "1001", "1002"]
    bench.run(2.0)
    assert three.bob.end.session == three.his and three.bob.end.reasons[0].cause == 801
    assert three.alice.last(DisplayUpdated).attended and not three.carol.last(DisplayUpdated).attended
    three.talk("1000", "1002")


def ringing(bench: Any) -> Three:
    """1001 transfers while 1002 still rings (trace 06c)."""
    three = Three(bench)
    consult = three.consult()
    three.carol.ring()
    three.attend(consult)
    bench.run(0.5)
    return three


def test_a_consulted_party_that_still_rings(bench: Any) -> None:
    three = ringing(bench)
    assert told(three.bob) == [(200, "OK")] and len(three.bob.have(SessionEnded)) == 2
    assert users(bench) == ["1000", "1002"]
    three.carol.accept()
    bench.run(1.0)
    three.talk("1000", "1002")
    assert three.alice.last(DisplayUpdated).number == "1002"
    shown = three.carol.last(DisplayUpdated)
    assert shown.name == "1000"
    (told_him,) = [data for flow, data in bench.sent if flow == three.carol.flow and data.startswith(b"INFO ")]
    assert told_him.endswith(b"X-FS-Lazy-Attended-Transfer: true\r\n\r\n")


def test_a_consulted_party_that_rejects_in_the_end(bench: Any) -> None:
    """Measured: the customer is not told why."""
    three = ringing(bench)
    three.carol.reject(486)
    assert cause(three.alice) == "NORMAL_CLEARING" and bench.node.channels() == ()


def test_a_customer_that_does_not_wait_for_the_answer(bench: Any) -> None:
    """Measured."""
    three = ringing(bench)
    three.alice.hang_up(three.hers)
    bench.run(0.5)
    assert three.carol.end.reasons[0].cause == 801 and bench.node.channels() == ()


@pytest.mark.parametrize("named", ["unknown", "itself"])
def test_a_dialog_that_makes_no_transfer(bench: Any, named: str) -> None:
    """Measured: FreeSWITCH calls the Refer-To with the Replaces, in vain."""
    three = Three(bench)
    call_id = "nosuchcall" if named == "unknown" else three.bob.agent.session(three.his).call_id
    target = f"<sip:1002@127.0.0.1?Replaces={call_id}%3Bto-tag%3Dx%3Bfrom-tag%3Dy>"
    three.bob.agent.request("REFER", None, bench.now, session=three.his, headers=[("Refer-To", target)])
    bench.run(1.0)
    notified = [data for flow, data in bench.sent if data.startswith(b"NOTIFY") and b"Event: refer;id=1" in data]
    assert len(notified) == 1 and notified[0].endswith(b"SIP/2.0 403 Forbidden\r\n")
    three.talk("1000", "1001")


def test_a_call_that_rings_at_the_transferrer_is_no_consultation(bench: Any) -> None:
    three = Three(bench)
    three.carol.call("1001")
    coming = three.bob.ring()
    call_id = three.bob.agent.session(coming).call_id
    target = f"<sip:1002@127.0.0.1?Replaces={call_id}>"
    three.bob.agent.request("REFER", None, bench.now, session=three.his, headers=[("Refer-To", target)])
    bench.run(0.5)
    three.bob.agent.reject(coming, 486, bench.now)
    bench.drain()
    assert three.carol.end.status == 486
    three.talk("1000", "1001")


def test_an_early_consultation_without_a_customer(bench: Any) -> None:
    bob, carol = bench.phone("1001"), bench.phone("1002")
    session = bob.call("9196")
    consult = bob.call("1002")
    carol.ring()
    bob.agent.refer(session, "sip:1002@127.0.0.1", bench.now, replaces=consult)
    bench.run(0.5)
    assert told(bob) == [(403, "Forbidden")] and users(bench) == ["1001", "1001", "1002"]


def test_a_consulted_application_that_has_not_answered(bench: Any) -> None:
    three = Three(bench)
    consult = three.consult("9189")
    three.attend(consult)
    bench.run(0.5)
    assert told(three.bob) == [(200, "OK")] and users(bench) == ["1000"]
    assert three.bob.have(SessionEnded)[0].status == 486


def test_a_transferrer_that_is_part_of_another_transfer_gets_nothing_back(confirming: Any) -> None:
    """1001 transfers 1000 and, while that rings, names the parked leg in another transfer."""
    three = Three(confirming)
    dave = confirming.phone("1003")
    three.refer()
    three.carol.ring()
    other = three.bob.call("1003")
    dave.ring()
    dave.accept()
    three.bob.agent.refer(other, "sip:1000@127.0.0.1", confirming.now, replaces=three.his)
    confirming.run(0.5)
    three.carol.reject(486)
    confirming.run(3.0)
    assert cause(three.alice) == "NORMAL_CLEARING"
    assert [each.reasons[0].cause for each in three.bob.have(SessionEnded)] == [801, 16]
    assert three.bob.last(InviteReceived).request.from_.uri.user == "1003"  # the number of the parked call was dialled


def test_a_consulted_application_is_dialled_anew(bench: Any) -> None:
    """Measured: a call with one party gives its number to the other call's party."""
    three = Three(bench)
    consult = three.consult("9196")
    three.attend(consult)
    bench.run(0.5)
    assert told(three.bob) == [(200, "OK")] and users(bench) == ["1000"]
    assert bench.heard_by(bench.channel("1000").uuid)[-1] == Echo()
    assert [each.reasons[0].cause for each in three.bob.have(SessionEnded)] == [801, 16]


def test_a_first_call_that_is_an_application(bench: Any) -> None:
    three = Three(bench)
    session = three.carol.call("9196")
    consult = three.carol.call("1003")
    dave = bench.phone("1003")
    assert consult and not dave.have(InviteReceived)  # not registered in time
    consult = three.carol.call("1003")
    dave.accept()
    three.carol.agent.refer(session, "sip:1003@127.0.0.1", bench.now, replaces=consult)
    bench.run(0.5)
    assert bench.heard_by(bench.channel("1003").uuid)[-1] == Echo() and "1002" not in users(bench)


def test_two_calls_that_are_applications(bench: Any) -> None:
    bob = bench.phone("1001")
    session, consult = bob.call("9196"), bob.call("9664")
    bob.agent.refer(session, "sip:9664@127.0.0.1", bench.now, replaces=consult)
    bench.run(0.5)
    assert told(bob) == [(403, "Forbidden")] and len(bob.have(Established)) == 2 and users(bench) == ["1001", "1001"]


@pytest.mark.parametrize("number", ["9196", "5000", "3000"])
def test_a_transfer_to_an_application_is_confirmed_at_once(make_bench: Benches, number: str) -> None:
    three = Three(make_bench(settings=SwitchSettings(confirm_blind_transfer=True, server_half=True)))
    three.refer(number)
    assert told(three.bob) == [(200, "OK")]


def test_nobody_is_recovered_by_a_transfer(make_bench: Benches) -> None:
    three = Three(make_bench(settings=SwitchSettings(confirm_blind_transfer=True, server_half=True)))
    three.refer("offhook-recover")
    assert told(three.bob) == [(481, "481")]
    three.talk("1000", "1001")


def test_a_transfer_to_a_queue_that_is_not_there_is_refused_and_given_back(confirming: Any) -> None:
    """Measured on FreeSWITCH with conf/freeswitch."""
    three = Three(confirming)
    three.refer("0-nosuchqueue")
    assert told(three.bob) == [(404, "404")]
    three.talk("1000", "1001")


def at_once(confirming: Any, seconds: float, number: str = "1002") -> Three:
    """1001 transfers so long after it has answered."""
    three = Three.__new__(Three)
    three.bench = confirming
    three.alice, three.bob, three.carol = (confirming.phone(user) for user in ("1000", "1001", "1002"))
    three.hers = three.alice.call("1001")
    three.bob.ring()
    three.his = three.bob.accept()
    confirming.run(seconds)
    three.refer(number)
    return three


@pytest.mark.parametrize("seconds", [0.0, 0.04])
def test_who_transfers_at_once_after_its_answer_is_let_go_of(confirming: Any, seconds: float) -> None:
    """Measured: no NOTIFY, a BYE as if it had rung; the transfer is carried out, and nothing is given back."""
    three = at_once(confirming, seconds)
    assert three.bob.last(ReferAccepted).status == 202 and told(three.bob) == []
    assert (three.bob.end.reasons[0].protocol, three.bob.end.reasons[0].cause) == ("SIP", 487)
    assert cause(three.bob) == "ORIGINATOR_CANCEL"
    three.carol.accept()
    three.talk("1000", "1002")


def test_who_transfers_at_once_to_nowhere_has_lost_the_call(confirming: Any) -> None:
    three = at_once(confirming, 0.0, "0-nosuchqueue")
    assert cause(three.bob) == "ORIGINATOR_CANCEL" and told(three.bob) == []
    assert three.alice.have(SessionEnded) and confirming.node.channels() == ()


def test_who_waits_until_it_was_told_whom_it_has_is_told_of_its_transfer(confirming: Any) -> None:
    three = at_once(confirming, 0.06)
    three.carol.accept()
    assert told(three.bob) == [(200, "OK")] and not three.bob.have(SessionEnded)


def test_who_transfers_at_once_after_it_got_its_call_back_is_let_go_of(confirming: Any) -> None:
    """Measured."""
    three = Three(confirming)
    three.refer("0-nosuchqueue")
    confirming.run(0.1)
    three.bob.agent.refer(three.his, "sip:0-other@127.0.0.1", confirming.now)
    confirming.run(0.03)  # given back, and not introduced yet
    three.refer()
    assert cause(three.bob) == "ORIGINATOR_CANCEL"
    three.carol.accept()
    three.talk("1000", "1002")


def test_a_caller_may_transfer_at_once(confirming: Any) -> None:
    """Measured."""
    alice, bob, carol = (confirming.phone(user) for user in ("1000", "1001", "1002"))
    hers = alice.call("1001")
    bob.accept()
    alice.agent.refer(hers, "sip:1002@127.0.0.1", confirming.now)
    confirming.run(0.5)
    carol.accept()
    assert told(alice) == [(200, "OK")]


def test_a_transfer_into_monitoring_is_refused_and_given_back(confirming: Any) -> None:
    three = Three(confirming)
    three.refer("*441002")
    assert told(three.bob) == [(403, "403")]
    three.talk("1000", "1001")
