"""Hold, retrieve, mute, and offers of the other side: contract §2 rows 6, 7, 9, 10, §4; RB §3.6, §3.7."""

from __future__ import annotations

from typing import Any

import pytest

from offhook.cti.holding import holds
from offhook.media.engine import ApplyAnswer, CreateAnswer, CreateOffer, Direction, EngineFailed, Rollback, SetMuted
from offhook.sip.events import OfferReceived, RenegotiationFailed

AUDIO = "v=0\r\no=- 1 1 IN IP4 1.2.3.4\r\ns=-\r\nc=IN IP4 1.2.3.4\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n"


def muted(bench: Any) -> list[bool]:
    return [request.muted for request in bench.desk.requests if isinstance(request, SetMuted)]


def last_offer(bench: Any) -> OfferReceived:
    return next(event for event in reversed(bench.pbx.events) if isinstance(event, OfferReceived))


def test_hold_and_retrieve(bench: Any) -> None:
    dialog, session = bench.talk()
    result = bench.desk.done("holdCall", dialogId=dialog)
    assert result["dialogId"] == dialog
    (event,) = bench.desk.news()
    held = event["response"]["dialog"]
    assert (event["event"], held["state"], held["isCallAlreadyActive"]) == ("dialogState", "HELD", True)
    assert held["participants"][0]["actions"]["action"] == ["RETRIEVE", "TRANSFER_SST", "DROP"]
    assert "a=sendonly" in (last_offer(bench).offer or "")
    bench.desk.done("retrieveCall", dialogId=dialog)
    assert bench.desk.heard() == ["dialogState ACTIVE"]
    assert "a=sendrecv" in (last_offer(bench).offer or "")
    assert bench.desk.dialog()["isCallAlreadyActive"] is True
    assert session


def test_the_state_is_told_when_it_is_accepted(bench: Any) -> None:
    """RB §8.4: the reference told it when the re-INVITE left."""
    dialog, session = bench.talk()
    bench.pbx.offers = "keep"
    asked = bench.desk.ask("holdCall", dialogId=dialog)
    bench.run(1)
    assert bench.desk.news() == [] and bench.desk.results(asked) == []
    offer = last_offer(bench).offer
    bench.pbx.ua.answer(session, bench.pbx.answer_to(session, offer or ""), bench.network.now())
    bench.run()
    assert bench.desk.heard() == ["dialogState HELD"]
    assert bench.desk.result(asked)["status"] == "done"


def test_refused_the_call_is_as_it_was(bench: Any) -> None:
    """RB §8.4: the reference told HELD, and could never hold again."""
    dialog, _ = bench.talk()
    bench.pbx.offers = "488"
    error = bench.desk.failed("holdCall", dialogId=dialog)
    assert (error["type"], error["code"], error["dialogId"]) == ("generalError", "hold-refused", dialog)
    (event,) = bench.desk.news()
    assert (event["event"], event["response"]["description"]) == ("Error", "Not Acceptable Here")
    assert any(isinstance(request, Rollback) for request in bench.desk.requests)
    assert bench.desk.session.dialogs[0].state == "ACTIVE"
    bench.pbx.offers = "answer"
    bench.desk.done("holdCall", dialogId=dialog)
    bench.pbx.offers = "500"
    assert bench.desk.failed("retrieveCall", dialogId=dialog)["code"] == "retrieve-refused"
    assert bench.desk.session.dialogs[0].state == "HELD"
    bench.pbx.offers = "answer"
    bench.desk.done("retrieveCall", dialogId=dialog)


def test_asking_for_the_state_it_is_in(bench: Any) -> None:
    """The event, and nothing on the wire."""
    dialog, _ = bench.talk()
    for action, state in (("retrieveCall", "ACTIVE"), ("holdCall", "HELD"), ("holdCall", "HELD")):
        bench.desk.done(action, dialogId=dialog)
        assert bench.desk.heard() == [f"dialogState {state}"]
    assert sum(isinstance(event, OfferReceived) for event in bench.pbx.events) == 1


def test_a_second_hold_waits_for_the_first(bench: Any) -> None:
    """RB §8.14: the reference dropped it silently."""
    dialog, session = bench.talk()
    bench.pbx.offers = "keep"
    asked = [bench.desk.ask(action, dialogId=dialog) for action in ("holdCall", "holdCall", "retrieveCall")]
    bench.run(1)
    offer = last_offer(bench).offer
    bench.pbx.offers = "answer"
    bench.pbx.ua.answer(session, bench.pbx.answer_to(session, offer or ""), bench.network.now())
    bench.run()
    assert bench.desk.heard() == ["dialogState HELD", "dialogState HELD", "dialogState ACTIVE"]
    assert [bench.desk.result(one)["status"] for one in asked] == ["done"] * 3


def test_only_an_established_call_is_held(bench: Any) -> None:
    """RB §8.13: the reference threw."""
    dialog, _ = bench.rings()
    bench.desk.news()
    for action, told in (
        ("holdCall", "holdCall"),
        ("retrieveCall", "unholdCall"),
        ("mute_call", "mute_call"),
        ("unmute_call", "unmute_call"),
    ):
        error = bench.desk.failed(action, dialogId=dialog)
        assert (error["type"], error["description"], error["dialogId"]) == (
            "invalidState",
            f"invalid action {told}",
            dialog,
        )
    assert bench.desk.heard() == ["Error wrong-state"] * 4


def test_no_answer_to_the_hold(bench: Any) -> None:
    dialog, session = bench.talk()
    bench.pbx.offers = "keep"
    asked = bench.desk.ask("holdCall", dialogId=dialog)
    bench.run(41)
    assert bench.desk.result(asked)["error"]["code"] == "timeout"
    assert bench.desk.heard() == ["Error timeout"]
    second = bench.desk.failed("retrieveCall", dialogId=dialog)
    assert second["code"] == "timeout"
    bench.pbx.ua.answer(session, bench.pbx.answer_to(session, last_offer(bench).offer or ""), bench.network.now())
    bench.run()
    # What came too late for the command is true all the same.
    assert bench.desk.heard() == ["Error timeout", "dialogState HELD"]
    bench.pbx.offers = "answer"
    bench.desk.done("retrieveCall", dialogId=dialog)


def test_a_hang_up_does_not_wait_for_a_stuck_hold(bench: Any) -> None:
    dialog, session = bench.talk()
    bench.pbx.offers = "keep"
    held, queued = bench.desk.ask("holdCall", dialogId=dialog), bench.desk.ask("SendDtmf", dialogId=dialog, message="1")
    bench.run(1)
    bench.desk.done("releaseCall", dialogId=dialog)
    assert bench.desk.heard() == ["dialogState DROPPED"]
    assert bench.desk.result(held)["error"]["code"] == bench.desk.result(queued)["error"]["code"] == "call-ended"
    bench.run(40)
    assert bench.pbx.ended(session) is not None
    assert bench.desk.news() == []


def test_a_hold_that_the_other_side_hangs_up_on_is_no_error(bench: Any) -> None:
    """Its 487 comes before its BYE: a desk told of an Error would turn the agent not-ready."""
    dialog, session = bench.talk()
    bench.pbx.offers = "keep"
    held = bench.desk.ask("holdCall", dialogId=dialog)
    queued = bench.desk.ask("SendDtmf", dialogId=dialog, message="1")
    bench.run(1)
    bench.pbx.ua.refuse(session, 487, bench.network.now())
    bench.run(0.1)
    assert bench.desk.news() == [] and bench.desk.results(held) == []
    bench.pbx.ua.hangup(session, bench.network.now())
    bench.run(40)
    assert bench.desk.heard() == ["dialogState DROPPED"]
    assert bench.desk.result(held)["error"]["code"] == bench.desk.result(queued)["error"]["code"] == "call-ended"
    assert bench.pbx.digits == []


def test_a_487_without_a_hang_up_is_tried_again(bench: Any) -> None:
    dialog, session = bench.talk()
    bench.pbx.offers = "487"
    held = bench.desk.ask("holdCall", dialogId=dialog)
    bench.run(1)
    bench.pbx.offers = "answer"
    bench.run(1)
    assert bench.desk.heard() == ["dialogState HELD"]
    assert bench.desk.result(held)["status"] == "done"
    bench.pbx.offers = "487"
    retrieved = bench.desk.ask("retrieveCall", dialogId=dialog)
    bench.run(41)
    assert bench.desk.heard() == ["Error timeout"]
    assert bench.desk.result(retrieved)["error"]["code"] == "timeout"
    assert bench.desk.session.dialogs[0].state == "HELD" and session


def test_glare(bench: Any) -> None:
    """Both sides re-INVITE at once: 491, and both get through in the end."""
    dialog, session = bench.talk()
    bench.network.conditions = type(bench.network.conditions)(delay=0.05)
    bench.pbx.ua.reinvite(session, bench.pbx.offer(session), bench.network.now())
    asked = bench.desk.ask("holdCall", dialogId=dialog)
    bench.run(10)
    assert bench.desk.result(asked)["status"] == "done"
    assert bench.desk.heard() == ["dialogState HELD"]
    assert [event for event in bench.pbx.events if isinstance(event, RenegotiationFailed)] == []
    bench.desk.done("retrieveCall", within=1, dialogId=dialog)


def test_their_offer_comes_while_ours_is_being_made(bench: Any) -> None:
    dialog, session = bench.talk()
    bench.desk.deaf_engine = True
    asked = bench.desk.ask("holdCall", dialogId=dialog)
    bench.run()
    bench.desk.deaf_engine = False
    bench.pbx.ua.reinvite(session, bench.pbx.offer(session), bench.network.now())
    bench.run(1)
    kinds = [type(request) for request in bench.desk.requests[-5:]]
    assert kinds[:4] == [CreateOffer, Rollback, CreateAnswer, CreateOffer]
    assert bench.desk.result(asked)["status"] == "done"
    assert bench.desk.heard() == ["dialogState HELD"]


def test_the_engine_cannot_offer(bench: Any) -> None:
    dialog, _ = bench.talk()
    bench.desk.fail_next[CreateOffer] = "internal"
    assert bench.desk.failed("holdCall", dialogId=dialog)["code"] == "media-internal"
    bench.desk.done("holdCall", dialogId=dialog)


def test_the_engine_cannot_take_the_answer(bench: Any) -> None:
    """The hold stands, for the other side took it; that something is wrong is told."""
    dialog, _ = bench.talk()
    bench.desk.fail_next[ApplyAnswer] = "bad-sdp"
    bench.desk.done("holdCall", dialogId=dialog)
    assert sorted(bench.desk.heard()) == ["Error media-bad-sdp", "dialogState HELD"]


def test_the_flow_breaks_at_the_wrong_moment(bench: Any) -> None:
    """The re-INVITE cannot leave; it does as soon as there is a flow again."""
    dialog, _ = bench.talk()
    bench.desk.deaf_engine = True
    asked = bench.desk.ask("holdCall", dialogId=dialog)
    bench.run()
    request = next(r for r in reversed(bench.desk.requests) if isinstance(r, CreateOffer))
    bench.network.reset(bench.desk.host)
    bench.run(0.01)
    bench.desk.deaf_engine = False
    bench.desk.engine.perform(request)
    bench.run(2.5)
    assert bench.desk.result(asked)["status"] == "done"
    assert bench.desk.heard() == ["dialogState HELD"]


# The other side


def test_remote_hold(bench: Any) -> None:
    """It changes no state; the additive `remoteHold` says it."""
    dialog, session = bench.talk()
    assert "remoteHold" not in bench.desk.dialog()
    bench.pbx.ua.reinvite(session, bench.pbx.offer(session, Direction.SENDONLY), bench.network.now())
    bench.run()
    assert bench.desk.heard() == ["dialogState ACTIVE"]
    assert bench.desk.dialog()["remoteHold"] is True
    bench.pbx.ua.reinvite(session, bench.pbx.offer(session, Direction.SENDONLY), bench.network.now())
    bench.run()
    assert bench.desk.news() == []
    bench.pbx.ua.reinvite(session, bench.pbx.offer(session), bench.network.now())
    bench.run()
    assert bench.desk.heard() == ["dialogState ACTIVE"]
    assert bench.desk.dialog()["remoteHold"] is False
    assert dialog


def test_both_hold(bench: Any) -> None:
    dialog, session = bench.talk()
    bench.desk.done("holdCall", dialogId=dialog)
    bench.pbx.ua.reinvite(session, bench.pbx.offer(session, Direction.SENDONLY), bench.network.now())
    bench.run()
    assert bench.desk.heard() == ["dialogState HELD", "dialogState HELD"]
    answers = [request for request in bench.desk.requests if isinstance(request, CreateAnswer)]
    assert answers[-1].direction is Direction.SENDONLY
    bench.pbx.direction = Direction.SENDONLY
    bench.desk.done("retrieveCall", dialogId=dialog)
    shown = bench.desk.dialog()
    assert (shown["state"], shown["remoteHold"]) == ("ACTIVE", True)


def test_a_reinvite_without_an_offer(bench: Any) -> None:
    dialog, session = bench.talk()
    bench.pbx.ua.reinvite(session, None, bench.network.now())
    bench.run(1)
    offers = [request for request in bench.desk.requests if isinstance(request, CreateOffer)]
    assert len(offers) == 2
    bench.desk.done("holdCall", dialogId=dialog)


def test_an_offer_that_cannot_be_answered(bench: Any) -> None:
    dialog, session = bench.talk()
    bench.desk.fail_next[CreateAnswer] = "no-common-codec"
    bench.pbx.ua.reinvite(session, bench.pbx.offer(session, Direction.SENDONLY), bench.network.now())
    bench.run()
    assert bench.desk.heard() == ["Error media-no-common-codec"]
    failed = next(event for event in bench.pbx.events if isinstance(event, RenegotiationFailed))
    assert failed.status == 488
    bench.desk.done("holdCall", dialogId=dialog)
    assert "remoteHold" not in bench.desk.dialog()


def test_an_offer_that_is_taken_back(bench: Any) -> None:
    """The flow on which it came is gone: what was under way for it is forgotten."""
    dialog, session = bench.talk()
    bench.desk.deaf_engine = True
    bench.pbx.ua.reinvite(session, bench.pbx.offer(session, Direction.SENDONLY), bench.network.now())
    bench.run()
    bench.network.reset(bench.desk.host)
    bench.desk.deaf_engine = False
    bench.run(2)
    assert any(isinstance(each, Rollback) for each in bench.desk.requests)
    bench.desk.done("holdCall", within=1, dialogId=dialog)


@pytest.mark.parametrize(
    ("sdp", "held"),
    [
        (AUDIO, False),
        (AUDIO + "a=sendrecv\r\n", False),
        (AUDIO + "a=recvonly\r\n", False),
        (AUDIO + "a=sendonly\r\n", True),
        (AUDIO + "a=inactive\r\n", True),
        (AUDIO.replace("t=0 0\r\n", "t=0 0\r\na=sendonly\r\n"), True),
        (AUDIO.replace("c=IN IP4 1.2.3.4", "c=IN IP4 0.0.0.0"), True),
        (AUDIO + "c=IN IP4 0.0.0.0\r\n", True),
        (AUDIO.replace("m=audio", "m=video"), None),
        (AUDIO.replace("4000", "0"), None),
        ("rubbish", None),
    ],
)
def test_what_a_description_says(sdp: str, held: bool | None) -> None:
    assert holds(sdp) is held


# Mute


def test_mute(bench: Any) -> None:
    dialog, _ = bench.talk()
    for action, mute in (("mute_call", True), ("mute_call", True), ("unmute_call", False), ("unmute_call", False)):
        bench.desk.done(action, dialogId=dialog)
        assert bench.desk.heard() == ["dialogState ACTIVE"]
        assert bench.desk.dialog()["participants"][0]["mute"] is mute
        assert bench.desk.dialog()["isCallAlreadyActive"] is False
    assert muted(bench) == [True, True, False, False]
    assert not any(isinstance(event, OfferReceived) for event in bench.pbx.events)


def test_mute_survives_hold_and_retrieve(bench: Any) -> None:
    dialog, _ = bench.talk()
    bench.desk.done("mute_call", dialogId=dialog)
    bench.desk.done("holdCall", dialogId=dialog)
    assert bench.desk.dialog()["participants"][0]["mute"] is True
    bench.desk.done("retrieveCall", dialogId=dialog)
    assert bench.desk.dialog()["participants"][0]["mute"] is True
    bench.desk.done("holdCall", dialogId=dialog)
    bench.desk.done("unmute_call", dialogId=dialog)
    assert (bench.desk.dialog()["state"], bench.desk.dialog()["participants"][0]["mute"]) == ("HELD", False)
    assert all(muted(bench))  # unmuted, but held
    bench.desk.done("retrieveCall", dialogId=dialog)
    assert muted(bench)[-1] is False


def test_who_holds_is_not_heard(bench: Any) -> None:
    """From the asking on, until the retrieve is accepted; `participants[].mute` says nothing of it."""
    dialog, session = bench.talk()
    bench.pbx.offers = "keep"
    bench.desk.ask("holdCall", dialogId=dialog)
    bench.run(1)
    assert muted(bench) == [True]
    bench.pbx.offers = "answer"
    bench.pbx.ua.answer(session, bench.pbx.answer_to(session, last_offer(bench).offer or ""), bench.network.now())
    bench.run()
    assert (bench.desk.dialog()["state"], bench.desk.dialog()["participants"][0]["mute"]) == ("HELD", False)
    bench.pbx.offers = "500"
    bench.desk.failed("retrieveCall", dialogId=dialog)
    assert muted(bench) == [True]
    bench.pbx.offers = "answer"
    bench.desk.done("retrieveCall", dialogId=dialog)
    assert muted(bench) == [True, False]


def test_a_refused_hold_gives_the_microphone_back(bench: Any) -> None:
    dialog, _ = bench.talk()
    bench.pbx.offers = "488"
    bench.desk.failed("holdCall", dialogId=dialog)
    assert muted(bench) == [True, False]
    bench.desk.done("mute_call", dialogId=dialog)
    bench.desk.failed("holdCall", dialogId=dialog)
    assert muted(bench) == [True, False, True, True, True]


def test_a_mute_behind_a_stuck_hold_silences_at_once(bench: Any) -> None:
    """Told in its turn; but nobody is heard who does not want to be."""
    dialog, _ = bench.talk()
    bench.pbx.offers = "keep"
    bench.desk.ask("holdCall", dialogId=dialog)
    bench.desk.ask("unmute_call", dialogId=dialog)
    asked = bench.desk.ask("mute_call", dialogId=dialog)
    bench.run()
    assert muted(bench) == [True, True]
    assert bench.desk.results(asked) == []
    bench.run(40)
    assert bench.desk.result(asked)["status"] == "done"
    assert all(muted(bench))


def test_commands_that_come_with_the_answer_wait_for_it(bench: Any) -> None:
    bench.network.conditions = type(bench.network.conditions)(delay=0.1)
    bench.pbx.call()
    bench.run(1)
    dialog = bench.desk.dialog()["id"]
    asked = [bench.desk.ask(action, dialogId=dialog) for action in ("answerCall", "holdCall", "mute_call")]
    bench.run(2)
    assert [bench.desk.result(one)["status"] for one in asked] == ["done"] * 3
    assert bench.desk.heard() == [
        "newInboundCall ALERTING",
        "dialogState ACTIVE",
        "dialogState HELD",
        "dialogState HELD",
    ]


def test_a_call_that_is_gone_at_the_server(bench: Any) -> None:
    """481 to the re-INVITE: the call is over, and that is told once."""
    dialog, _ = bench.talk()
    bench.pbx.offers = "481"
    assert bench.desk.failed("holdCall", dialogId=dialog)["code"] == "call-ended"
    assert bench.desk.heard() == ["dialogState DROPPED"]
    assert bench.desk.session.dialogs == ()


def test_the_engine_takes_longer_than_the_command_may(make_bench: Any) -> None:
    bench = make_bench(command_timeout=5.0, media_timeout=100.0)
    bench.login()
    dialog, _ = bench.talk()
    bench.desk.deaf_engine = True
    assert bench.desk.failed("holdCall", within=6, dialogId=dialog)["code"] == "timeout"
    assert isinstance(bench.desk.requests[-1], Rollback)
    bench.desk.deaf_engine = False
    bench.desk.done("holdCall", dialogId=dialog)


def test_their_offer_while_our_answer_is_waited_for(bench: Any) -> None:
    """After a 491 the other side may be faster; then it is its turn to wait, for our offer is made already."""
    dialog, session = bench.talk()
    bench.pbx.offers = "491"
    asked = bench.desk.ask("holdCall", dialogId=dialog)
    bench.run(0.01)
    bench.pbx.offers = "answer"
    bench.pbx.ua.reinvite(session, bench.pbx.offer(session), bench.network.now())
    bench.run(10)
    assert bench.desk.result(asked)["status"] == "done"
    assert bench.desk.heard() == ["dialogState HELD"]


def test_an_offer_while_another_is_being_answered(bench: Any) -> None:
    """The engine takes too long for the first."""
    _, session = bench.talk()
    bench.desk.deaf_engine = True
    bench.pbx.ua.reinvite(session, bench.pbx.offer(session, Direction.SENDONLY), bench.network.now())
    bench.run(11)
    assert bench.desk.heard() == ["Error media-timeout"]
    bench.desk.deaf_engine = False
    bench.pbx.ua.reinvite(session, bench.pbx.offer(session, Direction.SENDONLY), bench.network.now())
    bench.run()
    assert bench.desk.heard() == ["dialogState ACTIVE"]


def test_there_is_no_flow_for_longer_than_the_command_may_take(make_bench: Any) -> None:
    bench = make_bench(command_timeout=2.0)
    bench.login()
    dialog, _ = bench.talk()
    bench.desk.deaf_engine = True
    asked = bench.desk.ask("holdCall", dialogId=dialog)
    bench.run()
    bench.network.cut(bench.pbx_host)
    bench.network.reset(bench.desk.host)
    bench.run(0.001)
    bench.desk.deaf_engine = False
    bench.desk.engine.perform(bench.desk.requests[-1])
    bench.run(2)
    assert bench.desk.result(asked)["error"]["code"] == "timeout"
    bench.network.heal(bench.pbx_host)
    bench.run(60)
    bench.desk.done("holdCall", dialogId=dialog)


def test_the_session_and_the_engine_fail_at_the_same_instant(bench: Any) -> None:
    """Two timers: the user agent knows that the session is over, and we do not yet."""
    dialog, session = bench.talk()
    bench.desk.deaf_engine = True
    bench.pbx.ua.reinvite(session, bench.pbx.offer(session), bench.network.now())
    bench.run(1)
    own, now = bench.desk.session, bench.network.now()
    own._work.ua.hangup(own._work.calls[dialog].session, now)
    asked = bench.desk.requests[-1]
    assert isinstance(asked, CreateAnswer)
    own.receive(EngineFailed(asked.id, asked.media, "timeout", ""), now)
    bench.run()
    assert bench.desk.heard() == ["Error media-timeout", "dialogState DROPPED"]


# Another path


def offers_asked(bench: Any) -> list[Direction]:
    return [request.direction for request in bench.desk.requests if isinstance(request, CreateOffer)]


def test_a_call_whose_media_has_another_path_is_offered_again_and_nothing_is_told(bench: Any) -> None:
    dialog, _ = bench.talk()
    session, media = bench.desk.session, bench.desk.session.media_of(dialog)
    assert session.dialog_of(media) == dialog and session.dialog_of("other") is None
    before = offers_asked(bench)
    session.renew(frozenset({"other"}), bench.network.now())
    session.renew(frozenset({media}), bench.network.now())
    bench.run()
    assert offers_asked(bench) == [*before, Direction.SENDRECV] and bench.desk.news() == []
    bench.desk.done("holdCall", dialogId=dialog)
    assert bench.desk.heard() == ["dialogState HELD"]


def test_that_it_is_not_taken_is_told(bench: Any) -> None:
    dialog, _ = bench.talk()
    session = bench.desk.session
    session.renew(frozenset({session.media_of(dialog)}), bench.network.now())
    (request_id,) = session._work.asked
    session.receive(EngineFailed(request_id, "m", "device", "no microphone"), bench.network.now())
    bench.run()
    (event,) = bench.desk.news()
    assert (event["event"], event["response"]["code"]) == ("Error", "media-device")


def test_a_held_call_gets_its_path_when_it_is_retrieved(bench: Any) -> None:
    dialog, _ = bench.talk()
    bench.desk.done("holdCall", dialogId=dialog)
    before = offers_asked(bench)
    bench.desk.session.renew(frozenset({bench.desk.session.media_of(dialog)}), bench.network.now())
    bench.run()
    assert offers_asked(bench) == before


@pytest.mark.parametrize("action", ["holdCall", "retrieveCall"])
def test_the_connection_breaks_before_the_answer(bench: Any, action: str) -> None:
    """The server may have taken it: it is asked anew when it is back, and what is told is what it said then."""
    dialog, _ = bench.answers()
    if action == "retrieveCall":
        bench.desk.done("holdCall", dialogId=dialog)
    bench.desk.news()
    bench.pbx.deaf_to = "INVITE"
    asked = bench.desk.ask(action, dialogId=dialog)
    bench.run(0.1)
    bench.network.reset(bench.desk.host)
    bench.run()
    assert bench.desk.results(asked) == [] and bench.desk.news() == []
    bench.pbx.deaf_to = ""
    bench.run(1)
    bench.pbx.rebind()
    bench.run(5)
    assert bench.desk.result(asked)["status"] == "done"
    state = "HELD" if action == "holdCall" else "ACTIVE"
    assert bench.desk.session.dialogs[0].state == state
